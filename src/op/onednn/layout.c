// Layouts: how a tensor lies in memory, when not dense.
//
// A layout is a descriptor of the library's (logical axes, strides, inner blocks, type) and how its axes come from the
// op's shape. With that, the dense memory of the same tensor has a descriptor too, and one plain reorder leads from one
// to the other, for activations and for kernels alike:
//     depthwise, Keras's memory (kh,kw,c,mult)  seen as  (g = c, o = mult, i = 1, kh, kw) with strides over that memory.

#include "op/onednn/dnnl.h"

#include <stdio.h>
#include <string.h>

typedef struct axes_of {
    int n;
    dnnl_dims_t dim, stride;
} axes_of;

static axes_of axes_plain(const tw_shape *s)
{
    axes_of a = {.n = s->rank};
    int64_t stride = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        a.dim[i] = s->dim[i];
        a.stride[i] = stride;
        stride *= s->dim[i];
    }
    return a;
}

// The axes of `from` in another order.
static axes_of axes_picked(const axes_of *from, int n, const int *order)
{
    axes_of a = {.n = n};
    for (int i = 0; i < n; i++) {
        a.dim[i] = from->dim[order[i]];
        a.stride[i] = from->stride[order[i]];
    }
    return a;
}

static axes_of axes_grouped(const axes_of *oihw, int64_t groups)
{
    axes_of a = {.n = 5};
    int64_t per_group = oihw->dim[0] / groups;
    a.dim[0] = groups, a.stride[0] = per_group * oihw->stride[0];
    a.dim[1] = per_group, a.stride[1] = oihw->stride[0];
    for (int i = 1; i < 4; i++)
        a.dim[i + 1] = oihw->dim[i], a.stride[i + 1] = oihw->stride[i];
    return a;
}

static axes_of axes_dense(const tw_shape *shape, twi_axes axes, int64_t groups)
{
    axes_of plain = axes_plain(shape);
    if (axes == TWI_AXES_IMAGE && shape->rank == 4)
        return axes_picked(&plain, 4, (int[]){0, 3, 1, 2});
    if (axes == TWI_AXES_TRANSPOSED)
        return axes_picked(&plain, 4, (int[]){2, 3, 0, 1});
    if (axes == TWI_AXES_MATRIX)
        return axes_picked(&plain, 2, (int[]){1, 0});
    if (axes != TWI_AXES_KERNEL)
        return plain;
    axes_of oihw = axes_picked(&plain, 4, (int[]){3, 2, 0, 1});
    return groups > 1 ? axes_grouped(&oihw, groups) : oihw;
}

tw_status twi_md_dense(twi_md *out, const tw_shape *shape, twi_axes axes, int64_t groups,
                       dnnl_data_type_t type, tw_err *err)
{
    axes_of a = axes_dense(shape, axes, groups);
    return twi_dnnl_fail(dnnl_memory_desc_create_with_strides(out, a.n, a.dim, type, a.stride),
                         "memory descriptor", err);
}

tw_status twi_md_any(twi_md *out, const tw_shape *shape, twi_axes axes, int64_t groups, dnnl_data_type_t type,
                     tw_err *err)
{
    axes_of a = axes_dense(shape, axes, groups);
    return twi_dnnl_fail(dnnl_memory_desc_create_with_tag(out, a.n, a.dim, type, dnnl_format_tag_any),
                         "memory descriptor", err);
}

dnnl_data_type_t twi_md_type(twi_lent_md md)
{
    twi_blocking blocking;
    twi_md_blocking(md, &blocking);
    return blocking.dtype;
}

// Blocks that follow each other without a gap are no blocks: a [1,1,16] image in nChw8c is 16 numbers in a row.
static void unblock(twi_blocking *b)
{
    if (b->n_blocks != 1)
        return;
    int64_t axis = b->block_axis[0];
    if (b->stride[axis] == b->block[0] && b->padded[axis] == b->dim[axis]) {
        b->stride[axis] = 1;
        b->n_blocks = 0;
    }
}

// Numbers without gaps in some order; *count of them.
static bool is_gapless(const twi_blocking *b, int64_t *count)
{
    int64_t last = 0;
    *count = 1;
    for (int i = 0; i < b->n_dims; i++) {
        *count *= b->dim[i];
        last += (b->dim[i] - 1) * b->stride[i];
        if (b->padded[i] != b->dim[i])
            return false;
    }
    return last + 1 == *count;
}

bool twi_md_same(twi_lent_md a, twi_lent_md b)
{
    twi_blocking x, y;
    int64_t n_x, n_y;
    if (dnnl_memory_desc_equal(a, b))
        return true;
    twi_md_blocking(a, &x);
    twi_md_blocking(b, &y);
    if (!x.is_blocked || !y.is_blocked || x.dtype != y.dtype)
        return false;
    unblock(&x);
    unblock(&y);
    if (x.n_blocks || y.n_blocks)
        return false;
    if (x.n_dims != y.n_dims) // rows of a dense image
        return is_gapless(&x, &n_x) && is_gapless(&y, &n_y) && n_x == n_y;
    for (int i = 0; i < x.n_dims; i++)
        if (x.dim[i] != y.dim[i] || x.padded[i] != y.padded[i] || x.padded[i] != x.dim[i] ||
            (x.dim[i] != 1 && x.stride[i] != y.stride[i]))
            return false;
    return true;
}

