// Reading Functional configs: layers by name, calls as nodes, in whatever order they are listed (interop c3, a4).
//
//   Keras 3  inbound_nodes: [{"args": [tensor, [tensor, tensor], …], "kwargs": {…}}, …], one item a call
//   Keras 2  inbound_nodes: [[["conv1", call, slot, {kwargs}], …], …]
// Calls are counted per layer. A nested model counts its own making as call 0 in Keras 2, and in Keras 3 only in
// input_layers and output_layers.

#include "format/config_read.h"

#include <string.h>

typedef struct ref {
    const char *name;
    int64_t call, slot;
} ref;

typedef struct refs {
    ref *at;
    size_t n, cap;
} refs;

// A layer of the config and how far its calls have been made.
typedef struct entry {
    const json_t *object;
    const char *name;
    const json_t *calls; // inbound_nodes
    int n_calls, done;
    bool is_input, is_model, counts_itself; // counts_itself: call 0 is its own making
    twi_layer *layer;                       // made at its first call
    twi_tensor *out;                        // [n_calls] results
} entry;

typedef struct graph {
    twi_config_reader *r;
    tw_model *m;
    entry *entries;
    int n;
    json_t *index; // name → position in entries
    bool is_keras2;
} graph;

static tw_status wrong(const graph *g, const char *what, const char *name)
{
    return twi_fail_at(g->r->err, TW_EMALFORMED, g->r->where, -1, "%s: model '%s': %s '%s'",
                       twi_base_name(g->r->where), g->m->name, what, name);
}

// ----------------------------------------------------------------------------------------------------------- references

static bool is_triple(const json_t *v)
{
    return json_is_array(v) && json_array_size(v) >= 3 && json_is_string(json_array_get(v, 0)) &&
           json_is_integer(json_array_get(v, 1)) && json_is_integer(json_array_get(v, 2));
}

static tw_status push_triple(const graph *g, const json_t *v, refs *out)
{
    ref one = {json_string_value(json_array_get(v, 0)), json_integer_value(json_array_get(v, 1)),
               json_integer_value(json_array_get(v, 2))};
    return twi_vec_push(out, one, g->r->err) ? TW_OK : TW_ENOMEM;
}

// input_layers, output_layers: one triple, or lists or objects of them.
static tw_status read_triples(const graph *g, const json_t *v, refs *out)
{
    if (is_triple(v))
        return push_triple(g, v, out);
    tw_status status =
        json_is_array(v) || json_is_object(v) ? TW_OK : wrong(g, "not a reference in", g->m->name);
    for (size_t i = 0; !status && i < json_array_size(v); i++)
        status = read_triples(g, json_array_get(v, i), out);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)v, key, value) if (!status) status = read_triples(g, value, out);
    return status;
}

// Arguments of a Keras 3 call: tensors in order. A plain value would be part of the computation.
static tw_status read_arguments(const graph *g, const entry *e, const json_t *v, refs *out)
{
    tw_status status = TW_OK;
    if (json_is_array(v)) {
        for (size_t i = 0; !status && i < json_array_size(v); i++)
            status = read_arguments(g, e, json_array_get(v, i), out);
        return status;
    }
    if (json_is_null(v) || json_is_false(v))
        return TW_OK;
    const json_t *history = json_object_get(json_object_get(v, "config"), "keras_history");
    if (strcmp(twi_json_string(v, "class_name", ""), "__keras_tensor__") == 0 && is_triple(history))
        return push_triple(g, history, out);
    return twi_fail_at(g->r->err, TW_EUNSUPPORTED, g->r->where, -1,
                       "%s: not supported yet: layer '%s' is called with a plain value",
                       twi_base_name(g->r->where), e->name);
}

static tw_status read_keywords(const graph *g, const entry *e, const json_t *kwargs, refs *out,
                               bool *is_inference)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)kwargs, key, value)
    {
        if (strcmp(key, "training") == 0) {
            *is_inference = json_is_false(value);
            continue;
        }
        if (strcmp(key, "name") == 0 && json_is_string(value))
            continue;
        tw_status status = read_arguments(g, e, value, out);
        if (status)
            return status;
    }
    return TW_OK;
}

static tw_status read_call(const graph *g, const entry *e, const json_t *call, refs *in, bool *is_inference)
{
    in->n = 0;
    if (json_is_object(call)) {
        tw_status status = read_arguments(g, e, json_object_get(call, "args"), in);
        return status ? status : read_keywords(g, e, json_object_get(call, "kwargs"), in, is_inference);
    }
    if (is_triple(call)) {
        tw_status status = push_triple(g, call, in);
        return status ? status : read_keywords(g, e, json_array_get(call, 3), in, is_inference);
    }
    for (size_t i = 0; i < json_array_size(call); i++) {
        const json_t *one = json_array_get(call, i);
        if (!is_triple(one))
            return wrong(g, "not a reference in the calls of layer", e->name);
        tw_status status = push_triple(g, one, in);
        if (!status)
            status = read_keywords(g, e, json_array_get(one, 3), in, is_inference);
        if (status)
            return status;
    }
    return TW_OK;
}

