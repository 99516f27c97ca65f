// Finding the frontier: the cut between the frozen prefix and the rest. See plan.h.
//
// The model is emitted in training mode, for a batch of one. A value belongs to the prefix if it depends on an input and
// is not live (trace.c); the frontier is those values of the prefix that the rest uses. Constants do not count: the rest
// computes them itself. Where more values cross than a cached row may hold, the cut moves back op by op.

#include "engine/inside.h"

#include <stdio.h>
#include <string.h>

typedef struct search {
    const tw_model *m;
    twi_program program;
    twi_vec(twi_value) outputs;
    uint8_t *facts;            // [values]
    bool *is_used, *is_needed; // [ops], [values]: for the model's outputs
    bool *crosses;             // [values] scratch
    int n;                     // the frontier so far
    twi_value at[TWI_FRONTIER_MAX];
} search;

// ----------------------------------------------------------------------------------------------------------- the cut

// Whether value v is made by the first `n_ops` ops (or given) and is frozen.
static bool is_before(const search *s, twi_value v, int n_ops)
{
    return (s->facts[v] & TWI_FACT_DATA) && !(s->facts[v] & TWI_FACT_LIVE) &&
           s->program.values.at[v].op < n_ops;
}

// Values that cross from the frozen part of the first n_ops ops to the rest, in order. Returns how many there are, which
// may be more than fit into `at`.
static int crossing(search *s, int n_ops)
{
    memset(s->crosses, 0, s->program.values.n);
    for (size_t i = 0; i < s->program.ops.n; i++) {
        const twi_program_op *op = &s->program.ops.at[i];
        if (!s->is_used[i] || is_before(s, op->out[0], n_ops))
            continue;
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] != TWI_NONE && is_before(s, op->in[j], n_ops))
                s->crosses[op->in[j]] = true;
    }
    for (size_t i = 0; i < s->outputs.n; i++)
        if (is_before(s, s->outputs.at[i], n_ops))
            s->crosses[s->outputs.at[i]] = true;
    int n = 0;
    for (size_t v = 0; v < s->program.values.n; v++)
        if (s->crosses[v] && n++ < TWI_FRONTIER_MAX)
            s->at[n - 1] = (twi_value)v;
    return n;
}

static void cut(search *s)
{
    int n_ops = (int)s->program.ops.n;
    while ((s->n = crossing(s, n_ops)) > TWI_FRONTIER_MAX && n_ops > 0)
        n_ops--;
    if (s->n > TWI_FRONTIER_MAX)
        s->n = 0;
}

static bool are_outputs_frozen(const search *s)
{
    for (size_t i = 0; i < s->outputs.n; i++)
        if (s->facts[s->outputs.at[i]] & TWI_FACT_LIVE)
            return false;
    return true;
}

// The ops that make the frontier, and whether a weight is among what they read.
static bool mark_prefix(const search *s, bool *keep, bool *is_needed)
{
    bool has_weight = false;
    twi_trace_needed(&s->program, s->n, s->at, keep, is_needed);
    for (size_t v = 0; v < s->program.values.n; v++)
        has_weight |= is_needed[v] && s->program.values.at[v].kind == TWI_VALUE_WEIGHT;
    return has_weight;
}

// The layer of the first op that starts being live.
static void name_end(const search *s, twi_frontier *f)
{
    for (size_t i = 0; i < s->program.ops.n; i++) {
        const twi_program_op *op = &s->program.ops.at[i];
        bool is_start = (op->kind->flags & (TWI_OP_RANDOM | TWI_OP_LOSS)) || twi_op_uses_batch(op);
        for (int j = 0; j < op->n_in; j++)
            if (op->in[j] != TWI_NONE) {
                const twi_value_info *in = &s->program.values.at[op->in[j]];
                is_start |= in->kind == TWI_VALUE_WEIGHT && in->is_trainable;
            }
        if (is_start && s->is_used[i]) {
            snprintf(f->ended_by, sizeof f->ended_by, "%s", op->label);
            return;
        }
    }
}

// --------------------------------------------------------------------------------------------------------- the trunk

static bool is_input_node(const tw_model *m, size_t node)
{
    for (size_t i = 0; i < m->inputs.n; i++)
        if (m->inputs.at[i].node == (int)node)
            return true;
    return false;
}

// Layer calls inside a model, counted as emission numbers them: nests are looked into, inputs are no calls.
static int count_calls(const tw_model *m)
{
    int n = 0;
    for (size_t i = 0; i < m->nodes.n; i++) {
        const twi_layer *layer = m->layers.at[m->nodes.at[i].layer];
        if (!is_input_node(m, i))
            n += layer->nested ? count_calls(layer->nested) : 1;
    }
    return n;
}

// Values of the model's program that are the outputs of a nest whose first call has number `first`; *n = 0 if one of them
// is no op's result. The nest is emitted by itself, since only its graph knows its outputs.
static tw_status nest_outputs(const search *s, const twi_layer *nest, int first, twi_value *values, int *n,
                              tw_err *err)
{
    twi_emit_options options = {.batch = 1, .is_training = !nest->is_inference, .wants_penalties = true};
    twi_program inner = {0};
    twi_value out[TWI_OP_OUT_MAX];
    *n = (int)nest->nested->outputs.n;
    tw_status status = twi_model_emit(nest->nested, &options, &inner, out, err);
    for (int i = 0; !status && i < *n; i++) {
        twi_place place = twi_place_at(&inner, out[i]);
        bool is_made = place.node >= 0;
        place.node += first;
        values[i] = is_made ? twi_place_find(&s->program, &place) : TWI_NONE;
        if (values[i] == TWI_NONE)
            *n = 0;
    }
    twi_program_clear(&inner);
    return status;
}