// ------------------------------------------------------------------------------------------------------------- text

static const char *letters_of(twi_axes axes, int n)
{
    if (axes == TWI_AXES_IMAGE && n == 4)
        return "nchw";
    if (axes == TWI_AXES_KERNEL || axes == TWI_AXES_TRANSPOSED)
        return n == 5 ? "goihw" : "oihw";
    return axes == TWI_AXES_MATRIX ? "oi" : "abcdefghijkl";
}

// The library's own way of writing layouts: axes from far to near, capitals where an axis is cut into blocks, then
// the blocks.
static void write_text(char text[TWI_LAYOUT_TEXT], twi_axes axes, twi_lent_md md)
{
    twi_blocking b;
    bool is_cut[DNNL_MAX_NDIMS] = {false}, is_written[DNNL_MAX_NDIMS] = {false};
    size_t n = 0;
    twi_md_blocking(md, &b);
    const char *letters = letters_of(axes, b.n_dims);
    for (int i = 0; i < b.n_blocks; i++)
        is_cut[b.block_axis[i]] = true;
    for (int place = 0; place < b.n_dims && b.is_blocked; place++) {
        int next = -1;
        for (int i = 0; i < b.n_dims; i++)
            if (!is_written[i] && (next < 0 || b.stride[i] > b.stride[next] ||
                                   (b.stride[i] == b.stride[next] && b.dim[i] > b.dim[next])))
                next = i;
        is_written[next] = true;
        text[n++] = (char)(letters[next] - (is_cut[next] ? 'a' - 'A' : 0));
    }
    text[n] = '\0';
    for (int i = 0; i < b.n_blocks && n < TWI_LAYOUT_TEXT - 16; i++)
        n += (size_t)snprintf(text + n, TWI_LAYOUT_TEXT - n, "%d%c", (int)b.block[i],
                              letters[b.block_axis[i]]);
    if (!b.is_blocked)
        n = (size_t)snprintf(text, TWI_LAYOUT_TEXT, "packed");
    if (b.dtype == dnnl_bf16)
        snprintf(text + n, TWI_LAYOUT_TEXT - n, " bf16");
}

const char *twi_layout_text(const twi_layout *layout)
{
    return layout ? layout->text : "dense";
}

// ----------------------------------------------------------------------------------------------------------- objects

static twi_layout *layout_of(twi_axes axes, int64_t groups, twi_lent_md md, tw_err *err)
{
    twi_layout *layout = twi_new(1, sizeof *layout, "a layout", err);
    if (!layout)
        return NULL;
    layout->axes = axes;
    layout->groups = groups;
    if (twi_dnnl_fail(dnnl_memory_desc_clone(&layout->md, md), "memory descriptor", err)) {
        twi_free(layout);
        return NULL;
    }
    write_text(layout->text, axes, md);
    return layout;
}

tw_status twi_layout_new(twi_layout **out, const tw_shape *shape, twi_axes axes, int64_t groups,
                         twi_lent_md md, tw_err *err)
{
    twi_md dense;
    *out = NULL;
    tw_status status = twi_md_dense(&dense, shape, axes, groups, dnnl_f32, err);
    if (status)
        return status;
    bool is_dense = twi_md_same(dense, md);
    dnnl_memory_desc_destroy(dense);
    if (is_dense)
        return TW_OK;
    *out = layout_of(axes, groups, md, err);
    return *out ? TW_OK : TW_ENOMEM;
}

size_t twi_layout_bytes(const twi_layout *layout, const tw_shape *shape)
{
    if (layout)
        return layout->md ? dnnl_memory_desc_get_size(layout->md) : layout->bytes;
    int64_t n = twi_shape_count(shape);
    return n < 0 ? 0 : (size_t)n * sizeof(float);
}

bool twi_layout_same(const twi_layout *a, const twi_layout *b)
{
    if (!a || !b)
        return a == b;
    if (!a->md || !b->md)
        return a->md == b->md && a->write == b->write && a->bytes == b->bytes;
    return a->axes == b->axes && a->groups == b->groups && twi_md_same(a->md, b->md);
}

void twi_layout_free(twi_layout *layout)
{
    if (!layout)
        return;
    if (layout->md)
        dnnl_memory_desc_destroy(layout->md);
    twi_free(layout);
}

twi_layout *twi_layout_copy(const twi_layout *layout, tw_err *err)
{
    if (layout && !layout->md)
        return twi_layout_own(layout->text, layout->bytes, layout->write, err);
    return layout ? layout_of(layout->axes, layout->groups, layout->md, err) : NULL;
}

twi_layout *twi_layout_own(const char *text, size_t bytes,
                           void (*write)(const tw_shape *shape, const float *dense, void *to), tw_err *err)
{
    twi_layout *layout = twi_new(1, sizeof *layout, "a layout", err);
    if (!layout)
        return NULL;
    *layout = (twi_layout){.axes = TWI_AXES_PLAIN, .groups = 1, .bytes = bytes, .write = write};
    snprintf(layout->text, sizeof layout->text, "%s", text);
    return layout;
}
