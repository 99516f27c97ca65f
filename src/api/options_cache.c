// The rows of `topwork cache`, in the order of its help.

#include "api/options.h"

typedef tw_cache_options cache;

static const char *const actions[] = {"ls", "size", "clear", NULL};

// clang-format off
const tw_field tw_cache_fields[] = {
    {TWI_TEXT("what", "list the files, tell their size, or delete the features", cache, what),
        .choices = actions, .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_TEXT("cache", "folder of the feature cache [the user's cache folder]", cache, cache), .value = "DIR"},
    {TWI_TEXT("limit", "with clear: delete the least recently used until so much is left [0]", cache, limit), .value = "SIZE"},
    TWI_OPTION_FORMAT(cache),
    {0}};
// clang-format on
