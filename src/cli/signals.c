// Signals: the first SIGINT or SIGTERM asks the work to end cleanly, the second ends the program at once. SIGPIPE is
// ignored; a reader that goes away is seen as a failed write (output.c).
//
// The state here is the program's only writable global data: a handler has no other way to reach its context.

#include "cli/cli.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static _Atomic(tw_context *) context;
static atomic_int caught;
static atomic_bool is_silent;

static void say(const char *text)
{
    // Nothing can be done about a failing write here.
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

static void handle(int number)
{
    if (atomic_exchange(&caught, number)) {
        if (!atomic_load(&is_silent))
            say("\n");
        _exit(128 + number);
    }
    tw_cancel(atomic_load(&context));
    if (!atomic_load(&is_silent))
        say("\nstopping  as soon as it is safe; once more stops at once\n");
}

void cli_signals_catch(tw_context *tw, bool is_quiet)
{
    atomic_store(&is_silent, is_quiet);
    atomic_store(&context, tw);
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void cli_signals_release(void)
{
    atomic_store(&context, NULL);
}

int cli_signal_caught(void)
{
    return atomic_load(&caught);
}
