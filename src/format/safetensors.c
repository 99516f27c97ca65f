// safetensors: named tensors after a JSON header; weights only, under torch's names (format/torch.c).
//
//   bytes of the header 8, {"name": {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, …, "__metadata__": …}, values
// Offsets count from the header's end. Every tensor must have exactly the bytes its shape needs, inside the file.
// Source   huggingface/safetensors, README "Format".

#include "format/torch.h"

#include "base/json.h"

#include <string.h>

#define HEADER_MAX (100u << 20) // what the reference implementation allows

static bool safetensors_is(const twi_source *source)
{
    uint64_t n = 0;
    char first = 0;
    return twi_source_u64(source, 0, &n, NULL) == TW_OK && n >= 2 && n <= HEADER_MAX && source->size >= 8 &&
           n <= source->size - 8 && twi_source_read(source, 8, &first, 1, NULL) == TW_OK && first == '{';
}

typedef struct reading {
    twi_source *source;
    uint64_t values; // where they begin
    twi_arena arena;
    twi_vec(const twi_torch_tensor *) tensors;
    tw_err *err;
} reading;

static tw_status bad(const reading *r, const char *name, const char *why)
{
    return twi_fail_at(r->err, TW_EMALFORMED, r->source->name, -1, "%s: tensor '%.100s' %s", r->source->name,
                       name, why);
}

static tw_status read_dtype(const reading *r, const char *name, const json_t *entry, twi_dtype *dtype)
{
    static const struct {
        const char *name;
        twi_dtype dtype;
    } known[] = {{"F32", TWI_F32}, {"F16", TWI_F16}, {"BF16", TWI_BF16}, {"F64", TWI_F64},
                 {"I64", TWI_I64}, {"I32", TWI_I32}, {"U8", TWI_U8},     {"BOOL", TWI_U8}};
    const char *text = twi_json_string(entry, "dtype", "");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, text)) {
            *dtype = known[i].dtype;
            return TW_OK;
        }
    return twi_fail_at(r->err, TW_EUNSUPPORTED, r->source->name, -1,
                       "not supported yet: %s: tensor '%.100s' holds values of type '%.30s'", r->source->name,
                       name, text);
}

// Shape, and strides of its dense values.
static tw_status read_shape(const reading *r, const char *name, const json_t *entry, twi_torch_tensor *t)
{
    const json_t *sizes = json_object_get(entry, "shape");
    size_t rank = json_array_size(sizes);
    if (!json_is_array(sizes) || rank > TW_RANK_MAX)
        return bad(r, name, "has no shape of at most 6 axes");
    t->shape.rank = (int32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(sizes, i);
        t->shape.dim[i] = json_is_integer(size) ? (int64_t)json_integer_value(size) : -1;
        if (t->shape.dim[i] < 0 || t->shape.dim[i] > TW_DIM_MAX)
            return bad(r, name, "has an axis of impossible size");
    }
    if (twi_shape_count(&t->shape) < 0)
        return bad(r, name, "claims more values than can be counted");
    int64_t step = 1;
    for (size_t i = rank; i-- > 0;) {
        t->stride[i] = step;
        // A later axis of size 0 makes the product safe only as long as it is not overflowed by the others.
        if (!twi_mul(step, t->shape.dim[i] ? t->shape.dim[i] : 1, &step))
            return bad(r, name, "claims more values than can be counted");
    }
    return TW_OK;
}

static tw_status read_tensor(reading *r, const char *name, const json_t *entry)
{
    twi_torch_tensor *t = twi_arena_new(&r->arena, 1, sizeof *t, r->err);
    if (!t || !(t->name = twi_arena_strdup(&r->arena, name, r->err)))
        return TW_ENOMEM;
    tw_status status = read_dtype(r, name, entry, &t->dtype);
    if (!status)
        status = read_shape(r, name, entry, t);
    if (status)
        return status;
    const json_t *offsets = json_object_get(entry, "data_offsets"), *begin = json_array_get(offsets, 0),
                 *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return bad(r, name, "has no data_offsets [begin, end]");
    uint64_t from = (uint64_t)json_integer_value(begin), n = (uint64_t)json_integer_value(end) - from, need;
    if (__builtin_mul_overflow((uint64_t)twi_shape_count(&t->shape), (uint64_t)twi_dtype_size(t->dtype),
                               &need) ||
        need != n)
        return bad(r, name, "has not as many bytes as its shape needs");
    if (from > r->source->size)
        return bad(r, name, "lies outside the file");
    status = twi_source_window(&t->data, r->source, r->values + from, n, r->err);
    if (!status && !twi_vec_push(&r->tensors, t, r->err))
        status = TW_ENOMEM;
    return status;
}

static tw_status read_header(reading *r)
{
    uint64_t n = 0;
    twi_source window;
    tw_status status = twi_source_u64(r->source, 0, &n, r->err);
    if (!status && n > HEADER_MAX)
        status =
            twi_fail_at(r->err, TW_EMALFORMED, r->source->name, 0, "%s: a header of %llu bytes, at most %u",
                        r->source->name, (unsigned long long)n, HEADER_MAX);
    if (!status)
        status = twi_source_window(&window, r->source, 8, n, r->err);
    if (status)
        return status;
    r->values = 8 + n;
    size_t n_text = 0;
    char *text = twi_source_all(&window, &n_text, r->err);
    json_t *header = text ? twi_json_parse(r->source->name, text, n_text, r->err) : NULL;
    twi_free(text);
    if (!header)
        return r->err && r->err->status ? r->err->status : TW_EMALFORMED;
    if (!json_is_object(header))
        status = twi_fail_at(r->err, TW_EMALFORMED, r->source->name, 8, "%s: its header is no JSON object",
                             r->source->name);
    for (void *at = json_object_iter(header); at && !status; at = json_object_iter_next(header, at))
        if (strcmp(json_object_iter_key(at), "__metadata__") != 0)
            status = read_tensor(r, json_object_iter_key(at), json_object_iter_value(at));
    json_decref(header);
    return status;
}

static tw_status safetensors_read_weights(tw_model *m, twi_source *source, const twi_load_options *o,
                                          twi_load_report *report, tw_err *err)
{
    reading r = {.source = source, .err = err};
    tw_status status = read_header(&r);
    if (!status)
        status = twi_torch_assign(m, source->name, r.tensors.n, r.tensors.at, o, report, err);
    twi_vec_clear(&r.tensors);
    twi_arena_clear(&r.arena);
    return status;
}

const twi_format twi_format_safetensors = {.name = "safetensors",
                                           .doc = "safetensors",
                                           .is = safetensors_is,
                                           .read_weights = safetensors_read_weights};
