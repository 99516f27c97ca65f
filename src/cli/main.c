// topwork, the program: understands the command line, opens a context, runs one verb, and turns what came of it into
// words and an exit code.

#include "cli/cli.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool is_json(const cli *c)
{
    const tw_field *row = cli_row_of(c->verb, "format");
    const int *format = cli_value_of(c, "format", TW_FIELD_CHOICE);
    return row && format && strcmp(row->choices[*format], "json") == 0;
}

static void run(cli *c)
{
    const int64_t *threads = cli_value_of(c, "threads", TW_FIELD_INT);
    c->gives_events = c->verb->streams_events && is_json(c);
    cli_terminal_open(&c->terminal, stderr, c->global.quiet || c->gives_events, c->global.no_progress);
    tw_open_options options = {
        .threads = threads ? *threads : 0, .write = cli_write, .event = cli_event, .arg = c};
    c->tw = tw_open(&options, &c->err);
    if (!c->tw)
        return;
    cli_signals_catch(c->tw, c->global.quiet);
    tw_status status = c->verb->run(c, c->options);
    if (status && !c->err.status)
        cli_fail(&c->err, status, "%s", tw_status_text(status));
    cli_signals_release();
    cli_terminal_close(&c->terminal);
    tw_close(c->tw);
    c->tw = NULL;
    if (c->err.status && c->gives_events)
        cli_error_json(c, &c->err);
}

// Shows the error, if any, and gives the exit code that belongs to it.
static int finish(cli *c)
{
    bool was_given = cli_flush(c);
    tw_status status = c->err.status;
    bool reader_left = !was_given && status == TW_ECANCELLED;
    if (status && !reader_left)
        cli_show_error(&c->err);
    if (reader_left)
        return 128 + SIGPIPE; // as the shell reports it
    if (status == TW_ECANCELLED && cli_signal_caught())
        return 128 + cli_signal_caught();
    return tw_status_exit(status);
}

static void show_versions(cli *c)
{
    char text[1024];
    cli_print(c, "%s", tw_versions(text, sizeof text));
}

// Where address space is limited, the allocator must not set 64 MB of it aside for each thread: that is what there is.
static void share_scarce_memory(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char **argv)
{
    static cli c; // large, and zero
    share_scarce_memory();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow further is a failed write, too
    c.arena = tw_arena_new(&c.err);
    if (!c.err.status && !cli_parse(&c, argc, argv)) {
        if (c.global.version)
            show_versions(&c);
        else if (c.global.help && c.verb)
            cli_help_verb(stdout, c.verb);
        else if (c.global.help)
            cli_help(stdout);
        else if (!c.verb)
            cli_help(stderr);
        else
            run(&c);
    }
    bool is_empty = !c.err.status && !c.verb && !c.global.help && !c.global.version;
    int code = finish(&c);
    tw_arena_free(c.arena);
    return is_empty ? tw_status_exit(TW_EINVAL) : code;
}
