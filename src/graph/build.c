// Building models: inputs, calls, outputs. The first error stays in the model. See model.h.

#include "graph/model.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const twi_tensor no_tensor = {-1, 0};

// ------------------------------------------------------------------------------------------------------------ lifetime

tw_model *twi_model_new(const char *name, bool is_sequential, tw_err *err)
{
    tw_model *m = twi_new(1, sizeof *m, "a model", err);
    if (!m)
        return NULL;
    m->references = 1;
    m->is_sequential = is_sequential;
    m->is_trainable = true;
    m->name = twi_strdup(name ? name : is_sequential ? "sequential" : "functional", err);
    m->info = json_object();
    if (!m->name || !m->info) {
        twi_model_free(m);
        return NULL;
    }
    return m;
}

tw_model *twi_model_retain(tw_model *m)
{
    if (m)
        m->references++;
    return m;
}

void twi_model_free(tw_model *m)
{
    if (!m || --m->references > 0)
        return;
    for (size_t i = 0; i < m->layers.n; i++)
        twi_layer_free(m->layers.at[i]);
    for (size_t i = 0; i < m->slots.n; i++)
        twi_free(m->slots.at[i].data);
    twi_vec_clear(&m->layers);
    twi_vec_clear(&m->nodes);
    twi_vec_clear(&m->inputs);
    twi_vec_clear(&m->outputs);
    twi_vec_clear(&m->slots);
    json_decref(m->info);
    json_decref(m->compile);
    twi_free(m->name);
    twi_free(m);
}

// --------------------------------------------------------------------------------------------------------------- names

// Keras's snake_case: Conv2D → conv2d, BatchNormalization → batch_normalization, ReLU → re_lu.
static void snake_case(const char *class_name, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; class_name[i] && at + 2 < size; i++) {
        char c = class_name[i], before = i ? class_name[i - 1] : 0, after = class_name[i + 1];
        bool starts_word =
            i && isupper((unsigned char)c) &&
            (islower((unsigned char)before) || (islower((unsigned char)after) && before != '_'));
        if (starts_word && isdigit((unsigned char)before) && !islower((unsigned char)after))
            starts_word = false;
        if (starts_word)
            out[at++] = '_';
        out[at++] = (char)tolower((unsigned char)c);
    }
    out[at] = 0;
}

static bool is_taken(const tw_model *m, const char *name)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (strcmp(m->layers.at[i]->name, name) == 0)
            return true;
    return false;
}

static tw_status name_layer(tw_model *m, twi_layer *layer)
{
    if (layer->name)
        return is_taken(m, layer->name)
                   ? twi_fail(&m->err, TW_EINVAL, "model '%s' already has a layer named '%s'", m->name,
                              layer->name)
                   : TW_OK;
    char base[96], name[128];
    snake_case(layer->kind->name, base, sizeof base);
    snprintf(name, sizeof name, "%s", base);
    for (int i = 1; is_taken(m, name); i++)
        snprintf(name, sizeof name, "%s_%d", base, i);
    layer->name = twi_strdup(name, &m->err);
    return layer->name ? TW_OK : TW_ENOMEM;
}

// -------------------------------------------------------------------------------------------------------------- calling

static int layer_index(tw_model *m, twi_layer *layer)
{
    for (size_t i = 0; i < m->layers.n; i++)
        if (m->layers.at[i] == layer)
            return (int)i;
    if (name_layer(m, layer) || !twi_vec_push(&m->layers, twi_layer_retain(layer), &m->err)) {
        if (m->err.status == TW_ENOMEM)
            twi_layer_free(layer);
        return -1;
    }
    return (int)m->layers.n - 1;
}

