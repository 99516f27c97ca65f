// Recomputing: where a run would take more than it may, activations that the way back reads are made a second time instead of
// being kept.
//
// A forward step is repeated, by the same kernel from the same numbers, just before the first backward step that reads what it
// made; so every bit is the same. What draws random numbers draws the same again, since it is told the same step; statistics
// of a batch are computed again, but moving ones are moved once: the second time they are moved in a spare place.
//
// What stays is one of a family of choices, each described by three numbers:
//   parts    the forward run is cut into so many parts of about equal bytes, each cut where the least crosses it
//   until    of the first so many parts only what crosses the cuts stays; of the others all that would be kept anyway
//   cheap    from there until so many parts, results of steps without multiplications (activations, normalizations, sums) are
//            dropped where their inputs stay
// Taken is the one that costs the least of those that fit, by the most that is alive at any step; else the smallest one.
// Each forward step is repeated at most once, so the cost is below that of one more forward run.
// Source   Chen et al., "Training deep nets with sublinear memory cost", 2016 (parts of about √n).

#include "engine/inside.h"

#include <string.h>

enum { ROUNDS = 4, REFS_MAX = 2 * TWI_OP_IN_MAX + TWI_OP_OUT_MAX + 1, BYTE_COST = 6 };
static const int part_counts[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32};

enum { PARTS_MAX = 32 };

typedef struct choice {
    int parts, until, cheap; // until ≤ cheap
    int64_t peak, cost;      // bytes alive at the worst step; of the steps that are repeated
} choice;

// Buffer b made again is number n_buffers + b.
typedef struct again {
    twi_plan *plan;
    const twi_plan_step *steps; // as they were chosen: each once
    const twi_buffer *buffers;
    int n_steps, n_buffers;
    int *maker;     // [buffers] forward step that makes it, or -1: given, or of the way back
    int *last_read; // [buffers] last forward step that reads it, or -1
    bool *is_kept;  // [buffers] made by a forward step and read on the way back, or by the caller
    bool *stays;    // [buffers] the same as this choice has it
    bool *is_cheap; // [steps]
    int64_t *cost;  // [steps] in multiply-adds
    int64_t *width; // [n_forward + 1] bytes that cross before this step
    int64_t *kept;  // [n_forward + 1] bytes kept that are made before this step
    // Of the choice that is looked at:
    int n_order;
    int *order;        // [2 steps] index of the step
    bool *is_again;    // [2 steps] it is repeated
    bool *is_needed;   // [steps]
    bool *is_made;     // [steps] repeated already
    int *first, *last; // [2 buffers] places in `order`
    int64_t *change;   // [2 steps + 1] of the bytes alive
} again;

// Every place a step reads or writes, scratch excepted.
static int refs_of(const twi_plan_step *step, const twi_ref **refs)
{
    int n = 0;
    for (int i = 0; i < TWI_OP_IN_MAX; i++) {
        refs[n++] = &step->in[i];
        refs[n++] = &step->grad_in[i];
    }
    for (int i = 0; i < TWI_OP_OUT_MAX; i++)
        refs[n++] = &step->out[i];
    refs[n++] = &step->grad_out;
    return n;
}

// Index of a buffer that a forward step makes, or -1.
static int made_by_forward(const again *a, const twi_ref *ref)
{
    return ref->kind == TWI_REF_BUFFER && a->maker[ref->index] >= 0 ? ref->index : -1;
}

static bool is_forever(const again *a, int buffer)
{
    return a->buffers[buffer].last == TWI_FOREVER;
}

// -------------------------------------------------------------------------------------------------------------- what is

static int64_t cost_of(const again *a, const twi_plan_step *step)
{
    int64_t macs = step->macs, cost;
    int wanted = step->what == TWI_STEP_HAND_OVER;
    for (int i = 0; i < 2; i++)
        wanted += step->grad_in[i].kind != TWI_REF_NONE;
    if (wanted)
        macs = wanted * twi_plan_op_macs(a->plan, &a->plan->program.ops.at[step->op]);
    return twi_add(macs, BYTE_COST * step->bytes, &cost) ? cost : INT64_MAX / 4;
}

static void look_at_forward(again *a, int i)
{
    const twi_plan_step *step = &a->steps[i];
    bool has_macs = step->macs > 0;
    for (int k = 0; k < TWI_OP_OUT_MAX; k++)
        if (step->out[k].kind == TWI_REF_BUFFER)
            a->maker[step->out[k].index] = i;
    for (int k = 0; k < TWI_OP_IN_MAX; k++)
        if (step->in[k].kind == TWI_REF_BUFFER)
            a->last_read[step->in[k].index] = i;
    a->is_cheap[i] = !has_macs;
}

