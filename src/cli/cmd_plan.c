// topwork plan MODEL: what will be computed, by which kernels, in how much memory.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_plan(c->tw, options, &c->err);
}

const cli_verb cli_verb_plan = {
    .name = "plan",
    .doc = "show how a model will be computed",
    .examples = "topwork plan mobilenet_v2\n"
                "topwork plan model.keras --batch-size 32 --precision exact",
    .fields = tw_plan_fields,
    CLI_OPTIONS(tw_plan_options),
    .run = run,
};
