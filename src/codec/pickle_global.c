// The globals a torch state dict may name, and what calling them builds. All others are refused in pickle.c.
//
//   collections.OrderedDict()                                       → a dictionary
//   torch._utils._rebuild_tensor_v2(storage, first, size, stride, …) → a tensor
//   torch._utils._rebuild_parameter(tensor, …)                      → the tensor
//   torch.FloatStorage …                                            → a storage's type, in a persistent id
// Source   torch._utils, torch.serialization.

#include "codec/pickle_machine.h"

#include <string.h>

enum { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, FIRST_STORAGE };

static const struct {
    const char *module, *name;
    twi_dtype dtype; // of a storage
} globals[] = {
    [ORDERED_DICT] = {"collections", "OrderedDict", 0},
    [REBUILD_TENSOR] = {"torch._utils", "_rebuild_tensor_v2", 0},
    [REBUILD_PARAMETER] = {"torch._utils", "_rebuild_parameter", 0},
    [FIRST_STORAGE] = {"torch", "FloatStorage", TWI_F32},
    {"torch", "HalfStorage", TWI_F16},
    {"torch", "BFloat16Storage", TWI_BF16},
    {"torch", "DoubleStorage", TWI_F64},
    {"torch", "LongStorage", TWI_I64},
    {"torch", "IntStorage", TWI_I32},
    {"torch", "ByteStorage", TWI_U8},
    {"torch", "BoolStorage", TWI_U8},
};

int twi_pickle_global(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (!strcmp(globals[i].module, module) && !strcmp(globals[i].name, name))
            return (int)i;
    return -1;
}

static const twi_pickle_value *item(const twi_pickle *p, const twi_pickle_value *v, uint32_t i)
{
    return &p->values.at[v->is.items[i]];
}

// Numbers of a tuple of integers ≥ 0.
static bool integers(const twi_pickle *p, const twi_pickle_value *v, int64_t *out)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const twi_pickle_value *number = item(p, v, i);
        if (number->kind != TWI_PICKLE_INT || number->is.integer < 0)
            return false;
        out[i] = number->is.integer;
    }
    return true;
}

// The tensor lies within its storage, and does not show values twice (a few stored values claiming to be many).
static bool fits(const twi_pickle_tensor *t)
{
    int64_t count = twi_shape_count(&t->shape), last = t->first, step;
    for (int i = 0; i < t->shape.rank; i++)
        if (t->shape.dim[i] > TW_DIM_MAX ||
            (t->shape.dim[i] > 1 &&
             (!twi_mul(t->shape.dim[i] - 1, t->stride[i], &step) || !twi_add(last, step, &last))))
            return false;
    if (count < 0 || (uint64_t)count > t->storage->n)
        return false;
    return !count || (uint64_t)last < t->storage->n;
}

static tw_status rebuild_tensor(twi_pickle *p, const twi_pickle_value *a, uint32_t *result)
{
    if (a->n < 4 || item(p, a, 0)->kind != TWI_PICKLE_STORAGE || item(p, a, 1)->kind != TWI_PICKLE_INT ||
        item(p, a, 2)->kind != TWI_PICKLE_TUPLE || item(p, a, 3)->kind != TWI_PICKLE_TUPLE ||
        item(p, a, 2)->n != item(p, a, 3)->n)
        return twi_pickle_refuse(p, "a tensor with arguments of the wrong kinds");
    const twi_pickle_value *sizes = item(p, a, 2), *strides = item(p, a, 3);
    if (sizes->n > TW_RANK_MAX)
        return twi_pickle_refuse(p, "a tensor of %u axes, at most %d are supported", sizes->n, TW_RANK_MAX);
    tw_status status = twi_source_spend(p->source, 1, sizeof(twi_pickle_tensor), p->err);
    if (status)
        return status;
    twi_pickle_tensor *t = twi_arena_new(&p->arena, 1, sizeof *t, p->err);
    if (!t)
        return TW_ENOMEM;
    t->storage = item(p, a, 0)->is.storage;
    t->first = item(p, a, 1)->is.integer;
    t->shape.rank = (int32_t)sizes->n;
    if (t->first < 0 || !integers(p, sizes, t->shape.dim) || !integers(p, strides, t->stride) || !fits(t))
        return twi_pickle_refuse(p, "a tensor that leaves its storage of %llu values",
                                 (unsigned long long)t->storage->n);
    return twi_pickle_add(p, (twi_pickle_value){.kind = TWI_PICKLE_TENSOR, .is.tensor = t}, result);
}