static tw_status build_weights(tw_model *m, twi_layer *layer, const tw_shape *in)
{
    layer->is_built = true;
    if (!layer->kind->weights)
        return TW_OK;
    twi_weight_list list = {0};
    layer->kind->weights(layer->config, in, &list);
    layer->weights = twi_new((size_t)list.n, sizeof *layer->weights, "weights", &m->err);
    if (!layer->weights)
        return TW_ENOMEM;
    // Keras's order inside a layer: what was created trainable, then the rest.
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < list.n; i++) {
            const twi_weight_spec *spec = &list.at[i];
            if (spec->is_state != (pass == 1))
                continue;
            if (twi_shape_count(&spec->shape) < 0)
                return twi_fail(&m->err, TW_EINVAL, "%s '%s': weight '%s' has no known size",
                                layer->kind->name, layer->name, spec->name);
            twi_weight *w = &layer->weights[layer->n_weights++];
            w->name = twi_strdup(spec->name, &m->err);
            w->shape = spec->shape;
            w->init = spec->init;
            w->regularizer = spec->regularizer;
            w->is_state = spec->is_state;
            w->is_trainable = !spec->is_state && layer->is_trainable;
            if (!w->name)
                return TW_ENOMEM;
        }
    return TW_OK;
}

static bool is_open(const tw_shape *shape)
{
    for (int i = 1; i < shape->rank; i++)
        if (shape->dim[i] < 0)
            return true;
    return false;
}

// A shape that leaves sizes open takes any there.
static bool takes_shape(const tw_shape *expected, const tw_shape *given)
{
    tw_shape shape = *expected;
    for (int i = 1; i < shape.rank && i < given->rank; i++)
        if (shape.dim[i] < 0)
            shape.dim[i] = given->dim[i];
    return twi_shape_same(&shape, given);
}

// What a layer gives where open sizes are `size`.
static tw_status infer_at(const twi_layer *layer, const twi_node *node, const tw_shape *in, int64_t size,
                          tw_shape *out, tw_err *err)
{
    tw_shape shapes[TWI_LAYER_IN_MAX];
    for (int i = 0; i < node->n_in; i++) {
        shapes[i] = in[i];
        for (int j = 1; j < in[i].rank; j++)
            if (in[i].dim[j] < 0)
                shapes[i].dim[j] = size;
    }
    return layer->kind->infer(layer->config, node->n_in, shapes, out, err);
}

// Open sizes are tried as two numbers: what differs in the result is open too. So no layer needs to know of them. Large ones, in
// which every window fits; small ones where those make too long a row.
static tw_status infer_open(const twi_layer *layer, twi_node *node, const tw_shape *in, tw_err *err)
{
    static const int64_t tried[2] = {40320, 48};
    tw_err own[2] = {{0}};
    tw_shape out[2];
    for (int t = 0; t < 2; t++) {
        if (infer_at(layer, node, in, tried[t], &out[0], &own[t]) ||
            infer_at(layer, node, in, 2 * tried[t], &out[1], &own[t]))
            continue;
        node->out[0] = out[0];
        for (int j = 1; j < out[0].rank; j++)
            if (out[0].dim[j] != out[1].dim[j])
                node->out[0].dim[j] = -1;
        return TW_OK;
    }
    *err = own[0];
    return own[0].status;
}

static tw_status infer_node(tw_model *m, const twi_layer *layer, twi_node *node, const tw_shape *in)
{
    if (layer->nested) {
        const tw_model *inner = layer->nested;
        if ((int)inner->inputs.n != node->n_in || inner->outputs.n > TWI_OP_OUT_MAX)
            return twi_fail(&m->err, TW_EINVAL, "model '%s' takes %zu inputs, received %d", inner->name,
                            inner->inputs.n, node->n_in);
        bool is_same = true;
        for (int i = 0; i < node->n_in; i++) {
            tw_shape expected = twi_model_shape(inner, inner->inputs.at[i]);
            is_same = is_same && twi_shape_same(&expected, &in[i]);
            char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
            if (!takes_shape(&expected, &in[i]))
                return twi_fail(&m->err, TW_EINVAL, "model '%s' takes %s, received %s", inner->name,
                                twi_shape_text(&expected, a), twi_shape_text(&in[i], b));
        }
        // The first call settles sizes that the model inside leaves open.
        if (!is_same && twi_model_resize(layer->nested, node->n_in, in, &m->err))
            return m->err.status;
        node->n_out = (int)inner->outputs.n;
        for (int i = 0; i < node->n_out; i++)
            node->out[i] = twi_model_shape(inner, inner->outputs.at[i]);
        return TW_OK;
    }
    node->n_out = 1;
    bool has_open = false;
    for (int i = 0; i < node->n_in; i++)
        has_open = has_open || is_open(&in[i]);
    tw_status status = has_open ? infer_open(layer, node, in, &m->err)
                                : layer->kind->infer(layer->config, node->n_in, in, &node->out[0], &m->err);
    if (status)
        twi_err_context(&m->err, "%s '%s'", layer->kind->name, layer->name);
    return status;
}

