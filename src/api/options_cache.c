// The rows of `topwork cache`, in the order of its help.

#include "api/options.h"

typedef tw_cache_options cache;

static const char *const actions[] = {"ls", "size", "clear", NULL};

// clang-format off
const tw_field tw_cache_fields[] = {
    {TWI_TEXT("what", "list the files, tell their size, or delete them", cache, what),
        .choices = actions, .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_TEXT("cache", "folder of the feature cache [the user's cache folder]", cache, cache), .value = "DIR"},
    TWI_OPTION_FORMAT(cache),
    {0}};
// clang-format on
