// Emitting: a walk over the nodes that lets each layer write its ops. See model.h and op/program.h.

#include "graph/model.h"

#include <string.h>

// State shared by the walk through a model and its nests.
typedef struct walker {
    twi_emitter e;
    const twi_emit_options *o;
    int next_node; // running number of layer calls: names values the same in every mode and batch
    // Layers already emitted, with their weights' values: a shared layer's weights are emitted once.
    twi_vec(const twi_layer *) layers;
    twi_vec(int) first_weight; // index into values_of
    twi_vec(twi_value) weight_values;
} walker;

static tw_status walk_model(walker *w, const tw_model *m, bool is_training, const twi_value *in,
                            twi_value *out);

// The layer's weights as values; emitted at the first call.
static tw_status weights_of(walker *w, const twi_layer *layer, int *first)
{
    for (size_t i = 0; i < w->layers.n; i++)
        if (w->layers.at[i] == layer) {
            *first = w->first_weight.at[i];
            w->e.layer_id = (uint32_t)i;
            return TW_OK;
        }
    *first = (int)w->weight_values.n;
    w->e.layer_id = (uint32_t)w->layers.n;
    if (!twi_vec_push(&w->layers, layer, w->e.err) || !twi_vec_push(&w->first_weight, *first, w->e.err))
        return TW_ENOMEM;
    for (int i = 0; i < layer->n_weights; i++) {
        twi_weight *weight = &layer->weights[i];
        twi_value v = twi_emit_weight(&w->e, weight, &weight->shape, weight->is_trainable);
        if (!twi_vec_push(&w->weight_values, v, w->e.err))
            return TW_ENOMEM;
    }
    return TW_OK;
}

static tw_status walk_node(walker *w, const tw_model *m, const twi_node *node, bool is_training,
                           const twi_value *in, twi_value *out)
{
    const twi_layer *layer = m->layers.at[node->layer];
    if (layer->nested)
        return walk_model(w, layer->nested, is_training && !layer->is_inference, in, out);
    int first = 0;
    tw_status status = weights_of(w, layer, &first);
    if (status)
        return status;
    w->e.label = layer->name;
    w->e.node = w->next_node++;
    w->e.weight = w->weight_values.at ? w->weight_values.at + first : NULL;
    w->e.n_weight = layer->n_weights;
    w->e.is_training = is_training;
    w->e.is_trainable = layer->is_trainable;
    w->e.wants_penalties = w->o->wants_penalties;
    layer->kind->emit(&w->e, layer->config, node->n_in, in, out);
    if (w->e.err->status)
        return w->e.err->status;
    tw_shape expected = twi_shape_batch(&node->out[0], w->o->batch), got = twi_value_shape(&w->e, out[0]);
    if (!twi_shape_same(&expected, &got))
        TWI_BUG("a layer emitted another shape than it inferred");
    return TW_OK;
}

static tw_status walk_model(walker *w, const tw_model *m, bool is_training, const twi_value *in,
                            twi_value *out)
{
    twi_value(*values)[TWI_OP_OUT_MAX] = twi_new(m->nodes.n, sizeof *values, "values", w->e.err);
    tw_status status = values ? TW_OK : TW_ENOMEM;
    for (size_t i = 0; !status && i < m->nodes.n; i++) {
        const twi_node *node = &m->nodes.at[i];
        twi_value args[TWI_LAYER_IN_MAX];
        int input = -1;
        for (size_t j = 0; j < m->inputs.n; j++)
            if (m->inputs.at[j].node == (int)i)
                input = (int)j;
        if (input >= 0) {
            values[i][0] = in[input];
            continue;
        }
        for (int j = 0; j < node->n_in; j++)
            args[j] = values[node->in[j].node][node->in[j].slot];
        status = walk_node(w, m, node, is_training, args, values[i]);
    }
    for (size_t i = 0; !status && i < m->outputs.n; i++)
        out[i] = values[m->outputs.at[i].node][m->outputs.at[i].slot];
    twi_free(values);
    return status;
}

tw_status twi_model_emit(const tw_model *m, const twi_emit_options *options, twi_program *program,
                         twi_value *out, tw_err *err)
{
    tw_err own = {0};
    walker w = {.e = {.program = program, .err = &own, .node = -1, .label = ""}, .o = options};
    twi_value in[TWI_LAYER_IN_MAX];
    if (m->inputs.n > TWI_LAYER_IN_MAX)
        return twi_fail(err, TW_EUNSUPPORTED, "model '%s' has %zu inputs, at most %d are supported", m->name,
                        m->inputs.n, (int)TWI_LAYER_IN_MAX);
    if (twi_model_is_open(m)) {
        char text[TWI_SHAPE_TEXT];
        tw_shape shape = twi_model_shape(m, m->inputs.at[0]);
        return twi_fail(err, TW_EUNUSABLE, "model '%s' takes pictures of any size, %s: give it one first",
                        m->name, twi_shape_text(&shape, text));
    }
    for (size_t i = 0; i < m->inputs.n; i++) {
        tw_shape shape = twi_model_shape(m, m->inputs.at[i]);
        shape = twi_shape_batch(&shape, options->batch);
        in[i] = twi_emit_input(&w.e, &shape, (int)i);
    }
    tw_status status = walk_model(&w, m, options->is_training, in, out);
    if (!status)
        status = own.status;
    twi_vec_clear(&w.layers);
    twi_vec_clear(&w.first_weight);
    twi_vec_clear(&w.weight_values);
    if (own.status && err && !err->status)
        *err = own;
    return status;
}
