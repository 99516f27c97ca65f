// Names of choices that several verbs share. See options.h.

#include "api/options.h"

const char *const twi_option_precisions[] = {"auto", "exact", "f32", "bf16", NULL};
const char *const twi_option_formats[] = {"text", "json", NULL};
const char *const twi_option_table_formats[] = {"text", "json", "csv", NULL};
const char *const twi_option_pixels[] = {"raw", "tf", "torch", "caffe", "lite", "unit", NULL};
// In the order of the enums of data/recipe.h (a test compares).
const char *const twi_option_filters[] = {"tf-antialias", "tf", "pil", NULL};
const char *const twi_option_fits[] = {"stretch", "crop", "pad", NULL};
const char *const twi_option_alphas[] = {"white", "drop", NULL};
const char *const twi_option_exifs[] = {"apply", "ignore", NULL};