// OrderedDict(), or OrderedDict([[key, value], …]) as Python 2 wrote it.
static tw_status ordered_dict(twi_pickle *p, uint32_t arguments, uint32_t *result)
{
    tw_status status = twi_pickle_add(p, (twi_pickle_value){.kind = TWI_PICKLE_DICT}, result);
    const twi_pickle_value *a = &p->values.at[arguments];
    if (status || !a->n)
        return status;
    const twi_pickle_value *pairs = item(p, a, 0);
    bool is_list = a->n == 1 && pairs->kind == TWI_PICKLE_LIST;
    for (uint32_t i = 0; is_list && i < pairs->n && !status; i++) {
        const twi_pickle_value *pair = item(p, pairs, i);
        is_list = (pair->kind == TWI_PICKLE_LIST || pair->kind == TWI_PICKLE_TUPLE) && pair->n == 2;
        if (is_list)
            status = twi_pickle_append(p, *result, pair->is.items, 2);
    }
    if (!status && !is_list)
        status = twi_pickle_refuse(p, "an OrderedDict made of what is no list of pairs");
    return status;
}

tw_status twi_pickle_call(twi_pickle *p, int global, uint32_t arguments, uint32_t *result)
{
    const twi_pickle_value *a = &p->values.at[arguments];
    switch (global) {
    case ORDERED_DICT:
        return ordered_dict(p, arguments, result);
    case REBUILD_TENSOR:
        return rebuild_tensor(p, a, result);
    case REBUILD_PARAMETER:
        if (!a->n || item(p, a, 0)->kind != TWI_PICKLE_TENSOR)
            return twi_pickle_refuse(p, "a parameter made of what is no tensor");
        *result = a->is.items[0];
        return TW_OK;
    default:
        return twi_pickle_refuse(p, "its program calls '%s.%s'", globals[global].module,
                                 globals[global].name);
    }
}

tw_status twi_pickle_storage_of(twi_pickle *p, uint32_t id, uint32_t *result)
{
    const twi_pickle_value *v = &p->values.at[id];
    bool fits = v->kind == TWI_PICKLE_TUPLE && (v->n == 5 || v->n == 6) &&
                item(p, v, 0)->kind == TWI_PICKLE_TEXT && !strcmp(item(p, v, 0)->is.text, "storage") &&
                item(p, v, 1)->kind == TWI_PICKLE_GLOBAL && item(p, v, 1)->is.integer >= FIRST_STORAGE &&
                item(p, v, 2)->kind == TWI_PICKLE_TEXT && item(p, v, 4)->kind == TWI_PICKLE_INT &&
                item(p, v, 4)->is.integer >= 0;
    if (!fits)
        return twi_pickle_refuse(p, "a persistent id that is no storage");
    if (v->n == 6 && item(p, v, 5)->kind != TWI_PICKLE_NONE)
        return twi_pickle_refuse(p, "a storage that is a view of another, not supported");
    tw_status status = twi_source_spend(p->source, 1, sizeof(twi_pickle_storage), p->err);
    if (status)
        return status;
    twi_pickle_storage *s = twi_arena_new(&p->arena, 1, sizeof *s, p->err);
    if (!s)
        return TW_ENOMEM;
    s->key = item(p, v, 2)->is.text;
    s->dtype = globals[item(p, v, 1)->is.integer].dtype;
    s->n = (uint64_t)item(p, v, 4)->is.integer;
    if (!twi_vec_push(&p->storages, s, p->err))
        return TW_ENOMEM;
    return twi_pickle_add(p, (twi_pickle_value){.kind = TWI_PICKLE_STORAGE, .is.storage = s}, result);
}
