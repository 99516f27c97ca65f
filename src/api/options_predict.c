// The rows of `topwork predict`, in the order of its help.

#include "api/options.h"

typedef tw_predict_options predict;

// clang-format off
const tw_field tw_predict_fields[] = {
    {TWI_TEXT("model", "a model file, a run directory, or a network's name", predict, model),
        .value = "MODEL", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_FIELD("photos", "photos, folders of photos, or '-' for a list of paths on standard input", TW_FIELD_TEXTS, predict, photos),
        .value = "PHOTO", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT | TW_FIELD_REST},
    {TWI_INT("topk", "classes shown for each photo, the likeliest first", predict, topk, 1, 100000), .otherwise = "1"},
    {TWI_CHOICE("format", "how results are written", predict, format, twi_option_table_formats), .otherwise = "text"},
    {TWI_TEXT("labels", "file with one class name a line [the model's]", predict, labels), .value = "FILE"},
    {TWI_TEXT("weights", "what a network named as MODEL takes", predict, weights), .otherwise = "imagenet", .value = "imagenet|none|FILE"},
    TWI_OPTION_INPUT_SIZE(predict),
    TWI_OPTION_PREPROCESS(predict),
    TWI_OPTION_EXACT_DECODE(predict),
    TWI_OPTION_PRECISION(predict),
    {TWI_INT("batch_size", "photos computed at once at most; a core takes no more than suits its cache", predict, batch_size, 1, 65536), .otherwise = "32"},
    TWI_OPTION_THREADS(predict),
    {0}};
// clang-format on
