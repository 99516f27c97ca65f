// Models for writers of other languages. See export.h.
//
// BatchNormalization is y = x · s + t with s = gamma / √(variance + epsilon), t = beta − mean · s. Behind a convolution or matmul
// nobody else reads, it goes into kernel · s and bias · s + t; sums are in double, so folding costs one rounding.

#include "format/export.h"

#include "graph/info.h"

#include <math.h>
#include <string.h>

const tw_shape *twi_export_shape(const twi_export *x, twi_value v)
{
    return &x->program.values.at[v].shape;
}

const float *twi_export_numbers(const twi_export *x, twi_value v)
{
    if (v == TWI_NONE)
        return NULL;
    const twi_value_info *info = &x->program.values.at[v];
    return info->kind == TWI_VALUE_WEIGHT     ? info->weight->data
           : info->kind == TWI_VALUE_CONSTANT ? info->constant
                                              : NULL;
}

static float *new_numbers(twi_export *x, const tw_shape *shape, tw_err *err)
{
    return twi_arena_new(&x->program.arena, (size_t)twi_shape_count(shape), sizeof(float), err);
}

static twi_value new_constant(twi_export *x, const tw_shape *shape, const float *numbers, tw_err *err)
{
    twi_value_info info = {.kind = TWI_VALUE_CONSTANT, .shape = *shape, .op = -1, .constant = numbers};
    return twi_vec_push(&x->program.values, info, err) ? (twi_value)x->program.values.n - 1 : TWI_NONE;
}

static void count_uses(const twi_export *x, int *uses)
{
    memset(uses, 0, x->program.values.n * sizeof *uses);
    for (size_t i = 0; i < x->program.ops.n; i++)
        for (int j = 0; j < x->program.ops.at[i].n_in; j++)
            if (x->program.ops.at[i].in[j] != TWI_NONE)
                uses[x->program.ops.at[i].in[j]]++;
    for (int i = 0; i < x->n_out; i++)
        uses[x->out[i]]++;
}

// Keeps the ops whose kind is still there.
static void compact(twi_program *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->ops.n; i++)
        if (p->ops.at[i].kind)
            p->ops.at[n++] = p->ops.at[i];
    p->ops.n = n;
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < p->ops.at[i].n_out; j++)
            p->values.at[p->ops.at[i].out[j]].op = (int)i;
}

// ------------------------------------------------------------------------------------------------------------ constants

static twi_view view_of(const twi_export *x, twi_value v)
{
    if (v == TWI_NONE)
        return (twi_view){.dtype = TWI_F32};
    return (twi_view){.dtype = TWI_F32,
                      .shape = *twi_export_shape(x, v),
                      .data = (void *)(uintptr_t)twi_export_numbers(x, v)};
}

static tw_status fold_constants(twi_export *x, tw_err *err)
{
    for (size_t i = 0; i < x->program.ops.n; i++) {
        twi_program_op *op = &x->program.ops.at[i];
        bool is_known = op->n_out == 1 && !(op->kind->flags & TWI_OP_RANDOM);
        for (int j = 0; j < op->n_in; j++)
            is_known = is_known && (op->in[j] == TWI_NONE || twi_export_numbers(x, op->in[j]));
        if (!is_known)
            continue;
        twi_op_call call = {.n_in = op->n_in, .n_out = 1};
        for (int j = 0; j < op->n_in; j++)
            call.in[j] = view_of(x, op->in[j]);
        twi_value_info *out = &x->program.values.at[op->out[0]];
        float *numbers = new_numbers(x, &out->shape, err);
        if (!numbers)
            return TW_ENOMEM;
        call.out[0] = (twi_view){.dtype = TWI_F32, .shape = out->shape, .data = numbers};
        if (op->kind->flags & TWI_OP_ALIAS)
            memcpy(numbers, call.in[0].data, (size_t)twi_shape_count(&out->shape) * sizeof *numbers);
        else
            op->kind->forward(op->params, &call);
        out->kind = TWI_VALUE_CONSTANT;
        out->constant = numbers;
        op->kind = NULL;
    }
    compact(&x->program);
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------- BatchNormalization

// s and t of an inference batch_norm, c numbers each.
static tw_status read_norm(twi_export *x, const twi_program_op *op, float **s, float **t, tw_err *err)
{
    const twi_batch_norm_params *p = op->params;
    const float *gamma = twi_export_numbers(x, op->in[1]), *beta = twi_export_numbers(x, op->in[2]),
                *mean = twi_export_numbers(x, op->in[3]), *variance = twi_export_numbers(x, op->in[4]);
    int64_t c = twi_shape_last(twi_export_shape(x, op->in[0]));
    *s = new_numbers(x, &TWI_SHAPE(c), err);
    *t = new_numbers(x, &TWI_SHAPE(c), err);
    if (!*s || !*t)
        return TW_ENOMEM;
    if (p->is_training || !mean || !variance)
        return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: '%s' normalises by its own batch",
                        op->label);
    for (int64_t i = 0; i < c; i++) {
        double scale = (gamma ? gamma[i] : 1) / sqrt((double)variance[i] + p->epsilon);
        (*s)[i] = (float)scale;
        (*t)[i] = (float)((beta ? beta[i] : 0) - mean[i] * scale);
    }
    return TW_OK;
}

