// topwork predict MODEL PHOTO…: what is on these photos.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_predict(c->tw, options, &c->err);
}

const cli_verb cli_verb_predict = {
    .name = "predict",
    .doc = "tell the class of photos",
    .examples = "topwork predict runs/efficientnet-lite0-1 new/*.jpg\n"
                "topwork predict model.keras photos/ --format csv > classes.csv\n"
                "find /photos -name '*.jpg' | topwork predict model.keras - --format json",
    .fields = tw_predict_fields,
    CLI_OPTIONS(tw_predict_options),
    .run = run,
};
