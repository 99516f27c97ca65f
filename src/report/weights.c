// What trained kernels look like: how many of their numbers are zero, and how the others are spread. See report.h.
//
//   zero       share of numbers that are exactly 0
//   small      share with |w| < 1e-3, zeros included
//   histogram  {"limit", "count": [BINS]} over -limit … limit; what lies outside is counted in the outermost bins
// The middle bin lies around 0, so that a penalty that pulls weights there is seen at once. Four times the root mean square
// is wide enough for all but stray numbers, which would otherwise press everything else into the middle.

#include "report/report.h"

#include <math.h>

enum { BINS = 41 };
#define SMALL 1e-3f
#define WIDTH 4.0

static json_t *histogram(const twi_weight *w, int64_t n)
{
    double sum = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)w->data[i] * (double)w->data[i];
        largest = fmax(largest, fabs((double)w->data[i]));
    }
    double limit = fmin(largest, WIDTH * sqrt(sum / (double)n));
    json_int_t count[BINS] = {0};
    for (int64_t i = 0; i < n; i++) {
        double at = limit > 0 ? ((double)w->data[i] / limit + 1) / 2 * BINS : BINS / 2;
        count[at <= 0 ? 0 : at >= BINS ? BINS - 1 : (int)at]++;
    }
    json_t *list = json_array();
    for (int i = 0; i < BINS; i++)
        json_array_append_new(list, json_integer(count[i]));
    return json_pack("{sf so}", "limit", limit, "count", list);
}

static json_t *kernel(const twi_weight *w, const char *path)
{
    int64_t n = twi_shape_count(&w->shape), zeros = 0, small = 0;
    bool is_finite = true;
    for (int64_t i = 0; i < n; i++) {
        zeros += w->data[i] == 0;
        small += fabsf(w->data[i]) < SMALL;
        is_finite = is_finite && isfinite(w->data[i]);
    }
    json_t *one = json_pack("{ss sI sf sf}", "weight", path, "values", (json_int_t)n, "zero",
                            (double)zeros / (double)n, "small", (double)small / (double)n);
    if (is_finite)
        json_object_set_new(one, "histogram", histogram(w, n));
    return one;
}

json_t *twi_weights_json(const tw_model *m, tw_err *err)
{
    twi_weights all = {0};
    if (twi_model_weights(m, &all, err))
        return NULL;
    json_t *list = json_array();
    for (int i = 0; i < all.n; i++) {
        const twi_weight *w = all.at[i];
        if (w->is_trainable && w->shape.rank >= 2 && w->data && twi_shape_count(&w->shape) > 0)
            json_array_append_new(list, kernel(w, all.path[i]));
    }
    twi_weights_clear(&all);
    return list;
}
