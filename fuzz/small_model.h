// A small model with known weights, and whether a reader that failed left them alone: all or nothing.
#ifndef TW_FUZZ_SMALL_MODEL_H
#define TW_FUZZ_SMALL_MODEL_H

#include "format/format.h"
#include "layer/layer.h"

// conv → batch normalization → pooling → dense; every weight is 0.5.
static inline tw_model *small_model(void)
{
    tw_model *m = twi_model_new("small", false, NULL);
    twi_tensor x = twi_model_input(m, "input", &TW_SHAPE(-1, 8, 8, 3));
    x = twi_model_layer(m, twi_layer_kind_find("Conv2D"), "conv", 1, &x, "filters=4 kernel_size=3");
    x = twi_model_layer(m, twi_layer_kind_find("BatchNormalization"), "bn", 1, &x, "%s", "");
    x = twi_model_layer(m, twi_layer_kind_find("GlobalAveragePooling2D"), "pool", 1, &x, "%s", "");
    x = twi_model_layer(m, twi_layer_kind_find("Dense"), "dense", 1, &x, "units=2");
    twi_model_output(m, x);
    if (twi_model_verify(m, NULL))
        __builtin_trap();
    return m;
}

static inline void small_model_fill(tw_model *m, float value)
{
    twi_weights all = {0};
    if (twi_model_weights(m, &all, NULL))
        __builtin_trap();
    for (int i = 0; i < all.n; i++) {
        twi_weight *w = all.at[i];
        if (!w->data && twi_weight_allocate(w, NULL))
            __builtin_trap();
        for (int64_t k = 0; k < twi_shape_count(&w->shape); k++)
            w->data[k] = value;
        w->is_set = true;
    }
    twi_weights_clear(&all);
}

static inline bool small_model_is_untouched(tw_model *m, float value)
{
    twi_weights all = {0};
    bool is_same = !twi_model_weights(m, &all, NULL);
    for (int i = 0; is_same && i < all.n; i++)
        for (int64_t k = 0; k < twi_shape_count(&all.at[i]->shape); k++)
            is_same = is_same && all.at[i]->data[k] == value;
    twi_weights_clear(&all);
    return is_same;
}

// Weights of the source by each way of loading; a failure must leave the model as it was.
static inline void small_model_load(const twi_format *format, twi_source *source)
{
    static tw_model *m;
    if (!m)
        m = small_model();
    for (int way = 0; way < 4; way++) {
        tw_err err = {0};
        twi_load_report report = {0};
        twi_load_options o = {.skip_mismatch = way & 1, .by_name = way & 2};
        small_model_fill(m, 0.5f);
        if (format->read_weights(m, source, &o, &report, &err) && !small_model_is_untouched(m, 0.5f))
            __builtin_trap();
        twi_load_report_clear(&report);
    }
}

#endif