// --------------------------------------------------------------------------------------------------------------- calls

static entry *find(const graph *g, const char *name)
{
    const json_t *at = json_object_get(g->index, name);
    return at ? &g->entries[json_integer_value(at)] : NULL;
}

// Finds the tensor; *is_ready is false while the call is still to be made.
static tw_status resolve(const graph *g, const ref *want, bool counts_itself, twi_tensor *out, bool *is_ready)
{
    const entry *e = find(g, want->name);
    if (!e)
        return wrong(g, "no layer", want->name);
    int64_t call = want->call - counts_itself;
    if (call < 0 && want->call == 0 && e->n_calls)
        call = g->is_keras2 ? 0 : e->n_calls - 1; // Keras 3 indexes as Python does
    if (call < 0 || call >= e->n_calls || want->slot < 0 || want->slot >= TWI_OP_OUT_MAX)
        return wrong(g, "a call that is not made is referred to, of layer", want->name);
    *is_ready = call < e->done;
    if (*is_ready)
        *out = (twi_tensor){e->out[call].node, (int)want->slot};
    return TW_OK;
}

static tw_status make_layer(graph *g, entry *e, int n, const twi_tensor *in)
{
    tw_shape shapes[TWI_LAYER_IN_MAX];
    for (int i = 0; i < n; i++)
        shapes[i] = twi_model_shape(g->m, in[i]);
    e->layer = twi_config_layer(g->r, e->object, (twi_hints){n, shapes});
    if (!e->layer)
        return TW_EMALFORMED;
    if (!e->layer->name)
        e->layer->name = twi_strdup(e->name, g->r->err);
    return e->layer->name ? TW_OK : TW_ENOMEM;
}

// Makes the entry's next call if its inputs are there.
static tw_status try_call(graph *g, entry *e, refs *scratch, bool *is_made)
{
    bool is_inference = false, is_ready = true;
    *is_made = false;
    tw_status status = read_call(g, e, json_array_get(e->calls, (size_t)e->done), scratch, &is_inference);
    if (!status && (scratch->n == 0 || scratch->n > TWI_LAYER_IN_MAX))
        return wrong(g, "no inputs, or too many, for layer", e->name);
    twi_tensor in[TWI_LAYER_IN_MAX];
    for (size_t i = 0; !status && is_ready && i < scratch->n; i++) {
        const entry *from = find(g, scratch->at[i].name);
        status = resolve(g, &scratch->at[i], g->is_keras2 && from && from->counts_itself, &in[i], &is_ready);
        if (!status && is_ready && in[i].slot >= g->m->nodes.at[in[i].node].n_out)
            status = wrong(g, "an output that is not there is referred to, of layer", scratch->at[i].name);
    }
    if (status || !is_ready)
        return status;
    if (!e->layer)
        status = make_layer(g, e, (int)scratch->n, in);
    if (status)
        return status;
    e->layer->is_inference |= is_inference && e->layer->nested;
    twi_tensor out = twi_model_call(g->m, e->layer, (int)scratch->n, in);
    if (out.node < 0)
        return TW_EMALFORMED; // the model holds the reason
    e->out[e->done++] = out;
    *is_made = true;
    return TW_OK;
}

