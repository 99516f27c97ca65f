// The rows of `topwork evaluate`, in the order of its help.

#include "api/options.h"

typedef tw_evaluate_options evaluate;

// clang-format off
const tw_field tw_evaluate_fields[] = {
    {TWI_TEXT("model", "a model file or a run directory", evaluate, model),
        .value = "MODEL", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_TEXT("photos", "a folder with one sub-folder a class, or with the class in each file name", evaluate, photos),
        .value = "PHOTOS", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    TWI_OPTION_FORMAT(evaluate),
    TWI_OPTION_LABELS(evaluate),
    TWI_OPTION_LABEL_REGEX(evaluate),
    TWI_OPTION_INPUT_SIZE(evaluate),
    TWI_OPTION_PREPROCESS(evaluate),
    TWI_OPTION_EXACT_DECODE(evaluate),
    TWI_OPTION_PRECISION(evaluate),
    {TWI_INT("batch_size", "photos a batch: of matter only to an orthogonal activity regularizer, whose penalty depends on it", evaluate, batch_size, 1, 65536), .otherwise = "32"},
    TWI_OPTION_THREADS(evaluate),
    {0}};
// clang-format on
