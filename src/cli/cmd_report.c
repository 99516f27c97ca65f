// topwork report RUN: the one-file HTML report of a run, written again.

#include "cli/cli.h"

static tw_status run(cli *c, const void *options)
{
    return tw_report(c->tw, options, &c->err);
}

const cli_verb cli_verb_report = {
    .name = "report",
    .doc = "write the HTML report of a run again",
    .examples = "topwork report runs/efficientnet-lite0-1",
    .fields = tw_report_fields,
    CLI_OPTIONS(tw_report_options),
    .run = run,
};
