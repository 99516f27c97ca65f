// What fitting and using models share. See learn.h.

#include "job/learn.h"

#include <string.h>

// -------------------------------------------------------------------------------------------------------------- pixels

static bool is_input(const tw_model *m, int node)
{
    for (size_t i = 0; i < m->inputs.n; i++)
        if (m->inputs.at[i].node == node)
            return true;
    return false;
}

// Where the input goes straight into a nest, the nest's pixels are the model's; any layer in between may prepare them.
static const char *pixels_of(const tw_model *m)
{
    const char *own = twi_info_text(m, "preprocessing.mode", NULL);
    for (size_t i = 0; !own && i < m->nodes.n; i++) {
        const twi_node *node = &m->nodes.at[i];
        const twi_layer *layer = m->layers.at[node->layer];
        if (layer->nested && node->n_in == 1 && is_input(m, node->in[0].node))
            own = pixels_of(layer->nested);
    }
    return own;
}

tw_status twi_learn_recipe(const tw_model *m, const tw_dataset *data, twi_recipe *r, tw_err *err)
{
    char text[TWI_SHAPE_TEXT];
    tw_shape in = m->inputs.n == 1 ? twi_model_shape(m, m->inputs.at[0]) : (tw_shape){0};
    if (in.rank != 4 || in.dim[3] != 3)
        return twi_fail(err, TW_EUNUSABLE,
                        "model '%s' takes %s, expected one picture (None, height, width, 3)", m->name,
                        m->inputs.n == 1 ? twi_shape_text(&in, text) : "several inputs");
    *r = (twi_recipe){0};
    twi_recipe_load(m, r);
    const char *mode = pixels_of(m);
    for (int i = 0; mode && twi_pixel_mode_names[i]; i++)
        if (twi_str_same(mode, twi_pixel_mode_names[i]))
            r->pixels = (twi_pixel_mode)i;
    twi_dataset_wish(data, r);
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- settings

tw_status twi_learn_precision(const char *text, twi_precision *precision, tw_err *err)
{
    static const struct {
        const char *name;
        twi_precision precision;
    } known[] = {{"f32", TWI_PRECISE}, {"exact", TWI_EXACT}, {"bf16", TWI_BRAIN}};
    *precision = TWI_PRECISE;
    if (!text)
        return TW_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (twi_str_same(text, known[i].name)) {
            *precision = known[i].precision;
            return TW_OK;
        }
    return twi_fail(err, TW_EINVAL, "precision must be f32, exact or bf16, received '%s'", text);
}

tw_status twi_learn_ready(tw_model *m, int64_t seed, tw_err *err)
{
    tw_status status = twi_model_verify(m, err);
    return status ? status : twi_model_initialize(m, seed ? (uint64_t)seed : 1, twi_initializer_fill, err);
}

tw_status twi_learn_size(tw_model *m, const tw_dataset *data, tw_err *err)
{
    if (!twi_model_is_open(m) || data->store->has_photos || m->inputs.n != 1)
        return twi_open_size(m, m, 0, err);
    tw_shape shape = {.rank = data->store->shape.rank + 1, .dim = {-1}};
    for (int i = 0; i < data->store->shape.rank; i++)
        shape.dim[i + 1] = data->store->shape.dim[i];
    return twi_model_resize(m, 1, &shape, err);
}

tw_status twi_learn_classes(const tw_model *m, const tw_dataset *data, tw_err *err)
{
    int n = twi_info_n_labels(m);
    int64_t n_data = twi_dataset_n_classes(data);
    const twi_photos *photos = &data->store->photos;
    if (!n || !data->store->has_photos)
        return TW_OK;
    if (n != n_data)
        return twi_fail(err, TW_EUNUSABLE, "model '%s' has %d classes, the photos have %lld", m->name, n,
                        (long long)n_data);
    for (int i = 0; i < n; i++)
        if (strcmp(twi_info_label(m, i), photos->classes.at[i]) != 0)
            return twi_fail(err, TW_EUNUSABLE,
                            "class %d of model '%s' is '%s', of the photos '%s'\n"
                            "try  opening the photos with .classes = the model's labels",
                            i, m->name, twi_info_label(m, i), photos->classes.at[i]);
    return TW_OK;
}
