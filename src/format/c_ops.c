// The calls of a model written as C, one for each op. See c_source.c.

#include "format/c_export.h"

#include <math.h>
#include <string.h>

const char *twi_c_comment(const char *text, char *buf, size_t size)
{
    size_t n = 0;
    for (; text[n] && n + 1 < size; n++) {
        unsigned char c = (unsigned char)text[n];
        // A backslash at the end, or the trigraph of one, would draw the next line in.
        buf[n] = c < 32 || c == 127 || c == '\\' || c == '?' ? '.' : (char)c;
    }
    buf[n] = 0;
    return buf;
}

// ------------------------------------------------------------------------------------------------------------- writing

typedef struct operand {
    char text[128];
} operand;

// How a value is written: numbers by name, inputs and results by place.
static operand at(const twi_c_writer *w, twi_value v)
{
    operand o = {"0"};
    if (v == TWI_NONE)
        return o;
    const twi_value_info *info = &w->x->program.values.at[v];
    if (w->constant[v])
        snprintf(o.text, sizeof o.text, "%.120s", w->constant[v]);
    else if (info->kind == TWI_VALUE_TEMP)
        snprintf(o.text, sizeof o.text, "memory + %lld", (long long)w->place.at[v]);
    else {
        int64_t before = 0;
        for (size_t i = 0; i < w->x->program.values.n; i++)
            if (w->x->program.values.at[i].kind == TWI_VALUE_INPUT &&
                w->x->program.values.at[i].index < info->index)
                before += twi_shape_count(&w->x->program.values.at[i].shape);
        snprintf(o.text, sizeof o.text, "input + %lld", (long long)before);
    }
    return o;
}

static void put(twi_c_writer *w, const char *fmt, ...) TWI_PRINTF(2, 3);
static void put(twi_c_writer *w, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (w->s)
        twi_stream_printf(w->s, "%s", text);
}

static const char *use(twi_c_writer *w, int function)
{
    w->is_used[function] = true;
    return twi_c_name(function);
}

static const int64_t *dim(const twi_c_writer *w, twi_value v)
{
    return twi_export_shape(w->x, v)->dim;
}

static long long count(const twi_c_writer *w, twi_value v)
{
    return (long long)twi_shape_count(twi_export_shape(w->x, v));
}

static long long last(const twi_c_writer *w, twi_value v)
{
    return (long long)twi_shape_last(twi_export_shape(w->x, v));
}

#define LL(v) ((long long)(v))

// ---------------------------------------------------------------------------------------------------------------- calls

static void call_conv(twi_c_writer *w, const twi_program_op *op)
{
    const twi_conv_params *p = op->params;
    const int64_t *x = dim(w, op->in[0]), *k = dim(w, op->in[1]), *y = dim(w, op->out[0]);
    bool is_depthwise = p->groups == x[3] && p->groups > 1;
    const char *name = use(w, is_depthwise ? TWI_C_DEPTHWISE : TWI_C_CONV);
    put(w, "    %s(&(struct %s){.h = %lld, .w = %lld, .cin = %lld, .kh = %lld, .kw = %lld, ", name, name,
        LL(x[1]), LL(x[2]), LL(x[3]), LL(k[0]), LL(k[1]));
    if (is_depthwise)
        put(w, ".m = %lld,\n", LL(y[3] / x[3]));
    else
        put(w, ".cout = %lld, .groups = %lld,\n", LL(y[3]), LL(p->groups));
    put(w,
        "        .sh = %lld, .sw = %lld, .dh = %lld, .dw = %lld, .top = %lld, .left = %lld, .oh = %lld, .ow "
        "= "
        "%lld},\n",
        LL(p->stride[0]), LL(p->stride[1]), LL(p->dilation[0]), LL(p->dilation[1]), LL(p->pad[0]),
        LL(p->pad[2]), LL(y[1]), LL(y[2]));
    put(w, "        %s, %s, %s, %s);\n", at(w, op->in[0]).text, at(w, op->in[1]).text,
        op->n_in > 2 ? at(w, op->in[2]).text : "0", at(w, op->out[0]).text);
}

