// Run directories: where a training run keeps everything (architecture §4). Never overwritten without force.
#ifndef TWI_JOB_RUN_DIR_H
#define TWI_JOB_RUN_DIR_H

#include "base/json.h"
#include "base/str.h"

// Makes the directory: `wanted`, or the first free runs/<model>-<n>. TW_EINVAL when it holds a run already and neither
// force nor resume is given. Returns its path (twi_free), NULL with err.
char *twi_run_dir_make(const char *wanted, const char *model, bool force, bool resume, tw_err *err);
// Path of a file in it (twi_free), NULL with err.
char *twi_run_file(const char *dir, const char *name, tw_err *err);
// Whether the run in it has ended by itself (results.json is there and not marked as interrupted).
bool twi_run_is_finished(const char *dir);
// Writes args.json and removes what an earlier run left beside it; or with resume checks that the earlier one says the same
// where it matters: TW_EINVAL naming the flag.
tw_status twi_run_args(const char *dir, const json_t *args, bool resume, tw_err *err);

#endif
