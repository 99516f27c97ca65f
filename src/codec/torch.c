// Torch files: where torch.save puts the pickle and the values. See pickle.h.
//
// Old stream (before torch 1.6): pickles one after the other: magic number, version 1001, facts of the machine, the
//             object, the list of storage keys; then for each key: count of values 8, values
// Zip         NAME/data.pkl, and a stored member NAME/data/KEY for each storage; NAME/byteorder, if there, says "little"
// Source   torch.serialization.

#include "base/str.h"
#include "codec/pickle_machine.h"
#include "codec/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 64 * 1024 };

// PROTO 2, LONG1 of ten bytes: torch's magic number, STOP
static const uint8_t magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
static const char pickle_name[] = "/data.pkl";

struct twi_torch {
    twi_zip *zip;
    twi_source pickle; // data.pkl of a zip
    twi_pickle machine;
    twi_vec(twi_torch_tensor) tensors;
    twi_torch_tensor **by_name;
};

// -------------------------------------------------------------------------------------------------------- what is it

static bool is_old(const twi_source *source)
{
    uint8_t first[sizeof magic];
    return twi_source_read(source, 0, first, sizeof first, NULL) == TW_OK &&
           !memcmp(first, magic, sizeof magic);
}

// Index of NAME/data.pkl at the top level, or -1.
static int64_t find_pickle(const twi_zip *zip)
{
    for (size_t i = 0; i < twi_zip_n(zip); i++) {
        const char *name = twi_zip_name(zip, i), *slash = strchr(name, '/');
        if (slash && !strcmp(slash, pickle_name))
            return (int64_t)i;
    }
    return -1;
}

bool twi_torch_is(const twi_source *source)
{
    if (is_old(source) || !twi_zip_is(source))
        return is_old(source);
    twi_source copy = *source; // its budget is its own
    twi_zip *zip = twi_zip_open(&copy, NULL);
    bool is = zip && find_pickle(zip) >= 0;
    twi_zip_close(zip);
    return is;
}

// ---------------------------------------------------------------------------------------------------------- storages