static void look_at_backward(again *a, int i)
{
    const twi_ref *refs[REFS_MAX];
    int n = refs_of(&a->steps[i], refs), buffer;
    for (int k = 0; k < n; k++)
        if ((buffer = made_by_forward(a, refs[k])) >= 0)
            a->is_kept[buffer] = true;
}

static void look(again *a)
{
    int n_forward = a->plan->n_forward;
    for (int b = 0; b < a->n_buffers; b++)
        a->maker[b] = a->last_read[b] = -1;
    for (int i = 0; i < a->n_steps; i++) {
        a->cost[i] = cost_of(a, &a->steps[i]);
        if (i < n_forward)
            look_at_forward(a, i);
        else
            look_at_backward(a, i);
    }
    for (int b = 0; b < a->n_buffers; b++) {
        int made = a->maker[b];
        if (made < 0)
            continue;
        a->is_kept[b] |= is_forever(a, b);
        if (a->is_kept[b])
            a->kept[made + 1] += a->buffers[b].bytes;
        if (!is_forever(a, b) && a->last_read[b] > made) { // crosses before each of made + 1 … last_read
            a->width[made + 1] += a->buffers[b].bytes;
            a->width[a->last_read[b] + 1] -= a->buffers[b].bytes;
        }
    }
    for (int i = 1; i <= n_forward; i++) {
        a->kept[i] += a->kept[i - 1];
        a->width[i] += a->width[i - 1];
    }
}

// ------------------------------------------------------------------------------------------------------------ one choice

// Where the forward run is cut: cut[i] is the first step of part i + 1.
static void find_cuts(const again *a, int parts, int *cut)
{
    int n = a->plan->n_forward, at = 1;
    int64_t all = a->kept[n], part = all / parts;
    for (int i = 0; i < parts - 1; i++) {
        int64_t low = part * (i + 1) - part / 3, high = part * (i + 1) + part / 3;
        while (at < n && a->kept[at] < low)
            at++;
        cut[i] = at;
        for (int k = at; k < n && a->kept[k] <= high; k++)
            if (a->width[k] < a->width[cut[i]])
                cut[i] = k;
    }
}

// Steps without multiplications whose inputs stay, or are such results themselves.
static void drop_cheap(again *a, int from, int end)
{
    for (int i = from; i < end; i++) {
        const twi_plan_step *step = &a->steps[i];
        bool is_near = a->is_cheap[i];
        for (int k = 0; is_near && k < TWI_OP_IN_MAX; k++) {
            int buffer = made_by_forward(a, &step->in[k]);
            is_near = buffer < 0 || a->stays[buffer] || a->is_needed[a->maker[buffer]];
        }
        a->is_needed[i] = is_near; // used as a mark here
        for (int k = 0; is_near && k < TWI_OP_OUT_MAX; k++) {
            int buffer = made_by_forward(a, &step->out[k]);
            if (buffer >= 0 && !is_forever(a, buffer))
                a->stays[buffer] = false;
        }
    }
    memset(a->is_needed, 0, (size_t)a->n_steps * sizeof *a->is_needed);
}

// The step before which the first n parts end.
static int end_of(const again *a, const choice *c, const int *cut, int n)
{
    return n == 0 ? 0 : n < c->parts ? cut[n - 1] : a->plan->n_forward;
}

static void choose_stays(again *a, const choice *c)
{
    int cut[PARTS_MAX];
    find_cuts(a, c->parts, cut);
    int end = end_of(a, c, cut, c->until);
    for (int b = 0; b < a->n_buffers; b++) {
        a->stays[b] = a->is_kept[b] && (a->maker[b] >= end || is_forever(a, b));
        for (int i = 0; a->maker[b] >= 0 && i < c->until && i < c->parts - 1; i++)
            a->stays[b] |= a->maker[b] < cut[i] && a->last_read[b] >= cut[i];
    }
    drop_cheap(a, end, end_of(a, c, cut, c->cheap));
}

