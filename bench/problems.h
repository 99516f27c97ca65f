// Problems: lines of bench/problems/*.txt, the op shapes that networks contain. bench/op times them; tests/conform/test_op_dnnl.c
// checks that the kernels give what the references give, on fewer pixels.
//
//     # op       in            kernel            stride  pad          groups  layer
//     conv       56x56x64      3x3x64x64         1       1,1,1,1      1       conv2_block1_2_conv
//     matmul     4096          4096x1000         -       -            -       predictions
//     pool_max   112x112x64    3x3               2       1,1,1,1      -       pool1_pool
//
// in: height × width × channels, or channels. pad: top, bottom, left, right. The batch is the reader's.
#ifndef TW_BENCH_PROBLEMS_H
#define TW_BENCH_PROBLEMS_H

#include "op/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct problem {
    char name[128]; // "conv 56x56x64 3x3x64x64 /1"
    const twi_op_kind *kind;
    union {
        twi_conv_params conv;
        twi_pool_params pool;
    } params;
    int n_in;
    tw_shape in[3], out; // in: x, kernel, bias
} problem;

// "3x3x64x64" → 3, 3, 64, 64. How many; 0: no numbers between 1 and a million.
static inline int problem_numbers(const char *text, const char *between, int64_t *n, int64_t least)
{
    int count = 0;
    for (const char *at = text; count < 4; at++) {
        char *end;
        n[count++] = strtoll(at, &end, 10);
        if (end == at || n[count - 1] < least || n[count - 1] > 1000000)
            return 0;
        if (!*end)
            return count;
        if (*end != *between)
            return 0;
        at = end;
    }
    return 0;
}

// Fills p, for a batch of n and at most `pixels` a side (0: as the line says). false: not a line as above.
static inline bool problem_parse(const char *line, int64_t n, int64_t pixels, problem *p)
{
    char op[16], in[32], kernel[32], stride[16], pads[32], groups[16];
    if (sscanf(line, "%15s %31s %31s %15s %31s %15s", op, in, kernel, stride, pads, groups) != 6)
        return false;
    int64_t x[4], k[4], pad[4], s = strtoll(stride, NULL, 10);
    int n_x = problem_numbers(in, "x", x, 1), n_k = problem_numbers(kernel, "x", k, 1);
    *p = (problem){.n_in = 3};
    snprintf(p->name, sizeof p->name, "%s %s %s /%s", op, in, kernel, stride);
    bool has_pad = n_x == 3 && s > 0 && problem_numbers(pads, ",", pad, 0) == 4;
    for (int i = 0; i < 2 && pixels && n_x == 3; i++)
        x[i] = x[i] < pixels ? x[i] : pixels;
    p->in[0] = n_x == 3 ? TWI_SHAPE(n, x[0], x[1], x[2]) : TWI_SHAPE(n, x[0]);
    if (!strcmp(op, "conv") && has_pad && n_k == 4) {
        p->kind = &twi_op_conv;
        p->params.conv = (twi_conv_params){{s, s}, {1, 1}, {pad[0], pad[1], pad[2], pad[3]}, atoll(groups)};
        p->in[1] = TWI_SHAPE(k[0], k[1], k[2], k[3]);
        p->in[2] = TWI_SHAPE(k[3]);
    } else if (!strcmp(op, "matmul") && n_x == 1 && n_k == 2) {
        p->kind = &twi_op_matmul;
        p->in[1] = TWI_SHAPE(k[0], k[1]);
        p->in[2] = TWI_SHAPE(k[1]);
    } else if (!strcmp(op, "pool_max") && has_pad && n_k == 2) {
        p->kind = &twi_op_pool;
        p->params.pool = (twi_pool_params){false, {k[0], k[1]}, {s, s}, {pad[0], pad[1], pad[2], pad[3]}};
        p->n_in = 1;
    } else {
        return false;
    }
    int n_out = 0;
    return p->kind->infer(&p->params, p->n_in, p->in, &p->out, &n_out, NULL) == TW_OK && n_out == 1;
}

// Calls take(self, problem) for each line of a file. The number of lines; -1, with the line on standard error, where one is
// malformed or the file cannot be read.
static inline int problems_read(const char *path, int64_t n, int64_t pixels,
                                void (*take)(void *, const problem *), void *self)
{
    FILE *file = fopen(path, "r");
    if (!file)
        perror(path);
    int count = file ? 0 : -1;
    problem p;
    for (char line[256]; count >= 0 && fgets(line, sizeof line, file);) {
        if (*line == '#')
            continue;
        if (problem_parse(line, n, pixels, &p)) {
            take(self, &p);
            count++;
        } else {
            fprintf(stderr, "%s: not a problem: %s", path, line);
            count = -1;
        }
    }
    if (file)
        fclose(file);
    return count;
}

#endif
