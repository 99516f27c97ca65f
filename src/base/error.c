// Errors: the one writer of tw_err. See error.h for the manner of messages.

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *text;
    int exit_code;
} statuses[] = {
    [TW_OK] = {"ok", 0},
    [TW_EFAILED] = {"failed", 1},
    [TW_EINVAL] = {"invalid argument", 2},
    [TW_EUNUSABLE] = {"unusable data or model", 3},
    [TW_EDIVERGED] = {"training diverged", 4},
    [TW_EMALFORMED] = {"malformed file", 5},
    [TW_ENOMEM] = {"out of memory", 6},
    [TW_EWRITE] = {"cannot write", 7},
    [TW_EUNSUPPORTED] = {"not supported yet", 2},
    [TW_ECANCELLED] = {"cancelled", 130},
};

static bool is_status(tw_status status)
{
    return (size_t)status < sizeof statuses / sizeof *statuses;
}

const char *tw_status_text(tw_status status)
{
    return is_status(status) ? statuses[status].text : "unknown status";
}

int tw_status_exit(tw_status status)
{
    return is_status(status) ? statuses[status].exit_code : 1;
}

const char *tw_version(void)
{
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
    return TEXT(TW_VERSION_MAJOR) "." TEXT(TW_VERSION_MINOR) "." TEXT(TW_VERSION_PATCH);
#undef TEXT
#undef TEXT_
}

static void fill(tw_err *err, tw_status status, const char *where, int64_t offset, const char *fmt,
                 va_list args)
{
    err->status = status;
    err->offset = offset;
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    snprintf(err->where, sizeof err->where, "%s", where ? where : "");
}

tw_status twi_fail(tw_err *err, tw_status status, const char *fmt, ...)
{
    if (!err || err->status)
        return status;
    va_list args;
    va_start(args, fmt);
    fill(err, status, NULL, -1, fmt, args);
    va_end(args);
    return status;
}

tw_status twi_fail_at(tw_err *err, tw_status status, const char *where, int64_t offset, const char *fmt, ...)
{
    if (!err || err->status)
        return status;
    va_list args;
    va_start(args, fmt);
    fill(err, status, where, offset, fmt, args);
    va_end(args);
    return status;
}

tw_status twi_fail_errno(tw_err *err, tw_status status, const char *fmt, ...)
{
    int saved = errno;
    if (!err || err->status)
        return status;
    char what[512], why[128] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return twi_fail(err, status, "cannot %s: %s", what, strerror_r(saved, why, sizeof why));
}

tw_status twi_fail_memory(tw_err *err, size_t bytes, const char *what)
{
    return twi_fail(err, TW_ENOMEM, "not enough memory: %zu bytes for %s", bytes, what);
}

void twi_err_context(tw_err *err, const char *fmt, ...)
{
    if (!err || !err->status)
        return;
    char context[256], rest[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    memcpy(rest, err->msg, sizeof rest);
    int used = snprintf(err->msg, sizeof err->msg, "%s: ", context);
    size_t room = sizeof err->msg - (size_t)used;
    size_t length = strnlen(rest, room - 1);
    memcpy(err->msg + used, rest, length);
    err->msg[(size_t)used + length] = 0;
}

void twi_err_advise(tw_err *err, const char *fmt, ...)
{
    if (!err || !err->status)
        return;
    size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, "\n");
    n = strlen(err->msg);
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg + n, sizeof err->msg - n, fmt, args);
    va_end(args);
}

void twi_bug_(const char *file, int line, const char *why)
{
    // No stdio here: the library does not print. One write, so that a core dump has its reason beside it.
    char text[512];
    int n = snprintf(text, sizeof text, "topwork: bug: %s:%d: %s\n", file, line, why);
    if (n > 0 && write(2, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
        errno = 0;
    abort();
}
