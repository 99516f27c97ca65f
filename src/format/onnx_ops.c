// The nodes of a model written as ONNX, op by op. See onnx.c.
//
// Source   onnx.ai/onnx/operators, operator set 18: the operators' meanings, and their attributes' defaults.

#include "format/onnx.h"

#include <string.h>

// ------------------------------------------------------------------------------------------------------------- numbers

// Numbers of a value under an order of axes of their own: written axis i is axis order[i].
static const char *turned(twi_onnx *o, const char *label, const tw_shape *shape, const float *numbers,
                          const int order[4])
{
    twi_onnx_tensor t = {.name = twi_onnx_new_name(o, label),
                         .shape = {.rank = 4},
                         .from = *shape,
                         .numbers = numbers,
                         .is_turned = true};
    for (int i = 0; i < 4; i++) {
        t.order[i] = order[i];
        t.shape.dim[i] = shape->dim[order[i]];
    }
    twi_onnx_push(o, &t);
    return t.name;
}

static const int to_first[4] = {0, 3, 1, 2}, to_last[4] = {0, 2, 3, 1};

static const char *constant(twi_onnx *o, twi_value v, twi_onnx_layout layout, const char *label)
{
    tw_shape shape = *twi_export_shape(o->x, v);
    const float *numbers = twi_export_numbers(o->x, v);
    if (layout == TWI_ONNX_LAST) {
        twi_onnx_tensor t = {.name = twi_onnx_new_name(o, label), .shape = shape, .numbers = numbers};
        twi_onnx_push(o, &t);
        return t.name;
    }
    // Axes that are not there repeat, as axes of one.
    tw_shape four = {.rank = 4, .dim = {1, 1, 1, 1}};
    for (int i = 0; i < shape.rank; i++)
        four.dim[4 - shape.rank + i] = shape.dim[i];
    return turned(o, label, &four, numbers, to_first);
}

// Numbers, or a value's name.
static const char *operand(twi_onnx *o, twi_value v, twi_onnx_layout layout, const char *label)
{
    return v == TWI_NONE                 ? NULL
           : twi_export_numbers(o->x, v) ? constant(o, v, layout, label)
                                         : twi_onnx_name(o, v, layout);
}

// ------------------------------------------------------------------------------------------------------------- layouts

const char *twi_onnx_name(twi_onnx *o, twi_value v, twi_onnx_layout layout)
{
    const char **name = o->name[v];
    if (twi_export_shape(o->x, v)->rank != 4)
        layout = TWI_ONNX_LAST;
    if (!name[layout]) {
        const char *have = name[!layout];
        if (!have)
            TWI_BUG("an op reads a value that was not made before");
        twi_onnx_node n = twi_onnx_node_of("Transpose", have);
        const int *order = layout == TWI_ONNX_FIRST ? to_first : to_last;
        twi_onnx_node_ints(&n, "perm", 4, (int64_t[]){order[0], order[1], order[2], order[3]});
        name[layout] = twi_onnx_node_end(o, &n, have, NULL);
    }
    return name[layout];
}

// How a value lies already.
static twi_onnx_layout layout_of(const twi_onnx *o, twi_value v)
{
    return !twi_export_numbers(o->x, v) && o->name[v][TWI_ONNX_FIRST] ? TWI_ONNX_FIRST : TWI_ONNX_LAST;
}

static void give(twi_onnx *o, const twi_program_op *op, twi_onnx_layout layout, const char *name)
{
    if (twi_export_shape(o->x, op->out[0])->rank != 4)
        layout = TWI_ONNX_LAST;
    o->name[op->out[0]][layout] = name;
}

static int axis_in(int axis, int rank, twi_onnx_layout layout)
{
    static const int first[4] = {0, 2, 3, 1};
    axis = axis < 0 ? axis + rank : axis;
    return rank == 4 && layout == TWI_ONNX_FIRST ? first[axis] : axis;
}

// ----------------------------------------------------------------------------------------------------------------- ops

static void pads_of(const int64_t pad[4], int64_t out[4]) // top, left, bottom, right
{
    out[0] = pad[0], out[1] = pad[2], out[2] = pad[1], out[3] = pad[3];
}

static void refuse(twi_onnx *o, const twi_program_op *op)
{
    twi_export_refuse(op, "ONNX", &o->err);
}

