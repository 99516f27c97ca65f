// PyTorch state dicts (.pth, .pt): weights only.
//
// Each weight of the model is looked for under the torch name of its path's last two parts ("stem_conv/kernel" →
// "_conv_stem.weight"), so a trunk inside a model is found too. Names are those of the network's torch implementation where its
// family knows them, else Keras's path in torch's words: "trunk/b1/gamma" → "trunk.b1.weight". They are written so too
// (torch_write.c). torch keeps channels first:
//   convolution   [out, in, kh, kw]     → (kh, kw, in, out)
//   depthwise     [in · m, 1, kh, kw]   → (kh, kw, in, m)
//   linear        [out, in]             → (in, out)
// num_batches_tracked counts training steps and is no weight in Keras.

#include "format/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct assignment {
    twi_stage stage;
    size_t n;
    const twi_torch_tensor **at; // sorted by name
    bool *is_used;
    const char *prefix; // "module." where DataParallel wrapped the model
} assignment;

static int by_name(const void *a, const void *b)
{
    const twi_torch_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static const twi_torch_tensor **find(const assignment *a, const char *name)
{
    char full[600];
    snprintf(full, sizeof full, "%s%s", a->prefix, name);
    twi_torch_tensor key = {.name = full};
    const twi_torch_tensor *wanted = &key;
    return a->n ? bsearch(&wanted, a->at, a->n, sizeof *a->at, by_name) : NULL;
}

// ------------------------------------------------------------------------------------------------------------ layouts

bool twi_torch_is_depthwise(const twi_layer *layer, const twi_weight *w)
{
    return w->shape.rank == 4 &&
           (strcmp(layer->kind->name, "DepthwiseConv2D") == 0 || twi_str_starts(w->name, "depthwise"));
}

// Axis of the torch tensor for each axis of the Keras weight.
static const int convolution[4] = {2, 3, 1, 0}, linear[2] = {1, 0};

static void permute(const float *src, const tw_shape *from, const int *axes, float *dst, const tw_shape *to)
{
    int64_t step[TW_RANK_MAX], stride[TW_RANK_MAX], at[TW_RANK_MAX] = {0}, place = 0, n = twi_shape_count(to);
    for (int i = from->rank - 1; i >= 0; i--)
        step[i] = i + 1 < from->rank ? step[i + 1] * from->dim[i + 1] : 1;
    for (int i = 0; i < to->rank; i++)
        stride[i] = step[axes[i]];
    for (int64_t k = 0; k < n; k++) {
        dst[k] = src[place];
        for (int i = to->rank - 1; i >= 0; i--) {
            place += stride[i];
            if (++at[i] < to->dim[i])
                break;
            place -= at[i] * stride[i];
            at[i] = 0;
        }
    }
}

// The shape in Keras's order and the axes that lead there; NULL: as it is. `from` may be rewritten to what the axes
// refer to.
static const int *layout(const twi_layer *layer, const twi_weight *w, tw_shape *from, tw_shape *to)
{
    *to = *from;
    if (from->rank == 2) {
        *to = TWI_SHAPE(from->dim[1], from->dim[0]);
        return linear;
    }
    if (from->rank != 4)
        return NULL;
    // One kernel a channel: [in · m, 1, …] holds the same values in the same order as [in, m, …].
    if (twi_torch_is_depthwise(layer, w) && from->dim[1] == 1 && w->shape.rank == 4 && w->shape.dim[3] > 0 &&
        from->dim[0] % w->shape.dim[3] == 0) {
        *from = TWI_SHAPE(from->dim[0] / w->shape.dim[3], w->shape.dim[3], from->dim[2], from->dim[3]);
        static const int depthwise[4] = {2, 3, 0, 1};
        *to = TWI_SHAPE(from->dim[2], from->dim[3], from->dim[0], from->dim[1]);
        return depthwise;
    }
    *to = TWI_SHAPE(from->dim[2], from->dim[3], from->dim[1], from->dim[0]);
    return convolution;
}

static tw_status stage(assignment *a, const twi_layer *layer, twi_weight *w, const twi_torch_tensor *t,
                       tw_err *err)
{
    size_t n = (size_t)twi_shape_count(&t->shape);
    float *read = twi_new(n, sizeof *read, "a tensor", err),
          *turned = twi_new(n, sizeof *turned, "a tensor", err);
    tw_status status = read && turned ? twi_torch_read_f32(t, read, err) : TW_ENOMEM;
    if (!status) {
        tw_shape from = t->shape, to;
        const int *axes = layout(layer, w, &from, &to);
        if (axes)
            permute(read, &from, axes, turned, &to);
        status = twi_stage_copy(&a->stage, layer, w, &to, axes ? turned : read, err);
    }
    twi_free(read);
    twi_free(turned);
    return status;
}

// --------------------------------------------------------------------------------------------------------- assignment

// "trunk/b1/moving_mean" → "trunk.b1.running_mean"
static void plain_name(const char *path, char *name, size_t size)
{
    static const char *const words[][2] = {{"kernel", "weight"},
                                           {"gamma", "weight"},
                                           {"beta", "bias"},
                                           {"moving_mean", "running_mean"},
                                           {"moving_variance", "running_var"},
                                           {"depthwise_kernel", "depthwise.weight"},
                                           {"pointwise_kernel", "pointwise.weight"}};
    const char *variable = strrchr(path, '/') + 1;
    const char *word = variable;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(variable, words[i][0]) == 0)
            word = words[i][1];
    snprintf(name, size, "%.*s%s", (int)(variable - path), path, word);
    for (char *c = name; *c; c++)
        *c = *c == '/' ? '.' : *c;
}

