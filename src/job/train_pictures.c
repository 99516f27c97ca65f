// What a report draws of a training run besides its curves: the rates of a schedule, and what dropout switched off.
//
// Both follow from the plan of the run, not from watching it: a schedule is a function of the step, and a dropout mask of
// (seed, step, layer), so they are worked out afterwards. See training.h.

#include "job/training.h"

#include "base/rng.h"
#include "op/params.h"
#include "train/schedule.h"

#include <string.h>

enum { POINTS = 200, STEPS = 2, UNITS = 256, LAYERS = 4 };

json_t *twi_training_schedule(const training *t, const char *phase, double rate, int64_t steps)
{
    tw_setting schedule = t->schedule;
    if (!schedule.kind || steps < 2)
        return NULL;
    twi_schedule_complete(&schedule, rate, (double)steps);
    int64_t points = steps < POINTS ? steps : POINTS;
    json_t *step = json_array(), *value = json_array();
    for (int64_t i = 0; i < points; i++) {
        int64_t at = i * (steps - 1) / (points - 1);
        json_array_append_new(step, json_integer((json_int_t)at));
        json_array_append_new(value, json_real(twi_schedule_rate(&schedule, (uint64_t)at)));
    }
    return json_pack("{ss so so}", "phase", phase, "step", step, "rate", value);
}

// The first photo's mask in a step; numbers are drawn as op_dropout.c draws them.
static json_t *mask_of(const twi_dropout_params *p, uint64_t seed, uint64_t step, int64_t n)
{
    twi_rng stream = twi_rng_at(seed, TWI_RNG_DROPOUT, step, p->layer_id);
    json_t *mask = json_array();
    for (int64_t k = 0; k < n; k++) {
        uint32_t number[4];
        twi_rng_block(&stream, (uint64_t)k / 4, number);
        json_array_append_new(mask, json_integer((double)(number[k % 4] >> 8) * 0x1p-24 >= p->rate));
    }
    return mask;
}

static json_t *layer_of(const twi_program *program, const twi_program_op *op, uint64_t seed)
{
    const twi_dropout_params *p = op->params;
    const tw_shape *shape = &program->values.at[op->in[0]].shape;
    int64_t units = twi_shape_count(shape), shown = units < UNITS ? units : UNITS;
    json_t *steps = json_array();
    for (uint64_t step = 1; step <= STEPS; step++)
        json_array_append_new(steps, mask_of(p, seed, step, shown));
    return json_pack("{ss sf sI so}", "layer", op->label, "rate", p->rate, "units", (json_int_t)units,
                     "steps", steps);
}

// Only where a mask has a number for each unit of a photo; in the head there are few such layers.
json_t *twi_training_dropped(const training *t, uint64_t seed, tw_err *err)
{
    twi_program program = {0};
    twi_value out[TWI_LAYER_IN_MAX];
    twi_emit_options o = {.batch = 1, .is_training = true};
    json_t *layers = NULL;
    tw_status status = twi_model_emit(t->classifier.model, &o, &program, out, err);
    for (size_t i = 0; !status && i < program.ops.n; i++) {
        const twi_program_op *op = &program.ops.at[i];
        const twi_dropout_params *p = op->params;
        if (strcmp(op->kind->name, "dropout") != 0)
            continue;
        int rank = program.values.at[op->in[0]].shape.rank;
        if (!(p->rate > 0) || p->keep_axes != (1u << rank) - 1)
            continue;
        layers = layers ? layers : json_array();
        if (json_array_size(layers) < LAYERS)
            json_array_append_new(layers, layer_of(&program, op, seed));
    }
    twi_program_clear(&program);
    return layers;
}