static void call_conv_transpose(twi_c_writer *w, const twi_program_op *op)
{
    const twi_conv_transpose_params *p = op->params;
    const int64_t *x = dim(w, op->in[0]), *k = dim(w, op->in[1]), *y = dim(w, op->out[0]);
    put(w,
        "    %s(&(struct conv_transpose){.h = %lld, .w = %lld, .cin = %lld, .kh = %lld, .kw = %lld, .cout = "
        "%lld,\n",
        use(w, TWI_C_CONV_TRANSPOSE), LL(x[1]), LL(x[2]), LL(x[3]), LL(k[0]), LL(k[1]), LL(y[3]));
    put(w,
        "        .sh = %lld, .sw = %lld, .dh = %lld, .dw = %lld, .top = %lld, .left = %lld, .oh = %lld, .ow "
        "= "
        "%lld},\n",
        LL(p->stride[0]), LL(p->stride[1]), LL(p->dilation[0]), LL(p->dilation[1]), LL(p->pad[0]),
        LL(p->pad[2]), LL(y[1]), LL(y[2]));
    put(w, "        %s, %s, %s, %s);\n", at(w, op->in[0]).text, at(w, op->in[1]).text,
        op->n_in > 2 ? at(w, op->in[2]).text : "0", at(w, op->out[0]).text);
}

static void call_matmul(twi_c_writer *w, const twi_program_op *op)
{
    put(w, "    %s(%s, %lld, %lld, %s, %s, %lld, %s);\n", use(w, TWI_C_DENSE), at(w, op->in[0]).text,
        count(w, op->in[0]) / last(w, op->in[0]), last(w, op->in[0]), at(w, op->in[1]).text,
        op->n_in > 2 ? at(w, op->in[2]).text : "0", last(w, op->out[0]), at(w, op->out[0]).text);
}

static void call_pool(twi_c_writer *w, const twi_program_op *op)
{
    const twi_pool_params *p = op->params;
    const int64_t *x = dim(w, op->in[0]), *y = dim(w, op->out[0]);
    const char *name = use(w, p->is_mean ? TWI_C_MEAN : TWI_C_LARGEST);
    put(w,
        "    %s(&(struct %s){.h = %lld, .w = %lld, .c = %lld, .kh = %lld, .kw = %lld, .sh = %lld, .sw = "
        "%lld,\n",
        name, name, LL(x[1]), LL(x[2]), LL(x[3]), LL(p->window[0]), LL(p->window[1]), LL(p->stride[0]),
        LL(p->stride[1]));
    put(w, "        .top = %lld, .left = %lld, .oh = %lld, .ow = %lld}, %s, %s);\n", LL(p->pad[0]),
        LL(p->pad[2]), LL(y[1]), LL(y[2]), at(w, op->in[0]).text, at(w, op->out[0]).text);
}

static void call_reduce(twi_c_writer *w, const twi_program_op *op)
{
    const twi_reduce_params *p = op->params;
    const int64_t *x = dim(w, op->in[0]);
    put(w, "    %s(%s, %lld, %lld, %s);\n", use(w, p->is_max ? TWI_C_LARGEST_OF_ALL : TWI_C_MEAN_OF_ALL),
        at(w, op->in[0]).text, LL(x[1] * x[2]), LL(x[3]), at(w, op->out[0]).text);
}

// A number as C writes it: with a point or an exponent, and an f.
static operand number(double v)
{
    operand o;
    twi_c_number((float)v, o.text, sizeof o.text);
    return o;
}

static void call_activation(twi_c_writer *w, const twi_program_op *op)
{
    const twi_activation_params *p = op->params;
    put(w, "    %s(%s, %lld, %s", use(w, TWI_C_ACTIVATION + (int)p->function), at(w, op->in[0]).text,
        count(w, op->in[0]), at(w, op->out[0]).text);
    if (p->function == TWI_RELU)
        put(w, ", %s, %s, %s", number(p->alpha).text, number(p->beta).text, number(p->threshold).text);
    else if (twi_c_takes_alpha(p->function))
        put(w, ", %s", number(p->alpha).text);
    put(w, ");\n");
}

