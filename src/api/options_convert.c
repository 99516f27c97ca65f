// The rows of `topwork convert`, in the order of its help.

#include "api/options.h"

typedef tw_convert_options convert;

// clang-format off
const tw_field tw_convert_fields[] = {
    {TWI_TEXT("in", "a model file, a run directory, a network's name, or weights with --model", convert, in),
        .value = "IN", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_TEXT("out", "the file to write, or a folder as model/; its ending says in which format", convert, out),
        .value = "OUT", .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
    {TWI_FLAG("verify", "read the file again and compare what both answer to the same pictures", convert, verify)},
    {TWI_FLOAT("tolerance", "largest difference that --verify accepts", convert, tolerance, 0, 1), .otherwise = "1e-5"},
    {TWI_FLAG("force", "write over a file that is there already", convert, force)},
    {TWI_TEXT("shard_size", "of the files beside OUT.weights.json, as 500M [5 GB]", convert, shard_size), .value = "SIZE"},
    TWI_OPTION_FORMAT(convert),
    TWI_OPTION_THREADS(convert),

    {TWI_TEXT("model", "network or model file that weights in IN belong to", convert, model), .value = "NAME|FILE",
        .group = "networks by name"},
    {TWI_FLAG("skip_mismatch", "leave out weights of another shape", convert, skip_mismatch)},
    {TWI_FLAG("by_name", "load weights by layer name; what has none keeps its first values", convert, by_name)},
    {TWI_TEXT("weights", "what a network named as IN starts from", convert, weights), .otherwise = "imagenet", .value = "imagenet|none|FILE"},
    {TWI_FLAG("top", "with its classifier, which is the default", convert, top)},
    {TWI_FLAG("no_top", "without its classifier", convert, no_top)},
    {TWI_INT("input_size", "height and width in pixels [the network's]", convert, input_size, 0, 16384)},
    {TWI_INT("classes", "outputs of the classifier [the network's]", convert, classes, 0, 1e6)},
    {0}};
// clang-format on
