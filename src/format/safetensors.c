// safetensors: named tensors after a JSON header; weights only.
//
//   bytes of the header 8, {"name": {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, …, "__metadata__": …}, values
// Offsets count from the header's end. Every tensor must have exactly the bytes its shape needs, inside the file.
// Written with Keras's names and layouts ("block1_conv1/kernel", metadata format "keras"), so any model's weights can be kept;
// read with these names, and with torch's, for architectures whose family knows them (format/torch.c).
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
    bool is_keras; // the metadata say that names and layouts are Keras's
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
    r->is_keras =
        twi_str_same(twi_json_string(json_object_get(header, "__metadata__"), "format", ""), "keras");
    for (void *at = json_object_iter(header); at && !status; at = json_object_iter_next(header, at))
        if (strcmp(json_object_iter_key(at), "__metadata__") != 0)
            status = read_tensor(r, json_object_iter_key(at), json_object_iter_value(at));
    json_decref(header);
    return status;
}

// -------------------------------------------------------------------------------------------------------- Keras's names

static const twi_torch_tensor *find(const reading *r, const char *name)
{
    for (size_t i = 0; i < r->tensors.n; i++)
        if (strcmp(r->tensors.at[i]->name, name) == 0)
            return r->tensors.at[i];
    return NULL;
}

static tw_status stage_tensor(twi_stage *stage, const twi_layer *layer, twi_weight *w,
                              const twi_torch_tensor *t, tw_err *err)
{
    float *values = twi_new((size_t)twi_shape_count(&t->shape), sizeof *values, "a tensor", err);
    tw_status status = values ? twi_torch_read_f32(t, values, err) : TW_ENOMEM;
    if (!status)
        status = twi_stage_copy(stage, layer, w, &t->shape, values, err);
    twi_free(values);
    return status;
}

static tw_status assign(reading *r, tw_model *m, twi_stage *stage, twi_load_report *report)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, r->err);
    bool *is_used = status ? NULL : twi_new(r->tensors.n + 1, sizeof *is_used, "tensors", r->err);
    for (int i = 0; is_used && !status && i < all.n; i++) {
        char title[192];
        const twi_torch_tensor *t = find(r, all.path[i]);
        if (t)
            status = stage_tensor(stage, all.layer[i], all.at[i], t, r->err);
        else
            twi_stage_note(stage, all.path[i], "%s: %s has no tensor '%s'",
                           twi_layer_title(all.layer[i], title, sizeof title), stage->file, all.path[i]);
        for (size_t j = 0; t && j < r->tensors.n; j++)
            is_used[j] |= r->tensors.at[j] == t;
    }
    for (size_t j = 0; is_used && !status && report && j < r->tensors.n; j++)
        if (!is_used[j])
            twi_list_add(&report->left_over, r->tensors.at[j]->name);
    twi_free(is_used);
    twi_weights_clear(&all);
    return is_used || status ? status : TW_ENOMEM;
}

static tw_status safetensors_read_weights(tw_model *m, twi_source *source, const twi_load_options *o,
                                          twi_load_report *report, tw_err *err)
{
    reading r = {.source = source, .err = err};
    tw_status status = read_header(&r);
    if (!status && r.is_keras) {
        twi_stage stage;
        twi_stage_begin(&stage, source->name, o, report);
        status = twi_stage_finish(&stage, assign(&r, m, &stage, report), err);
    } else if (!status) {
        status = twi_torch_assign(m, source->name, r.tensors.n, r.tensors.at, o, report, err);
    }
    twi_vec_clear(&r.tensors);
    twi_arena_clear(&r.arena);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- writing

static tw_status add_entry(json_t *header, const char *name, const twi_weight *w, int64_t *at, tw_err *err)
{
    json_t *sizes = json_array();
    for (int i = 0; i < w->shape.rank; i++)
        json_array_append_new(sizes, json_integer(w->shape.dim[i]));
    int64_t end = *at + twi_shape_count(&w->shape) * (int64_t)sizeof(float);
    json_t *entry = json_pack("{ss so s[II]}", "dtype", "F32", "shape", sizes, "data_offsets",
                              (json_int_t)*at, (json_int_t)end);
    if (json_object_get(header, name))
        json_decref(entry);
    else if (entry && json_object_set_new(header, name, entry) == 0)
        return *at = end, TW_OK;
    return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: two weights are called '%s'", name);
}

static tw_status safetensors_write_weights(const tw_model *m, const char *path, tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    json_t *header = json_pack("{s{ss ss}}", "__metadata__", "format", "keras", "producer", "topwork");
    int64_t n = 0;
    for (int i = 0; !status && i < all.n; i++)
        status = all.at[i]->is_set ? add_entry(header, all.path[i], all.at[i], &n, err)
                                   : twi_fail(err, TW_EUNUSABLE, "'%s' has no values to write", all.path[i]);
    char *text = status ? NULL : twi_json_text(header, 0, err);
    json_decref(header);
    if (text) {
        // Blanks fill the header up, so that values are aligned in memory-mapped files.
        uint64_t n_text = strlen(text), n_header = (n_text + 7) / 8 * 8;
        twi_stream s;
        twi_stream_open(&s, path);
        twi_stream_put(&s, &n_header, sizeof n_header);
        twi_stream_printf(&s, "%-*s", (int)n_header, text);
        for (int i = 0; i < all.n; i++)
            twi_stream_put(&s, all.at[i]->data, (size_t)twi_shape_count(&all.at[i]->shape) * sizeof(float));
        status = twi_stream_finish(&s, TW_OK, err);
    } else if (!status) {
        status = TW_ENOMEM;
    }
    twi_free(text);
    twi_weights_clear(&all);
    return status;
}

static tw_status safetensors_list(twi_source *source, twi_array_visitor visit, void *self, tw_err *err)
{
    reading r = {.source = source, .err = err};
    tw_status status = read_header(&r);
    for (size_t i = 0; !status && i < r.tensors.n; i++)
        status = visit(self, r.tensors.at[i]->name, &r.tensors.at[i]->shape, err);
    twi_vec_clear(&r.tensors);
    twi_arena_clear(&r.arena);
    return status;
}

const twi_format twi_format_safetensors = {.name = "safetensors",
                                           .doc = "safetensors",
                                           .suffix = ".safetensors",
                                           .is = safetensors_is,
                                           .read_weights = safetensors_read_weights,
                                           .write_weights = safetensors_write_weights,
                                           .list = safetensors_list};
