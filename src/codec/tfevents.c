// TensorBoard's event files. See tfevents.h for the format.

#include "codec/tfevents.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 30 };

struct twi_tfevents {
    FILE *file;
    char *path;
};

uint32_t twi_crc32c(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint32_t crc = 0xffffffffu;
    while (n--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static uint32_t masked(const void *bytes, size_t n)
{
    uint32_t crc = twi_crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

// ------------------------------------------------------------------------------------------------------ protocol buffers

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; // wire types

static void put_varint(twi_str *out, uint64_t value)
{
    do {
        char byte = (char)((value & 127) | (value > 127 ? 128 : 0));
        twi_str_add_n(out, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_key(twi_str *out, int field, int type)
{
    put_varint(out, (uint64_t)(field << 3 | type));
}

static void put_double(twi_str *out, int field, double value)
{
    put_key(out, field, FIXED64);
    twi_str_add_n(out, (const char *)&value, sizeof value);
}

static void put_bytes(twi_str *out, int field, const void *bytes, size_t n)
{
    put_key(out, field, BYTES);
    put_varint(out, n);
    if (n)
        twi_str_add_n(out, bytes, n);
}

static tw_status write_record(twi_tfevents *t, const twi_str *event, tw_err *err)
{
    uint64_t n = event->n;
    uint32_t of_length = masked(&n, sizeof n), of_bytes = event->failed ? 0 : masked(event->text, event->n);
    bool ok = !event->failed && fwrite(&n, sizeof n, 1, t->file) == 1 &&
              fwrite(&of_length, sizeof of_length, 1, t->file) == 1 &&
              fwrite(event->text, 1, event->n, t->file) == event->n &&
              fwrite(&of_bytes, sizeof of_bytes, 1, t->file) == 1;
    return ok ? TW_OK : twi_fail_errno(err, TW_EWRITE, "write '%s'", t->path);
}

static void begin_event(twi_str *event, int64_t step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put_double(event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    put_key(event, 2, VARINT);
    put_varint(event, (uint64_t)step);
}

// One value of one step: event { summary { value { tag, … } } }.
static tw_status write_value(twi_tfevents *t, int64_t step, twi_str *value, tw_err *err)
{
    twi_str summary = {0}, event = {0};
    if (!value->failed)
        put_bytes(&summary, 1, value->text, value->n);
    begin_event(&event, step);
    if (!summary.failed)
        put_bytes(&event, 5, summary.text, summary.n);
    event.failed |= value->failed || summary.failed;
    tw_status status = write_record(t, &event, err);
    twi_str_clear(&event);
    twi_str_clear(&summary);
    twi_str_clear(value);
    return status;
}

// ---------------------------------------------------------------------------------------------------------------- public

static tw_status begin_file(twi_tfevents *t, const char *folder, tw_err *err)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return twi_fail_errno(err, TW_EWRITE, "make the folder '%s'", folder);
    twi_str path = {0}, event = {0};
    // The time comes first, so that TensorBoard reads a folder's files in their order; the rest keeps runs apart.
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    twi_str_printf(&path, "%s/events.out.tfevents.%010lld.topwork.%lld.%ld", folder, (long long)now.tv_sec,
                   (long long)getpid(), now.tv_nsec);
    t->path = path.failed ? NULL : twi_strdup(path.text, err);
    twi_str_clear(&path);
    if (!t->path)
        return TW_ENOMEM;
    t->file = fopen(t->path, "wbe");
    if (!t->file)
        return twi_fail_errno(err, TW_EWRITE, "write '%s'", t->path);
    begin_event(&event, 0);
    put_bytes(&event, 3, "brain.Event:2", 13);
    tw_status status = write_record(t, &event, err);
    twi_str_clear(&event);
    return status;
}

twi_tfevents *twi_tfevents_open(const char *folder, tw_err *err)
{
    twi_tfevents *t = twi_new(1, sizeof *t, "an event file", err);
    if (t && begin_file(t, folder, err)) {
        twi_tfevents_close(t);
        return NULL;
    }
    return t;
}

tw_status twi_tfevents_scalar(twi_tfevents *t, const char *tag, int64_t step, double value, tw_err *err)
{
    twi_str out = {0};
    float number = (float)value;
    put_bytes(&out, 1, tag, strlen(tag));
    put_key(&out, 2, FIXED32);
    twi_str_add_n(&out, (const char *)&number, sizeof number);
    return write_value(t, step, &out, err);
}

tw_status twi_tfevents_histogram(twi_tfevents *t, const char *tag, int64_t step, const float *values,
                                 int64_t n, tw_err *err)
{
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0, count[BUCKETS] = {0}, limit[BUCKETS];
    for (int64_t i = 0; i < n; i++) {
        double v = (double)values[i];
        low = fmin(low, v), high = fmax(high, v);
        sum += v, squares += v * v;
    }
    double width = high > low ? (high - low) / BUCKETS : 1;
    for (int i = 0; i < BUCKETS; i++)
        limit[i] = i + 1 < BUCKETS ? low + width * (i + 1) : fmax(high, low + width * BUCKETS);
    for (int64_t i = 0; i < n; i++) {
        double place = ((double)values[i] - low) / width;
        count[place >= BUCKETS ? BUCKETS - 1 : place > 0 ? (int)place : 0]++;
    }
    twi_str out = {0}, histogram = {0};
    const double facts[] = {low, high, (double)n, sum, squares};
    for (int i = 0; i < 5; i++)
        put_double(&histogram, i + 1, facts[i]);
    put_bytes(&histogram, 6, limit, sizeof limit);
    put_bytes(&histogram, 7, count, sizeof count);
    put_bytes(&out, 1, tag, strlen(tag));
    if (!histogram.failed)
        put_bytes(&out, 5, histogram.text, histogram.n);
    out.failed |= histogram.failed;
    twi_str_clear(&histogram);
    return write_value(t, step, &out, err);
}

tw_status twi_tfevents_flush(twi_tfevents *t, tw_err *err)
{
    return fflush(t->file) == 0 ? TW_OK : twi_fail_errno(err, TW_EWRITE, "write '%s'", t->path);
}

void twi_tfevents_close(twi_tfevents *t)
{
    if (!t)
        return;
    if (t->file)
        fclose(t->file);
    twi_free(t->path);
    twi_free(t);
}