// Repeats the step that makes a buffer, and before it what that step reads and does not stay.
static void make_again(again *a, int buffer)
{
    int top = a->maker[buffer], pending = 1, i = top;
    a->is_needed[top] = true;
    for (; pending; i--) {
        if (!a->is_needed[i])
            continue;
        pending--;
        for (int k = 0; k < TWI_OP_IN_MAX; k++) {
            int in = made_by_forward(a, &a->steps[i].in[k]);
            if (in < 0 || a->stays[in] || a->is_made[a->maker[in]] || a->is_needed[a->maker[in]])
                continue;
            a->is_needed[a->maker[in]] = true;
            pending++;
        }
    }
    for (i++; i <= top; i++) {
        if (!a->is_needed[i])
            continue;
        a->is_needed[i] = false;
        a->is_made[i] = true;
        a->order[a->n_order] = i;
        a->is_again[a->n_order++] = true;
    }
}

// The steps in the order in which they would run.
static void put_in_order(again *a)
{
    a->n_order = 0;
    memset(a->is_made, 0, (size_t)a->n_steps * sizeof *a->is_made);
    for (int i = 0; i < a->n_steps; i++) {
        const twi_ref *refs[REFS_MAX];
        int n = i < a->plan->n_forward ? 0 : refs_of(&a->steps[i], refs);
        for (int k = 0; k < n; k++) {
            int buffer = made_by_forward(a, refs[k]);
            if (buffer >= 0 && !a->stays[buffer] && !a->is_made[a->maker[buffer]])
                make_again(a, buffer);
        }
        a->order[a->n_order] = i;
        a->is_again[a->n_order++] = false;
    }
}

// The buffer that the step at a place of the order means by this ref; -1: none.
static int buffer_at(const again *a, int at, const twi_ref *ref)
{
    int step = a->order[at], buffer = made_by_forward(a, ref);
    if (ref->kind != TWI_REF_BUFFER)
        return -1;
    bool is_original = buffer < 0 || (!a->is_again[at] && step < a->plan->n_forward);
    bool is_written_again = a->is_again[at] && buffer >= 0 && a->maker[buffer] == step;
    if (is_original || (!is_written_again && a->stays[buffer]))
        return ref->index;
    return a->n_buffers + ref->index;
}

static void touch(again *a, int buffer, int at)
{
    a->first[buffer] = a->first[buffer] < at ? a->first[buffer] : at;
    a->last[buffer] = a->last[buffer] > at ? a->last[buffer] : at;
}

static void count_alive(again *a, choice *c)
{
    int64_t alive = 0;
    memset(a->change, 0, (size_t)(a->n_order + 1) * sizeof *a->change);
    for (int b = 0; b < 2 * a->n_buffers; b++) {
        const twi_buffer *buffer = &a->buffers[b % a->n_buffers];
        bool is_given = b < a->n_buffers && buffer->first < 0;
        if (a->last[b] < 0 && !is_given)
            continue;
        a->change[is_given ? 0 : a->first[b]] += buffer->bytes;
        a->change[b < a->n_buffers && buffer->last == TWI_FOREVER ? a->n_order : a->last[b] + 1] -=
            buffer->bytes;
    }
    c->peak = 0;
    for (int i = 0; i < a->n_order; i++) {
        alive += a->change[i];
        c->peak = alive > c->peak ? alive : c->peak;
    }
}

static void look_at_choice(again *a, choice *c)
{
    choose_stays(a, c);
    put_in_order(a);
    for (int b = 0; b < 2 * a->n_buffers; b++) {
        a->first[b] = TWI_FOREVER;
        a->last[b] = -1;
    }
    c->cost = 0;
    for (int at = 0; at < a->n_order; at++) {
        const twi_plan_step *step = &a->steps[a->order[at]];
        const twi_ref *refs[REFS_MAX];
        int n = refs_of(step, refs), buffer;
        for (int k = 0; k < n; k++)
            if ((buffer = buffer_at(a, at, refs[k])) >= 0)
                touch(a, buffer, at);
        if (step->scratch >= 0)
            touch(a, a->is_again[at] ? a->n_buffers + step->scratch : step->scratch, at);
        if (a->is_again[at])
            c->cost += a->cost[a->order[at]];
    }
    count_alive(a, c);
}

static bool is_better(const choice *c, const choice *best, int64_t most)
{
    if (best->peak <= most)
        return c->peak <= most && c->cost < best->cost;
    return c->peak <= most || c->peak < best->peak || (c->peak == best->peak && c->cost < best->cost);
}

