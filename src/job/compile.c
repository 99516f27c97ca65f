// Compiling: optimizer and loss from text, kept in the model as Keras's compile_config, so that files carry them (interop
// c4). See learn.h.

#include "job/learn.h"

#include <math.h>
#include <string.h>

static const tw_field optimizer_field = {
    .key = "optimizer", .type = TW_FIELD_SETTING, .find = twi_optimizer_find, .names = twi_optimizer_names};
static const tw_field schedule_field = {
    .key = "schedule", .type = TW_FIELD_SETTING, .find = twi_schedule_find, .names = twi_schedule_names};
static const tw_field loss_field = {
    .key = "loss", .type = TW_FIELD_SETTING, .find = twi_loss_find, .names = twi_loss_names};

static tw_status read_settings(const tw_compile_options *o, twi_compiled *c, tw_err *err)
{
    tw_setting *optimizer = &c->optimizer;
    tw_status status = twi_setting_text(optimizer, o->optimizer ? o->optimizer : "rmsprop", &optimizer_field,
                                        "optimizer", err);
    if (!status && !optimizer->kind)
        status = twi_fail(err, TW_EINVAL, "an optimizer is needed, received '%s'", o->optimizer);
    if (!status)
        status = twi_optimizer_check(optimizer, "optimizer", err);
    if (!status && !o->loss)
        status = twi_fail(err, TW_EINVAL,
                          "loss is missing: \"binary_crossentropy\" for one output, "
                          "\"categorical_crossentropy\" for one a class");
    if (!status)
        status = twi_setting_text(&c->loss, o->loss, &loss_field, "loss", err);
    if (!status && !c->loss.kind)
        status = twi_fail(err, TW_EINVAL, "a loss is needed, received '%s'", o->loss);
    if (!status && o->learning_rate != 0) {
        double rate = o->learning_rate == (double)TW_ZERO ? 0 : o->learning_rate;
        if (!(rate >= 0 && rate <= optimizer->kind->args[0].high))
            return twi_fail(err, TW_EINVAL, "learning_rate must be in 0..%g, received %g",
                            optimizer->kind->args[0].high, rate);
        optimizer->value[0] = rate;
    }
    if (!status && o->schedule)
        status = twi_setting_text(&c->schedule, o->schedule, &schedule_field, "schedule", err);
    // It stands in the place of the rate, so what it begins with is kept in it.
    if (!status && c->schedule.kind && isnan(c->schedule.value[0]))
        c->schedule.value[0] = optimizer->value[0];
    return status ? status : twi_metrics_text(&c->metrics, o->metrics, "metrics", err);
}

tw_status twi_compile_store(tw_model *m, const twi_compiled *c, tw_err *err)
{
    json_t *optimizer = twi_setting_write(&c->optimizer, "keras.optimizers");
    if (optimizer && c->schedule.kind)
        json_object_set_new(json_object_get(optimizer, "config"), "learning_rate",
                            twi_schedule_write(&c->schedule));
    json_t *compile = json_pack("{so so sn so sn sb si sb}", "optimizer", optimizer, "loss",
                                twi_setting_write(&c->loss, "keras.losses"), "loss_weights", "metrics",
                                twi_metrics_write(&c->metrics), "weighted_metrics", "run_eagerly", 0,
                                "steps_per_execution", 1, "jit_compile", 0);
    if (!compile)
        return twi_fail_memory(err, 0, "how a model is compiled");
    json_decref(m->compile);
    m->compile = compile;
    return TW_OK;
}

tw_status twi_compile_learning(tw_model *m, bool *is_changed, tw_err *err)
{
    twi_weights all = {0};
    uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; i < all.n; i++)
        hash = (hash ^ (all.at[i]->is_trainable ? 1 : 2)) * 0x100000001b3;
    twi_weights_clear(&all);
    if (!status) {
        *is_changed = m->learned && m->learned != hash;
        m->learned = hash;
    }
    return status;
}

tw_status twi_compile(tw_model *m, const tw_compile_options *o, tw_err *err)
{
    twi_compiled c = {0};
    bool is_changed;
    tw_status status = read_settings(o, &c, err);
    if (!status)
        status = twi_compile_store(m, &c, err);
    if (!status)
        status = twi_compile_learning(m, &is_changed, err);
    if (status)
        return status;
    // The variables of an earlier optimizer mean nothing to this one.
    for (size_t i = 0; i < m->slots.n; i++)
        twi_free(m->slots.at[i].data);
    twi_vec_clear(&m->slots);
    return TW_OK;
}

static tw_status read_compiled(const tw_model *m, const tw_field *field, tw_setting *setting, tw_err *err)
{
    const json_t *value = json_object_get(m->compile, field->key);
    if (!value || json_is_null(value))
        return twi_fail(err, TW_EINVAL, "model '%s' is not compiled: call tw_compile first", m->name);
    tw_status status = twi_setting_read(setting, value, field, field->key, err);
    if (!status && !setting->kind)
        status = twi_fail(err, TW_EINVAL, "model '%s' has no %s: call tw_compile first", m->name, field->key);
    return status;
}

// A schedule stands where the learning rate would.
static tw_status read_optimizer(const tw_model *m, twi_compiled *c, tw_err *err)
{
    const json_t *optimizer = json_object_get(m->compile, "optimizer");
    const json_t *rate = json_object_get(json_object_get(optimizer, "config"), "learning_rate");
    if (!json_is_object(rate))
        return read_compiled(m, &optimizer_field, &c->optimizer, err);
    tw_status status = twi_schedule_read(&c->schedule, rate, err);
    json_t *bare = json_deep_copy(optimizer);
    if (!status && !bare)
        status = TW_ENOMEM;
    json_object_del(json_object_get(bare, "config"), "learning_rate");
    if (!status)
        status = twi_setting_read(&c->optimizer, bare, &optimizer_field, "optimizer", err);
    json_decref(bare);
    if (!status && !isnan(c->schedule.value[0]))
        c->optimizer.value[0] = c->schedule.value[0];
    return status;
}

tw_status twi_compile_read(const tw_model *m, twi_compiled *c, tw_err *err)
{
    *c = (twi_compiled){0};
    tw_status status = read_optimizer(m, c, err);
    if (!status)
        status = twi_compiled_loss(m, 0, &c->loss, err);
    twi_metrics_read(&c->metrics, json_object_get(m->compile, "metrics"));
    return status;
}

tw_status twi_compiled_loss(const tw_model *m, int64_t k, tw_setting *loss, tw_err *err)
{
    const json_t *value = json_object_get(m->compile, "loss");
    if (k && (!value || json_is_null(value))) {
        const char *otherwise = k == 1 ? "binary_crossentropy" : "categorical_crossentropy";
        return twi_setting_text(loss, twi_info_text(m, "loss", otherwise), &loss_field, "loss", err);
    }
    return read_compiled(m, &loss_field, loss, err);
}
