// Help: the overview, and a page a verb. All of it comes from the rows, so it cannot disagree with what is accepted.

#include "cli/cli.h"

#include <ctype.h>
#include <string.h>

enum { COLUMNS_MAX = 100, FLAG_COLUMN = 26 };

static int columns_of(FILE *out)
{
    int columns = cli_columns(out);
    return columns < COLUMNS_MAX ? columns : COLUMNS_MAX;
}

static void heading(FILE *out, const char *text)
{
    bool has_colour = cli_has_colour(out);
    fprintf(out, "%s%s%s\n", has_colour ? "\033[1m" : "", text, has_colour ? "\033[0m" : "");
}

// "  left        right, wrapped under itself"; a left side too long for its column stands alone.
static void row(FILE *out, const char *left, int column, const char *right)
{
    int width = 2 + cli_width(left);
    fprintf(out, "  %s", left);
    if (width + 2 > column)
        fprintf(out, "\n%*s", column, "");
    else
        fprintf(out, "%*s", column - width, "");
    cli_wrap(out, right, column, column, columns_of(out));
    fputc('\n', out);
}

// Each line of a text, indented.
static void lines(FILE *out, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        fprintf(out, "  %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

const char *cli_row_name(const tw_field *f, char *buf, size_t size)
{
    bool is_argument = f->flags & TW_FIELD_ARGUMENT;
    if (is_argument && f->value)
        snprintf(buf, size, "%s", f->value);
    else
        snprintf(buf, size, "%s%s", is_argument ? "" : "--", f->key);
    for (char *at = buf; !(is_argument && f->value) && *at; at++)
        *at = (char)(*at == '_' ? '-' : is_argument ? toupper((unsigned char)*at) : *at);
    return buf;
}

static void append(char *buf, size_t size, const char *text)
{
    size_t n = strlen(buf);
    snprintf(buf + n, size - n, "%s", text);
}

static void append_names(char *buf, size_t size, const char *const *names, const char *between)
{
    for (int i = 0; names && names[i]; i++) {
        append(buf, size, i ? between : "");
        append(buf, size, names[i]);
    }
}

// What the value of a flag is called: "FILE", "auto|freeze|train", "N".
static void append_value(char *buf, size_t size, const tw_field *f)
{
    if (f->value)
        append(buf, size, f->value);
    else if (f->choices)
        append_names(buf, size, f->choices, "|");
    else if (f->type == TW_FIELD_INT)
        append(buf, size, "N");
    else if (f->type == TW_FIELD_FLOAT)
        append(buf, size, "X");
    else
        append(buf, size, "TEXT");
}

static bool is_switch(const tw_field *f)
{
    return f->type == TW_FIELD_BOOL || f->type == TW_FIELD_NOT;
}

static void row_of(FILE *out, const tw_field *f)
{
    char left[256], right[640];
    cli_row_name(f, left, sizeof left);
    if (!is_switch(f) && !(f->flags & TW_FIELD_ARGUMENT)) {
        append(left, sizeof left, " ");
        append_value(left, sizeof left, f);
    }
    snprintf(right, sizeof right, "%s", f->help ? f->help : "");
    if (f->flags & TW_FIELD_ARGUMENT && f->choices) {
        append(right, sizeof right, ": ");
        append_names(right, sizeof right, f->choices, ", ");
    }
    if (f->names) {
        append(right, sizeof right, ": ");
        append_names(right, sizeof right, f->names(), ", ");
    }
    if (f->otherwise && !is_switch(f)) {
        append(right, sizeof right, " [");
        append(right, sizeof right, f->otherwise);
        append(right, sizeof right, "]");
    }
    if (f->flags & TW_FIELD_LATER)
        append(right, sizeof right, " (not supported yet)");
    if (f->later) {
        append(right, sizeof right, " (not supported yet: ");
        append(right, sizeof right, f->later);
        append(right, sizeof right, ")");
    }
    row(out, left, FLAG_COLUMN, right);
}

// "train PHOTOS", "predict MODEL PHOTO…"
static void usage_of(char *buf, size_t size, const cli_verb *verb)
{
    snprintf(buf, size, "%s", verb->name);
    for (const tw_field *f = verb->fields; f && f->key; f++) {
        char name[80] = "";
        if (!(f->flags & TW_FIELD_ARGUMENT))
            continue;
        if (f->choices && !f->value)
            append_names(name, sizeof name, f->choices, "|");
        else
            cli_row_name(f, name, sizeof name);
        append(buf, size, " ");
        append(buf, size, name);
        append(buf, size, f->flags & TW_FIELD_REST ? "…" : "");
    }
}

void cli_help_verb(FILE *out, const cli_verb *verb)
{
    char usage[200];
    usage_of(usage, sizeof usage, verb);
    append(usage, sizeof usage, " [--flags]");
    fprintf(out, "topwork %s\n  %s\n\n", usage, verb->doc);
    heading(out, "examples");
    lines(out, verb->examples);
    bool has_heading = false, has_arguments = false;
    for (const tw_field *f = verb->fields; f && f->key; f++)
        if (f->flags & TW_FIELD_ARGUMENT) {
            if (!has_arguments)
                fputc('\n', out), heading(out, "arguments");
            has_arguments = true;
            row_of(out, f);
        }
    for (const tw_field *f = verb->fields; f && f->key; f++) {
        if (f->flags & TW_FIELD_ARGUMENT)
            continue;
        if (f->group || !has_heading)
            fputc('\n', out), heading(out, f->group ? f->group : "flags");
        has_heading = true;
        row_of(out, f);
    }
    fputc('\n', out);
    heading(out, "always");
    for (const tw_field *f = cli_global_fields; f->key; f++)
        row_of(out, f);
}

void cli_help(FILE *out)
{
    char usage[200];
    fprintf(out, "topwork %s: your own image classifier, grown on a pretrained network\n\n", tw_version());
    heading(out, "start");
    lines(out, "topwork train photos/                 photos/ has one sub-folder a class\n"
               "topwork predict runs/… new.jpg        runs/… is the folder that train names at its end\n"
               "topwork VERB --help                   what a verb takes");
    fputc('\n', out);
    heading(out, "verbs");
    for (int i = 0; cli_verbs[i]; i++) {
        usage_of(usage, sizeof usage, cli_verbs[i]);
        row(out, usage, FLAG_COLUMN, cli_verbs[i]->doc);
    }
    fputc('\n', out);
    heading(out, "not supported yet");
    for (int i = 0; cli_later_verbs[i].name; i++)
        row(out, cli_later_verbs[i].name, FLAG_COLUMN, cli_later_verbs[i].doc);
    fputc('\n', out);
    heading(out, "always");
    for (const tw_field *f = cli_global_fields; f->key; f++)
        row_of(out, f);
    fputc('\n', out);
    heading(out, "exit codes");
    row(out, "0  done", FLAG_COLUMN, "1  failed, or done in part");
    row(out, "2  wrong call", FLAG_COLUMN, "3  data or model cannot be used");
    row(out, "4  training diverged", FLAG_COLUMN, "5  malformed file refused");
    row(out, "6  out of memory", FLAG_COLUMN, "7  cannot write");
    row(out, "130, 143  stopped", FLAG_COLUMN, "by Ctrl-C, by SIGTERM");
}
