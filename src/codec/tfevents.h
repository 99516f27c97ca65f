// TensorBoard's event files, written.
//
// A file is a chain of records: u64 length · u32 masked CRC-32C of it · bytes · u32 masked CRC-32C of them (little-endian).
// The bytes are a protocol buffer, tensorflow.Event: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary; a
// summary is a list of values (1): 1 tag, 2 simple_value float, 5 histo {1 min 2 max 3 num 4 sum 5 sum_squares doubles,
// 6 bucket_limit, 7 bucket packed doubles}.
// Source   tensorflow/core/util/event.proto, summary.proto; lib/io/record_writer.cc.
#ifndef TWI_CODEC_TFEVENTS_H
#define TWI_CODEC_TFEVENTS_H

#include "base/error.h"

typedef struct twi_tfevents twi_tfevents;

// Makes the folder if need be, and a new file events.out.tfevents.… in it. TW_EWRITE.
twi_tfevents *twi_tfevents_open(const char *folder, tw_err *err);
tw_status twi_tfevents_scalar(twi_tfevents *t, const char *tag, int64_t step, double value, tw_err *err);
// 30 buckets of equal width between the smallest and the largest of n values.
tw_status twi_tfevents_histogram(twi_tfevents *t, const char *tag, int64_t step, const float *values,
                                 int64_t n, tw_err *err);
tw_status twi_tfevents_flush(twi_tfevents *t, tw_err *err);
void twi_tfevents_close(twi_tfevents *t); // NULL allowed

// CRC-32C (Castagnoli), as the records are masked with: ((crc >> 15) | (crc << 17)) + 0xa282ead8.
uint32_t twi_crc32c(const void *bytes, size_t n);

#endif
