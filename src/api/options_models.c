// The rows of `topwork models`, in the order of its help.

#include "api/options.h"

typedef tw_models_options models;

// clang-format off
const tw_field tw_models_fields[] = {
    TWI_OPTION_FORMAT(models),
    TWI_OPTION_THREADS(models),
    {TWI_FLAG("measure", "measure photos a second", models, measure), .flags = TW_FIELD_LATER},
    {0}};
// clang-format on