static bool takes_scale(const twi_program_op *op)
{
    return op->kind == &twi_op_conv || op->kind == &twi_op_conv_transpose || op->kind == &twi_op_matmul;
}

// The op before, if s and t can go into its weights; else NULL.
static twi_program_op *before(twi_export *x, const twi_program_op *norm, const int *uses)
{
    const twi_value_info *in = &x->program.values.at[norm->in[0]];
    if (in->kind != TWI_VALUE_TEMP || uses[norm->in[0]] != 1)
        return NULL;
    twi_program_op *op = &x->program.ops.at[in->op];
    bool is_known = op->kind && takes_scale(op) && twi_export_numbers(x, op->in[1]) &&
                    (op->n_in < 3 || op->in[2] == TWI_NONE || twi_export_numbers(x, op->in[2]));
    return is_known ? op : NULL;
}

static tw_status fold_into(twi_export *x, twi_program_op *op, const float *s, const float *t, tw_err *err)
{
    tw_shape shape = *twi_export_shape(x, op->in[1]);
    bool is_transpose = op->kind == &twi_op_conv_transpose; // [kh,kw,cout,cin]
    int64_t n = twi_shape_count(&shape), c = is_transpose ? shape.dim[2] : twi_shape_last(&shape),
            inner = is_transpose ? shape.dim[3] : 1;
    const float *old = twi_export_numbers(x, op->in[1]),
                *old_bias = op->n_in > 2 ? twi_export_numbers(x, op->in[2]) : NULL;
    float *kernel = new_numbers(x, &shape, err), *bias = new_numbers(x, &TWI_SHAPE(c), err);
    if (!kernel || !bias)
        return TW_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        kernel[i] = old[i] * s[i / inner % c];
    for (int64_t i = 0; i < c; i++)
        bias[i] = (float)((old_bias ? (double)old_bias[i] * s[i] : 0) + t[i]);
    op->in[1] = new_constant(x, &shape, kernel, err);
    op->in[2] = new_constant(x, &TWI_SHAPE(c), bias, err);
    op->n_in = 3;
    return op->in[1] == TWI_NONE || op->in[2] == TWI_NONE ? TW_ENOMEM : TW_OK;
}

static twi_program_op binary(twi_export *x, const twi_program_op *like, twi_value in, twi_binary function,
                             const float *numbers, tw_err *err)
{
    twi_program_op op = {
        .kind = &twi_op_binary, .n_in = 2, .n_out = 1, .label = like->label, .node = like->node};
    twi_binary_params *p = twi_arena_new(&x->program.arena, 1, sizeof *p, err);
    int64_t c = twi_shape_last(twi_export_shape(x, like->in[0]));
    op.in[0] = in;
    op.in[1] = new_constant(x, &TWI_SHAPE(c), numbers, err);
    if (p)
        p->function = function;
    op.params = p;
    return op;
}

typedef struct ops {
    twi_vec(twi_program_op) list;
} ops;

// Where nothing takes them: x · s, then + t.
static tw_status as_binaries(twi_export *x, const twi_program_op *op, const float *s, const float *t,
                             ops *out, tw_err *err)
{
    twi_value_info between = {
        .kind = TWI_VALUE_TEMP, .shape = *twi_export_shape(x, op->in[0]), .op = (int)out->list.n};
    if (!twi_vec_push(&x->program.values, between, err))
        return TW_ENOMEM;
    twi_value middle = (twi_value)x->program.values.n - 1;
    twi_program_op multiply = binary(x, op, op->in[0], TWI_MUL, s, err);
    multiply.out[0] = middle;
    twi_program_op add = binary(x, op, middle, TWI_ADD, t, err);
    add.out[0] = op->out[0];
    bool ok = multiply.params && add.params && multiply.in[1] != TWI_NONE && add.in[1] != TWI_NONE;
    return ok && twi_vec_push(&out->list, multiply, err) && twi_vec_push(&out->list, add, err) ? TW_OK
                                                                                               : TW_ENOMEM;
}

static void replace(twi_export *x, twi_value from, twi_value to)
{
    for (size_t i = 0; i < x->program.ops.n; i++)
        for (int j = 0; j < x->program.ops.at[i].n_in; j++)
            if (x->program.ops.at[i].in[j] == from)
                x->program.ops.at[i].in[j] = to;
    for (int i = 0; i < x->n_out; i++)
        if (x->out[i] == from)
            x->out[i] = to;
}

