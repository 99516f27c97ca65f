// The rows of `topwork plan`, in the order of its help.

#include "api/options.h"

typedef tw_plan_options plan;

// clang-format off
const tw_field tw_plan_fields[] = {
    {TWI_TEXT("model", "a network's name or a model file", plan, model),
        .value = "MODEL", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_FLAG("top", "with its classifier, which is the default", plan, top)},
    {TWI_FLAG("no_top", "without its classifier", plan, no_top)},
    {TWI_TEXT("weights", "what is loaded [none: a plan needs no values]", plan, weights), .value = "imagenet|none|FILE"},
    TWI_OPTION_INPUT_SIZE(plan),
    {TWI_INT("batch_size", "photos at once", plan, batch_size, 1, 65536), .otherwise = "1"},
    TWI_OPTION_PRECISION(plan),
    TWI_OPTION_THREADS(plan),
    TWI_OPTION_FORMAT(plan),
    {TWI_FLAG("measure", "measure the time of each op and its share of what this machine can do; try other ways to compute it",
              plan, measure)},
    {TWI_TEXT("cache", "folder that remembers what was tried, or 'off' [the user's cache folder]", plan, cache), .value = "DIR|off"},
    {TWI_TEXT("profile", "write a trace of one run, for chrome://tracing or Perfetto", plan, profile), .value = "FILE"},
    {0}};
// clang-format on
