// The program: what its files share. It includes topwork.h and nothing of the library's inside.
//
// A verb is a row (cli_verb) in cmd_<verb>.c and a line in list.inc. Its flags, help, completion and "did you mean" come
// from the table of option rows that the library publishes for it.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "topwork.h"

#include "cli/terminal.h"

#include <stdio.h>

typedef struct cli cli;

typedef struct cli_verb {
    const char *name, *doc; // doc: one line
    const char *examples;   // lines
    const tw_field *fields;
    const tw_field *config_fields; // of another verb, whose options a --config file may hold too; NULL: none
    size_t size;                   // of the struct the fields fill
    bool streams_events; // with --format json, events are what it gives: one a line on standard output
    tw_status (*run)(cli *c, const void *options);
} cli_verb;

enum { CLI_OPTIONS_MAX = 2048 }; // bytes of the largest options struct
#define CLI_OPTIONS(type) .size = sizeof(type) * sizeof(char[sizeof(type) <= CLI_OPTIONS_MAX ? 1 : -1])

// Flags every verb takes.
typedef struct cli_globals {
    bool help, version, quiet, no_progress;
} cli_globals;
extern const tw_field cli_global_fields[];

struct cli {
    tw_context *tw; // NULL until the command line is understood
    tw_err err;
    tw_arena *arena;
    const cli_verb *verb;
    _Alignas(16) unsigned char options[CLI_OPTIONS_MAX];
    cli_globals global;
    cli_terminal terminal;
    bool gives_events;    // events go to standard output as JSON
    int write_error;      // errno of standard output, 0 while it works
    double last_progress; // second of the last progress event given as JSON
};

// verbs.c
typedef struct cli_later {
    const char *name, *doc;
} cli_later;
extern const cli_verb *const cli_verbs[]; // NULL-ended, sorted
extern const cli_later cli_later_verbs[]; // NULL-name-ended: planned, and refused as not supported yet
const cli_verb *cli_verb_find(const char *name, tw_err *err);

// parse.c: the command line into c->verb, c->options and c->global. argv[0] is the program.
tw_status cli_parse(cli *c, int argc, char **argv);
const tw_field *cli_row_of(const cli_verb *verb, const char *key);
// The value of a row of this key and type as set, or NULL where the verb has none.
const void *cli_value_of(const cli *c, const char *key, tw_field_type type);

// help.c
void cli_help(FILE *out);
void cli_help_verb(FILE *out, const cli_verb *verb);
// The row's flag ("--val-split") or, for arguments, its name ("PHOTOS"); returns buf.
const char *cli_row_name(const tw_field *row, char *buf, size_t size);

// output.c: standard output.
void cli_write(void *c, const char *text, size_t n); // tw_open_options.write
void cli_event(void *c, const tw_event *event);      // tw_open_options.event
void cli_print(cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Flushes. False with c->err set when data was lost; a reader that went away counts as cancelling.
bool cli_flush(cli *c);

// event_json.c: events and errors as one JSON object a line.
void cli_event_json(cli *c, const tw_event *event);
void cli_error_json(cli *c, const tw_err *err);

// error.c
tw_status cli_fail(tw_err *err, tw_status status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void cli_show_error(const tw_err *err);

// signals.c
void cli_signals_catch(tw_context *tw, bool is_quiet);
void cli_signals_release(void); // before the context goes
int cli_signal_caught(void);    // its number, or 0

#endif
