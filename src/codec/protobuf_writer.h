// Protocol Buffers, writing: messages grow in memory, field by field; a message goes into another as bytes.
//
//   field   tag (number << 3 | how), then: 0 a varint · 2 a length and so many bytes · 5 four bytes
// A message is a twi_str: zero-initialise, twi_str_clear; its `failed` says that memory ran out.
// Source   protobuf.dev/programming-guides/encoding
#ifndef TWI_CODEC_PROTOBUF_WRITER_H
#define TWI_CODEC_PROTOBUF_WRITER_H

#include "base/str.h"

void twi_protobuf_int(twi_str *m, int field, int64_t v);
void twi_protobuf_float(twi_str *m, int field, float v);
void twi_protobuf_bytes(twi_str *m, int field, const void *bytes, size_t n);
void twi_protobuf_text(twi_str *m, int field, const char *text);
void twi_protobuf_message(twi_str *m, int field, const twi_str *inner);
// Tag and length of n bytes that the caller writes elsewhere.
void twi_protobuf_head(twi_str *m, int field, uint64_t n);

#endif
