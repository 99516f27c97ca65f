// What benchmarks share: clocks, the best of several rounds, models with weights that compute real numbers.
//
// A benchmark prints JSON lines, {"bench", "case", "value", "unit", …}, and verifies its result before it prints a time.
#ifndef TW_BENCH_H
#define TW_BENCH_H

#include "engine/plan.h"
#include "layer/layer.h"
#include "zoo/zoo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void bench_check(tw_status status, const tw_err *err)
{
    if (!status)
        return;
    fprintf(stderr, "bench: %s\n", err->msg);
    exit(1);
}

// "--key=value" of the command line, or `otherwise`.
static inline const char *bench_option(int argc, char **argv, const char *key, const char *otherwise)
{
    size_t n = strlen(key);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, key, n) == 0 && argv[i][2 + n] == '=')
            return argv[i] + 3 + n;
    return otherwise;
}

// Smooth pictures in the range that networks see.
static inline void bench_fill(float *x, int64_t n)
{
    uint32_t state = 12345;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
    }
}

// A trunk of the zoo, or the whole network, with random weights; scale and statistics as initialised.
static inline tw_model *bench_model(const char *name, int64_t size, bool has_top)
{
    tw_err err = {0};
    twi_zoo_options o = {.has_top = has_top, .pooling = has_top ? NULL : "avg", .is_random = true};
    if (size)
        o.input = TWI_SHAPE(size, size, 3);
    tw_model *m = twi_zoo_build(name, &o, &err);
    if (m)
        twi_model_initialize(m, 1, twi_initializer_fill, &err);
    bench_check(err.status, &err);
    return m;
}

#endif
