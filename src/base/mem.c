// Memory: the only file of the library that calls malloc and free.

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool bytes_of(size_t n, size_t size, size_t *bytes)
{
    return !__builtin_mul_overflow(n, size, bytes) && *bytes <= PTRDIFF_MAX;
}

void *twi_new(size_t n, size_t size, const char *what, tw_err *err)
{
    size_t bytes = SIZE_MAX;
    void *p = bytes_of(n, size, &bytes) ? calloc(1, bytes ? bytes : 1) : NULL;
    if (!p)
        twi_fail_memory(err, bytes, what);
    return p;
}

void *twi_new_aligned(size_t n, size_t size, const char *what, tw_err *err)
{
    size_t bytes = SIZE_MAX;
    void *p = NULL;
    if (!bytes_of(n, size, &bytes) || posix_memalign(&p, TWI_ALIGN, bytes ? bytes : 1) != 0) {
        twi_fail_memory(err, bytes, what);
        return NULL;
    }
    return p;
}

void *twi_resize(void *old, size_t n, size_t size, const char *what, tw_err *err)
{
    size_t bytes = SIZE_MAX;
    void *p = bytes_of(n, size, &bytes) ? realloc(old, bytes ? bytes : 1) : NULL;
    if (!p)
        twi_fail_memory(err, bytes, what);
    return p;
}

void twi_free(void *p)
{
    free(p);
}

char *twi_strdup(const char *s, tw_err *err)
{
    if (!s)
        return NULL;
    size_t n = strlen(s) + 1;
    char *copy = twi_new(n, 1, "a string", err);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

bool twi_mul(int64_t a, int64_t b, int64_t *out)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool twi_add(int64_t a, int64_t b, int64_t *out)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

bool twi_vec_grow_(void **at, size_t *cap, size_t need, size_t size, tw_err *err)
{
    if (need <= *cap)
        return true;
    size_t grown = *cap < 8 ? 8 : *cap + *cap / 2;
    if (grown < need)
        grown = need;
    void *p = twi_resize(*at, grown, size, "a list", err);
    if (!p)
        return false;
    *at = p;
    *cap = grown;
    return true;
}

struct twi_arena_block {
    struct twi_arena_block *before;
    size_t size;
    _Alignas(16) unsigned char data[];
};

enum { BLOCK_BYTES = 16 * 1024 };

void *twi_arena_new(twi_arena *arena, size_t n, size_t size, tw_err *err)
{
    size_t bytes = SIZE_MAX;
    if (!bytes_of(n, size, &bytes) || bytes > SIZE_MAX / 2) {
        twi_fail_memory(err, bytes, "an arena");
        return NULL;
    }
    bytes = (bytes + 15) & ~(size_t)15;
    if (!arena->last || arena->last->size - arena->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        struct twi_arena_block *block = twi_new(1, sizeof *block + room, "an arena", err);
        if (!block)
            return NULL;
        block->before = arena->last;
        block->size = room;
        arena->last = block;
        arena->used = 0;
    }
    void *p = arena->last->data + arena->used;
    arena->used += bytes;
    return p;
}

char *twi_arena_strdup(twi_arena *arena, const char *s, tw_err *err)
{
    if (!s)
        return NULL;
    size_t n = strlen(s) + 1;
    char *copy = twi_arena_new(arena, n, 1, err);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

void twi_arena_clear(twi_arena *arena)
{
    while (arena->last) {
        struct twi_arena_block *before = arena->last->before;
        twi_free(arena->last);
        arena->last = before;
    }
    arena->used = 0;
}
