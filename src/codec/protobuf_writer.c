// Protocol Buffers, writing. See protobuf_writer.h.

#include "codec/protobuf_writer.h"

#include <string.h>

enum { VARINT = 0, BYTES = 2, FOUR = 5 };

// Seven bits a byte, the lowest first; the top bit says that more follow.
static void varint(twi_str *m, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v);
    twi_str_add_n(m, bytes, n);
}

static void tag(twi_str *m, int field, int how)
{
    varint(m, (uint64_t)field << 3 | (uint64_t)how);
}

void twi_protobuf_int(twi_str *m, int field, int64_t v)
{
    tag(m, field, VARINT);
    varint(m, (uint64_t)v);
}

void twi_protobuf_float(twi_str *m, int field, float v)
{
    char bytes[4];
    memcpy(bytes, &v, sizeof bytes);
    tag(m, field, FOUR);
    twi_str_add_n(m, bytes, sizeof bytes);
}

void twi_protobuf_head(twi_str *m, int field, uint64_t n)
{
    tag(m, field, BYTES);
    varint(m, n);
}

void twi_protobuf_bytes(twi_str *m, int field, const void *bytes, size_t n)
{
    twi_protobuf_head(m, field, n);
    twi_str_add_n(m, bytes, n);
}

void twi_protobuf_text(twi_str *m, int field, const char *text)
{
    twi_protobuf_bytes(m, field, text, strlen(text));
}

void twi_protobuf_message(twi_str *m, int field, const twi_str *inner)
{
    m->failed = m->failed || inner->failed;
    twi_protobuf_bytes(m, field, inner->text ? inner->text : "", inner->n);
}
