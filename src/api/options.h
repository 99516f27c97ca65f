// Rows that several verbs share, so that a flag means and says the same everywhere. Each is used inside a table:
//     const tw_field tw_plan_fields[] = {…, TWI_OPTION_THREADS(tw_plan_options), …, {0}};
//
// A row's help is one line. Its default is shown in brackets after it; where the default is not a value but a rule, the help
// ends with the rule in brackets.
#ifndef TWI_API_OPTIONS_H
#define TWI_API_OPTIONS_H

#include "base/field.h"
#include "data/recipe.h"

#define TWI_TEXT(key, help, s, m) TWI_FIELD(key, help, TW_FIELD_TEXT, s, m)
#define TWI_FLAG(key, help, s, m) TWI_FIELD(key, help, TW_FIELD_BOOL, s, m)

#define TWI_SEED_MAX 9007199254740992.0 // 2^53: exact as a JSON number

// Names of choices, in the order their members count; those of pixels are data/recipe.h's.
extern const char *const twi_option_precisions[];
extern const char *const twi_option_formats[];       // text, json
extern const char *const twi_option_table_formats[]; // text, json, csv

// clang-format off
#define TWI_OPTION_THREADS(s) \
    {TWI_INT("threads", "worker threads [one per core]", s, threads, 0, 1024)}
#define TWI_OPTION_PRECISION(s) \
    {TWI_CHOICE("precision", "arithmetic of the frozen part", s, precision, twi_option_precisions), .otherwise = "auto"}
#define TWI_OPTION_EXACT_DECODE(s) \
    {TWI_FLAG("exact_decode", "decode JPEG at full size with TensorFlow's settings", s, exact_decode)}
#define TWI_OPTION_PREPROCESS(s) \
    {TWI_TEXT("preprocess", "what pixel values the model takes [the model's own]", s, preprocess), .choices = twi_pixel_mode_names}
#define TWI_OPTION_INPUT_SIZE(s) \
    {TWI_INT("input_size", "height and width of the pictures in pixels [the model's]", s, input_size, 0, 16384)}
#define TWI_OPTION_LABELS(s) \
    {TWI_TEXT("labels", "CSV file with a line path,label for each photo", s, labels), .value = "FILE.csv"}
#define TWI_OPTION_LABEL_REGEX(s) \
    {TWI_TEXT("label_regex", "regular expression whose first group finds the class in a file name", s, label_regex), .value = "RE"}
#define TWI_OPTION_FORMAT(s) \
    {TWI_CHOICE("format", "how results are written", s, format, twi_option_formats), .otherwise = "text"}
#define TWI_OPTION_CACHE(s) \
    {TWI_TEXT("cache", "folder of the feature cache, or 'off' [the user's cache folder]", s, cache), .value = "DIR|off"}
#define TWI_OPTION_CACHE_LIMIT(s) \
    {TWI_TEXT("cache_limit", "what the feature cache may hold, the least recently used goes first [10 GB, or a tenth of the free disk]", s, cache_limit), .value = "SIZE"}
// clang-format on

#endif
