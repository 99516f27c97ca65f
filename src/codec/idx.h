// IDX files: the MNIST family's pictures and labels, as they are or gzipped.
#ifndef TWI_CODEC_IDX_H
#define TWI_CODEC_IDX_H

#include "base/mem.h"

typedef struct twi_idx {
    int64_t count, height, width; // labels: height and width are 1
    uint8_t *values;              // [count, height, width], owned
} twi_idx;

// Whether a file's name (without folders) says that it holds pictures ("train-images-idx3-ubyte.gz") or labels.
bool twi_idx_has_pictures(const char *name);
bool twi_idx_has_labels(const char *name);

// Reads a whole file of pictures (dimensions 3) or labels (1). TW_EMALFORMED: another content, too short or too long.
tw_status twi_idx_read(const char *path, int dimensions, twi_idx *out, tw_err *err);
void twi_idx_clear(twi_idx *idx);

// One picture as a grey BMP file, so that it goes the way of all pictures: its size, and its bytes into `out`.
size_t twi_idx_bmp_size(const twi_idx *idx);
void twi_idx_bmp(const twi_idx *idx, int64_t picture, uint8_t *out);

#endif