static tw_status make_calls(graph *g)
{
    refs scratch = {0};
    tw_status status = TW_OK;
    for (bool is_done = false; !status && !is_done;) {
        bool is_any = false;
        const entry *stuck = NULL;
        for (int i = 0; !status && i < g->n; i++) {
            entry *e = &g->entries[i];
            for (bool is_made = true; !status && is_made && e->done < e->n_calls; is_any |= is_made)
                status = try_call(g, e, &scratch, &is_made);
            if (e->done < e->n_calls)
                stuck = e;
        }
        is_done = !stuck;
        if (!status && stuck && !is_any)
            status = wrong(g, "calls go round in a circle or miss an input, at layer", stuck->name);
    }
    twi_vec_clear(&scratch);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- model

// Whether Keras 2 gave the nested model a call of its own making: all but Sequentials without an input shape.
static bool counts_itself(const json_t *object)
{
    if (strcmp(twi_json_string(object, "class_name", ""), "Sequential") != 0)
        return true;
    const json_t *config = json_object_get(object, "config");
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    const json_t *first = json_array_get(layers, 0);
    return twi_config_is_input(first) ||
           json_object_get(json_object_get(first, "config"), "batch_input_shape");
}

static tw_status read_entries(graph *g, const json_t *layers)
{
    g->n = (int)json_array_size(layers);
    g->entries = twi_new((size_t)g->n, sizeof *g->entries, "layers", g->r->err);
    g->index = json_object();
    if (!g->entries || !g->index)
        return TW_ENOMEM;
    for (int i = 0; i < g->n; i++) {
        entry *e = &g->entries[i];
        e->object = json_array_get(layers, (size_t)i);
        e->name = twi_json_string(e->object, "name",
                                  twi_json_string(json_object_get(e->object, "config"), "name", NULL));
        if (!e->name)
            return wrong(g, "a layer has no name in", g->m->name);
        if (find(g, e->name))
            return wrong(g, "two layers are named", e->name);
        json_object_set_new(g->index, e->name, json_integer(i));
        e->calls = json_object_get(e->object, "inbound_nodes");
        e->is_input = twi_config_is_input(e->object);
        e->is_model = twi_config_is_model(e->object);
        e->counts_itself = e->is_model && counts_itself(e->object);
        e->n_calls = e->is_input ? 1 : (int)json_array_size(e->calls);
        e->out = twi_new((size_t)e->n_calls, sizeof *e->out, "layers", g->r->err);
        if (!e->out)
            return TW_ENOMEM;
        g->is_keras2 |= json_is_array(json_array_get(e->calls, 0));
    }
    return TW_OK;
}

static tw_status make_inputs(graph *g, const json_t *listed, twi_hints hints)
{
    refs in = {0};
    tw_status status = read_triples(g, listed, &in);
    for (size_t i = 0; !status && i < in.n; i++) {
        entry *e = find(g, in.at[i].name);
        if (!e || !e->is_input || e->done) {
            status = wrong(g, "not an input:", in.at[i].name);
            break;
        }
        e->layer = twi_config_input(g->r, e->object, (int)i < hints.n ? &hints.at[i] : NULL);
        twi_tensor t = e->layer ? twi_model_call(g->m, e->layer, 0, NULL) : (twi_tensor){-1, 0};
        if (t.node < 0 || !twi_vec_push(&g->m->inputs, t, g->r->err)) {
            status = TW_EMALFORMED;
            break;
        }
        e->out[0] = t;
        e->done = 1;
    }
    for (int i = 0; !status && i < g->n; i++)
        if (g->entries[i].is_input && !g->entries[i].done)
            status = wrong(g, "input_layers does not list input", g->entries[i].name);
    twi_vec_clear(&in);
    return status;
}

static tw_status set_outputs(graph *g, const json_t *listed)
{
    refs out = {0};
    tw_status status = read_triples(g, listed, &out);
    for (size_t i = 0; !status && i < out.n; i++) {
        const entry *e = find(g, out.at[i].name);
        // Only Functional counts itself here in Keras 3; a nested Sequential does not.
        bool counts =
            e && e->is_model &&
            (g->is_keras2 ? e->counts_itself
                          : strcmp(twi_json_string(e->object, "class_name", ""), "Sequential") != 0);
        twi_tensor t;
        bool is_ready = true;
        status = resolve(g, &out.at[i], counts, &t, &is_ready);
        if (!status && (!is_ready || t.slot >= g->m->nodes.at[t.node].n_out))
            status = wrong(g, "an output that is not there is referred to, of layer", out.at[i].name);
        if (!status)
            twi_model_output(g->m, t);
    }
    twi_vec_clear(&out);
    return status;
}

tw_status twi_config_functional(twi_config_reader *r, tw_model *m, const json_t *config, twi_hints hints)
{
    const json_t *layers = json_object_get(config, "layers");
    if (json_array_size(layers) == 0 || json_array_size(layers) > TWI_LAYERS_MAX)
        return twi_fail_at(r->err, TW_EMALFORMED, r->where, -1,
                           "%s: model '%s' has %zu layers, expected 1 to %d", twi_base_name(r->where),
                           m->name, json_array_size(layers), (int)TWI_LAYERS_MAX);
    graph g = {.r = r, .m = m};
    tw_status status = read_entries(&g, layers);
    if (!status)
        status = make_inputs(&g, json_object_get(config, "input_layers"), hints);
    if (!status)
        status = make_calls(&g);
    if (!status)
        status = set_outputs(&g, json_object_get(config, "output_layers"));
    for (int i = 0; g.entries && i < g.n; i++) {
        twi_layer_free(g.entries[i].layer);
        twi_free(g.entries[i].out);
    }
    twi_free(g.entries);
    json_decref(g.index);
    return status;
}
