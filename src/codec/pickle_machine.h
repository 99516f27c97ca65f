// Pickle's machine: what the opcodes build. Shared by pickle.c (opcodes) and torch.c (files).
//
// Values are numbered and refer to each other by number, so that a value may contain itself without harm: nothing here
// ever follows them by recursion.
#ifndef TWI_CODEC_PICKLE_MACHINE_H
#define TWI_CODEC_PICKLE_MACHINE_H

#include "codec/pickle.h"

typedef enum twi_pickle_kind {
    TWI_PICKLE_NONE,
    TWI_PICKLE_BOOL,
    TWI_PICKLE_INT,
    TWI_PICKLE_FLOAT,
    TWI_PICKLE_LONG, // an integer beyond int64, its bytes as text
    TWI_PICKLE_TEXT,
    TWI_PICKLE_TUPLE,
    TWI_PICKLE_LIST,
    TWI_PICKLE_DICT,   // items: key, value, key, value …
    TWI_PICKLE_GLOBAL, // integer: its row in the table of allowed ones
    TWI_PICKLE_STORAGE,
    TWI_PICKLE_TENSOR
} twi_pickle_kind;

typedef struct twi_pickle_storage {
    const char *key; // "12", or a number of the old form
    twi_dtype dtype;
    uint64_t n;      // values
    twi_source data; // filled by torch.c
    bool is_found;
} twi_pickle_storage;

typedef struct twi_pickle_tensor {
    const twi_pickle_storage *storage;
    int64_t first;
    tw_shape shape;
    int64_t stride[TW_RANK_MAX];
} twi_pickle_tensor;

typedef struct twi_pickle_value {
    twi_pickle_kind kind;
    uint32_t n, cap; // text bytes, or items
    union {
        int64_t integer;
        double number;
        const char *text; // NUL-terminated, in the arena
        uint32_t *items;  // numbers of values; owned (twi_free)
        twi_pickle_storage *storage;
        twi_pickle_tensor *tensor;
    } is;
} twi_pickle_value;

typedef struct twi_pickle {
    twi_source *source;
    tw_err *err;
    uint64_t at; // next byte
    twi_vec(twi_pickle_value) values;
    twi_vec(uint32_t) stack, memo;
    twi_vec(twi_pickle_storage *) storages; // in order of appearance
    twi_arena arena;                        // texts, storages, tensors
    uint64_t cached;                        // offset of buf
    size_t n_cached;
    uint8_t buf[4096];
} twi_pickle;

// Runs the pickle at p->at to its STOP; the result's number goes to *root, p->at to the byte after it. Values of
// earlier runs stay; memo and stack start empty.
tw_status twi_pickle_run(twi_pickle *p, uint32_t *root);
void twi_pickle_clear(twi_pickle *p);
// The value of a text key, or NULL.
const twi_pickle_value *twi_pickle_get(const twi_pickle *p, const twi_pickle_value *dict, const char *key);
// What a global is (pickle_global.c): its row, or -1; and what calling it gives.
int twi_pickle_global(const char *module, const char *name);
tw_status twi_pickle_call(twi_pickle *p, int global, uint32_t arguments, uint32_t *result);
// A persistent id: torch's ('storage', type, key, location, count [, view]).
tw_status twi_pickle_storage_of(twi_pickle *p, uint32_t id, uint32_t *result);

// Building, for the functions above.
tw_status twi_pickle_refuse(twi_pickle *p, const char *fmt, ...) TWI_PRINTF(2, 3);
tw_status twi_pickle_add(twi_pickle *p, twi_pickle_value value, uint32_t *number);
tw_status twi_pickle_append(twi_pickle *p, uint32_t container, const uint32_t *items, size_t n);

#endif
