// HDF5 reading, the parts shared inside this room: the open file, records, object headers, types.
//
//   hdf5.c            superblock, opening          hdf5_group.c      names → objects
//   hdf5_object.c     object headers → messages    hdf5_attribute.c  texts of attributes, the global heap
//   hdf5_type.c       types and shapes             hdf5_dataset.c    values: contiguous, compact
//                                                  hdf5_chunk.c      values: chunked, filtered
// Three rules keep hostile files harmless: a record is read through a cursor that cannot leave it; each walk over the
// file's structure pays for every byte it touches out of `work`, which no honest file exceeds, so circles end; and
// memory whose size the file decides is first taken from the source's budget.
#ifndef TWI_CODEC_HDF5_READER_H
#define TWI_CODEC_HDF5_READER_H

#include "codec/hdf5.h"

#define TWI_HDF5_UNDEFINED UINT64_MAX // the address of what is not there

typedef struct twi_hdf5_piece { // one object of a global heap collection
    uint64_t index, at, n;      // its number there; where its bytes are
} twi_hdf5_piece;

typedef struct twi_hdf5_collection {
    uint64_t at;     // its address
    size_t first, n; // of its pieces, in order of their numbers
} twi_hdf5_collection;

struct twi_hdf5 {
    twi_source *source;
    twi_hdf5_object root;
    uint64_t work;                            // bytes of structure this walk may still touch
    uint64_t work_left;                       // and all walks together
    twi_vec(twi_hdf5_piece) pieces;           // of the collections met so far
    twi_vec(twi_hdf5_collection) collections; // in order of their addresses
};

// A new walk: work anew. Then each piece of structure is paid for; TW_EMALFORMED when the walk goes in circles.
void twi_hdf5_begin(twi_hdf5 *file);
tw_status twi_hdf5_pay(twi_hdf5 *file, uint64_t at, uint64_t bytes, tw_err *err);
// "x.h5: group 'g' …" with status and offset. Returns status.
tw_status twi_hdf5_fail(const twi_hdf5 *file, tw_status status, uint64_t at, tw_err *err, const char *fmt,
                        ...) TWI_PRINTF(5, 6);

// ---------------------------------------------------------------------------------------------------------- records

// Reads a record front to back. The first failure stays: later takes give 0.
typedef struct twi_hdf5_cursor {
    const twi_hdf5 *file;
    uint64_t at, end;
    tw_err *err;
    tw_status status;
    uint64_t cached; // file offset of buf
    size_t n_cached;
    uint8_t buf[96];
} twi_hdf5_cursor;

void twi_hdf5_cursor_at(twi_hdf5_cursor *c, const twi_hdf5 *file, uint64_t at, uint64_t n, tw_err *err);
uint64_t twi_hdf5_take(twi_hdf5_cursor *c, int bytes); // little-endian, 1 … 8 bytes
void twi_hdf5_skip(twi_hdf5_cursor *c, uint64_t n);
void twi_hdf5_take_bytes(twi_hdf5_cursor *c, void *dst, size_t n); // dst zeroed after a failure
// The next four bytes are `signature`; otherwise fails: "no <what> (SNOD) where one should be".
void twi_hdf5_expect(twi_hdf5_cursor *c, const char *signature, const char *what);

// ----------------------------------------------------------------------------------------------------------- objects

typedef enum twi_hdf5_message_type {
    TWI_HDF5_DATASPACE = 0x01,
    TWI_HDF5_LINK_INFO = 0x02,
    TWI_HDF5_DATATYPE = 0x03,
    TWI_HDF5_LINK = 0x06,
    TWI_HDF5_EXTERNAL_FILES = 0x07,
    TWI_HDF5_LAYOUT = 0x08,
    TWI_HDF5_GROUP_INFO = 0x0a,
    TWI_HDF5_FILTERS = 0x0b,
    TWI_HDF5_ATTRIBUTE = 0x0c,
    TWI_HDF5_CONTINUATION = 0x10,
    TWI_HDF5_SYMBOL_TABLE = 0x11,
    TWI_HDF5_ATTRIBUTE_INFO = 0x15,
    TWI_HDF5_TYPE_LAST = 0x18
} twi_hdf5_message_type;