static void call_rows(twi_c_writer *w, const twi_program_op *op)
{
    long long c = last(w, op->in[0]), rows = count(w, op->in[0]) / c;
    if (op->kind != &twi_op_layer_norm) {
        int function = op->kind == &twi_op_softmax ? TWI_C_SOFTMAX : TWI_C_LOG_SOFTMAX;
        put(w, "    %s(%s, %lld, %lld, %s);\n", use(w, function), at(w, op->in[0]).text, rows, c,
            at(w, op->out[0]).text);
        return;
    }
    const twi_layer_norm_params *p = op->params;
    put(w, "    %s(%s, %lld, %lld, %s, %s, %s, %s);\n", use(w, TWI_C_LAYER_NORM), at(w, op->in[0]).text, rows,
        c, op->n_in > 1 ? at(w, op->in[1]).text : "0", op->n_in > 2 ? at(w, op->in[2]).text : "0",
        number(p->epsilon).text, at(w, op->out[0]).text);
}

// Steps of a side in y's four merged axes. False where four are not enough.
static bool steps(const tw_shape *a, const tw_shape *b, const tw_shape *y, int64_t n[4], int64_t as[4],
                  int64_t bs[4])
{
    int64_t step_a = 1, step_b = 1;
    int axis = 4;
    for (int i = 0; i < 4; i++)
        n[i] = 1, as[i] = bs[i] = 0;
    for (int i = 1; i <= y->rank; i++) {
        int64_t size = y->dim[y->rank - i], of_a = i <= a->rank ? a->dim[a->rank - i] : 1,
                of_b = i <= b->rank ? b->dim[b->rank - i] : 1;
        int64_t sa = of_a == 1 ? 0 : step_a, sb = of_b == 1 ? 0 : step_b;
        if (size == 1)
            continue;
        if (axis < 4 && sa == as[axis] * n[axis] && sb == bs[axis] * n[axis]) {
            n[axis] *= size;
        } else {
            if (--axis < 0)
                return false;
            n[axis] = size, as[axis] = sa, bs[axis] = sb;
        }
        step_a *= of_a, step_b *= of_b;
    }
    return true;
}

static tw_status call_binary(twi_c_writer *w, const twi_program_op *op, tw_err *err)
{
    const twi_binary_params *p = op->params;
    int64_t n[4], a[4], b[4];
    if (!steps(twi_export_shape(w->x, op->in[0]), twi_export_shape(w->x, op->in[1]),
               twi_export_shape(w->x, op->out[0]), n, a, b))
        return twi_export_refuse(op, "C", err);
    put(w, "    %s(%s, (int[]){%lld, %lld, %lld, %lld}, ", use(w, TWI_C_BINARY + (int)p->function),
        at(w, op->in[0]).text, LL(a[0]), LL(a[1]), LL(a[2]), LL(a[3]));
    put(w, "%s, (int[]){%lld, %lld, %lld, %lld},\n        (int[]){%lld, %lld, %lld, %lld}, %s);\n",
        at(w, op->in[1]).text, LL(b[0]), LL(b[1]), LL(b[2]), LL(b[3]), LL(n[0]), LL(n[1]), LL(n[2]), LL(n[3]),
        at(w, op->out[0]).text);
    return TW_OK;
}

static void call_concat(twi_c_writer *w, const twi_program_op *op)
{
    const twi_concat_params *p = op->params;
    const tw_shape *y = twi_export_shape(w->x, op->out[0]);
    int axis = p->axis < 0 ? p->axis + y->rank : p->axis;
    int64_t rows = 1, inner = 1, done = 0;
    for (int i = 0; i < y->rank; i++)
        rows *= i < axis ? y->dim[i] : 1, inner *= i > axis ? y->dim[i] : 1;
    for (int i = 0; i < op->n_in; i++) {
        int64_t n = dim(w, op->in[i])[axis] * inner;
        put(w, "    %s(%s, %lld, %lld, %s + %lld, %lld);\n", use(w, TWI_C_PART), at(w, op->in[i]).text,
            LL(rows), LL(n), at(w, op->out[0]).text, LL(done), LL(y->dim[axis] * inner));
        done += n;
    }
}

static void call_pad(twi_c_writer *w, const twi_program_op *op)
{
    const twi_pad_params *p = op->params;
    const int64_t *x = dim(w, op->in[0]), *y = dim(w, op->out[0]);
    put(w, "    %s(%s, %lld, %lld, %lld, %lld, %lld, %lld, %lld, %s);\n", use(w, TWI_C_PAD),
        at(w, op->in[0]).text, LL(x[1]), LL(x[2]), LL(x[3]), LL(p->pad[0]), LL(p->pad[2]), LL(y[1]), LL(y[2]),
        at(w, op->out[0]).text);
}

