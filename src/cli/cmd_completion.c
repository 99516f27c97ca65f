// topwork completion SHELL: a script that completes verbs, flags and choices; made from the rows, like the help.
//     eval "$(topwork completion bash)"

#include "cli/cli.h"

#include <stddef.h>
#include <string.h>

typedef struct completion {
    const char *shell;
} completion;

static const char *const shells[] = {"bash", NULL};
static const tw_field fields[] = {{.key = "shell",
                                   .help = "whose script to print",
                                   .type = TW_FIELD_TEXT,
                                   .offset = offsetof(completion, shell),
                                   .choices = shells,
                                   .flags = TW_FIELD_REQUIRED | TW_FIELD_ARGUMENT},
                                  {0}};

static void give_names(cli *c, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        cli_print(c, "%s%s", i ? " " : "", names[i]);
}

// One line a flag or argument with known values:  train:--bn) words='auto freeze train' ;;
static void give_values(cli *c, const cli_verb *verb)
{
    char name[80];
    for (const tw_field *f = verb->fields; f && f->key; f++) {
        const char *const *names = f->choices ? f->choices : f->names ? f->names() : NULL;
        if (!names)
            continue;
        bool is_argument = f->flags & TW_FIELD_ARGUMENT;
        cli_print(c, "    %s:%s) words='", verb->name,
                  is_argument ? verb->name : cli_row_name(f, name, sizeof name));
        give_names(c, names);
        cli_print(c, "' ;;\n");
    }
}

static void give_flags(cli *c, const tw_field *fields_)
{
    char name[80];
    for (const tw_field *f = fields_; f && f->key; f++)
        if (!(f->flags & (TW_FIELD_ARGUMENT | TW_FIELD_LATER)))
            cli_print(c, " %s", cli_row_name(f, name, sizeof name));
}

static tw_status run(cli *c, const void *options)
{
    (void)options; // bash is the only choice
    cli_print(c, "# bash completion of topwork\n"
                 "_topwork() {\n"
                 "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} "
                 "verb=${COMP_WORDS[1]} words=\n"
                 "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
                 "    words='help");
    for (int i = 0; cli_verbs[i]; i++)
        cli_print(c, " %s", cli_verbs[i]->name);
    give_flags(c, cli_global_fields);
    cli_print(c, "'\n"
                 "  else case $verb:$previous in\n");
    for (int i = 0; cli_verbs[i]; i++)
        give_values(c, cli_verbs[i]);
    cli_print(c, "    *) case $verb:$current in\n");
    for (int i = 0; cli_verbs[i]; i++) {
        cli_print(c, "      %s:-*) words='", cli_verbs[i]->name);
        give_flags(c, cli_verbs[i]->fields);
        give_flags(c, cli_global_fields);
        cli_print(c, "' ;;\n");
    }
    cli_print(c, "    esac ;;\n"
                 "  esac; fi\n"
                 "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                 "}\n"
                 "complete -o default -F _topwork topwork\n");
    return TW_OK;
}

const cli_verb cli_verb_completion = {
    .name = "completion",
    .doc = "print a script that completes verbs and flags in a shell",
    .examples = "eval \"$(topwork completion bash)\"",
    .fields = fields,
    CLI_OPTIONS(completion),
    .run = run,
};
