// topwork models: the pretrained networks, what they cost, and where their weights are.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_models(c->tw, options, &c->err);
}

const cli_verb cli_verb_models = {
    .name = "models",
    .doc = "list the pretrained networks and where their weights are",
    .examples = "topwork models\n"
                "topwork models --format json",
    .fields = tw_models_fields,
    CLI_OPTIONS(tw_models_options),
    .run = run,
};
