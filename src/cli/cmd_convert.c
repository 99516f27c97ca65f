// topwork convert IN OUT: the same model or weights in another format.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_convert(c->tw, options, &c->err);
}

const cli_verb cli_verb_convert = {
    .name = "convert",
    .doc = "write a model or weights in another format",
    .examples = "topwork convert keras_model.h5 model.keras --verify\n"
                "topwork convert runs/efficientnet-lite0-1 model.weights.h5\n"
                "topwork convert vgg16_weights.h5 vgg16.keras --model vgg16",
    .fields = tw_convert_fields,
    CLI_OPTIONS(tw_convert_options),
    .run = run,
};
