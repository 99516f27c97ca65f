// topwork evaluate MODEL PHOTOS: how good a model is on photos whose classes are known.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_evaluate(c->tw, options, &c->err);
}

const cli_verb cli_verb_evaluate = {
    .name = "evaluate",
    .doc = "measure a model on labelled photos",
    .examples = "topwork evaluate runs/efficientnet-lite0-1 photos/test\n"
                "topwork evaluate model.keras photos/ --format json",
    .fields = tw_evaluate_fields,
    CLI_OPTIONS(tw_evaluate_options),
    .run = run,
};