static const twi_zoo_family *family_of(const twi_zoo_variant *variant)
{
    for (const twi_zoo_family *const *f = twi_families; variant && *f; f++)
        for (const twi_zoo_variant *v = (*f)->variants; v->name; v++)
            if (v == variant)
                return *f;
    return NULL;
}

// "trunk/stem_conv/kernel" → "stem_conv/kernel"
static const char *last_two(const char *path)
{
    const char *at = path + strlen(path);
    for (int slashes = 0; at > path; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    return at;
}

void twi_torch_name(const twi_zoo_variant *variant, const char *path, char *name, size_t size)
{
    const twi_zoo_family *family = family_of(variant);
    if (!family || !family->torch_name || !family->torch_name(variant, last_two(path), name, size))
        plain_name(path, name, size);
}

static const twi_torch_tensor **find_any(assignment *a, const char *name)
{
    const twi_torch_tensor **found = find(a, name);
    if (found)
        return found;
    a->prefix = *a->prefix ? "" : "module.";
    return find(a, name);
}

static tw_status assign_all(assignment *a, tw_model *m, const twi_zoo_variant *variant, tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++) {
        char name[512], title[192];
        twi_layer_title(all.layer[i], title, sizeof title);
        twi_torch_name(variant, all.path[i], name, sizeof name);
        const twi_torch_tensor **found = find_any(a, name);
        if (!found) {
            twi_stage_note(&a->stage, all.path[i], "%s: %s has no tensor '%s'", title, a->stage.file, name);
            continue;
        }
        a->is_used[found - a->at] = true;
        status = stage(a, all.layer[i], all.at[i], *found, err);
    }
    twi_weights_clear(&all);
    return status;
}

// Whether any name is one that this model would be written with.
static bool knows_a_name(assignment *a, const tw_model *m, tw_err *err)
{
    twi_weights all;
    bool any = false;
    if (twi_model_weights(m, &all, err))
        return false;
    for (int i = 0; !any && i < all.n; i++) {
        char name[512];
        twi_torch_name(NULL, all.path[i], name, sizeof name);
        any = find_any(a, name) != NULL;
    }
    twi_weights_clear(&all);
    return any;
}

static void report_left_over(const assignment *a, twi_load_report *report)
{
    for (size_t i = 0; report && i < a->n; i++)
        if (!a->is_used[i] && !twi_str_ends(a->at[i]->name, "num_batches_tracked"))
            twi_list_add(&report->left_over, a->at[i]->name);
}

tw_status twi_torch_assign(tw_model *m, const char *file, size_t n, const twi_torch_tensor *const *tensors,
                           const twi_load_options *o, twi_load_report *report, tw_err *err)
{
    const twi_zoo_variant *variant = o && o->variant ? o->variant : twi_model_known_trunk(m);
    const twi_zoo_family *family = family_of(variant);
    assignment a = {.n = n, .prefix = ""};
    a.at = twi_new(n, sizeof *a.at, "tensors", err);
    a.is_used = twi_new(n, sizeof *a.is_used, "tensors", err);
    tw_status status = a.at && a.is_used ? TW_OK : TW_ENOMEM;
    if (!status && n) {
        memcpy(a.at, tensors, n * sizeof *a.at);
        qsort(a.at, n, sizeof *a.at, by_name);
    }
    if (!status && !(family && family->torch_name) && !knows_a_name(&a, m, err))
        status = twi_fail_at(err, TW_EUNSUPPORTED, file, -1,
                             "not supported yet: torch weights '%s' for %s: its torch names are not known",
                             file, variant ? variant->name : "a model of one's own");
    twi_stage_begin(&a.stage, file, o, report);
    if (!status)
        status = assign_all(&a, m, variant, err);
    status = twi_stage_finish(&a.stage, status, err);
    if (!status)
        report_left_over(&a, report);
    twi_free(a.at);
    twi_free(a.is_used);
    return status;
}

// ---------------------------------------------------------------------------------------------------------- the format

static tw_status torch_read_weights(tw_model *m, twi_source *source, const twi_load_options *o,
                                    twi_load_report *report, tw_err *err)
{
    twi_torch *file = twi_torch_open(source, err);
    if (!file)
        return err && err->status ? err->status : TW_EMALFORMED;
    size_t n = twi_torch_n(file);
    const twi_torch_tensor **at = twi_new(n, sizeof *at, "tensors", err);
    for (size_t i = 0; at && i < n; i++)
        at[i] = twi_torch_at(file, i);
    tw_status status = at ? twi_torch_assign(m, source->name, n, at, o, report, err) : TW_ENOMEM;
    twi_free(at);
    twi_torch_close(file);
    return status;
}

static tw_status torch_list(twi_source *source, twi_array_visitor visit, void *self, tw_err *err)
{
    twi_torch *file = twi_torch_open(source, err);
    tw_status status = file ? TW_OK : TW_EMALFORMED;
    for (size_t i = 0; !status && i < twi_torch_n(file); i++)
        status = visit(self, twi_torch_at(file, i)->name, &twi_torch_at(file, i)->shape, err);
    twi_torch_close(file);
    return status;
}

const twi_format twi_format_torch = {.name = "torch",
                                     .doc = "PyTorch state dict",
                                     .suffix = ".pth",
                                     .is = twi_torch_is,
                                     .read_weights = torch_read_weights,
                                     .write_weights = twi_torch_write,
                                     .list = torch_list};
