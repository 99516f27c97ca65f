// binary: y = a ∘ b. Two full tensors, or a full one with a repeated one (a bias; the scale of a squeeze-and-excite block).
//
// The full operand keeps the layout it comes in; a repeated one is dense. A scale per photo and channel [n,1,1,c] has no
// fast kernel in the library, and none at all in blocked layouts: a plain loop does f32; the rest goes through the scale
// per channel, which the library has, run once per photo.
// Backward for what networks train through: sums, differences and products of equal shapes, and products with such a scale
// (whose own gradient is summed by global pooling). The rest is left to the reference.

#include "op/onednn/dnnl.h"

#include <stdio.h>

typedef struct binary {
    twi_builder b;
    dnnl_alg_kind_t alg;
    int full, other;      // which input has the result's shape
    tw_shape shape, part; // of the result and of the other input, with as many axes
    bool is_repeated;     // the other input is smaller
    bool is_per_photo;    // [n,1,1,c]
} binary;

static dnnl_alg_kind_t alg_of(twi_binary function)
{
    switch (function) {
    case TWI_SUB:
        return dnnl_binary_sub;
    case TWI_MUL:
        return dnnl_binary_mul;
    case TWI_DIV:
        return dnnl_binary_div;
    case TWI_MAX:
        return dnnl_binary_max;
    case TWI_MIN:
        return dnnl_binary_min;
    case TWI_ADD:
        break;
    }
    return dnnl_binary_add;
}

// Axes of size 1 in front.
static tw_shape widened(const tw_shape *s, int rank)
{
    tw_shape wide = {.rank = rank};
    for (int i = 0; i < rank; i++)
        wide.dim[i] = i < rank - s->rank ? 1 : s->dim[i - (rank - s->rank)];
    return wide;
}

static bool describe(binary *c, const twi_kernel_request *r)
{
    const twi_binary_params *p = r->params;
    bool may_swap = p->function != TWI_SUB && p->function != TWI_DIV;
    c->alg = alg_of(p->function);
    c->shape = r->out[0];
    c->full = twi_shape_same(&r->in[0], &c->shape) ? 0 : 1;
    c->other = 1 - c->full;
    if (!twi_shape_same(&r->in[c->full], &c->shape) || (c->full == 1 && !may_swap))
        return false;
    c->part = widened(&r->in[c->other], c->shape.rank);
    c->is_repeated = !twi_shape_same(&c->part, &c->shape);
    const int64_t *d = c->part.dim, *of = c->shape.dim;
    c->is_per_photo = c->is_repeated && c->part.rank == 4 && d[0] == of[0] && of[0] > 1 && d[1] == 1 &&
                      d[2] == 1 && d[3] == of[3];
    return true;
}

static dnnl_primitive_desc_t prepared(twi_builder *b, dnnl_alg_kind_t alg, twi_lent_md full,
                                      twi_lent_md other)
{
    if (b->is_over || !full || !other)
        return NULL;
    if (!twi_pd(b,
                dnnl_binary_primitive_desc_create(twi_pd_at(b), b->engine, alg, full, other, full, b->attr)))
        return NULL;
    return twi_pd_is_slow(twi_pd_last(b)) ? NULL : twi_pd_last(b);
}

// ------------------------------------------------------------------------------------------------------------ forward

// The first photo of a batch, and the bytes from one to the next.
static twi_lent_md photo_of(twi_builder *b, twi_lent_md batch, size_t *bytes)
{
    twi_blocking blocking;
    dnnl_dims_t none = {0};
    twi_md_blocking(batch, &blocking);
    *bytes = (size_t)blocking.stride[0] * dnnl_data_type_size(blocking.dtype);
    blocking.dim[0] = 1;
    return twi_part(b, batch, blocking.dim, none);
}

// Steps y[k] = full[k] ∘ other[k] for each photo k. False: not to be had.
static bool add_per_photo(binary *c, twi_slot full_at, twi_slot other_at, twi_slot y_at, twi_lent_md full,
                          dnnl_alg_kind_t alg)
{
    twi_builder *b = &c->b;
    size_t image, scale;
    twi_lent_md vectors = twi_dense(b, &c->part, TWI_AXES_IMAGE, 1, dnnl_f32);
    if (b->is_over)
        return false;
    twi_lent_md photo = photo_of(b, full, &image), vector = photo_of(b, vectors, &scale);
    dnnl_primitive_desc_t pd = prepared(b, alg, photo, vector);
    if (!pd)
        return false;
    twi_bind(b, DNNL_ARG_SRC_0, full_at, photo);
    twi_bind(b, DNNL_ARG_SRC_1, other_at, vector);
    twi_bind(b, DNNL_ARG_DST, y_at, photo);
    twi_add_repeated(b, pd, (int)c->shape.dim[0], (size_t[]){image, scale, image});
    return true;
}

// Images as rows of `wide` channels next to each other, `inside` rows for one group of channels.
typedef struct groups {
    int64_t n, inside, wide; // groups of all photos; their rows; numbers in a row
} groups;