// The cheapest choice that stays within `most` bytes, else the smallest; the state is left as it has it.
static choice find_choice(again *a, int64_t most)
{
    choice best = {.peak = INT64_MAX};
    for (size_t p = 0; p < sizeof part_counts / sizeof *part_counts; p++)
        for (int until = 0; until <= part_counts[p]; until++)
            for (int cheap = until; cheap <= part_counts[p]; cheap++) {
                choice c = {.parts = part_counts[p], .until = until, .cheap = cheap};
                if (!cheap)
                    continue; // everything is kept, which does not fit
                look_at_choice(a, &c);
                if (is_better(&c, &best, most))
                    best = c;
            }
    look_at_choice(a, &best);
    return best;
}

// --------------------------------------------------------------------------------------------------------------- the plan

// `made`: [2 buffers] of the plan, 0: not yet there, else one more than its index.
static tw_status own_ref(again *a, int at, twi_ref *ref, int *made, tw_err *err)
{
    int buffer = buffer_at(a, at, ref);
    if (buffer < a->n_buffers)
        return TW_OK;
    if (!made[buffer])
        made[buffer] = 1 + twi_plan_buffer(a->plan, a->buffers[buffer - a->n_buffers].bytes, err);
    ref->index = made[buffer] - 1;
    return ref->index >= 0 ? TW_OK : TW_ENOMEM;
}

// Moving statistics move in a spare place: what is there does not matter.
static tw_status spare_statistics(again *a, twi_plan_step *step, tw_err *err)
{
    const twi_program_op *op = step->op >= 0 ? &a->plan->program.ops.at[step->op] : NULL;
    for (int i = 3; op && twi_op_uses_batch(op) && i < op->n_in; i++) {
        if (op->in[i] == TWI_NONE)
            continue;
        tw_shape shape = twi_plan_shape(a->plan, op->in[i]);
        int buffer = twi_plan_buffer(a->plan, (int64_t)twi_layout_bytes(NULL, &shape), err);
        if (buffer < 0)
            return TW_ENOMEM;
        step->in[i] = (twi_ref){TWI_REF_BUFFER, buffer};
    }
    return TW_OK;
}

static tw_status add_step(again *a, int at, int *made, tw_err *err)
{
    twi_plan_step step = a->steps[a->order[at]];
    tw_status status = TW_OK;
    for (int i = 0; !status && i < TWI_OP_IN_MAX; i++) {
        status = own_ref(a, at, &step.in[i], made, err);
        if (!status)
            status = own_ref(a, at, &step.grad_in[i], made, err);
    }
    for (int i = 0; !status && i < TWI_OP_OUT_MAX; i++)
        status = own_ref(a, at, &step.out[i], made, err);
    if (!status)
        status = own_ref(a, at, &step.grad_out, made, err);
    if (!status && a->is_again[at]) {
        step.is_again = true;
        status = spare_statistics(a, &step, err);
        if (!status && step.scratch >= 0) {
            step.scratch = twi_plan_buffer(a->plan, a->buffers[step.scratch].bytes, err);
            status = step.scratch < 0 ? TW_ENOMEM : TW_OK;
        }
    }
    if (!status && !twi_vec_push(&a->plan->steps, step, err))
        status = TW_ENOMEM;
    if (!status)
        twi_plan_note_lives(a->plan, (int)a->plan->steps.n - 1);
    return status;
}

// Writes the choice into the plan, whose steps and buffers are empty.
static tw_status write_choice(again *a, tw_err *err)
{
    twi_plan *plan = a->plan;
    for (int b = 0; b < a->n_buffers; b++) {
        twi_buffer buffer = a->buffers[b];
        bool is_loss = b == plan->grad_logits; // filled between the two runs
        buffer.first = buffer.first < 0 ? -1 : is_loss ? plan->n_forward : TWI_FOREVER;
        buffer.last = buffer.last == TWI_FOREVER ? TWI_FOREVER : is_loss ? plan->n_forward : -1;
        if (!twi_vec_push(&plan->buffers, buffer, err))
            return TW_ENOMEM;
    }
    int *made = twi_new(2 * (size_t)a->n_buffers, sizeof *made, "a plan", err);
    tw_status status = made ? TW_OK : TW_ENOMEM;
    for (int at = 0; !status && at < a->n_order; at++)
        status = add_step(a, at, made, err);
    twi_free(made);
    return status;
}

static tw_status place_choice(again *a, const choice *c, tw_err *err)
{
    twi_plan *plan = a->plan;
    int64_t whole = 1;
    for (int i = 0; i < a->n_steps; i++)
        whole += a->cost[i];
    plan->steps.n = plan->buffers.n = 0;
    plan->arena_bytes = 0;
    plan->n_again = a->n_order - a->n_steps;
    plan->more_time = (double)c->cost / (double)whole;
    tw_status status = write_choice(a, err);
    return status ? status : twi_plan_place(plan, err);
}

