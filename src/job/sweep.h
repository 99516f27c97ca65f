// A sweep in progress: the grid, the options of its runs, and where they go. See sweep.c for the order.
#ifndef TWI_JOB_SWEEP_H
#define TWI_JOB_SWEEP_H

#include "base/field.h"
#include "job/context.h"

enum { TWI_SWEEP_KEYS = 12, TWI_SWEEP_VALUES = 32, TWI_SWEEP_RUNS = 1000 };

// A key of the grid with its values.
typedef struct twi_axis {
    const tw_field *field;
    char *text[TWI_SWEEP_VALUES];
    int n;
} twi_axis;

typedef struct sweep {
    tw_context *tw;
    const tw_sweep_options *o;
    tw_arena *texts; // of option structs
    twi_arena arena;
    twi_axis axis[TWI_SWEEP_KEYS];
    int n_axes, n_runs;
    char *dir;
    tw_train_options base, *options; // what all runs have in common, and [n_runs] each
    json_t **rows;                   // [n_runs] settings and results; NULL: not done
    tw_status *status;               // [n_runs]
    tw_err *errs;                    // [n_runs]
    twi_progress stage;
    const int *among; // runs that go on side by side
} sweep;

// sweep_grid.c. "dropout=0,0.2 l2=0,1e-4" into the axes, and what `topwork train` is given for each run. Every value is looked at
// before the first run begins: TW_EINVAL naming key and value.
tw_status twi_sweep_read_grid(sweep *s, tw_err *err);
// Value of axis `which` in a run; the last axis changes first.
const char *twi_sweep_value(const sweep *s, int run, int which);
// Whether two runs start from the same features: they differ only in what comes behind them.
bool twi_sweep_shares_features(const sweep *s, int a, int b);

// sweep_dir.c. Makes s->dir, or takes up the one where the same sweep was begun. TW_EINVAL: it holds something else.
tw_status twi_sweep_open_dir(sweep *s, tw_err *err);

#endif
