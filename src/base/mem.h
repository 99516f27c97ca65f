// Memory: checked allocation, overflow-checked sizes, a typed growable array, and an arena.
#ifndef TWI_BASE_MEM_H
#define TWI_BASE_MEM_H

#include "base/error.h"

#define TWI_ALIGN 64 // bytes: one cache line, and the widest vector register

// n * size zeroed bytes, or NULL with TW_ENOMEM in err ("for `what`"). Overflow counts as out of memory. Free with
// twi_free. A size of zero gives a valid pointer.
void *twi_new(size_t n, size_t size, const char *what, tw_err *err);

// n * size bytes aligned to TWI_ALIGN, not zeroed. Free with twi_free.
void *twi_new_aligned(size_t n, size_t size, const char *what, tw_err *err);

// Grows or shrinks `old` to n * size bytes; on failure `old` stays valid and NULL is returned.
void *twi_resize(void *old, size_t n, size_t size, const char *what, tw_err *err);

void twi_free(void *p);

// A copy of a string (NULL gives NULL without error).
char *twi_strdup(const char *s, tw_err *err);

// *out = a * b or a + b; false on overflow, *out untouched.
bool twi_mul(int64_t a, int64_t b, int64_t *out);
bool twi_add(int64_t a, int64_t b, int64_t *out);

// A growable array of any type, zero-initialised:  twi_vec(int) v = {0};  twi_vec_push(&v, 3, err);  v.at[0], v.n
#define twi_vec(type)  \
    struct {           \
        type *at;      \
        size_t n, cap; \
    }
// Appends a copy of `item`; false when memory is out (the array is unchanged).
#define twi_vec_push(v, item, err)                                                 \
    (twi_vec_grow_((void **)&(v)->at, &(v)->cap, (v)->n + 1, sizeof *(v)->at, err) \
         ? ((v)->at[(v)->n++] = (item), true)                                      \
         : false)
// Room for `total` items in all.
#define twi_vec_reserve(v, total, err) \
    twi_vec_grow_((void **)&(v)->at, &(v)->cap, total, sizeof *(v)->at, err)
#define twi_vec_clear(v) (twi_free((v)->at), (v)->at = NULL, (v)->n = (v)->cap = 0)
bool twi_vec_grow_(void **at, size_t *cap, size_t need, size_t size, tw_err *err);

// Many small objects that die together. Not thread-safe. Zero-initialised; twi_arena_clear frees everything.
typedef struct twi_arena {
    struct twi_arena_block *last; // newest block; blocks are chained
    size_t used;                  // bytes used in it
} twi_arena;
void *twi_arena_new(twi_arena *arena, size_t n, size_t size, tw_err *err); // zeroed, 16-byte aligned
char *twi_arena_strdup(twi_arena *arena, const char *s, tw_err *err);
void twi_arena_clear(twi_arena *arena);

#endif
