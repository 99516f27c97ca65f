// Plans: a model, or a part of it, made ready to run for one batch size.
//
//   emit → split at the frontier → fold and fuse what is frozen → prune → choose kernels and layouts → place in one arena
//
// A plan is immutable and may be run by several threads at once, each with its own twi_run (activations, scratch).
// Freezing is a fact of the plan: values that no trainable weight and no random op can reach form the frozen prefix;
// gradients exist only for values that lie between a trainable weight and the output.
#ifndef TWI_ENGINE_PLAN_H
#define TWI_ENGINE_PLAN_H

#include "graph/model.h"

// ---------------------------------------------------------------------------------------------------------- frontier

// Values at which the model is cut in two: the frozen prefix makes them, the rest starts from them. Named by place in
// the emitted program (which does not depend on batch or mode), so that a frontier found once serves every plan.
typedef struct twi_place {
    int node, ordinal; // ordinal-th op emitted by that call; node -1: model input `ordinal`
    tw_shape shape;    // batch -1
    char label[64];    // layer name, for messages and the plan printer
} twi_place;

enum { TWI_FRONTIER_MAX = 8 };
typedef struct twi_frontier {
    int n; // 0: nothing is frozen; the model starts at its inputs
    twi_place at[TWI_FRONTIER_MAX];
    bool is_all;       // the whole model is frozen (the frontier is its output)
    char ended_by[64]; // layer whose trainable weight or random op ended the prefix; "" if is_all
    uint8_t key[16];   // hash of the prefix: ops, parameters, shapes without batch, weights' values
} twi_frontier;

// Finds the frontier in training mode. prefer_bytes: where a nest's output (the trunk's) lies on or before the frontier
// and everything between has no weights, cut there if one row takes at most so many bytes (0: never move back).
tw_status twi_frontier_find(const tw_model *m, size_t prefer_bytes, twi_frontier *frontier, tw_err *err);
// Bytes of one row: all frontier values of one photo as f32.
size_t twi_frontier_bytes(const twi_frontier *frontier);

// -------------------------------------------------------------------------------------------------------------- plan

typedef enum twi_precision {
    TWI_EXACT,   // direct f32, fixed choices
    TWI_PRECISE, // f32; Winograd allowed in frozen parts
    TWI_BRAIN,   // bf16 in frozen parts
} twi_precision;

typedef struct twi_choices twi_choices;
typedef struct twi_trials twi_trials;

typedef struct twi_plan_options {
    int64_t batch;            // ≥ 1
    bool is_training;         // random layers and batch statistics active
    bool wants_gradients;     // backward for every trainable weight reached
    bool wants_penalties;     // activity regularizers count: see twi_run_penalty
    const twi_frontier *from; // inputs of the plan are the frontier's values; NULL: the model's inputs
    const twi_frontier *to;   // outputs of the plan are the frontier's values; NULL: the model's outputs
    twi_precision precision;
    // A weight of at least so many values, used by one matmul only, has no gradient in memory: backward hands it over in
    // pieces (twi_run_set_taker). 0: never.
    int64_t hands_over_from;
    // Bytes a run with gradients may take: beyond, activations are made again on the way back instead of being kept, with the
    // same bits. Where that is not enough it takes the least it can. 0: no such limit.
    int64_t run_limit;
    int threads; // OpenMP threads each run will use (≥ 1); the plan sets them in the running thread
    // Lent while the plan is made: run with these kernels (engine/choices.h); NULL: the best. Where frozen ops have more than one
    // way, trials decide (engine/trials.h); NULL: the usual way.
    const twi_choices *choices;
    twi_trials *trials;
    bool no_fusion;    // every op as its own kernel (tests)
    bool is_reference; // reference kernels only (tests)
    bool
        is_estimate; // only for asking what it would need: constants are not computed, and it must not be run
} twi_plan_options;

typedef struct twi_plan twi_plan;

twi_plan *twi_plan_new(const tw_model *m, const twi_plan_options *options, tw_err *err);
void twi_plan_free(twi_plan *plan);

