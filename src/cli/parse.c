// The command line: --flag value, --flag=value, --no-flag, arguments by place, and `--` before arguments that begin with '-'.
//
// Flags are the rows of the verb's table. A file given with --config is read first, so flags win wherever they stand.

#include "cli/cli.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define GLOBAL(key_, help_, member_) \
    .key = key_, .help = help_, .type = TW_FIELD_BOOL, .offset = offsetof(cli_globals, member_)
const tw_field cli_global_fields[] = {
    {GLOBAL("help", "this text (-h)", help), .group = "always"},
    {GLOBAL("quiet", "only errors (-q)", quiet)},
    {GLOBAL("no_progress", "no bars", no_progress)},
    {GLOBAL("version", "versions of topwork and the libraries it uses", version)},
    {0}};

static const tw_field no_fields[] = {{0}};

static const tw_field *fields_of(const cli_verb *verb)
{
    return verb && verb->fields ? verb->fields : no_fields;
}

const tw_field *cli_row_of(const cli_verb *verb, const char *key)
{
    const tw_field *row = tw_field_find(fields_of(verb), key);
    return row && !(row->flags & TW_FIELD_ARGUMENT) ? row : NULL;
}

const void *cli_value_of(const cli *c, const char *key, tw_field_type type)
{
    const tw_field *row = cli_row_of(c->verb, key);
    return row && row->type == type ? c->options + row->offset : NULL;
}

// ------------------------------------------------------------------------------------------------------------ one flag

// A flag as found: its row, the object it fills, and whether it was written as --no-flag.
typedef struct flag {
    const tw_field *row;
    void *object;
    bool is_negated;
    char name[80];     // as written, without value: "--val-split"
    const char *value; // after '=', or NULL
} flag;

static tw_status unknown_flag(const cli *c, const char *name, tw_err *err)
{
    enum { ROWS_MAX = 200 };
    tw_field rows[ROWS_MAX] = {{0}};
    int n = 0;
    for (const tw_field *row = fields_of(c->verb); row->key && n < ROWS_MAX - 1; row++)
        if (!(row->flags & TW_FIELD_ARGUMENT))
            rows[n++] = *row;
    for (const tw_field *row = cli_global_fields; row->key && n < ROWS_MAX - 1; row++)
        rows[n++] = *row;
    char key[80];
    snprintf(key, sizeof key, "%s", name + strspn(name, "-"));
    for (char *at = key; *at; at++)
        *at = *at == '-' ? '_' : *at;
    const char *near = tw_field_nearest(rows, key);
    if (!near)
        return cli_fail(err, TW_EINVAL, "unknown flag '%s'\nthe flags  topwork %s%s--help", name,
                        c->verb ? c->verb->name : "", c->verb ? " " : "");
    char flag_name[80];
    const tw_field row = {.key = near};
    return cli_fail(err, TW_EINVAL, "unknown flag '%s'; did you mean '%s'?", name,
                    cli_row_name(&row, flag_name, sizeof flag_name));
}

static bool find_row(cli *c, const char *key, flag *f)
{
    f->object = c->options;
    f->row = cli_row_of(c->verb, key);
    if (f->row)
        return true;
    f->object = &c->global;
    f->row = tw_field_find(cli_global_fields, key);
    return f->row != NULL;
}

static tw_status find_flag(cli *c, const char *word, flag *f)
{
    static const struct {
        const char *shorter, *word;
    } shorts[] = {{"-h", "--help"}, {"-q", "--quiet"}};
    *f = (flag){0};
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++)
        if (strcmp(shorts[i].shorter, word) == 0)
            word = shorts[i].word;
    size_t n = strcspn(word, "=");
    f->value = word[n] ? word + n + 1 : NULL;
    snprintf(f->name, sizeof f->name, "%.*s", (int)(n < sizeof f->name ? n : sizeof f->name - 1), word);
    const char *key = f->name + 2;
    if (strncmp(f->name, "--", 2) != 0)
        return unknown_flag(c, f->name, &c->err);
    if (find_row(c, key, f))
        return TW_OK;
    f->is_negated = strncmp(key, "no-", 3) == 0 && find_row(c, key + 3, f) &&
                    (f->row->type == TW_FIELD_BOOL || f->row->type == TW_FIELD_NOT);
    return f->is_negated ? TW_OK : unknown_flag(c, f->name, &c->err);
}

// "-3" and "-" are values; "--epochs" is the next flag.
static bool is_value(const char *word)
{
    return word && strncmp(word, "--", 2) != 0 && !(word[0] == '-' && isalpha((unsigned char)word[1]));
}

// --top and --no-top are rows of their own where neither is the default everywhere: the last one on the line wins.
static void clear_twin(const cli *c, const flag *f)
{
    char key[80];
    snprintf(key, sizeof key, "no_%s", f->row->key);
    const tw_field *twin = cli_row_of(c->verb, strncmp(f->row->key, "no_", 3) == 0 ? f->row->key + 3 : key);
    if (f->object == c->options && f->row->type == TW_FIELD_BOOL && twin && twin->type == TW_FIELD_BOOL)
        *(bool *)((char *)f->object + twin->offset) = false;
}

