// Errors, as the user reads them:
//
//     topwork: no ImageNet weights for vgg16 (…)
//       looked in  ~/.cache/topwork/weights, ~/.keras/models
//
// The first line says what is wrong; further lines, indented, say what to do.

#include "cli/cli.h"

#include <stdarg.h>
#include <string.h>

tw_status cli_fail(tw_err *err, tw_status status, const char *fmt, ...)
{
    if (err->status)
        return err->status;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    err->status = status;
    err->offset = -1;
    return status;
}

void cli_show_error(const tw_err *err)
{
    bool has_colour = cli_has_colour(stderr);
    fprintf(stderr, "%stopwork:%s ", has_colour ? "\033[1;31m" : "", has_colour ? "\033[0m" : "");
    char shown[sizeof err->msg];
    snprintf(shown, sizeof shown, "%s", *err->msg ? err->msg : tw_status_text(err->status));
    cli_visible(shown);
    for (const char *text = shown; *text; text++) {
        fputc(*text, stderr);
        // Lines that come indented already keep their own depth.
        if (*text == '\n' && text[1] && text[1] != ' ' && text[1] != '\n')
            fputs("  ", stderr);
    }
    fputc('\n', stderr);
    fflush(stderr);
}
