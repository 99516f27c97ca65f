// binary: y = a ∘ b, number by number, with NumPy's broadcasting.
//
// Shapes   aligned at their last axes; a size of 1, or an axis that is not there, repeats.
// Gradient of a repeated number is the sum over its repetitions. Where both sides of max or min are equal, a gets it.
// Source   numpy.broadcast; keras.layers.Add, Subtract, Multiply, Maximum, Minimum, Keras 3.15.
//
// Axes that lie together in a, b and y are merged first: equal shapes become one long axis, a bias two.

#include "op/row.h"

static tw_status infer(const void *params, int n_in, const tw_shape *in, tw_shape *out, int *n_out,
                       tw_err *err)
{
    (void)n_in;
    const twi_binary_params *p = params;
    const tw_shape *a = &in[0], *b = &in[1];
    if ((int)p->function < 0 || p->function > TWI_MIN)
        return twi_fail(err, TW_EINVAL, "binary: there is no function number %d", (int)p->function);
    if (twi_check_sizes("binary", "first input", a, err) || twi_check_sizes("binary", "second input", b, err))
        return TW_EINVAL;
    tw_shape y = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= y.rank; i++) {
        int64_t of_a = i <= a->rank ? a->dim[a->rank - i] : 1, of_b = i <= b->rank ? b->dim[b->rank - i] : 1;
        char left[TWI_SHAPE_TEXT], right[TWI_SHAPE_TEXT];
        if (of_a != of_b && of_a != 1 && of_b != 1)
            return twi_fail(err, TW_EINVAL, "binary: shapes %s and %s do not go together",
                            twi_shape_text(a, left), twi_shape_text(b, right));
        y.dim[y.rank - i] = of_a == 1 ? of_b : of_a;
    }
    return twi_infer_one("binary", y, out, n_out, err);
}

// How y's numbers are counted, and where a's and b's lie: merged axes, the last one first.
typedef struct layout {
    int rank; // ≥ 1
    int64_t dim[TW_RANK_MAX], a[TW_RANK_MAX], b[TW_RANK_MAX], y[TW_RANK_MAX];
} layout;

static layout layout_of(const tw_shape *a, const tw_shape *b, const tw_shape *y)
{
    layout l = {.rank = 1, .dim = {1}};
    int64_t step_a = 1, step_b = 1, step_y = 1;
    for (int i = 1; i <= y->rank; i++) {
        int64_t n = y->dim[y->rank - i];
        int64_t of_a = i <= a->rank ? a->dim[a->rank - i] : 1, of_b = i <= b->rank ? b->dim[b->rank - i] : 1;
        int64_t stride_a = of_a == n ? step_a : 0, stride_b = of_b == n ? step_b : 0;
        int last = l.rank - 1;
        if (n == 1)
            continue;
        if (l.dim[last] == 1) {
            l.dim[last] = n, l.a[last] = stride_a, l.b[last] = stride_b, l.y[last] = step_y;
        } else if (stride_a == l.a[last] * l.dim[last] && stride_b == l.b[last] * l.dim[last]) {
            l.dim[last] *= n;
        } else {
            last = l.rank++;
            l.dim[last] = n, l.a[last] = stride_a, l.b[last] = stride_b, l.y[last] = step_y;
        }
        step_a *= of_a, step_b *= of_b, step_y *= n;
    }
    return l;
}

typedef struct offsets {
    int64_t a, b, y;
} offsets;

// Adds the index-th combination of those axes, from axis 1 up, that are repeated in `side` (or that are not).
static offsets offsets_at(const layout *l, const int64_t *side, bool is_repeated, int64_t index, offsets o)
{
    for (int i = 1; i < l->rank; i++) {
        if (side && (side[i] == 0) != is_repeated)
            continue;
        int64_t k = index % l->dim[i];
        index /= l->dim[i];
        o.a += k * l->a[i], o.b += k * l->b[i], o.y += k * l->y[i];
    }
    return o;
}

static int64_t combinations(const layout *l, const int64_t *side, bool is_repeated)
{
    int64_t n = 1;
    for (int i = 1; i < l->rank; i++)
        if (!side || (side[i] == 0) == is_repeated)
            n *= l->dim[i];
    return n;
}

