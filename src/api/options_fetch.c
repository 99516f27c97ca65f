// The rows of `topwork fetch`, in the order of its help.

#include "api/options.h"

typedef tw_fetch_options fetch;

// clang-format off
const tw_field tw_fetch_fields[] = {
    {TWI_FIELD("names", "networks whose weights to get, or sets: see --list", TW_FIELD_TEXTS, fetch, names),
        .value = "NAME", .flags = TW_FIELD_ARGUMENT | TW_FIELD_REST},
    {TWI_FLAG("list", "list what can be fetched, and what is there", fetch, list)},
    {TWI_FLAG("top", "weights with the classifier [without, as training uses them]", fetch, top)},
    {TWI_TEXT("base_url", "folder to fetch from: a mirror with files of the same names [their publisher's]", fetch, base_url), .value = "URL"},
    {TWI_FLAG("force", "fetch what is there already", fetch, force)},
    TWI_OPTION_FORMAT(fetch),
    {0}};
// clang-format on