// False where the image lies neither dense nor in whole blocks of channels.
static bool groups_of(const tw_shape *s, twi_lent_md md, groups *g)
{
    twi_blocking b;
    int64_t pixels = s->dim[1] * s->dim[2], c = s->dim[3];
    *g = (groups){s->dim[0], pixels, c};
    if (!md)
        return true;
    twi_md_blocking(md, &b);
    if (!b.is_blocked || b.dtype != dnnl_f32 || b.n_dims != 4 || b.padded[1] != b.dim[1])
        return false;
    if (b.n_blocks == 0)
        return b.stride[1] == 1 && b.stride[3] == c && b.stride[2] == c * s->dim[2] &&
               b.stride[0] == c * pixels;
    int64_t wide = b.block[0];
    *g = (groups){s->dim[0] * (c / wide), pixels, wide};
    return b.n_blocks == 1 && b.block_axis[0] == 1 && b.stride[3] == wide &&
           b.stride[2] == wide * s->dim[2] && b.stride[1] == wide * pixels && b.stride[0] == c * pixels;
}

static void scale_groups(const twi_kernel *kernel, const twi_kernel_args *args)
{
    const twi_kernel_request *r = &kernel->request;
    int full = twi_shape_same(&r->in[0], &r->out[0]) ? 0 : 1;
    const float *x = args->in[full], *scales = args->in[1 - full];
    float *y = args->out[0];
    groups g;
    groups_of(&r->out[0], kernel->out_layout ? kernel->out_layout->md : NULL, &g);
#pragma omp parallel for if (g.n * g.inside * g.wide > 1 << 16)
    for (int64_t i = 0; i < g.n; i++) {
        const float *from = x + i * g.inside * g.wide, *scale = scales + i * g.wide;
        float *to = y + i * g.inside * g.wide;
        for (int64_t row = 0; row < g.inside; row++)
            for (int64_t c = 0; c < g.wide; c++)
                to[row * g.wide + c] = from[row * g.wide + c] * scale[c];
    }
}

static bool add_scale(binary *c, twi_lent_md full)
{
    twi_builder *b = &c->b;
    groups g;
    if (c->alg != dnnl_binary_mul || twi_md_type(full) != dnnl_f32 || !groups_of(&c->shape, full, &g))
        return false;
    twi_ask_in(b, c->full, TWI_AXES_IMAGE, 1, full);
    twi_leave_out(b, TWI_AXES_IMAGE, full);
    twi_add_work(b, scale_groups);
    snprintf(b->kernel->impl, sizeof b->kernel->impl, "scale per photo");
    return true;
}

static bool add_at_once(binary *c, twi_lent_md full)
{
    twi_builder *b = &c->b;
    twi_lent_md other = c->is_repeated ? twi_dense(b, &c->part, TWI_AXES_IMAGE, 1, dnnl_f32) : full;
    dnnl_primitive_desc_t pd = prepared(b, c->alg, full, other);
    if (!pd)
        return false;
    twi_bind_in(b, DNNL_ARG_SRC_0, c->full, TWI_AXES_IMAGE, 1, full);
    if (c->is_repeated)
        twi_bind(b, DNNL_ARG_SRC_1, TWI_IN(c->other), other);
    else
        twi_bind_in(b, DNNL_ARG_SRC_1, c->other, TWI_AXES_IMAGE, 1, full);
    twi_bind_out(b, DNNL_ARG_DST, TWI_AXES_IMAGE, full);
    twi_add_step(b, pd);
    return true;
}

static bool add_forward(binary *c, twi_lent_md full)
{
    twi_builder *b = &c->b;
    if (b->is_over)
        return true;
    if (!c->is_per_photo)
        return add_at_once(c, full);
    if (add_scale(c, full))
        return true;
    if (!add_per_photo(c, TWI_IN(c->full), TWI_IN(c->other), TWI_OUT(0), full, c->alg))
        return false;
    twi_ask_in(b, c->full, TWI_AXES_IMAGE, 1, full);
    twi_leave_out(b, TWI_AXES_IMAGE, full);
    return true;
}

static void forward(binary *c)
{
    twi_builder *b = &c->b;
    bool is_second = !c->is_repeated && !b->request->in_layout[c->full];
    twi_lent_md hinted = twi_hinted(b, is_second ? c->other : c->full, TWI_AXES_IMAGE);
    if (!add_forward(c, hinted) && !add_forward(c, twi_dense(b, &c->shape, TWI_AXES_IMAGE, 1, dnnl_f32)))
        twi_give_up(b);
}

// ----------------------------------------------------------------------------------------------------------- backward

