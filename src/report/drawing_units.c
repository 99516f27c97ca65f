// From a model to boxes: nests are opened into one list of calls, and calls that belong together become one unit.
//
// A unit is a chain in which nobody else reads what is handed on: padding or preactivation, then at most one layer that
// matters (convolution, dense, pooling, join …), then normalisation, activation, dropout.
// The trunk is the model's own nest that holds more layers than everything else: what stands behind it is the new head.

#include "report/drawing_inside.h"

// ------------------------------------------------------------------------------------------------------- nests opened

static int count_layers(const tw_model *m)
{
    int n = 0;
    for (size_t i = 0; i < m->layers.n; i++)
        n += m->layers.at[i]->nested ? count_layers(m->layers.at[i]->nested) : 1;
    return n;
}

static int find_trunk(const tw_model *m)
{
    int all = count_layers(m);
    for (size_t i = 0; i < m->layers.n; i++) {
        const tw_model *nested = m->layers.at[i]->nested;
        if (nested && 2 * count_layers(nested) > all)
            return (int)i;
    }
    return -1;
}

static bool is_new(const draw *d, const twi_layer *layer)
{
    for (size_t i = 0; i < d->calls.n; i++)
        if (d->calls.at[i].layer == layer)
            return false;
    return true;
}

typedef struct opening {
    draw_region region;
    const int *in; // calls behind the model's inputs; NULL: its own
    int *out;      // receives the calls behind its outputs, or NULL
    bool is_outer; // looks for the trunk
} opening;

static tw_status open_model(draw *d, const tw_model *m, const opening *o, tw_err *err);

static tw_status add_call(draw *d, const twi_node *node, const twi_layer *layer, const int *in, int n_in,
                          draw_region region, tw_err *err)
{
    draw_call call = {.layer = layer, .out = node->out[0], .region = region, .unit = -1, .next = -1};
    call.is_first = is_new(d, layer);
    call.n_in = n_in;
    for (int j = 0; j < n_in; j++) {
        call.in[j] = in[j];
        d->calls.at[in[j]].n_users++;
    }
    return twi_vec_push(&d->calls, call, err) ? TW_OK : TW_ENOMEM;
}

// at: [nodes × TWI_OP_OUT_MAX] the call behind each tensor.
static tw_status open_node(draw *d, const tw_model *m, int i, const opening *o, int trunk, int *at,
                           tw_err *err)
{
    const twi_node *node = &m->nodes.at[i];
    const twi_layer *layer = m->layers.at[node->layer];
    draw_region region = o->region;
    if (o->is_outer && trunk >= 0)
        region = node->layer == trunk ? DRAW_TRUNK : DRAW_BEFORE;
    int in[TWI_LAYER_IN_MAX], n_in = node->n_in;
    for (int j = 0; j < n_in; j++) {
        in[j] = at[node->in[j].node * TWI_OP_OUT_MAX + node->in[j].slot];
        if (o->is_outer && region == DRAW_BEFORE && d->calls.at[in[j]].region >= DRAW_TRUNK)
            region = DRAW_HEAD;
    }
    for (size_t j = 0; o->in && j < m->inputs.n; j++)
        if (m->inputs.at[j].node == i)
            in[0] = o->in[j], n_in = 1;
    int *out = &at[i * TWI_OP_OUT_MAX];
    if (layer->nested)
        return open_model(d, layer->nested, &(opening){region, in, out, false}, err);
    for (int j = 0; j < TWI_OP_OUT_MAX; j++)
        out[j] = (int)d->calls.n;
    return add_call(d, node, layer, in, n_in, region, err);
}

static tw_status open_model(draw *d, const tw_model *m, const opening *o, tw_err *err)
{
    int *at = twi_new(m->nodes.n * TWI_OP_OUT_MAX, sizeof *at, "a drawing", err);
    tw_status status = at ? TW_OK : TW_ENOMEM;
    int trunk = o->is_outer ? find_trunk(m) : -1;
    for (size_t i = 0; !status && i < m->nodes.n; i++)
        status = open_node(d, m, (int)i, o, trunk, at, err);
    for (size_t i = 0; !status && o->out && i < m->outputs.n && i < TWI_OP_OUT_MAX; i++)
        o->out[i] = at[m->outputs.at[i].node * TWI_OP_OUT_MAX + m->outputs.at[i].slot];
    twi_free(at);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- units

// The unit a call goes on with, or -1: it begins one.
static int unit_before(const draw *d, const draw_call *call)
{
    if (call->n_in != 1)
        return -1;
    const draw_call *before = &d->calls.at[call->in[0]];
    if (before->n_users != 1 || before->region != call->region)
        return -1;
    bool has_main = d->units.at[before->unit].main >= 0, is_small = draw_is_small(call);
    // Padding belongs to what it pads for.
    bool leads = twi_str_starts(call->layer->kind->name, "ZeroPadding");
    return (is_small && !leads) || !has_main ? before->unit : -1;
}

static void add_input(draw *d, draw_unit *unit, int from)
{
    for (int i = 0; i < unit->n_in; i++)
        if (unit->in[i] == from)
            return;
    unit->in[unit->n_in++] = from;
    d->units.at[from].n_out++;
}

static tw_status add_to_unit(draw *d, int i, tw_err *err)
{
    draw_call *call = &d->calls.at[i];
    int u = unit_before(d, call);
    if (u < 0) {
        draw_unit unit = {.first = i, .last = -1, .main = -1, .twin = -1};
        for (int j = 0; j < call->n_in; j++)
            add_input(d, &unit, d->calls.at[call->in[j]].unit);
        u = (int)d->units.n;
        if (!twi_vec_push(&d->units, unit, err))
            return TW_ENOMEM;
    } else {
        d->calls.at[d->units.at[u].last].next = i;
    }
    call->unit = u;
    d->units.at[u].last = i;
    if (!draw_is_small(call))
        d->units.at[u].main = i;
    return TW_OK;
}

tw_status draw_read(draw *d, tw_err *err)
{
    int out[TWI_OP_OUT_MAX];
    tw_status status = open_model(d, d->model, &(opening){DRAW_BODY, NULL, out, true}, err);
    size_t n_out = d->model->outputs.n < TWI_OP_OUT_MAX ? d->model->outputs.n : TWI_OP_OUT_MAX;
    for (size_t i = 0; !status && i < n_out; i++)
        d->calls.at[out[i]].n_users++;
    for (size_t i = 0; !status && i < d->calls.n; i++)
        status = add_to_unit(d, (int)i, err);
    for (size_t i = 0; !status && i < n_out; i++)
        d->units.at[d->calls.at[out[i]].unit].is_output = true;
    return status;
}
