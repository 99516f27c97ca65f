// What a sweep found, as a table and as pictures. `all` is sweep.json: {"grid", "values": {key: [texts]}, "runs": [rows]}.
#ifndef TWI_REPORT_SWEEP_H
#define TWI_REPORT_SWEEP_H

#include "base/json.h"
#include "base/str.h"

// Rows with the lowest loss of the validation photos first; penalties are left out, since each run has its own. Yours to
// json_decref; NULL: TW_ENOMEM.
json_t *twi_sweep_sort(const json_t *rows, tw_err *err);
void twi_sweep_text(const json_t *all, twi_str *out);
void twi_sweep_html(const json_t *all, const char *dir, twi_str *out);

#endif
