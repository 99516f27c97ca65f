// What the op files share. See row.h.

#include "op/row.h"

#include <string.h>

tw_status twi_check_sizes(const char *op, const char *what, const tw_shape *s, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    bool is_good = s->rank >= 1 && s->rank <= TW_RANK_MAX;
    for (int i = 0; is_good && i < s->rank; i++)
        is_good = s->dim[i] >= 1 && s->dim[i] <= TW_DIM_MAX;
    if (!is_good)
        return twi_fail(err, TW_EINVAL, "%s: %s must have an axis and sizes from 1 up, received %s", op, what,
                        s->rank > TW_RANK_MAX ? "too many axes" : twi_shape_text(s, text));
    return TW_OK;
}

tw_status twi_check_rank(const char *op, const char *what, const tw_shape *s, int rank, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (s->rank != rank)
        return twi_fail(err, TW_EINVAL, "%s: %s must have rank %d, received %s", op, what, rank,
                        s->rank > TW_RANK_MAX ? "too many axes" : twi_shape_text(s, text));
    return twi_check_sizes(op, what, s, err);
}

tw_status twi_check_vector(const char *op, const char *what, const tw_shape *s, int64_t n, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    if (s->rank == 0 || (s->rank == 1 && s->dim[0] == n))
        return TW_OK;
    return twi_fail(err, TW_EINVAL, "%s: %s must have shape (%lld,), received %s", op, what, (long long)n,
                    s->rank > TW_RANK_MAX ? "too many axes" : twi_shape_text(s, text));
}

tw_status twi_check_pair(const char *op, const char *what, const int64_t pair[2], tw_err *err)
{
    if (pair[0] >= 1 && pair[1] >= 1 && pair[0] <= TW_DIM_MAX && pair[1] <= TW_DIM_MAX)
        return TW_OK;
    return twi_fail(err, TW_EINVAL, "%s: %s must be 1 or more, received %lld, %lld", op, what,
                    (long long)pair[0], (long long)pair[1]);
}

tw_status twi_check_pads(const char *op, const int64_t pad[4], tw_err *err)
{
    for (int i = 0; i < 4; i++)
        if (pad[i] < 0 || pad[i] > TW_DIM_MAX)
            return twi_fail(err, TW_EINVAL, "%s: padding must be 0 or more, received %lld", op,
                            (long long)pad[i]);
    return TW_OK;
}

tw_status twi_infer_one(const char *op, tw_shape shape, tw_shape *out, int *n_out, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    tw_status status = twi_check_sizes(op, "the result", &shape, err);
    if (status)
        return status;
    int64_t count = twi_shape_count(&shape);
    if (count < 0 || count > INT64_MAX / 16)
        return twi_fail(err, TW_EINVAL, "%s: the result would have shape %s, too large to address", op,
                        twi_shape_text(&shape, text));
    out[0] = shape;
    *n_out = 1;
    return TW_OK;
}

int64_t twi_windows(int64_t size, int64_t window, int64_t stride, int64_t dilation, int64_t before,
                    int64_t after)
{
    int64_t room = size + before + after - ((window - 1) * dilation + 1);
    return room < 0 ? 0 : room / stride + 1;
}

int64_t twi_product(int n, const int64_t *factors)
{
    int64_t product = 1;
    for (int i = 0; i < n; i++)
        if (!twi_mul(product, factors[i], &product))
            return INT64_MAX;
    return product;
}

int64_t twi_outer(const tw_shape *s, int axis)
{
    return twi_product(axis, s->dim);
}

int64_t twi_inner(const tw_shape *s, int axis)
{
    return twi_product(s->rank - axis - 1, s->dim + axis + 1);
}

int64_t twi_rows(const tw_shape *s)
{
    return twi_outer(s, s->rank - 1);
}

double twi_dot(const float *a, const float *b, int64_t n)
{
    // Eight sums side by side: the compiler may keep them in vector registers without reordering anything.
    double sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            sum[k] += (double)a[i + k] * b[i + k];
    for (; i < n; i++)
        sum[0] += (double)a[i] * b[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void twi_sum_rows(const float *a, int64_t rows, int64_t cols, float *sum)
{
    for (int64_t at = 0; at < cols; at += TWI_BLOCK) {
        double block[TWI_BLOCK] = {0};
        int64_t n = twi_min(TWI_BLOCK, cols - at);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < n; c++)
                block[c] += a[r * cols + at + c];
        for (int64_t c = 0; c < n; c++)
            sum[at + c] = (float)block[c];
    }
}
