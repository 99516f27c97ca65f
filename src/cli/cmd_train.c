// topwork train PHOTOS: a folder of photos becomes a tested classifier.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_train(c->tw, options, &c->err);
}

const cli_verb cli_verb_train = {
    .name = "train",
    .doc = "make a classifier from a folder of photos",
    .examples = "topwork train photos/\n"
                "topwork train photos/ --model vgg16 --head \"flatten, dense:256:relu, dropout:0.5\"\n"
                "topwork train photos/ --fine-tune 3 --output-dir runs/birds",
    .fields = tw_train_fields,
    CLI_OPTIONS(tw_train_options),
    .streams_events = true,
    .run = run,
};
