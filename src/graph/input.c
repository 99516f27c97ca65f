// InputLayer: the place where a model is given its pictures. It computes nothing.
//
// Source   keras.layers.InputLayer, Keras 3.15.

#include "graph/model.h"

typedef struct input {
    tw_shape batch_shape;
} input;

static const tw_field input_fields[] = {
    {TWI_FIELD("batch_shape", "sizes, the batch first", TW_FIELD_SHAPE, input, batch_shape),
     .flags = TW_FIELD_NULLABLE},
    TWI_IGNORED("sparse"),
    TWI_IGNORED("ragged"),
    TWI_IGNORED("optional"),
    TWI_IGNORED("dtype"),
    {0}};

static tw_status input_infer(const input *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)n_in, (void)in;
    if (c->batch_shape.rank < 2)
        return twi_fail(err, TW_EINVAL, "an input needs at least one size besides the batch");
    for (int i = 1; i < c->batch_shape.rank; i++)
        if (c->batch_shape.dim[i] < -1 || c->batch_shape.dim[i] == 0)
            return twi_fail(err, TW_EINVAL, "size %d of the input is %lld, expected 1 or more, or None", i,
                            (long long)c->batch_shape.dim[i]);
    *out = twi_shape_batch(&c->batch_shape, -1);
    return TW_OK;
}

TWI_THUNK_INFER(input)

// Walkers give it a value; it is never emitted.
static const tw_layer_kind input_kind = {.name = "InputLayer",
                                         .doc = "where the pictures come in",
                                         .flags = TWI_KIND_INPUT,
                                         .in_max = 1,
                                         .size = sizeof(input),
                                         .fields = input_fields,
                                         .infer = input_infer_thunk};

const tw_layer_kind *twi_kind_input(void)
{
    return &input_kind;
}

void twi_input_set(twi_layer *layer, const tw_shape *shape)
{
    ((input *)layer->config)->batch_shape = twi_shape_batch(shape, -1);
}

twi_tensor twi_model_input(tw_model *m, const char *name, const tw_shape *shape)
{
    twi_tensor none = {-1, 0};
    if (!m || m->err.status)
        return none;
    twi_layer *layer = twi_layer_new(&input_kind, name, &m->err);
    if (!layer)
        return none;
    twi_input_set(layer, shape);
    twi_tensor in = twi_model_call(m, layer, 0, NULL);
    twi_layer_free(layer);
    if (in.node >= 0)
        twi_vec_push(&m->inputs, in, &m->err);
    return in;
}