static int by_key(const void *a, const void *b)
{
    const twi_pickle_storage *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

// Sorts the storages by key; those of one key must agree.
static tw_status sort_storages(twi_pickle *p)
{
    if (p->storages.n)
        qsort(p->storages.at, p->storages.n, sizeof *p->storages.at, by_key);
    for (size_t i = 1; i < p->storages.n; i++) {
        const twi_pickle_storage *a = p->storages.at[i - 1], *b = p->storages.at[i];
        if (!strcmp(a->key, b->key) && (a->dtype != b->dtype || a->n != b->n))
            return twi_pickle_refuse(p, "storage '%.100s' has two types or sizes", a->key);
    }
    return TW_OK;
}

// First of the storages of a key, or the number of storages.
static size_t first_of(const twi_pickle *p, const char *key)
{
    size_t low = 0, high = p->storages.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(p->storages.at[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->storages.n && !strcmp(p->storages.at[low]->key, key) ? low : p->storages.n;
}

// All storages of one key show the same bytes.
static void set_data(twi_pickle *p, size_t first, const twi_source *data)
{
    const char *key = p->storages.at[first]->key;
    for (size_t i = first; i < p->storages.n && !strcmp(p->storages.at[i]->key, key); i++) {
        p->storages.at[i]->data = *data;
        p->storages.at[i]->is_found = true;
    }
}

static tw_status check_bytes(twi_pickle *p, const twi_pickle_storage *s, uint64_t bytes)
{
    uint64_t need;
    if (__builtin_mul_overflow(s->n, (uint64_t)twi_dtype_size(s->dtype), &need) || need > bytes)
        return twi_pickle_refuse(p, "storage '%.100s' claims %llu values, more than its %llu bytes hold",
                                 s->key, (unsigned long long)s->n, (unsigned long long)bytes);
    return TW_OK;
}

// One storage of the old stream at p->at: its count, then its values.
static tw_status take_old_storage(twi_pickle *p, const char *key)
{
    size_t i = first_of(p, key);
    if (i == p->storages.n)
        return twi_pickle_refuse(p, "storage '%.100s' belongs to no tensor", key);
    twi_pickle_storage *s = p->storages.at[i];
    uint64_t n = 0, left = p->source->size - p->at, size = twi_dtype_size(s->dtype);
    tw_status status = twi_source_u64(p->source, p->at, &n, p->err);
    if (!status && (n != s->n || s->is_found))
        status = twi_pickle_refuse(p, "storage '%.100s' has %llu values, its tensors expect %llu", key,
                                   (unsigned long long)n, (unsigned long long)s->n);
    if (!status)
        status = check_bytes(p, s, left - 8);
    twi_source data;
    if (!status)
        status = twi_source_window(&data, p->source, p->at + 8, n * size, p->err);
    if (status)
        return status;
    set_data(p, i, &data);
    p->at += 8 + n * size;
    return TW_OK;
}

static tw_status open_old(twi_torch *f, twi_source *source, uint32_t *root, tw_err *err)
{
    twi_pickle *p = &f->machine;
    p->source = source;
    p->err = err;
    uint32_t unused = 0, keys = 0;
    tw_status status = TW_OK;
    for (int i = 0; i < 3 && !status; i++)
        status = twi_pickle_run(p, &unused);
    if (!status)
        status = twi_pickle_run(p, root);
    if (!status)
        status = twi_pickle_run(p, &keys);
    if (!status && p->values.at[keys].kind != TWI_PICKLE_LIST)
        status = twi_pickle_refuse(p, "no list of storages after the object");
    if (!status)
        status = sort_storages(p);
    for (uint32_t i = 0; !status && i < p->values.at[keys].n; i++) {
        const twi_pickle_value *key = &p->values.at[p->values.at[keys].is.items[i]];
        status = key->kind == TWI_PICKLE_TEXT ? take_old_storage(p, key->is.text)
                                              : twi_pickle_refuse(p, "a storage's key that is no text");
    }
    return status;
}

static tw_status check_byte_order(twi_torch *f, const char *prefix, tw_err *err)
{
    char name[300], order[8] = "";
    snprintf(name, sizeof name, "%.200s/byteorder", prefix);
    int64_t i = twi_zip_find(f->zip, name);
    twi_source member;
    tw_status status = i < 0 ? TW_OK : twi_zip_member(f->zip, (size_t)i, &member, err);
    if (i < 0 || status)
        return status;
    size_t n = member.size < sizeof order - 1 ? (size_t)member.size : sizeof order - 1;
    status = twi_source_read(&member, 0, order, n, err);
    if (!status && !strcmp(order, "big"))
        status = twi_fail_at(err, TW_EUNSUPPORTED, member.name, 0, "not supported yet: %s: big-endian values",
                             member.name);
    return status;
}

static tw_status find_zip_storages(twi_torch *f, const char *prefix)
{
    twi_pickle *p = &f->machine;
    tw_status status = sort_storages(p);
    for (size_t i = 0; i < p->storages.n && !status; i++) {
        if (p->storages.at[i]->is_found)
            continue;
        twi_str name = {0};
        twi_str_printf(&name, "%s/data/%s", prefix, p->storages.at[i]->key);
        int64_t k = name.failed ? -1 : twi_zip_find(f->zip, name.text);
        twi_source data;
        if (name.failed)
            status = twi_fail_memory(p->err, name.cap, "a name");
        else if (k < 0)
            status = twi_pickle_refuse(p, "member '%.200s' is missing", name.text);
        else
            status = twi_zip_member(f->zip, (size_t)k, &data, p->err);
        if (!status)
            status = check_bytes(p, p->storages.at[i], data.size);
        if (!status)
            set_data(p, i, &data);
        twi_str_clear(&name);
    }
    return status;
}

static tw_status open_zip(twi_torch *f, twi_source *source, uint32_t *root, tw_err *err)
{
    f->zip = twi_zip_open(source, err);
    if (!f->zip)
        return err && err->status ? err->status : TW_EMALFORMED;
    int64_t i = find_pickle(f->zip);
    if (i < 0)
        return twi_fail_at(err, TW_EMALFORMED, source->name, -1,
                           "%s: has no member data.pkl, not a torch file", source->name);
    const char *name = twi_zip_name(f->zip, (size_t)i);
    char prefix[256];
    size_t n = strlen(name) - strlen(pickle_name);
    if (n >= sizeof prefix)
        return twi_fail_at(err, TW_EMALFORMED, source->name, -1, "%s: a folder name of %zu bytes",
                           source->name, n);
    memcpy(prefix, name, n);
    prefix[n] = 0;
    tw_status status = check_byte_order(f, prefix, err);
    if (!status)
        status = twi_zip_member(f->zip, (size_t)i, &f->pickle, err);
    f->machine.source = &f->pickle;
    f->machine.err = err;
    if (!status)
        status = twi_pickle_run(&f->machine, root);
    return status ? status : find_zip_storages(f, prefix);
}

// ----------------------------------------------------------------------------------------------------------- tensors

static bool has_tensors(const twi_pickle *p, const twi_pickle_value *dict)
{
    for (uint32_t i = 1; i < dict->n; i += 2)
        if (p->values.at[dict->is.items[i]].kind == TWI_PICKLE_TENSOR)
            return true;
    return false;
}

// The state dict: the root itself, or what a training script kept it under.
static const twi_pickle_value *state_dict(const twi_pickle *p, const twi_pickle_value *root)
{
    static const char *const keys[] = {"state_dict", "model_state_dict", "model"};
    if (root->kind != TWI_PICKLE_DICT || has_tensors(p, root))
        return root;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const twi_pickle_value *inner = twi_pickle_get(p, root, keys[i]);
        if (inner && inner->kind == TWI_PICKLE_DICT && has_tensors(p, inner))
            return inner;
    }
    return root;
}

static tw_status add_tensor(twi_torch *f, const char *name, const twi_pickle_tensor *t)
{
    twi_pickle *p = &f->machine;
    tw_status status = twi_source_spend(p->source, strlen(name) + 1 + sizeof(twi_torch_tensor), 1, p->err);
    if (status)
        return status;
    if (!t->storage->is_found)
        return twi_pickle_refuse(p, "storage '%.100s' of tensor '%.100s' is not in the file", t->storage->key,
                                 name);
    twi_torch_tensor tensor = {
        .dtype = t->storage->dtype, .shape = t->shape, .data = t->storage->data, .first = t->first};
    memcpy(tensor.stride, t->stride, sizeof tensor.stride);
    tensor.name = twi_strdup(name, p->err);
    if (!tensor.name)
        return TW_ENOMEM;
    if (twi_vec_push(&f->tensors, tensor, p->err))
        return TW_OK;
    twi_free(tensor.name);
    return TW_ENOMEM;
}

static int by_name(const void *a, const void *b)
{
    const twi_torch_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static tw_status sort_tensors(twi_torch *f)
{
    f->by_name = twi_new(f->tensors.n, sizeof *f->by_name, "tensors", f->machine.err);
    if (!f->by_name)
        return TW_ENOMEM;
    for (size_t i = 0; i < f->tensors.n; i++)
        f->by_name[i] = &f->tensors.at[i];
    qsort(f->by_name, f->tensors.n, sizeof *f->by_name, by_name);
    for (size_t i = 1; i < f->tensors.n; i++)
        if (!strcmp(f->by_name[i - 1]->name, f->by_name[i]->name))
            return twi_pickle_refuse(&f->machine, "has two tensors named '%.100s'", f->by_name[i]->name);
    return TW_OK;
}

static tw_status collect(twi_torch *f, uint32_t root)
{
    twi_pickle *p = &f->machine;
    const twi_pickle_value *dict = state_dict(p, &p->values.at[root]);
    tw_status status = TW_OK;
    for (uint32_t i = 0; dict->kind == TWI_PICKLE_DICT && i + 1 < dict->n && !status; i += 2) {
        const twi_pickle_value *key = &p->values.at[dict->is.items[i]],
                               *v = &p->values.at[dict->is.items[i + 1]];
        if (key->kind == TWI_PICKLE_TEXT && v->kind == TWI_PICKLE_TENSOR)
            status = add_tensor(f, key->is.text, v->is.tensor);
    }
    if (!status && !f->tensors.n)
        status =
            twi_fail_at(p->err, TW_EUNUSABLE, p->source->name, -1,
                        "%s: holds no named tensors\nsave the weights: torch.save(model.state_dict(), path)",
                        p->source->name);
    return status ? status : sort_tensors(f);
}

// -------------------------------------------------------------------------------------------------------------- file

twi_torch *twi_torch_open(twi_source *source, tw_err *err)
{
    twi_torch *f = twi_new(1, sizeof *f, "a torch file", err);
    if (!f)
        return NULL;
    uint32_t root = 0;
    tw_status status = is_old(source) ? open_old(f, source, &root, err) : open_zip(f, source, &root, err);
    if (!status)
        status = collect(f, root);
    if (!status) {
        twi_pickle_clear(&f->machine);
        return f;
    }
    twi_torch_close(f);
    return NULL;
}

void twi_torch_close(twi_torch *file)
{
    if (!file)
        return;
    twi_pickle_clear(&file->machine);
    for (size_t i = 0; i < file->tensors.n; i++)
        twi_free(file->tensors.at[i].name);
    twi_vec_clear(&file->tensors);
    twi_free(file->by_name);
    twi_zip_close(file->zip);
    twi_free(file);
}

size_t twi_torch_n(const twi_torch *file)
{
    return file->tensors.n;
}

const twi_torch_tensor *twi_torch_at(const twi_torch *file, size_t i)
{
    return &file->tensors.at[i];
}

const twi_torch_tensor *twi_torch_find(const twi_torch *file, const char *name)
{
    for (size_t low = 0, high = file->tensors.n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, file->by_name[middle]->name);
        if (!order)
            return file->by_name[middle];
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return NULL;
}

// ------------------------------------------------------------------------------------------------------------ values

// n values from the i-th of the storage on, as f32.
static tw_status read_run(const twi_torch_tensor *t, uint64_t i, uint64_t n, float *dst, tw_err *err)
{
    uint8_t *piece = twi_new(PIECE_BYTES, 1, "reading values", err);
    if (!piece)
        return TW_ENOMEM;
    uint64_t size = twi_dtype_size(t->dtype), per_piece = PIECE_BYTES / size;
    tw_status status = TW_OK;
    for (uint64_t done = 0; done < n && !status; done += per_piece) {
        uint64_t k = n - done < per_piece ? n - done : per_piece;
        status = twi_source_read(&t->data, (i + done) * size, piece, (size_t)(k * size), err);
        if (!status)
            twi_to_f32(t->dtype, piece, dst + done, (size_t)k);
    }
    twi_free(piece);
    return status;
}

static bool is_dense(const twi_torch_tensor *t)
{
    int64_t step = 1;
    for (int i = t->shape.rank - 1; i >= 0; i--) {
        if (t->shape.dim[i] > 1 && t->stride[i] != step)
            return false;
        step *= t->shape.dim[i];
    }
    return true;
}

// Gathers a transposed or cut tensor from the stretch of its storage it lies in.
static void gather(const twi_torch_tensor *t, const float *stretch, float *dst, int64_t count)
{
    int64_t at[TW_RANK_MAX] = {0}, from = 0;
    for (int64_t k = 0; k < count; k++) {
        dst[k] = stretch[from];
        for (int i = t->shape.rank - 1; i >= 0; i--) {
            from += t->stride[i];
            if (++at[i] < t->shape.dim[i])
                break;
            from -= at[i] * t->stride[i];
            at[i] = 0;
        }
    }
}

tw_status twi_torch_read_f32(const twi_torch_tensor *tensor, float *dst, tw_err *err)
{
    int64_t count = twi_shape_count(&tensor->shape), last = 0;
    if (!count)
        return TW_OK;
    if (is_dense(tensor))
        return read_run(tensor, (uint64_t)tensor->first, (uint64_t)count, dst, err);
    for (int i = 0; i < tensor->shape.rank; i++)
        last += (tensor->shape.dim[i] - 1) * tensor->stride[i];
    float *stretch = twi_new((size_t)last + 1, sizeof *stretch, "a tensor", err);
    if (!stretch)
        return TW_ENOMEM;
    tw_status status = read_run(tensor, (uint64_t)tensor->first, (uint64_t)last + 1, stretch, err);
    if (!status)
        gather(tensor, stretch, dst, count);
    twi_free(stretch);
    return status;
}
