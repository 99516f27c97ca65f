// Standard output: data and nothing else. A failed write ends the work: there is nobody to work for.

#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void cli_write(void *arg, const char *text, size_t n)
{
    cli *c = arg;
    if (c->write_error)
        return;
    if (c->terminal.live_columns && cli_is_tty(stdout))
        cli_terminal_clear(&c->terminal);
    errno = 0;
    // Flushed each time, so that who reads a pipe sees each photo when it is done.
    if (fwrite(text, 1, n, stdout) != n || fflush(stdout) != 0) {
        c->write_error = errno ? errno : EIO;
        tw_cancel(c->tw);
    }
}

void cli_print(cli *c, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n > 0)
        cli_write(c, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void cli_event(void *arg, const tw_event *event)
{
    cli *c = arg;
    if (c->gives_events)
        cli_event_json(c, event);
    else
        cli_terminal_event(&c->terminal, event);
}

bool cli_flush(cli *c)
{
    errno = 0;
    if (!c->write_error && (fflush(stdout) != 0 || ferror(stdout)))
        c->write_error = errno ? errno : EIO;
    if (!c->write_error)
        return true;
    // What the work said of being cancelled is only a consequence.
    c->err = (tw_err){0};
    if (c->write_error == EPIPE)
        cli_fail(&c->err, TW_ECANCELLED, "nobody reads standard output any more");
    else
        cli_fail(&c->err, TW_EWRITE, "cannot write to standard output: %s", strerror(c->write_error));
    return false;
}
