// The rows of `topwork models`, in the order of its help.

#include "api/options.h"

typedef tw_models_options models;

// clang-format off
const tw_field tw_models_fields[] = {
    {TWI_TEXT("only", "networks whose name holds this [all]", models, only), .value = "TEXT"},
    TWI_OPTION_FORMAT(models),
    TWI_OPTION_THREADS(models),
    {TWI_FLAG("measure", "measure how many photos a second each makes features of here (minutes)", models, measure)},
    {0}};
// clang-format on
