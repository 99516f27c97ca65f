// Writing PyTorch state dicts: a zip of one pickle, which says how tensors are rebuilt, and of their values.
//
//   archive/data.pkl   OrderedDict of name → torch._utils._rebuild_tensor_v2(storage i, 0, shape, strides, False, OrderedDict())
//   archive/version    "3"
//   archive/data/<i>   f32, little-endian
// Pickle protocol 2, and only the opcodes that torch.load(weights_only=True) takes. Layouts are torch's (torch.c), and so is the
// absence of num_batches_tracked, which torch's BatchNorm then starts at 0.
// Source   torch.serialization; Python's pickletools.

#include "format/torch.h"

#include <string.h>

// --------------------------------------------------------------------------------------------------------------- pickle

static void op(twi_str *p, const char *bytes)
{
    twi_str_add(p, bytes);
}

static void put_whole(twi_str *p, uint64_t value, int bytes)
{
    char raw[8];
    for (int i = 0; i < bytes; i++)
        raw[i] = (char)(value >> 8 * i & 255);
    twi_str_add_n(p, raw, (size_t)bytes);
}

static void put_text(twi_str *p, const char *text)
{
    op(p, "X");
    put_whole(p, strlen(text), 4);
    op(p, text);
}

static void put_int(twi_str *p, int64_t value)
{
    if (value < 256) {
        op(p, "K");
        put_whole(p, (uint64_t)value, 1);
    } else if (value <= INT32_MAX) {
        op(p, "J");
        put_whole(p, (uint64_t)value, 4);
    } else {
        twi_str_add_n(p, "\x8a\x08", 2);
        put_whole(p, (uint64_t)value, 8);
    }
}

static void put_ints(twi_str *p, int n, const int64_t *values)
{
    op(p, n ? "(" : ")");
    for (int i = 0; i < n; i++)
        put_int(p, values[i]);
    op(p, n ? "t" : "");
}

#define NEW_DICT "ccollections\nOrderedDict\n)R"

static void put_tensor(twi_str *p, const char *name, int key, const tw_shape *shape)
{
    char number[16];
    int64_t strides[TW_RANK_MAX];
    for (int i = shape->rank - 1; i >= 0; i--)
        strides[i] = i + 1 < shape->rank ? strides[i + 1] * shape->dim[i + 1] : 1;
    snprintf(number, sizeof number, "%d", key);
    put_text(p, name);
    op(p, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(p, "storage");
    op(p, "ctorch\nFloatStorage\n");
    put_text(p, number);
    put_text(p, "cpu");
    put_int(p, twi_shape_count(shape));
    op(p, "tQ");
    put_int(p, 0);
    put_ints(p, shape->rank, shape->dim);
    put_ints(p, shape->rank, strides);
    op(p, "\x89" NEW_DICT "tR");
}

// -------------------------------------------------------------------------------------------------------------- layouts

// The torch shape of a weight, and the Keras axis of each of its axes; NULL: as it is.
static const int *torch_shape(const twi_layer *layer, const twi_weight *w, tw_shape *shape)
{
    static const int convolution[4] = {3, 2, 0, 1}, depthwise[4] = {2, 3, 0, 1}, linear[2] = {1, 0};
    const int64_t *k = w->shape.dim;
    *shape = w->shape;
    if (w->shape.rank == 2) {
        *shape = TWI_SHAPE(k[1], k[0]);
        return linear;
    }
    if (w->shape.rank != 4)
        return NULL;
    if (twi_torch_is_depthwise(layer, w)) {
        *shape = TWI_SHAPE(k[2] * k[3], 1, k[0], k[1]);
        return depthwise;
    }
    *shape = TWI_SHAPE(k[3], k[2], k[0], k[1]);
    return convolution;
}

static void turn(const twi_weight *w, const int *axes, float *to)
{
    int64_t step[TW_RANK_MAX], at[TW_RANK_MAX] = {0}, place = 0, n = twi_shape_count(&w->shape);
    int rank = w->shape.rank;
    for (int i = rank - 1; i >= 0; i--)
        step[i] = i + 1 < rank ? step[i + 1] * w->shape.dim[i + 1] : 1;
    for (int64_t k = 0; k < n; k++) {
        to[k] = w->data[place];
        for (int i = rank - 1; i >= 0; i--) {
            int axis = axes[i];
            place += step[axis];
            if (++at[i] < w->shape.dim[axis])
                break;
            place -= at[i] * step[axis];
            at[i] = 0;
        }
    }
}

// ----------------------------------------------------------------------------------------------------------------- file

static tw_status put_values(twi_zip_writer *zip, int key, const twi_weight *w, const int *axes, tw_err *err)
{
    char member[32];
    size_t n = (size_t)twi_shape_count(&w->shape);
    snprintf(member, sizeof member, "archive/data/%d", key);
    if (!axes)
        return twi_zip_put(zip, member, w->data, n * sizeof(float), err);
    float *turned = twi_new(n, sizeof *turned, "a tensor", err);
    if (!turned)
        return TW_ENOMEM;
    turn(w, axes, turned);
    tw_status status = twi_zip_put(zip, member, turned, n * sizeof(float), err);
    twi_free(turned);
    return status;
}

static tw_status put_all(const tw_model *m, const twi_weights *all, twi_zip_writer *zip, twi_str *p,
                         tw_err *err)
{
    const twi_zoo_variant *variant = twi_model_known_trunk(m);
    tw_status status = TW_OK;
    op(p, "\x80\x02" NEW_DICT "(");
    for (int i = 0; !status && i < all->n; i++) {
        char name[512];
        tw_shape shape;
        const int *axes = torch_shape(all->layer[i], all->at[i], &shape);
        twi_torch_name(variant, all->path[i], name, sizeof name);
        put_tensor(p, name, i, &shape);
        status = all->at[i]->is_set
                     ? put_values(zip, i, all->at[i], axes, err)
                     : twi_fail(err, TW_EUNUSABLE, "'%s' has no values to write", all->path[i]);
    }
    op(p, "u.");
    if (!status && p->failed)
        status = twi_fail_memory(err, 0, "a state dict");
    if (!status)
        status = twi_zip_put(zip, "archive/data.pkl", p->text, p->n, err);
    return status ? status : twi_zip_put(zip, "archive/version", "3\n", 2, err);
}

tw_status twi_torch_write(const tw_model *m, const char *path, tw_err *err)
{
    twi_weights all;
    twi_str pickle = {0};
    tw_status status = twi_model_weights(m, &all, err);
    twi_zip_writer *zip = status ? NULL : twi_zip_create(path, err);
    if (!status && !zip)
        status = TW_EWRITE;
    if (!status)
        status = put_all(m, &all, zip, &pickle, err);
    if (zip && status)
        twi_zip_abandon(zip);
    else if (zip)
        status = twi_zip_finish(zip, err);
    twi_str_clear(&pickle);
    twi_weights_clear(&all);
    return status;
}
