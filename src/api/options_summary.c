// The rows of `topwork summary`, in the order of its help.

#include "api/options.h"

typedef tw_summary_options summary;

static const char *const styles[] = {"keras3", "keras2", NULL};
static const char *const poolings[] = {"none", "avg", "max", NULL};

// clang-format off
const tw_field tw_summary_fields[] = {
    {TWI_TEXT("model", "a network's name or a model file", summary, model),
        .value = "MODEL", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_FLAG("top", "with its classifier, which is the default", summary, top)},
    {TWI_FLAG("no_top", "without its classifier", summary, no_top)},
    {TWI_TEXT("weights", "what is loaded [none: a summary shows no values]", summary, weights), .value = "imagenet|none|FILE"},
    {TWI_FIELD("input_shape", "height, width and channels [the model's]", TW_FIELD_SHAPE, summary, input_shape), .value = "H,W,3"},
    {TWI_TEXT("pooling", "what ends a network without classifier", summary, pooling), .choices = poolings},
    {TWI_INT("classes", "outputs of the classifier [the model's]", summary, classes, 0, 1e6)},
    {TWI_TEXT("freeze", "what does not learn: all, none, first:N, until:NAME, or layers as NAME,#2,block1_* [none; in a file: what it says]", summary, freeze),
        .value = "SPEC"},
    {TWI_TEXT("cut", "show the network up to this layer, by name or place as #-5", summary, cut), .value = "LAYER"},
    {TWI_CHOICE("style", "whose table to print", summary, style, styles), .otherwise = "keras3"},
    {TWI_FLAG("expand_nested", "show the layers of nested models", summary, expand_nested)},
    {TWI_FLAG("show_trainable", "show which layers learn", summary, show_trainable)},
    TWI_OPTION_FORMAT(summary),
    {TWI_TEXT("svg", "draw the network, too", summary, svg), .value = "FILE"},
    {0}};
// clang-format on
