// The rows of `topwork report`, in the order of its help.

#include "api/options.h"

// clang-format off
const tw_field tw_report_fields[] = {
    {TWI_TEXT("run", "a run directory", tw_report_options, run), .value = "RUN", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {0}};
// clang-format on