// Sets the flag at argv[*at] and moves *at over what it took.
static tw_status take_flag(cli *c, char **argv, int *at, bool is_only_config)
{
    flag f;
    if (find_flag(c, argv[(*at)++], &f))
        return c->err.status;
    bool is_switch = f.row->type == TW_FIELD_BOOL || f.row->type == TW_FIELD_NOT;
    const char *value = f.value ? f.value : is_switch ? (f.is_negated ? "false" : "true") : NULL;
    if (f.is_negated && f.value)
        return cli_fail(&c->err, TW_EINVAL, "flag '%s' takes no value, received '%s'", f.name, f.value);
    if (!value && !(f.row->flags & TW_FIELD_LATER)) {
        if (!is_value(argv[*at]))
            return cli_fail(&c->err, TW_EINVAL, "flag '%s' needs a value: %s", f.name, f.row->help);
        value = argv[(*at)++];
    }
    if (is_only_config)
        return strcmp(f.row->key, "config") == 0 && f.object == c->options
                   ? tw_fields_read_part(c->verb->fields, c->verb->config_fields, c->options, value, c->arena,
                                         &c->err)
                   : TW_OK;
    clear_twin(c, &f);
    return tw_field_set(f.row, f.object, value ? value : "", f.name, c->arena, &c->err);
}

// ----------------------------------------------------------------------------------------------------------- arguments

static tw_status take_argument(cli *c, const tw_field **next, const char *word)
{
    while ((*next)->key && !((*next)->flags & TW_FIELD_ARGUMENT))
        ++*next;
    const tw_field *row = *next;
    if (!row->key)
        return cli_fail(&c->err, TW_EINVAL, "unexpected argument '%s'\nusage  topwork %s --help", word,
                        c->verb->name);
    char name[80];
    cli_row_name(row, name, sizeof name);
    if (row->flags & TW_FIELD_REST)
        return tw_field_append(row, c->options, word, c->arena, &c->err);
    ++*next;
    return tw_field_set(row, c->options, word, name, c->arena, &c->err);
}

static tw_status check_arguments(cli *c)
{
    char name[80];
    for (const tw_field *row = fields_of(c->verb); row->key; row++) {
        const void *at = c->options + row->offset;
        bool is_set = row->type == TW_FIELD_TEXTS  ? ((const tw_texts *)at)->n > 0
                      : row->type == TW_FIELD_TEXT ? *(const char *const *)at != NULL
                                                   : true;
        if (row->flags & TW_FIELD_ARGUMENT && row->flags & TW_FIELD_REQUIRED && !is_set)
            return cli_fail(&c->err, TW_EINVAL, "%s is missing: %s\nfor example  %.*s",
                            cli_row_name(row, name, sizeof name), row->help,
                            (int)strcspn(c->verb->examples, "\n"), c->verb->examples);
    }
    return tw_fields_check(fields_of(c->verb), c->options, &c->err);
}

// One pass over the words after the verb.
static tw_status take_all(cli *c, int argc, char **argv, bool is_only_config)
{
    const tw_field *next = fields_of(c->verb);
    bool flags_ended = false;
    for (int at = 0; at < argc && !c->err.status;) {
        const char *word = argv[at];
        if (!flags_ended && strcmp(word, "--") == 0)
            flags_ended = true, at++;
        else if (!flags_ended && word[0] == '-' && word[1])
            take_flag(c, argv, &at, is_only_config);
        else if (++at, !is_only_config)
            take_argument(c, &next, word);
    }
    return c->err.status;
}

tw_status cli_parse(cli *c, int argc, char **argv)
{
    int at = 1;
    // Flags before the verb are the ones every verb takes.
    while (at < argc && argv[at][0] == '-' && argv[at][1]) {
        if (take_flag(c, argv, &at, false))
            return c->err.status;
    }
    if (at < argc && strcmp(argv[at], "help") == 0) {
        c->global.help = true;
        at++;
    }
    if (at >= argc || c->global.version)
        return TW_OK;
    c->verb = cli_verb_find(argv[at], &c->err);
    if (!c->verb)
        return c->err.status;
    argc -= at + 1;
    argv += at + 1;
    // Asking for help never fails for what else is on the line.
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            c->global.help = true;
    if (c->global.help)
        return TW_OK;
    tw_fields_default(fields_of(c->verb), c->options, c->arena, &c->err);
    if (cli_row_of(c->verb, "config"))
        take_all(c, argc, argv, true);
    if (!c->err.status)
        take_all(c, argc, argv, false);
    if (c->err.status || c->global.version)
        return c->err.status;
    return check_arguments(c);
}