static void write_conv(twi_onnx *o, const twi_program_op *op)
{
    const twi_conv_params *p = op->params;
    const float *kernel = twi_export_numbers(o->x, op->in[1]);
    int64_t pads[4];
    if (!kernel) {
        refuse(o, op);
        return;
    }
    twi_onnx_node n = twi_onnx_node_of("Conv", twi_onnx_name(o, op->in[0], TWI_ONNX_FIRST));
    twi_onnx_node_in(&n,
                     turned(o, op->label, twi_export_shape(o->x, op->in[1]), kernel, (int[]){3, 2, 0, 1}));
    if (op->n_in > 2 && op->in[2] != TWI_NONE)
        twi_onnx_node_in(&n, operand(o, op->in[2], TWI_ONNX_LAST, op->label));
    pads_of(p->pad, pads);
    twi_onnx_node_ints(&n, "pads", 4, pads);
    twi_onnx_node_ints(&n, "strides", 2, p->stride);
    twi_onnx_node_ints(&n, "dilations", 2, p->dilation);
    twi_onnx_node_ints(&n, "kernel_shape", 2, twi_export_shape(o->x, op->in[1])->dim);
    twi_onnx_node_int(&n, "group", p->groups);
    give(o, op, TWI_ONNX_FIRST, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_conv_transpose(twi_onnx *o, const twi_program_op *op)
{
    const twi_conv_transpose_params *p = op->params;
    const tw_shape *x = twi_export_shape(o->x, op->in[0]), *k = twi_export_shape(o->x, op->in[1]);
    const float *kernel = twi_export_numbers(o->x, op->in[1]);
    int64_t pads[4], more[2];
    if (!kernel) {
        refuse(o, op);
        return;
    }
    twi_onnx_node n = twi_onnx_node_of("ConvTranspose", twi_onnx_name(o, op->in[0], TWI_ONNX_FIRST));
    twi_onnx_node_in(&n, turned(o, op->label, k, kernel, (int[]){3, 2, 0, 1}));
    if (op->n_in > 2 && op->in[2] != TWI_NONE)
        twi_onnx_node_in(&n, operand(o, op->in[2], TWI_ONNX_LAST, op->label));
    pads_of(p->pad, pads);
    // What the sizes alone do not say: pixels at the far end that no window begins at.
    for (int i = 0; i < 2; i++)
        more[i] = p->out[i] - (p->stride[i] * (x->dim[1 + i] - 1) + (k->dim[i] - 1) * p->dilation[i] + 1 -
                               p->pad[2 * i] - p->pad[2 * i + 1]);
    twi_onnx_node_ints(&n, "pads", 4, pads);
    twi_onnx_node_ints(&n, "strides", 2, p->stride);
    twi_onnx_node_ints(&n, "dilations", 2, p->dilation);
    twi_onnx_node_ints(&n, "kernel_shape", 2, k->dim);
    twi_onnx_node_ints(&n, "output_padding", 2, more);
    give(o, op, TWI_ONNX_FIRST, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_matmul(twi_onnx *o, const twi_program_op *op)
{
    bool has_bias = op->n_in > 2 && op->in[2] != TWI_NONE;
    bool is_flat = twi_export_shape(o->x, op->in[0])->rank == 2;
    twi_onnx_node n =
        twi_onnx_node_of(is_flat ? "Gemm" : "MatMul", operand(o, op->in[0], TWI_ONNX_LAST, op->label));
    twi_onnx_node_in(&n, operand(o, op->in[1], TWI_ONNX_LAST, op->label));
    const char *bias = has_bias ? operand(o, op->in[2], TWI_ONNX_LAST, op->label) : NULL;
    if (has_bias && is_flat)
        twi_onnx_node_in(&n, bias);
    const char *out = twi_onnx_node_end(o, &n, op->label, NULL);
    if (has_bias && !is_flat) {
        twi_onnx_node add = twi_onnx_node_of("Add", out);
        twi_onnx_node_in(&add, bias);
        out = twi_onnx_node_end(o, &add, op->label, NULL);
    }
    give(o, op, TWI_ONNX_LAST, out);
}

static void write_pool(twi_onnx *o, const twi_program_op *op)
{
    const twi_pool_params *p = op->params;
    int64_t pads[4];
    twi_onnx_node n = twi_onnx_node_of(p->is_mean ? "AveragePool" : "MaxPool",
                                       operand(o, op->in[0], TWI_ONNX_FIRST, op->label));
    pads_of(p->pad, pads);
    twi_onnx_node_ints(&n, "kernel_shape", 2, p->window);
    twi_onnx_node_ints(&n, "strides", 2, p->stride);
    twi_onnx_node_ints(&n, "pads", 4, pads);
    give(o, op, TWI_ONNX_FIRST, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_reduce(twi_onnx *o, const twi_program_op *op)
{
    const twi_reduce_params *p = op->params;
    twi_onnx_node n = twi_onnx_node_of(p->is_max ? "GlobalMaxPool" : "GlobalAveragePool",
                                       operand(o, op->in[0], TWI_ONNX_FIRST, op->label));
    const char *out = twi_onnx_node_end(o, &n, op->label, NULL);
    if (!p->keep_dims) {
        twi_onnx_node flat = twi_onnx_node_of("Flatten", out);
        twi_onnx_node_int(&flat, "axis", 1);
        out = twi_onnx_node_end(o, &flat, op->label, NULL);
    }
    give(o, op, TWI_ONNX_FIRST, out);
}

static void write_softmax(twi_onnx *o, const twi_program_op *op)
{
    twi_onnx_layout layout = layout_of(o, op->in[0]);
    const char *name = op->kind == &twi_op_softmax ? "Softmax" : "LogSoftmax";
    twi_onnx_node n = twi_onnx_node_of(name, operand(o, op->in[0], layout, op->label));
    twi_onnx_node_int(&n, "axis", axis_in(-1, twi_export_shape(o->x, op->in[0])->rank, layout));
    give(o, op, layout, twi_onnx_node_end(o, &n, op->label, NULL));
}

static const char *ones(twi_onnx *o, const char *label, int64_t n)
{
    float *v = twi_arena_new(&o->texts, (size_t)n, sizeof *v, &o->err);
    for (int64_t i = 0; v && i < n; i++)
        v[i] = 1;
    twi_onnx_tensor t = {.name = twi_onnx_new_name(o, label), .shape = TWI_SHAPE(n), .numbers = v};
    if (v)
        twi_onnx_push(o, &t);
    return t.name;
}

static void write_layer_norm(twi_onnx *o, const twi_program_op *op)
{
    const twi_layer_norm_params *p = op->params;
    bool has_gamma = op->n_in > 1 && op->in[1] != TWI_NONE, has_beta = op->n_in > 2 && op->in[2] != TWI_NONE;
    twi_onnx_node n = twi_onnx_node_of("LayerNormalization", operand(o, op->in[0], TWI_ONNX_LAST, op->label));
    twi_onnx_node_in(&n, has_gamma ? operand(o, op->in[1], TWI_ONNX_LAST, op->label)
                                   : ones(o, op->label, twi_shape_last(twi_export_shape(o->x, op->in[0]))));
    if (has_beta)
        twi_onnx_node_in(&n, operand(o, op->in[2], TWI_ONNX_LAST, op->label));
    twi_onnx_node_int(&n, "axis", -1);
    twi_onnx_node_float(&n, "epsilon", p->epsilon);
    give(o, op, TWI_ONNX_LAST, twi_onnx_node_end(o, &n, op->label, NULL));
}

// Channels first where one side lies so already, and both can.
static void write_binary(twi_onnx *o, const twi_program_op *op)
{
    static const char *const names[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
    const twi_binary_params *p = op->params;
    bool is_first = false, can = twi_export_shape(o->x, op->out[0])->rank == 4;
    for (int i = 0; i < 2; i++) {
        is_first = is_first || layout_of(o, op->in[i]) == TWI_ONNX_FIRST;
        can = can && (twi_export_numbers(o->x, op->in[i]) || twi_export_shape(o->x, op->in[i])->rank == 4);
    }
    twi_onnx_layout layout = is_first && can ? TWI_ONNX_FIRST : TWI_ONNX_LAST;
    twi_onnx_node n = twi_onnx_node_of(names[p->function], operand(o, op->in[0], layout, op->label));
    twi_onnx_node_in(&n, operand(o, op->in[1], layout, op->label));
    give(o, op, layout, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_concat(twi_onnx *o, const twi_program_op *op)
{
    const twi_concat_params *p = op->params;
    twi_onnx_layout layout = layout_of(o, op->in[0]);
    twi_onnx_node n = twi_onnx_node_of("Concat", NULL);
    for (int i = 0; i < op->n_in; i++)
        twi_onnx_node_in(&n, operand(o, op->in[i], layout, op->label));
    twi_onnx_node_int(&n, "axis", axis_in(p->axis, twi_export_shape(o->x, op->out[0])->rank, layout));
    give(o, op, layout, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_pad(twi_onnx *o, const twi_program_op *op)
{
    const twi_pad_params *p = op->params;
    int64_t pads[8] = {0, 0, p->pad[0], p->pad[2], 0, 0, p->pad[1], p->pad[3]};
    twi_onnx_node n = twi_onnx_node_of("Pad", operand(o, op->in[0], TWI_ONNX_FIRST, op->label));
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, 8, pads));
    give(o, op, TWI_ONNX_FIRST, twi_onnx_node_end(o, &n, op->label, NULL));
}

// The batch stays open: 0 takes the input's size over.
static void write_reshape(twi_onnx *o, const twi_program_op *op)
{
    const tw_shape *y = twi_export_shape(o->x, op->out[0]);
    int64_t size[8] = {0};
    for (int i = 1; i < y->rank; i++)
        size[i] = y->dim[i];
    twi_onnx_node n = twi_onnx_node_of("Reshape", operand(o, op->in[0], TWI_ONNX_LAST, op->label));
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, y->rank, size));
    give(o, op, TWI_ONNX_LAST, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_permute(twi_onnx *o, const twi_program_op *op)
{
    const twi_permute_params *p = op->params;
    int rank = twi_export_shape(o->x, op->in[0])->rank;
    int64_t order[TW_RANK_MAX];
    for (int i = 0; i < rank; i++)
        order[i] = p->order[i];
    twi_onnx_node n = twi_onnx_node_of("Transpose", operand(o, op->in[0], TWI_ONNX_LAST, op->label));
    twi_onnx_node_ints(&n, "perm", rank, order);
    give(o, op, TWI_ONNX_LAST, twi_onnx_node_end(o, &n, op->label, NULL));
}

static void write_flip(twi_onnx *o, const twi_program_op *op)
{
    const twi_flip_params *p = op->params;
    twi_onnx_layout layout = layout_of(o, op->in[0]);
    int64_t axis = axis_in(p->axis, twi_export_shape(o->x, op->in[0])->rank, layout);
    twi_onnx_node n = twi_onnx_node_of("Slice", operand(o, op->in[0], layout, op->label));
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, 1, (int64_t[]){-1}));
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, 1, (int64_t[]){INT64_MIN}));
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, 1, &axis));
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, 1, (int64_t[]){-1}));
    give(o, op, layout, twi_onnx_node_end(o, &n, op->label, NULL));
}

// Both kinds look from the middles of pixels. Nearest is floor(s + 1/2) of the place s, which is rounding up at a half.
static void write_resample(twi_onnx *o, const twi_program_op *op)
{
    const twi_resample_params *p = op->params;
    twi_onnx_node n = twi_onnx_node_of("Resize", operand(o, op->in[0], TWI_ONNX_FIRST, op->label));
    twi_onnx_node_in(&n, NULL);
    twi_onnx_node_in(&n, NULL);
    twi_onnx_node_in(&n, twi_onnx_ints(o, op->label, 2, p->out));
    twi_onnx_node_ints(&n, "axes", 2, (int64_t[]){2, 3});
    twi_onnx_node_text(&n, "mode", p->is_bilinear ? "linear" : "nearest");
    twi_onnx_node_text(&n, "coordinate_transformation_mode", "half_pixel");
    if (!p->is_bilinear)
        twi_onnx_node_text(&n, "nearest_mode", "round_prefer_ceil");
    give(o, op, TWI_ONNX_FIRST, twi_onnx_node_end(o, &n, op->label, NULL));
}

// --------------------------------------------------------------------------------------------------------- the table

static void write_activation(twi_onnx *o, const twi_program_op *op)
{
    twi_onnx_layout layout = layout_of(o, op->in[0]);
    const char *out = twi_onnx_activation(o, op->label, op->params, operand(o, op->in[0], layout, op->label));
    if (out)
        give(o, op, layout, out);
    else
        refuse(o, op);
}

void twi_onnx_op(twi_onnx *o, const twi_program_op *op)
{
    static const struct {
        const twi_op_kind *kind;
        void (*write)(twi_onnx *o, const twi_program_op *op);
    } writers[] = {{&twi_op_activation, write_activation},
                   {&twi_op_binary, write_binary},
                   {&twi_op_concat, write_concat},
                   {&twi_op_conv, write_conv},
                   {&twi_op_conv_transpose, write_conv_transpose},
                   {&twi_op_flip, write_flip},
                   {&twi_op_layer_norm, write_layer_norm},
                   {&twi_op_log_softmax, write_softmax},
                   {&twi_op_matmul, write_matmul},
                   {&twi_op_pad, write_pad},
                   {&twi_op_permute, write_permute},
                   {&twi_op_pool, write_pool},
                   {&twi_op_reduce, write_reduce},
                   {&twi_op_resample, write_resample},
                   {&twi_op_reshape, write_reshape},
                   {&twi_op_softmax, write_softmax}};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (writers[i].kind == op->kind) {
            writers[i].write(o, op);
            return;
        }
    refuse(o, op);
}
