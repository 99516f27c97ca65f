// Schedules: the list, and Keras's JSON. See schedule.h.

#include "train/schedule.h"

#include <string.h>

#define TW_SCHEDULE(name) extern const twi_schedule_kind twi_schedule_##name;
#include "train/schedule_list.inc"
#undef TW_SCHEDULE

static const tw_setting_kind *const settings[] = {
#define TW_SCHEDULE(name) &twi_schedule_##name.setting,
#include "train/schedule_list.inc"
#undef TW_SCHEDULE
    NULL};

const tw_setting_kind *twi_schedule_find(const char *name)
{
    return twi_setting_find(settings, name);
}

const char *const *twi_schedule_names(void)
{
    static const char *const names[] = {
#define TW_SCHEDULE(name) #name,
#include "train/schedule_list.inc"
#undef TW_SCHEDULE
        NULL};
    return names;
}

void twi_schedule_complete(tw_setting *schedule, double learning_rate, double steps)
{
    if (!schedule->kind)
        return;
    for (int i = 0; i < TW_SETTING_ARGS && schedule->kind->args[i].key; i++) {
        const char *key = schedule->kind->args[i].key;
        if (!isnan(schedule->value[i]))
            continue;
        if (i == 0)
            schedule->value[i] = learning_rate;
        else if (strcmp(key, "decay_steps") == 0 || strcmp(key, "first_decay_steps") == 0)
            schedule->value[i] = fmax(steps, 1);
    }
}

double twi_schedule_rate(const tw_setting *schedule, uint64_t step)
{
    const twi_schedule_kind *kind = schedule->kind->row;
    return kind->rate(schedule, (double)step);
}

// ----------------------------------------------------------------------------------------------------------------- JSON

// boundary_1 and value_1 … as Keras's two lists.
static bool is_lists(const tw_setting_kind *kind)
{
    return strcmp(kind->name, "PiecewiseConstantDecay") == 0;
}

static void write_lists(const tw_setting *s, json_t *object)
{
    json_t *boundaries = json_array(), *values = json_array();
    json_array_append_new(values, json_real(s->value[0]));
    for (int i = 1; i + 1 < TW_SETTING_ARGS && s->kind->args[i].key && !isnan(s->value[i]); i += 2) {
        json_array_append_new(boundaries, json_integer((json_int_t)s->value[i]));
        json_array_append_new(values, json_real(s->value[i + 1]));
    }
    json_object_set_new(
        object, "config",
        json_pack("{so so ss}", "boundaries", boundaries, "values", values, "name", "PiecewiseConstant"));
}

json_t *twi_schedule_write(const tw_setting *schedule)
{
    json_t *object = twi_setting_write(schedule, "keras.optimizers.schedules");
    if (object && is_lists(schedule->kind))
        write_lists(schedule, object);
    return object;
}

static tw_status read_lists(tw_setting *s, const json_t *config, tw_err *err)
{
    const json_t *boundaries = json_object_get(config, "boundaries"),
                 *values = json_object_get(config, "values");
    size_t n = json_array_size(boundaries);
    if (json_array_size(values) != n + 1 || n > 8)
        return twi_fail(err, TW_EMALFORMED,
                        "PiecewiseConstantDecay: expected at most 8 boundaries and one value more, "
                        "received %zu and %zu",
                        n, json_array_size(values));
    for (size_t i = 0; i <= n; i++) {
        if (i)
            s->value[2 * i - 1] = json_number_value(json_array_get(boundaries, i - 1));
        s->value[i ? 2 * i : 0] = json_number_value(json_array_get(values, i));
    }
    return TW_OK;
}

tw_status twi_schedule_read(tw_setting *schedule, const json_t *value, tw_err *err)
{
    const tw_field field = {.key = "learning_rate",
                            .type = TW_FIELD_SETTING,
                            .find = twi_schedule_find,
                            .names = twi_schedule_names};
    const char *name = twi_json_string(value, "class_name", "");
    const tw_setting_kind *kind = twi_schedule_find(name);
    if (!kind || !is_lists(kind))
        return twi_setting_read(schedule, value, &field, "optimizer", err);
    json_t *bare = json_string(name);
    tw_status status = twi_setting_read(schedule, bare, &field, "optimizer", err);
    json_decref(bare);
    return status ? status : read_lists(schedule, json_object_get(value, "config"), err);
}