// Choices until one fits: placing wastes a little, which is known only afterwards.
static tw_status search(again *a, int64_t limit, tw_err *err)
{
    twi_plan *plan = a->plan;
    int64_t most = limit, before = plan->arena_bytes;
    tw_status status = TW_OK;
    for (int round = 0; !status && round < ROUNDS; round++) {
        choice c = find_choice(a, most);
        status = place_choice(a, &c, err);
        if (plan->arena_bytes <= limit || c.peak > most)
            break;
        most -= plan->arena_bytes - limit;
    }
    if (!status && plan->arena_bytes >= before) { // nothing is gained: as it was
        choice all = {.parts = 1};
        look_at_choice(a, &all);
        status = place_choice(a, &all, err);
    }
    return status;
}

static bool make_room(again *a, tw_err *err)
{
    size_t buffers = (size_t)a->n_buffers, steps = (size_t)a->n_steps,
           forward = (size_t)a->plan->n_forward + 1;
    a->maker = twi_new(buffers, sizeof *a->maker, "a plan", err);
    a->last_read = twi_new(buffers, sizeof *a->last_read, "a plan", err);
    a->is_kept = twi_new(buffers, sizeof *a->is_kept, "a plan", err);
    a->stays = twi_new(buffers, sizeof *a->stays, "a plan", err);
    a->is_cheap = twi_new(steps, sizeof *a->is_cheap, "a plan", err);
    a->cost = twi_new(steps, sizeof *a->cost, "a plan", err);
    a->width = twi_new(forward + 1, sizeof *a->width, "a plan", err);
    a->kept = twi_new(forward, sizeof *a->kept, "a plan", err);
    a->order = twi_new(2 * steps, sizeof *a->order, "a plan", err);
    a->is_again = twi_new(2 * steps, sizeof *a->is_again, "a plan", err);
    a->is_needed = twi_new(steps, sizeof *a->is_needed, "a plan", err);
    a->is_made = twi_new(steps, sizeof *a->is_made, "a plan", err);
    a->first = twi_new(2 * buffers, sizeof *a->first, "a plan", err);
    a->last = twi_new(2 * buffers, sizeof *a->last, "a plan", err);
    a->change = twi_new(2 * steps + 1, sizeof *a->change, "a plan", err);
    return a->maker && a->last_read && a->is_kept && a->stays && a->is_cheap && a->cost && a->width &&
           a->kept && a->order && a->is_again && a->is_needed && a->is_made && a->first && a->last &&
           a->change;
}

static void clear(again *a)
{
    void *all[] = {a->maker, a->last_read, a->is_kept,   a->stays,   a->is_cheap, a->cost, a->width, a->kept,
                   a->order, a->is_again,  a->is_needed, a->is_made, a->first,    a->last, a->change};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        twi_free(all[i]);
}

tw_status twi_plan_recompute(twi_plan *plan, tw_err *err)
{
    int64_t limit = plan->o.run_limit;
    if (limit <= 0 || !plan->o.wants_gradients || !plan->buffers.n)
        return twi_plan_place(plan, err);
    twi_buffer *buffers = twi_new(plan->buffers.n, sizeof *buffers, "a plan", err);
    twi_plan_step *steps = twi_new(plan->steps.n, sizeof *steps, "a plan", err);
    again a = {.plan = plan, .steps = steps, .buffers = buffers};
    a.n_steps = (int)plan->steps.n;
    a.n_buffers = (int)plan->buffers.n;
    tw_status status = buffers && steps ? TW_OK : TW_ENOMEM;
    if (!status) {
        memcpy(buffers, plan->buffers.at, plan->buffers.n * sizeof *buffers);
        memcpy(steps, plan->steps.at, plan->steps.n * sizeof *steps);
        status = twi_plan_place(plan, err); // as it is, if that fits
    }
    if (!status && plan->arena_bytes > limit) {
        status = make_room(&a, err) ? TW_OK : TW_ENOMEM;
        if (!status)
            look(&a);
        if (!status)
            status = search(&a, limit, err);
        if (status) { // each kernel belongs to one step
            memcpy(plan->steps.at, steps, (size_t)a.n_steps * sizeof *steps);
            plan->steps.n = (size_t)a.n_steps;
        }
    }
    clear(&a);
    twi_free(buffers);
    twi_free(steps);
    return status;
}