// Axes in another order, or one backwards: y read in order, x by steps.
static void call_turn(twi_c_writer *w, const twi_program_op *op)
{
    const tw_shape *x = twi_export_shape(w->x, op->in[0]), *y = twi_export_shape(w->x, op->out[0]);
    int64_t step[TW_RANK_MAX], size[6], by[6], start = 0;
    for (int i = x->rank - 1, s = 1; i >= 0; s *= (int)x->dim[i], i--)
        step[i] = s;
    int first = 6 - y->rank;
    for (int i = 0; i < 6; i++) {
        size[i] = i < first ? 1 : y->dim[i - first];
        by[i] = 0;
        if (i < first)
            continue;
        if (op->kind == &twi_op_permute) {
            by[i] = step[((const twi_permute_params *)op->params)->order[i - first]];
        } else {
            int axis = ((const twi_flip_params *)op->params)->axis;
            bool is_flipped = i - first == (axis < 0 ? axis + x->rank : axis);
            by[i] = is_flipped ? -step[i - first] : step[i - first];
            start += is_flipped ? step[i - first] * (x->dim[i - first] - 1) : 0;
        }
    }
    put(w, "    %s(%s + %lld, (int[]){%lld, %lld, %lld, %lld, %lld, %lld},\n", use(w, TWI_C_TURN),
        at(w, op->in[0]).text, LL(start), LL(size[0]), LL(size[1]), LL(size[2]), LL(size[3]), LL(size[4]),
        LL(size[5]));
    put(w, "        (int[]){%lld, %lld, %lld, %lld, %lld, %lld}, %s);\n", LL(by[0]), LL(by[1]), LL(by[2]),
        LL(by[3]), LL(by[4]), LL(by[5]), at(w, op->out[0]).text);
}

static void call_resample(twi_c_writer *w, const twi_program_op *op)
{
    const twi_resample_params *p = op->params;
    const int64_t *x = dim(w, op->in[0]);
    put(w, "    %s(%s, %lld, %lld, %lld, %lld, %lld, %s);\n",
        use(w, p->is_bilinear ? TWI_C_BILINEAR : TWI_C_NEAREST), at(w, op->in[0]).text, LL(x[1]), LL(x[2]),
        LL(x[3]), LL(p->out[0]), LL(p->out[1]), at(w, op->out[0]).text);
}

// The same numbers under another shape: copied only where they are not a result already.
static void call_reshape(twi_c_writer *w, const twi_program_op *op)
{
    if (w->x->program.values.at[op->in[0]].kind == TWI_VALUE_TEMP)
        return;
    long long n = count(w, op->in[0]);
    put(w, "    %s(%s, 1, %lld, %s, %lld);\n", use(w, TWI_C_PART), at(w, op->in[0]).text, n,
        at(w, op->out[0]).text, n);
}

tw_status twi_c_call(twi_c_writer *w, const twi_program_op *op, tw_err *err)
{
    static const struct {
        const twi_op_kind *kind;
        void (*call)(twi_c_writer *w, const twi_program_op *op);
    } calls[] = {{&twi_op_activation, call_activation},
                 {&twi_op_concat, call_concat},
                 {&twi_op_conv, call_conv},
                 {&twi_op_conv_transpose, call_conv_transpose},
                 {&twi_op_flip, call_turn},
                 {&twi_op_layer_norm, call_rows},
                 {&twi_op_log_softmax, call_rows},
                 {&twi_op_matmul, call_matmul},
                 {&twi_op_pad, call_pad},
                 {&twi_op_permute, call_turn},
                 {&twi_op_pool, call_pool},
                 {&twi_op_reduce, call_reduce},
                 {&twi_op_resample, call_resample},
                 {&twi_op_reshape, call_reshape},
                 {&twi_op_softmax, call_rows}};
    char label[96], shape[TWI_SHAPE_TEXT];
    if (op->kind != &twi_op_reshape)
        put(w, "    // %s: %s, %s\n", twi_c_comment(op->label, label, sizeof label), op->kind->name,
            twi_shape_text(twi_export_shape(w->x, op->out[0]), shape));
    if (op->kind == &twi_op_binary)
        return call_binary(w, op, err);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].kind == op->kind) {
            calls[i].call(w, op);
            return TW_OK;
        }
    return twi_export_refuse(op, "C", err);
}