typedef struct twi_hdf5_message {
    unsigned type;
    uint64_t at, n; // of its body
} twi_hdf5_message;

// Walks an object's messages. Continuation blocks are followed; their queue is short in every real file.
enum { TWI_HDF5_BLOCKS = 64 };
typedef struct twi_hdf5_walk {
    twi_hdf5 *file;
    twi_hdf5_object object;
    int version;         // 1 or 2
    bool has_order;      // v2: messages carry a creation number
    uint64_t at, end;    // rest of the block
    int first, n_queued; // ring of blocks to come
    struct {
        uint64_t at, n;
    } queue[TWI_HDF5_BLOCKS];
} twi_hdf5_walk;

tw_status twi_hdf5_walk_object(twi_hdf5_walk *w, twi_hdf5 *file, twi_hdf5_object object, tw_err *err);
// True: *message is the next one. False: the end, or a failure (*status).
bool twi_hdf5_walk_next(twi_hdf5_walk *w, twi_hdf5_message *message, tw_status *status, tw_err *err);
// lookup3 of n bytes at `at` (what version 2 records end with) compared with the four bytes that follow them.
tw_status twi_hdf5_check_sum(const twi_hdf5 *file, uint64_t at, uint64_t n, tw_err *err);

// ------------------------------------------------------------------------------------------------------------- types

typedef enum twi_hdf5_class {
    TWI_HDF5_NUMBER,
    TWI_HDF5_OPAQUE,
    TWI_HDF5_FIXED_TEXT,
    TWI_HDF5_VLEN_TEXT
} twi_hdf5_class;

typedef struct twi_hdf5_type {
    twi_hdf5_class kind;
    uint64_t size;        // bytes of one value; ≥ 1
    twi_dtype dtype;      // of a number
    bool is_space_padded; // of a fixed text
} twi_hdf5_type;

// Reads a datatype message's body. `what` names its owner for messages. TW_EUNSUPPORTED for types we cannot read.
tw_status twi_hdf5_take_type(twi_hdf5_cursor *c, const char *what, twi_hdf5_type *type);
// Reads a dataspace message's body: shape (rank 0 for a scalar) and *is_null for "no values at all".
tw_status twi_hdf5_take_space(twi_hdf5_cursor *c, const char *what, tw_shape *shape, bool *is_null);

// ------------------------------------------------------------------------------------------------------------ values

// Where a dataset's values are.
enum { TWI_HDF5_FILTERS_MAX = 8 };
typedef struct twi_hdf5_layout {
    enum { TWI_HDF5_CONTIGUOUS, TWI_HDF5_CHUNK_TREE, TWI_HDF5_CHUNK_ONE, TWI_HDF5_CHUNK_ROW } kind;
    uint64_t at, n; // contiguous, compact: the values; chunked: the tree or first chunk
    int64_t chunk[TW_RANK_MAX];
    uint64_t one_bytes, one_mask; // TWI_HDF5_CHUNK_ONE with filters
    int n_filters;
    unsigned filter[TWI_HDF5_FILTERS_MAX];
} twi_hdf5_layout;

typedef struct twi_hdf5_dataset {
    tw_shape shape;
    twi_hdf5_type type;
    int64_t count;
    twi_hdf5_layout layout;
} twi_hdf5_dataset;

// Chunked values as f32 (hdf5_chunk.c). TW_EUNUSABLE where chunks are missing.
tw_status twi_hdf5_read_chunks(twi_hdf5 *file, const twi_hdf5_dataset *d, float *dst, tw_err *err);
tw_status twi_hdf5_take_filters(twi_hdf5_cursor *c, twi_hdf5_layout *layout);

#endif
