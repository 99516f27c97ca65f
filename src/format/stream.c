// A file written piece by piece: it grows in a temporary sibling and takes its name when it is whole. See parts.h.

#include "format/parts.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void twi_stream_open(twi_stream *s, const char *path)
{
    *s = (twi_stream){.path = path};
    s->part = twi_part_path(path, &s->err);
    s->file = s->part ? fopen(s->part, "wbe") : NULL;
    if (s->part && !s->file)
        twi_fail_errno(&s->err, TW_EWRITE, "write '%s'", path);
}

void twi_stream_put(twi_stream *s, const void *bytes, size_t n)
{
    if (s->err.status || !n)
        return;
    if (fwrite(bytes, 1, n, s->file) != n)
        twi_fail_errno(&s->err, TW_EWRITE, "write '%s'", s->path);
    s->n += n;
}

void twi_stream_printf(twi_stream *s, const char *fmt, ...)
{
    if (s->err.status)
        return;
    va_list args;
    va_start(args, fmt);
    int n = vfprintf(s->file, fmt, args);
    va_end(args);
    if (n < 0)
        twi_fail_errno(&s->err, TW_EWRITE, "write '%s'", s->path);
    else
        s->n += (uint64_t)n;
}

tw_status twi_stream_finish(twi_stream *s, tw_status status, tw_err *err)
{
    if (s->file && fclose(s->file) != 0)
        twi_fail_errno(&s->err, TW_EWRITE, "write '%s'", s->path);
    if (!status && s->err.status) {
        status = s->err.status;
        if (err && !err->status)
            *err = s->err;
    }
    if (s->file)
        status = status ? twi_part_drop(s->part, status) : twi_part_commit(s->part, s->path, err);
    twi_free(s->part);
    return status;
}
