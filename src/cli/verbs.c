// The verbs by name, and those that are planned.

#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

#define CLI_VERB(name) extern const cli_verb cli_verb_##name;
#include "cli/list.inc"
#undef CLI_VERB

#define CLI_VERB(name) &cli_verb_##name,
const cli_verb *const cli_verbs[] = {
#include "cli/list.inc"
    NULL};
#undef CLI_VERB

const cli_later cli_later_verbs[] = {{"advise", "measured advice: how deep to freeze, how much to train"},
                                     {"check", "explore a data set: sizes, duplicates, leakage"},
                                     {"explain", "heat map of what the model looked at"},
                                     {"serve", "local pages: live training, try-it"},
                                     {NULL, NULL}};

const cli_verb *cli_verb_find(const char *name, tw_err *err)
{
    enum { VERBS_MAX = 64 };
    tw_field names[VERBS_MAX] = {{0}};
    int n = 0;
    for (int i = 0; cli_verbs[i]; i++) {
        if (strcmp(cli_verbs[i]->name, name) == 0)
            return cli_verbs[i];
        if (n < VERBS_MAX - 1)
            names[n++].key = cli_verbs[i]->name;
    }
    for (int i = 0; cli_later_verbs[i].name; i++) {
        if (strcmp(cli_later_verbs[i].name, name) == 0) {
            cli_fail(err, TW_EUNSUPPORTED, "not supported yet: %s (%s)", name, cli_later_verbs[i].doc);
            return NULL;
        }
        if (n < VERBS_MAX - 1)
            names[n++].key = cli_later_verbs[i].name;
    }
    const char *near = tw_field_nearest(names, name);
    if (access(name, F_OK) == 0)
        cli_fail(err, TW_EINVAL, "unknown verb '%s'\nto train on a folder of photos  topwork train %s", name,
                 name);
    else if (near)
        cli_fail(err, TW_EINVAL, "unknown verb '%s'; did you mean '%s'?", name, near);
    else
        cli_fail(err, TW_EINVAL, "unknown verb '%s'\nthe verbs  topwork --help", name);
    return NULL;
}
