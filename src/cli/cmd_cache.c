// topwork cache ls|size|clear: what is kept between runs. The first verb by name, and the example for the others: a verb
// of the program is a row; what it does is a function of the library.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_cache(c->tw, options, &c->err);
}

const cli_verb cli_verb_cache = {
    .name = "cache",
    .doc = "show or empty the feature cache",
    .examples = "topwork cache size\n"
                "topwork cache clear",
    .fields = tw_cache_fields,
    CLI_OPTIONS(tw_cache_options),
    .run = run,
};
