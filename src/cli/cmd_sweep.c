// topwork sweep PHOTOS --grid SPEC: many heads and settings on cached features.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_sweep(c->tw, options, &c->err);
}

const cli_verb cli_verb_sweep = {
    .name = "sweep",
    .doc = "many heads and settings on cached features",
    .examples = "topwork sweep photos/ --grid 'dropout=0,0.2,0.5 l2=0,1e-4'\n"
                "topwork sweep --config runs/mobilenet-1/args.json --grid 'lr=1e-4,1e-3,1e-2'\n"
                "topwork sweep photos/ --grid 'head=gap|gap, dense:64:relu lr=1e-3,1e-2' --epochs 5",
    .fields = tw_sweep_fields,
    .config_fields = tw_train_fields,
    CLI_OPTIONS(tw_sweep_options),
    .run = run,
};