int twi_plan_n_inputs(const twi_plan *plan);
int twi_plan_n_outputs(const twi_plan *plan);
int twi_plan_n_penalties(const twi_plan *plan); // the last outputs, each (batch)
// Whether one of them depends on how samples are put together into batches.
bool twi_plan_has_joint_penalty(const twi_plan *plan);
const tw_shape *twi_plan_input(const twi_plan *plan, int i); // batch included
const tw_shape *twi_plan_output(const twi_plan *plan, int i);
// With wants_gradients: the trainable weights that get one, in model order.
int twi_plan_n_gradients(const twi_plan *plan);
twi_weight *twi_plan_gradient_weight(const twi_plan *plan, int i);
bool twi_plan_hands_over(const twi_plan *plan, int i); // this one's is never whole: see hands_over_from
// Where the loss starts backward: the input of output 0's final sigmoid or softmax (the logits), or output 0 itself.
typedef enum twi_final { TWI_FINAL_NONE, TWI_FINAL_SIGMOID, TWI_FINAL_SOFTMAX } twi_final;
twi_final twi_plan_final(const twi_plan *plan);
// Bytes a run needs (arena, gradients included), bytes of prepared constants, multiply-adds of a forward run.
size_t twi_plan_run_bytes(const twi_plan *plan);
size_t twi_plan_constant_bytes(const twi_plan *plan);
int64_t twi_plan_macs(const twi_plan *plan);
// Steps that are made again because of run_limit, and what they cost as a part of the time of a training step (estimated).
int twi_plan_n_again(const twi_plan *plan);
double twi_plan_more_time(const twi_plan *plan);
// Frozen weights (in a plan for inference only: all but matmul's) are laid out (folded, reordered) once in twi_plan_new;
// call this after their values changed, while no run is under way. Lower precision stays with frozen parts in any plan.
tw_status twi_plan_refresh(twi_plan *plan, tw_err *err);
// One object per op: {"op", "layer", "impl", "algorithm", "dtype", "layout", "fused", "out", "macs", "bytes", "seconds"}, with
// "tried" [{"algorithm", "impl", "layout", "seconds"}] where a trial decided; and totals.
json_t *twi_plan_json(const twi_plan *plan, tw_err *err);

// --------------------------------------------------------------------------------------------------------------- run

typedef struct twi_run twi_run;
twi_run *twi_run_new(const twi_plan *plan, tw_err *err); // lends the plan
// A run in the memory of another, which must take as much or more and stay: only one of them is under way at a time.
twi_run *twi_run_beside(const twi_plan *plan, const twi_run *other, tw_err *err);
void twi_run_free(twi_run *run);

// Dense f32 buffers the caller fills before forward / reads after it; owned by the run.
float *twi_run_input(twi_run *run, int i);
const float *twi_run_output(const twi_run *run, int i);
const float *
twi_run_logits(const twi_run *run); // see twi_plan_final; equals output 0 where there is no final function
// What activity regularizers add to the loss of the first `count` samples, already divided by count (an orthogonal one looks
// at the whole batch). 0 where the plan wants no penalties.
double twi_run_penalty(const twi_run *run, int64_t count);
// seed and step name the random streams of this step (dropout).
tw_status twi_run_forward(twi_run *run, uint64_t seed, uint64_t step, tw_err *err);
// dL/d logits, dense, same shape as output 0: the caller fills it, then runs backward (after forward, same step).
float *twi_run_grad_logits(twi_run *run);
tw_status twi_run_backward(twi_run *run, uint64_t seed, uint64_t step, tw_err *err);
float *twi_run_gradient(twi_run *run,
                        int i); // of weight i, dense; overwritten by each backward; NULL: handed over
// Who gets the gradients that are handed over: g[0 … n - 1] belong to values at, at + 1, … of weight i, and may be changed.
// Once a backward for each value, from several threads at once; the weight is not read any more and may be changed, too.
typedef void twi_taker(void *self, int i, int64_t at, int64_t n, float *g);
void twi_run_set_taker(twi_run *run, twi_taker *take, void *self);
// The seconds of each op in the quickest of the following runs go into twi_plan_json (one run at a time).
void twi_run_set_profile(twi_run *run, bool on);

#endif