// grad of one input of two full tensors: a copy, a negated copy, or a product with the other input.
static void add_full_grad(binary *c, int i, twi_lent_md full)
{
    twi_builder *b = &c->b;
    if (b->is_over)
        return;
    if (c->alg == dnnl_binary_mul) {
        dnnl_primitive_desc_t pd = prepared(b, dnnl_binary_mul, full, full);
        if (!pd) {
            twi_give_up(b);
            return;
        }
        twi_bind(b, DNNL_ARG_SRC_0, TWI_GRAD_OUT, full);
        twi_bind(b, DNNL_ARG_SRC_1, TWI_IN(1 - i), full);
        twi_bind(b, DNNL_ARG_DST, TWI_GRAD_IN(i), full);
        twi_add_step(b, pd);
    } else if (i == 0 || c->alg == dnnl_binary_add) {
        twi_add_copy(b, TWI_GRAD_OUT, full, TWI_GRAD_IN(i), full);
    } else if (twi_pd(b, dnnl_eltwise_forward_primitive_desc_create(
                             twi_pd_at(b), b->engine, dnnl_forward_inference, dnnl_eltwise_linear, full, full,
                             -1, 0, b->attr))) {
        twi_bind(b, DNNL_ARG_SRC, TWI_GRAD_OUT, full);
        twi_bind(b, DNNL_ARG_DST, TWI_GRAD_IN(i), full);
        twi_add_step(b, twi_pd_last(b));
    } else {
        twi_give_up(b);
    }
}

// Σ over h and w of a dense image [n,h,w,c] into [n,1,1,c]: the mean by pooling, times h·w.
static void add_sum(binary *c, twi_slot from, twi_lent_md full, twi_slot to)
{
    twi_builder *b = &c->b;
    dnnl_dims_t one = {1, 1}, none = {0}, window = {c->shape.dim[1], c->shape.dim[2]};
    float pixels = (float)(c->shape.dim[1] * c->shape.dim[2]);
    tw_shape shape = TWI_SHAPE(c->shape.dim[0], 1, 1, c->shape.dim[3]);
    twi_lent_md vectors = twi_dense(b, &shape, TWI_AXES_IMAGE, 1, dnnl_f32);
    if (b->is_over)
        return;
    if (!twi_pd(b, dnnl_pooling_forward_primitive_desc_create(twi_pd_at(b), b->engine, dnnl_forward_inference,
                                                              dnnl_pooling_avg_exclude_padding, full, vectors,
                                                              one, window, none, none, none, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind(b, DNNL_ARG_SRC, from, full);
    twi_bind(b, DNNL_ARG_DST, to, vectors);
    twi_add_step(b, twi_pd_last(b));
    if (!twi_pd(b, dnnl_eltwise_forward_primitive_desc_create(twi_pd_at(b), b->engine, dnnl_forward_inference,
                                                              dnnl_eltwise_linear, vectors, vectors, pixels,
                                                              0, b->attr))) {
        twi_give_up(b);
        return;
    }
    twi_bind(b, DNNL_ARG_SRC, to, vectors);
    twi_bind(b, DNNL_ARG_DST, to, vectors);
    twi_add_step(b, twi_pd_last(b));
}

static void backward_per_photo(binary *c, twi_lent_md full)
{
    twi_builder *b = &c->b;
    unsigned wanted = b->request->grads_wanted;
    if (b->is_over)
        return;
    if (wanted >> c->full & 1 &&
        !add_per_photo(c, TWI_GRAD_OUT, TWI_IN(c->other), TWI_GRAD_IN(c->full), full, dnnl_binary_mul))
        twi_give_up(b);
    if (!(wanted >> c->other & 1) || b->is_over)
        return;
    dnnl_primitive_desc_t pd = prepared(b, dnnl_binary_mul, full, full);
    if (!pd) {
        twi_give_up(b);
        return;
    }
    twi_slot product = twi_scratch_for(b, full);
    twi_bind(b, DNNL_ARG_SRC_0, TWI_GRAD_OUT, full);
    twi_bind(b, DNNL_ARG_SRC_1, TWI_IN(c->full), full);
    twi_bind(b, DNNL_ARG_DST, product, full);
    twi_add_step(b, pd);
    add_sum(c, product, full, TWI_GRAD_IN(c->other));
}

static void backward(binary *c)
{
    twi_builder *b = &c->b;
    twi_lent_md full = twi_dense(b, &c->shape, TWI_AXES_IMAGE, 1, dnnl_f32);
    bool is_linear = c->alg == dnnl_binary_add || c->alg == dnnl_binary_sub || c->alg == dnnl_binary_mul;
    if (c->is_per_photo && c->alg == dnnl_binary_mul) {
        backward_per_photo(c, full);
    } else if (!c->is_repeated && is_linear) {
        for (int i = 0; i < 2; i++)
            if (b->request->grads_wanted >> i & 1)
                add_full_grad(c, i, full);
    } else {
        twi_give_up(b);
    }
}

twi_kernel *twi_dnnl_binary(const twi_kernel_request *request, tw_err *err)
{
    binary c = {0};
    if (!describe(&c, request) || !twi_build(&c.b, request, "binary", 0, err))
        return NULL;
    if (request->direction == TWI_FORWARD)
        forward(&c);
    else
        backward(&c);
    return twi_built(&c.b);
}