static void forward_row(twi_binary function, int64_t n, const float *a, int64_t step_a, const float *b,
                        int64_t step_b, float *y)
{
#define EACH(value)                                 \
    for (int64_t i = 0; i < n; i++) {               \
        float l = a[i * step_a], r = b[i * step_b]; \
        y[i] = (value);                             \
    }                                               \
    return
    switch (function) {
    case TWI_ADD:
        EACH(l + r);
    case TWI_SUB:
        EACH(l - r);
    case TWI_MUL:
        EACH(l * r);
    case TWI_DIV:
        EACH(l / r);
    case TWI_MAX:
        EACH(l >= r ? l : r);
    case TWI_MIN:
        EACH(l <= r ? l : r);
    }
#undef EACH
}

static void forward(const void *params, const twi_op_call *call)
{
    const twi_binary_params *p = params;
    layout l = layout_of(&call->in[0].shape, &call->in[1].shape, &call->out[0].shape);
    const float *a = call->in[0].data, *b = call->in[1].data;
    float *y = call->out[0].data;
    int64_t rows = combinations(&l, NULL, false);
    for (int64_t r = 0; r < rows; r++) {
        offsets o = offsets_at(&l, NULL, false, r, (offsets){0});
        forward_row(p->function, l.dim[0], a + o.a, l.a[0], b + o.b, l.b[0], y + o.y);
    }
}

// sum[i] += dL/dy · dy/da of a row (or dy/db); step 0 adds all of it to sum[0].
static void add_slopes(twi_binary function, bool to_b, int64_t n, const float *grad, const float *a,
                       int64_t step_a, const float *b, int64_t step_b, double *sum, int64_t step)
{
#define EACH(value)                                               \
    for (int64_t i = 0; i < n; i++) {                             \
        double g = grad[i], l = a[i * step_a], r = b[i * step_b]; \
        sum[i * step] += (value);                                 \
        (void)l, (void)r;                                         \
    }                                                             \
    return
    switch (function) {
    case TWI_ADD:
        EACH(g);
    case TWI_SUB:
        EACH(to_b ? -g : g);
    case TWI_MUL:
        EACH(to_b ? g * l : g * r);
    case TWI_DIV:
        EACH(to_b ? -g * l / (r * r) : g / r);
    case TWI_MAX:
        EACH((l >= r) != to_b ? g : 0);
    case TWI_MIN:
        EACH((l <= r) != to_b ? g : 0);
    }
#undef EACH
}

// Gradient of one side: for each of its rows, block by block, the sum over everything it was repeated for.
static void backward_side(twi_binary function, bool to_b, const layout *l, const twi_op_call *call, float *to)
{
    const float *grad = call->grad_out.data, *a = call->in[0].data, *b = call->in[1].data;
    const int64_t *side = to_b ? l->b : l->a;
    int64_t rows = combinations(l, side, false), repeats = combinations(l, side, true);
    int64_t step = side[0], block = step ? TWI_BLOCK : l->dim[0];
    for (int64_t r = 0; r < rows; r++) {
        offsets row = offsets_at(l, side, false, r, (offsets){0});
        for (int64_t first = 0; first < l->dim[0]; first += block) {
            double sum[TWI_BLOCK] = {0};
            int64_t n = twi_min(block, l->dim[0] - first);
            for (int64_t k = 0; k < repeats; k++) {
                offsets o = offsets_at(l, side, true, k, row);
                add_slopes(function, to_b, n, grad + o.y + first, a + o.a + first * l->a[0], l->a[0],
                           b + o.b + first * l->b[0], l->b[0], sum, step);
            }
            float *at = to + (to_b ? row.b : row.a) + first * step;
            for (int64_t c = 0; c < (step ? n : 1); c++)
                at[c] = (float)sum[c];
        }
    }
}

static void backward(const void *params, const twi_op_call *call)
{
    const twi_binary_params *p = params;
    layout l = layout_of(&call->in[0].shape, &call->in[1].shape, &call->grad_out.shape);
    for (int i = 0; i < 2; i++)
        if (call->grad_in[i].data)
            backward_side(p->function, i == 1, &l, call, call->grad_in[i].data);
}

twi_value twi_emit_binary(twi_emitter *e, twi_value a, twi_value b, twi_binary function)
{
    return twi_emit(e, &twi_op_binary, &(twi_binary_params){function}, 2, (twi_value[]){a, b});
}

const twi_op_kind twi_op_binary = {.name = "binary",
                                   .doc = "sum, difference, product, quotient, larger or smaller of two",
                                   .params_size = sizeof(twi_binary_params),
                                   .in_min = 2,
                                   .in_max = 2,
                                   .backward_reads = TWI_READS_IN(0) | TWI_READS_IN(1),
                                   .flags = TWI_OP_IN_PLACE,
                                   .infer = infer,
                                   .forward = forward,
                                   .backward = backward,
                                   .dnnl = twi_dnnl_binary};
