// The chart of all networks: accuracy against what it costs, as one HTML file.
#ifndef TWI_REPORT_MODELS_H
#define TWI_REPORT_MODELS_H

#include "base/json.h"
#include "base/str.h"

// models: what `topwork models --format json` lists, each with "family". Where photos were measured ("photos_per_second")
// the time of one comes first. TW_ENOMEM.
tw_status twi_models_html(const json_t *models, twi_str *out, tw_err *err);

#endif