static tw_status fold_norms(twi_export *x, tw_err *err)
{
    int *uses = twi_new(x->program.values.n, sizeof *uses, "uses", err);
    ops out = {0};
    tw_status status = uses ? TW_OK : TW_ENOMEM;
    if (!status)
        count_uses(x, uses);
    for (size_t i = 0; !status && i < x->program.ops.n; i++) {
        twi_program_op op = x->program.ops.at[i];
        float *s, *t;
        if (op.kind != &twi_op_batch_norm) {
            status = twi_vec_push(&out.list, op, err) ? TW_OK : TW_ENOMEM;
            continue;
        }
        status = read_norm(x, &op, &s, &t, err);
        twi_program_op *target = status ? NULL : before(x, &op, uses);
        if (target) {
            // The list holds copies: the folded op's is found by its result.
            status = fold_into(x, target, s, t, err);
            for (size_t k = out.list.n; k-- > 0;)
                if (out.list.at[k].out[0] == target->out[0]) {
                    memcpy(out.list.at[k].in, target->in, sizeof target->in);
                    out.list.at[k].n_in = target->n_in;
                    break;
                }
            replace(x, op.out[0], op.in[0]);
            uses[op.in[0]] += uses[op.out[0]] - 1;
        } else if (!status) {
            status = as_binaries(x, &op, s, t, &out, err);
        }
    }
    twi_free(uses);
    if (!status) {
        twi_vec_clear(&x->program.ops);
        x->program.ops.at = out.list.at;
        x->program.ops.n = out.list.n;
        x->program.ops.cap = out.list.cap;
        compact(&x->program);
    } else {
        twi_vec_clear(&out.list);
    }
    return status;
}

// --------------------------------------------------------------------------------------------------------- the whole

static tw_status prune(twi_export *x, tw_err *err)
{
    twi_free(x->uses);
    x->uses = twi_new(x->program.values.n, sizeof *x->uses, "uses", err);
    if (!x->uses)
        return TW_ENOMEM;
    for (int i = 0; i < x->n_out; i++)
        x->uses[x->out[i]]++;
    for (size_t i = x->program.ops.n; i-- > 0;) {
        twi_program_op *op = &x->program.ops.at[i];
        if (!x->uses[op->out[0]])
            op->kind = NULL;
        for (int j = 0; op->kind && j < op->n_in; j++)
            if (op->in[j] != TWI_NONE)
                x->uses[op->in[j]]++;
    }
    compact(&x->program);
    return TW_OK;
}

static tw_status check(const tw_model *m, tw_err *err)
{
    for (size_t i = 0; i < m->inputs.n; i++) {
        char text[TWI_SHAPE_TEXT];
        tw_shape shape = twi_model_shape(m, m->inputs.at[i]), one = twi_shape_batch(&shape, 1);
        if (twi_shape_count(&one) < 0)
            return twi_fail(err, TW_EUNUSABLE, "model '%s' takes inputs of open size: %s", m->name,
                            twi_shape_text(&shape, text));
    }
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        if (!all.at[i]->is_set)
            status = twi_fail(err, TW_EUNUSABLE, "'%s' has no values", all.path[i]);
    twi_weights_clear(&all);
    return status;
}

tw_status twi_export_new(const tw_model *m, int64_t batch, twi_export *x, tw_err *err)
{
    *x = (twi_export){.model = m, .n_out = (int)m->outputs.n};
    tw_status status = check(m, err);
    if (!status && !(x->out = twi_new(m->outputs.n, sizeof *x->out, "outputs", err)))
        status = TW_ENOMEM;
    twi_emit_options options = {.batch = batch};
    if (!status)
        status = twi_model_emit(m, &options, &x->program, x->out, err);
    if (!status)
        status = fold_constants(x, err);
    if (!status)
        status = fold_norms(x, err);
    return status ? status : prune(x, err);
}

void twi_export_clear(twi_export *x)
{
    twi_program_clear(&x->program);
    twi_free(x->out);
    twi_free(x->uses);
    *x = (twi_export){0};
}

tw_status twi_export_refuse(const twi_program_op *op, const char *language, tw_err *err)
{
    return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: layer '%s' as %s (op '%s')", op->label,
                    language, op->kind->name);
}

// ------------------------------------------------------------------------------------------------------------ pictures

const char *twi_export_pixels(const tw_model *m)
{
    static const struct {
        const char *mode, *text;
    } modes[] = {{"raw", "0..255, red green blue"},
                 {"tf", "x / 127.5 - 1 of 0..255, red green blue"},
                 {"torch",
                  "(x / 255 - mean) / std of 0..255, red green blue; mean 0.485 0.456 0.406, std 0.229 "
                  "0.224 0.225"},
                 {"caffe", "blue green red of 0..255, less 103.939, 116.779, 123.68"},
                 {"lite", "(x - 127) / 128 of 0..255, red green blue"},
                 {"unit", "x / 255 of 0..255, red green blue"}};
    if (twi_json_bool(json_object_get(m->info, "preprocessing"), "inside", false))
        return modes[0].text;
    const char *mode = twi_info_text(m, "preprocessing.mode", "");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (twi_str_same(mode, modes[i].mode))
            return modes[i].text;
    return "as the model was trained";
}

void twi_export_range(const tw_model *m, double *low, double *high)
{
    const char *mode = twi_info_text(m, "preprocessing.mode", "");
    bool is_raw = twi_json_bool(json_object_get(m->info, "preprocessing"), "inside", false) ||
                  twi_str_same(mode, "raw") || twi_str_same(mode, "caffe");
    *low = is_raw ? 0 : -1;
    *high = is_raw ? 255 : 1;
}
