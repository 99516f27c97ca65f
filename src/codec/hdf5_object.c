// HDF5 object headers: the list of messages that is an object (a group or a dataset).
//
// Version 1   version 1, 0, messages 2, references 4, bytes 4, 0 4; messages: type 2, bytes 2, flags 1, 0 3, body
// Version 2   'OHDR', version 1, flags 1, [times 16], [limits 4], bytes 1/2/4/8; messages: type 1, bytes 2, flags 1,
//             [order 2], body; checksum 4. Continuation blocks: 'OCHK', messages, checksum 4
// Blocks continue through a message that holds address and size of the next one.
// Source   HDF5 File Format Specification 3.0, IV.A.

#include "codec/hdf5_reader.h"

#include <string.h>

// ---------------------------------------------------------------------------------------------------------- checksum

static uint32_t rotate(uint32_t v, int by)
{
    return v << by | v >> (32 - by);
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// Bob Jenkins' lookup3 mixes twelve bytes at a time into three words; the last one to twelve are mixed differently.
static void lookup3_mix(uint32_t s[3])
{
    static const int by[6] = {4, 6, 8, 16, 19, 4};
    for (int i = 0; i < 6; i++) {
        uint32_t *a = &s[i % 3], *b = &s[(i + 1) % 3], *c = &s[(i + 2) % 3];
        *a -= *c;
        *a ^= rotate(*c, by[i]);
        *c += *b;
    }
}

static uint32_t lookup3_last(uint32_t s[3])
{
    static const int by[7] = {14, 11, 25, 16, 4, 14, 24};
    for (int i = 0; i < 7; i++) {
        uint32_t *c = &s[(i + 2) % 3], *b = &s[(i + 1) % 3];
        *c ^= *b;
        *c -= rotate(*b, by[i]);
    }
    return s[2];
}

static tw_status lookup3(const twi_source *source, uint64_t at, uint64_t n, uint32_t *sum, tw_err *err)
{
    uint32_t start = 0xdeadbeef + (uint32_t)n, s[3] = {start, start, start};
    uint8_t buf[12 * 64];
    while (n) {
        size_t piece = n < sizeof buf ? (size_t)n : sizeof buf;
        memset(buf, 0, sizeof buf);
        tw_status status = twi_source_read(source, at, buf, piece, err);
        if (status)
            return status;
        at += piece;
        n -= piece;
        for (size_t i = 0; i < piece; i += 12) {
            for (int k = 0; k < 3; k++)
                s[k] += le32(buf + i + 4 * k);
            if (n || piece - i > 12)
                lookup3_mix(s);
            else
                lookup3_last(s);
        }
    }
    *sum = s[2];
    return TW_OK;
}

tw_status twi_hdf5_check_sum(const twi_hdf5 *file, uint64_t at, uint64_t n, tw_err *err)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)file, (void)at, (void)n, (void)err; // a fuzzer cannot guess checksums
    return TW_OK;
#else
    uint32_t sum = 0, stored = 0;
    tw_status status = lookup3(file->source, at, n, &sum, err);
    if (!status)
        status = twi_source_u32(file->source, at + n, &stored, err);
    if (!status && sum != stored)
        status = twi_hdf5_fail(file, TW_EMALFORMED, at, err,
                               "is damaged: the checksum of %llu bytes at %llu differs",
                               (unsigned long long)n, (unsigned long long)at);
    return status;
#endif
}

// ------------------------------------------------------------------------------------------------------------- walks

static tw_status queue_block(twi_hdf5_walk *w, uint64_t at, uint64_t n, tw_err *err)
{
    if (w->n_queued == TWI_HDF5_BLOCKS)
        return twi_hdf5_fail(w->file, TW_EMALFORMED, at, err,
                             "an object header has more than %d open continuations", TWI_HDF5_BLOCKS);
    int slot = (w->first + w->n_queued++) % TWI_HDF5_BLOCKS;
    w->queue[slot].at = at;
    w->queue[slot].n = n;
    return TW_OK;
}

static tw_status open_v1(twi_hdf5_walk *w, twi_hdf5_cursor *c)
{
    twi_hdf5_skip(c, 7);
    uint64_t n = twi_hdf5_take(c, 4);
    twi_hdf5_skip(c, 4);
    w->version = 1;
    return c->status ? c->status : queue_block(w, w->object + 16, n, c->err);
}

static tw_status open_v2(twi_hdf5_walk *w, twi_hdf5_cursor *c)
{
    twi_hdf5_expect(c, "OHDR", "object header");
    unsigned version = (unsigned)twi_hdf5_take(c, 1), flags = (unsigned)twi_hdf5_take(c, 1);
    if (!c->status && version != 2)
        return twi_hdf5_fail(c->file, TW_EMALFORMED, w->object, c->err,
                             "object header of version %u, expected 2", version);
    twi_hdf5_skip(c, (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0));
    uint64_t n = twi_hdf5_take(c, 1 << (flags & 3));
    w->version = 2;
    w->has_order = flags & 4;
    if (c->status)
        return c->status;
    uint64_t head = c->at - w->object;
    if (n > w->file->source->size)
        return twi_hdf5_fail(c->file, TW_EMALFORMED, w->object, c->err,
                             "an object header of %llu bytes leaves the file", (unsigned long long)n);
    tw_status status = twi_hdf5_pay(w->file, w->object, n, c->err);
    if (!status)
        status = twi_hdf5_check_sum(w->file, w->object, head + n, c->err);
    return status ? status : queue_block(w, c->at, n, c->err);
}