static int64_t row_bytes(const search *s, int n, const twi_value *values)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++) // the batch is one
        sum += twi_shape_count(&s->program.values.at[values[i]].shape) * (int64_t)sizeof(float);
    return sum;
}

// Whether the frontier can be computed from these values without weights and without further inputs.
static bool leads_to_frontier(search *s, int n, const twi_value *values)
{
    bool *needed = s->crosses;
    memset(needed, 0, s->program.values.n);
    for (int i = 0; i < s->n; i++)
        needed[s->at[i]] = true;
    for (size_t k = s->program.values.n; k-- > 0;) {
        const twi_value_info *info = &s->program.values.at[k];
        bool is_given = false;
        for (int i = 0; i < n; i++)
            is_given |= values[i] == (twi_value)k;
        if (!needed[k] || is_given)
            continue;
        if (info->kind == TWI_VALUE_INPUT || info->kind == TWI_VALUE_WEIGHT)
            return false;
        if (info->kind == TWI_VALUE_TEMP) { // values are numbered in order: inputs have smaller numbers
            const twi_program_op *op = &s->program.ops.at[info->op];
            for (int j = 0; j < op->n_in; j++)
                if (op->in[j] != TWI_NONE)
                    needed[op->in[j]] = true;
        }
    }
    return true;
}

static tw_status move_back(search *s, size_t prefer_bytes, tw_err *err)
{
    int first = 0;
    for (size_t i = 0; i < s->m->nodes.n; i++) {
        const twi_layer *layer = s->m->layers.at[s->m->nodes.at[i].layer];
        if (is_input_node(s->m, i))
            continue;
        if (!layer->nested) {
            first++;
            continue;
        }
        twi_value values[TWI_OP_OUT_MAX];
        int n = 0;
        tw_status status = nest_outputs(s, layer, first, values, &n, err);
        if (status)
            return status;
        bool is_frozen = n > 0;
        for (int j = 0; j < n; j++)
            is_frozen &= is_before(s, values[j], INT32_MAX);
        if (is_frozen && row_bytes(s, n, values) <= (int64_t)prefer_bytes &&
            leads_to_frontier(s, n, values)) {
            s->n = n;
            memcpy(s->at, values, (size_t)n * sizeof *values);
        }
        first += count_calls(layer->nested);
    }
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------- finding

static tw_status search_open(search *s, tw_err *err)
{
    twi_emit_options options = {.batch = 1, .is_training = true, .wants_penalties = true};
    if (!twi_vec_reserve(&s->outputs, s->m->outputs.n, err))
        return TW_ENOMEM;
    tw_status status = twi_model_emit(s->m, &options, &s->program, s->outputs.at, err);
    if (status)
        return status;
    s->outputs.n = s->m->outputs.n;
    s->facts = twi_trace(&s->program, err);
    s->is_used = twi_new(s->program.ops.n, sizeof *s->is_used, "a frontier", err);
    s->is_needed = twi_new(s->program.values.n, sizeof *s->is_needed, "a frontier", err);
    s->crosses = twi_new(s->program.values.n, sizeof *s->crosses, "a frontier", err);
    if (!s->facts || !s->is_used || !s->is_needed || !s->crosses)
        return TW_ENOMEM;
    twi_trace_needed(&s->program, (int)s->outputs.n, s->outputs.at, s->is_used, s->is_needed);
    return TW_OK;
}

static void search_close(search *s)
{
    twi_program_clear(&s->program);
    twi_vec_clear(&s->outputs);
    twi_free(s->facts);
    twi_free(s->is_used);
    twi_free(s->is_needed);
    twi_free(s->crosses);
}

static tw_status search_run(search *s, size_t prefer_bytes, twi_frontier *f, tw_err *err)
{
    cut(s);
    f->is_all = s->n > 0 && are_outputs_frozen(s);
    if (f->is_all && crossing(s, (int)s->program.ops.n) > TWI_FRONTIER_MAX) {
        f->is_all = false; // more outputs than a row may hold: the cut lies before them
        cut(s);
    }
    if (!f->is_all)
        name_end(s, f);
    tw_status status = !f->is_all && s->n && prefer_bytes ? move_back(s, prefer_bytes, err) : TW_OK;
    bool *keep = twi_new(s->program.ops.n, sizeof *keep, "a prefix", err);
    memset(s->is_needed, 0, s->program.values.n);
    if (status || !keep) {
        twi_free(keep);
        return status ? status : TW_ENOMEM;
    }
    // A prefix without weights (a Rescaling, a Flatten) is nothing worth cutting off: the model starts at its inputs.
    if (s->n && !mark_prefix(s, keep, s->is_needed) && !f->is_all)
        s->n = 0;
    if (s->n && !(status = twi_check_weights(s->m, &s->program, keep, err)))
        status = twi_prefix_key(&s->program, keep, s->n, s->at, f->key, err);
    f->n = s->n;
    for (int i = 0; i < s->n; i++)
        f->at[i] = twi_place_at(&s->program, s->at[i]);
    twi_free(keep);
    return status;
}

tw_status twi_frontier_find(const tw_model *m, size_t prefer_bytes, twi_frontier *frontier, tw_err *err)
{
    *frontier = (twi_frontier){0};
    search s = {.m = m};
    tw_status status = search_open(&s, err);
    if (!status)
        status = search_run(&s, prefer_bytes, frontier, err);
    search_close(&s);
    return status;
}

size_t twi_frontier_bytes(const twi_frontier *frontier)
{
    size_t sum = 0;
    for (int i = 0; i < frontier->n; i++) {
        tw_shape row = twi_shape_batch(&frontier->at[i].shape, 1);
        sum += (size_t)twi_shape_count(&row) * sizeof(float);
    }
    return sum;
}
