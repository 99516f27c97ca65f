// topwork fetch NAME: published weights and photos into topwork's folder.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_fetch(c->tw, options, &c->err);
}

const cli_verb cli_verb_fetch = {
    .name = "fetch",
    .doc = "get published weights or photos",
    .examples = "topwork fetch vgg16\n"
                "topwork fetch mobilenet_v2:0.35 --top\n"
                "topwork fetch --list",
    .fields = tw_fetch_fields,
    CLI_OPTIONS(tw_fetch_options),
    .run = run,
};
