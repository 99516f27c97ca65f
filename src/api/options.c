// Names of choices that several verbs share. See options.h.

#include "api/options.h"

const char *const twi_option_precisions[] = {"auto", "exact", "f32", "bf16", NULL};
const char *const twi_option_formats[] = {"text", "json", NULL};
const char *const twi_option_table_formats[] = {"text", "json", "csv", NULL};