static bool takes(const tw_layer_kind *kind, int n)
{
    int low = kind->in_max ? kind->in_min : 1, high = kind->in_max ? kind->in_max : 1;
    return n >= low && n <= high;
}

twi_tensor twi_model_call(tw_model *m, twi_layer *layer, int n, const twi_tensor *in)
{
    if (!m || m->err.status || !layer)
        return no_tensor;
    twi_node node = {.n_in = n};
    tw_shape shapes[TWI_LAYER_IN_MAX];
    if (n > TWI_LAYER_IN_MAX || !takes(layer->kind, n)) {
        twi_fail(&m->err, TW_EINVAL, "%s '%s' cannot take %d inputs", layer->kind->name,
                 layer->name ? layer->name : "", n);
        return no_tensor;
    }
    for (int i = 0; i < n; i++) {
        if (in[i].node < 0 || in[i].node >= (int)m->nodes.n || in[i].slot >= m->nodes.at[in[i].node].n_out) {
            twi_fail(&m->err, TW_EINVAL, "%s '%s': input %d is no tensor of this model", layer->kind->name,
                     layer->name ? layer->name : "", i);
            return no_tensor;
        }
        node.in[i] = in[i];
        shapes[i] = twi_model_shape(m, in[i]);
    }
    node.layer = layer_index(m, layer);
    if (node.layer < 0 || infer_node(m, layer, &node, shapes))
        return no_tensor;
    if (!layer->is_built && build_weights(m, layer, shapes))
        return no_tensor;
    for (size_t i = 0; i < m->nodes.n; i++)
        node.call += m->nodes.at[i].layer == node.layer;
    if (!twi_vec_push(&m->nodes, node, &m->err))
        return no_tensor;
    return (twi_tensor){(int)m->nodes.n - 1, 0};
}

twi_tensor twi_model_layer(tw_model *m, const tw_layer_kind *kind, const char *name, int n,
                           const twi_tensor *in, const char *config, ...)
{
    if (!m || m->err.status)
        return no_tensor;
    char text[512];
    va_list args;
    va_start(args, config);
    vsnprintf(text, sizeof text, config, args);
    va_end(args);
    if (!kind) {
        twi_fail(&m->err, TW_EINVAL, "layer '%s' has an unknown kind", name ? name : "");
        return no_tensor;
    }
    twi_layer *layer = twi_layer_new(kind, name, &m->err);
    twi_tensor out = no_tensor;
    if (layer && !twi_layer_set(layer, text, &m->err))
        out = twi_model_call(m, layer, n, in);
    twi_layer_free(layer);
    return out;
}

void twi_model_output(tw_model *m, twi_tensor out)
{
    if (m && !m->err.status && out.node >= 0)
        twi_vec_push(&m->outputs, out, &m->err);
}

void twi_model_add(tw_model *m, twi_layer *layer)
{
    if (!m || m->err.status || !layer)
        return;
    if (!m->outputs.n && !m->inputs.n && layer->nested && layer->nested->inputs.n == 1) {
        // Keras too takes the input shape of a Sequential from its first layer.
        tw_shape shape = twi_model_shape(layer->nested, layer->nested->inputs.at[0]);
        twi_model_input(m, NULL, &shape);
    }
    if (!m->inputs.n) {
        twi_fail(&m->err, TW_EINVAL, "model '%s' has no input shape yet: add an input first", m->name);
        return;
    }
    twi_tensor in = m->outputs.n ? m->outputs.at[0] : m->inputs.at[0];
    twi_tensor out = twi_model_call(m, layer, 1, &in);
    if (out.node < 0)
        return;
    m->outputs.n = 0;
    twi_vec_push(&m->outputs, out, &m->err);
}