tw_status twi_hdf5_walk_object(twi_hdf5_walk *w, twi_hdf5 *file, twi_hdf5_object object, tw_err *err)
{
    w->file = file;
    w->object = object;
    w->has_order = false;
    w->at = w->end = 0;
    w->first = w->n_queued = 0;
    uint8_t first = 0;
    tw_status status = twi_source_read(file->source, object, &first, 1, err);
    if (status)
        return status;
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, file, object, 64, err);
    if (first == 'O')
        return open_v2(w, &c);
    if (first != 1)
        return twi_hdf5_fail(file, TW_EMALFORMED, object, err, "no object header at byte %llu",
                             (unsigned long long)object);
    twi_hdf5_skip(&c, 1);
    return open_v1(w, &c);
}

// Makes the next queued block the current one.
static tw_status next_block(twi_hdf5_walk *w, tw_err *err)
{
    uint64_t at = w->queue[w->first].at, n = w->queue[w->first].n, size = w->file->source->size;
    w->first = (w->first + 1) % TWI_HDF5_BLOCKS;
    w->n_queued--;
    if (at > size || n > size - at)
        return twi_hdf5_fail(w->file, TW_EMALFORMED, at, err,
                             "an object header's part of %llu bytes at %llu leaves the file",
                             (unsigned long long)n, (unsigned long long)at);
    w->at = at;
    w->end = at + n;
    return twi_hdf5_pay(w->file, at, 8, err);
}

static tw_status follow(twi_hdf5_walk *w, const twi_hdf5_message *m, tw_err *err)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, w->file, m->at, m->n, err);
    uint64_t at = twi_hdf5_take(&c, 8), n = twi_hdf5_take(&c, 8);
    if (c.status || w->version == 1)
        return c.status ? c.status : queue_block(w, at, n, err);
    twi_hdf5_cursor_at(&c, w->file, at, n, err);
    twi_hdf5_expect(&c, "OCHK", "object header continuation");
    if (!c.status && n < 8)
        return twi_hdf5_fail(w->file, TW_EMALFORMED, at, err, "an object header continuation of %llu bytes",
                             (unsigned long long)n);
    tw_status status = c.status ? c.status : twi_hdf5_pay(w->file, at, n, err);
    if (!status)
        status = twi_hdf5_check_sum(w->file, at, n - 4, err);
    return status ? status : queue_block(w, at + 4, n - 8, err);
}

// Takes one message off the current block.
static tw_status take_message(twi_hdf5_walk *w, twi_hdf5_message *m, unsigned *flags, tw_err *err)
{
    twi_hdf5_cursor c;
    twi_hdf5_cursor_at(&c, w->file, w->at, w->end - w->at, err);
    m->type = (unsigned)twi_hdf5_take(&c, w->version == 1 ? 2 : 1);
    m->n = twi_hdf5_take(&c, 2);
    *flags = (unsigned)twi_hdf5_take(&c, 1);
    twi_hdf5_skip(&c, w->version == 1 ? 3 : w->has_order ? 2 : 0);
    m->at = c.at;
    twi_hdf5_skip(&c, m->n);
    w->at = c.at;
    return c.status ? c.status : twi_hdf5_pay(w->file, m->at, 4, err);
}

// What a shared message would need is elsewhere: a named (committed) datatype, a table of shared messages.
static tw_status check_flags(const twi_hdf5_walk *w, const twi_hdf5_message *m, unsigned flags, tw_err *err)
{
    bool is_known = m->type <= TWI_HDF5_TYPE_LAST;
    if (!is_known && flags & 0x80)
        return twi_hdf5_fail(w->file, TW_EUNSUPPORTED, m->at, err,
                             "not supported yet: an object that must not be read without knowing message %u",
                             m->type);
    if (flags & 2 &&
        (m->type == TWI_HDF5_DATASPACE || m->type == TWI_HDF5_DATATYPE || m->type == TWI_HDF5_ATTRIBUTE ||
         m->type == TWI_HDF5_FILTERS || m->type == TWI_HDF5_LINK))
        return twi_hdf5_fail(w->file, TW_EUNSUPPORTED, m->at, err, "not supported yet: an object with %s",
                             m->type == TWI_HDF5_DATATYPE ? "a named datatype" : "parts shared with others");
    return TW_OK;
}

bool twi_hdf5_walk_next(twi_hdf5_walk *w, twi_hdf5_message *m, tw_status *status, tw_err *err)
{
    unsigned flags = 0;
    unsigned head = w->version == 1 ? 8 : w->has_order ? 6 : 4;
    for (*status = TW_OK; !*status;) {
        // A version 2 block may end in a gap too small for a message.
        if (w->end - w->at < head) {
            if (!w->n_queued)
                return false;
            *status = next_block(w, err);
            continue;
        }
        *status = take_message(w, m, &flags, err);
        if (!*status)
            *status = check_flags(w, m, flags, err);
        if (*status || m->type != TWI_HDF5_CONTINUATION)
            return !*status;
        *status = follow(w, m, err);
    }
    return false;
}
