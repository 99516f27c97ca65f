// topwork summary MODEL: the layers of a network, as Keras prints them.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_summary(c->tw, options, &c->err);
}

const cli_verb cli_verb_summary = {
    .name = "summary",
    .doc = "show the layers of a network as Keras does",
    .examples = "topwork summary vgg16 --no-top --input-shape 150,150,3\n"
                "topwork summary model.keras --show-trainable",
    .fields = tw_summary_fields,
    CLI_OPTIONS(tw_summary_options),
    .run = run,
};