// ------------------------------------------------------------------------------------------------------------- resizing

bool twi_model_is_open(const tw_model *m)
{
    for (size_t i = 0; i < m->inputs.n; i++) {
        tw_shape shape = twi_model_shape(m, m->inputs.at[i]);
        if (is_open(&shape))
            return true;
    }
    return false;
}

static int input_at(const tw_model *m, int node)
{
    for (size_t i = 0; i < m->inputs.n; i++)
        if (m->inputs.at[i].node == node)
            return (int)i;
    return -1;
}

// The weights a layer has must be those it would have at the new shapes.
static tw_status check_weights(const twi_layer *layer, const tw_shape *in, tw_err *err)
{
    twi_weight_list list = {0};
    if (!layer->kind->weights)
        return TW_OK;
    layer->kind->weights(layer->config, in, &list);
    for (int i = 0; i < list.n; i++)
        for (int j = 0; j < layer->n_weights; j++) {
            const twi_weight *w = &layer->weights[j];
            char a[TWI_SHAPE_TEXT], b[TWI_SHAPE_TEXT];
            if (strcmp(w->name, list.at[i].name) == 0 && !twi_shape_same(&w->shape, &list.at[i].shape))
                return twi_fail(err, TW_EINVAL, "%s '%s': its %s is %s, at this input size it would be %s",
                                layer->kind->name, layer->name, w->name, twi_shape_text(&w->shape, a),
                                twi_shape_text(&list.at[i].shape, b));
        }
    return TW_OK;
}

static tw_status resize_node(tw_model *m, int at, const tw_shape *shapes)
{
    twi_node *node = &m->nodes.at[at];
    twi_layer *layer = m->layers.at[node->layer];
    tw_shape in[TWI_LAYER_IN_MAX];
    int input = input_at(m, at);
    if (input >= 0) {
        twi_input_set(layer, &shapes[input]);
        return infer_node(m, layer, node, NULL);
    }
    for (int i = 0; i < node->n_in; i++)
        in[i] = twi_model_shape(m, node->in[i]);
    if (layer->nested && !node->call && twi_model_resize(layer->nested, node->n_in, in, &m->err))
        return m->err.status;
    tw_status status = infer_node(m, layer, node, in);
    return status ? status : check_weights(layer, in, &m->err);
}

static tw_status resize_all(tw_model *m, const tw_shape *shapes)
{
    tw_status status = m->err.status;
    for (size_t i = 0; !status && i < m->nodes.n; i++)
        status = resize_node(m, (int)i, shapes);
    return status;
}

tw_status twi_model_resize(tw_model *m, int n, const tw_shape *shapes, tw_err *err)
{
    tw_shape before[TWI_LAYER_IN_MAX];
    if (m->err.status || n != (int)m->inputs.n || n > TWI_LAYER_IN_MAX)
        return twi_fail(err, TW_EINVAL, "model '%s' takes %zu inputs, received %d sizes", m->name,
                        m->inputs.n, n);
    for (int i = 0; i < n; i++)
        before[i] = twi_model_shape(m, m->inputs.at[i]);
    if (!resize_all(m, shapes))
        return TW_OK;
    tw_err own = m->err;
    m->err = (tw_err){0};
    resize_all(m, before);
    if (err && !err->status)
        *err = own;
    return own.status;
}

// ------------------------------------------------------------------------------------------------------------- checking

tw_status twi_model_verify(tw_model *m, tw_err *err)
{
    if (!m)
        return err && err->status ? err->status : TW_EINVAL;
    if (!m->err.status && !m->inputs.n)
        twi_fail(&m->err, TW_EINVAL, "model '%s' has no input", m->name);
    if (!m->err.status && !m->outputs.n)
        twi_fail(&m->err, TW_EINVAL, "model '%s' has no output", m->name);
    for (size_t i = 0; i < m->nodes.n && !m->err.status; i++)
        for (int j = 0; j < m->nodes.at[i].n_in; j++)
            if (m->nodes.at[i].in[j].node >= (int)i)
                TWI_BUG("a node comes before its input");
    if (m->err.status && err && !err->status)
        *err = m->err;
    return m->err.status;
}
