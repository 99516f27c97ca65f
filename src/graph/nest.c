// Nests: a model used as a layer. Its kind has no config of its own; the graph's walkers look inside.

#include "graph/model.h"

typedef struct nest {
    char unused; // a config must have a size
} nest;

static const tw_field nest_fields[] = {{0}};

// Shapes of a nest come from its outputs (graph/build.c); this is never asked.
static tw_status nest_infer(const nest *c, int n_in, const tw_shape *in, tw_shape *out, tw_err *err)
{
    (void)c, (void)n_in;
    *out = *in;
    return twi_fail(err, TW_EFAILED, "a nest has no shape of its own");
}

TWI_THUNK_INFER(nest)

static const tw_layer_kind functional_kind = {.name = "Functional",
                                              .module = "keras.src.models.functional",
                                              .doc = "a graph of layers used as a layer",
                                              .flags = TWI_KIND_NEST,
                                              .in_max = TWI_LAYER_IN_MAX,
                                              .size = sizeof(nest),
                                              .fields = nest_fields,
                                              .infer = nest_infer_thunk};

static const tw_layer_kind sequential_kind = {.name = "Sequential",
                                              .module = "keras",
                                              .doc = "a chain of layers used as a layer",
                                              .flags = TWI_KIND_NEST,
                                              .size = sizeof(nest),
                                              .fields = nest_fields,
                                              .infer = nest_infer_thunk};

twi_layer *twi_layer_nest(tw_model *nested, tw_err *err)
{
    if (!nested)
        return NULL;
    twi_layer *layer =
        twi_layer_new(nested->is_sequential ? &sequential_kind : &functional_kind, nested->name, err);
    if (!layer)
        return NULL;
    layer->nested = twi_model_retain(nested);
    layer->is_trainable = nested->is_trainable;
    layer->is_built = true;
    return layer;
}
