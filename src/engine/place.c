// Placing: every buffer gets its offset in one arena, so that buffers alive at the same time never overlap.
//
// First, results take the memory of an input that dies with that step, where the op allows it; gradients that of the one they
// are made from. Then greedy best fit: the
// largest buffer first, each into the smallest gap left by those alive at the same time. (Known as greedy by size; within
// a few percent of optimal on image networks. Source: Pisarchyk & Lee, "Efficient memory management for deep neural net
// inference", 2020.)

#include "engine/inside.h"

#include <stdlib.h>

static int owner(const twi_plan *plan, int buffer)
{
    while (plan->buffers.at[buffer].into >= 0)
        buffer = plan->buffers.at[buffer].into;
    return buffer;
}

static bool uses(const twi_plan *plan, const twi_ref *ref, int buffer)
{
    return ref->kind == TWI_REF_BUFFER && owner(plan, ref->index) == buffer;
}

// Lets out[0] of a step take the memory of in[0].
static void merge_in_place(twi_plan *plan, int at)
{
    const twi_plan_step *step = &plan->steps.at[at];
    if (!step->kernel || step->op < 0 || step->in[0].kind != TWI_REF_BUFFER ||
        step->out[0].kind != TWI_REF_BUFFER)
        return;
    const twi_program_op *op = &plan->program.ops.at[step->op];
    twi_buffer *out = &plan->buffers.at[step->out[0].index];
    int source = owner(plan, step->in[0].index);
    twi_buffer *in = &plan->buffers.at[source];
    bool may = (op->kind->flags & TWI_OP_IN_PLACE) &&
               twi_layout_same(step->kernel->in_layout[0], step->kernel->out_layout) &&
               in->bytes == out->bytes && in->last == at && out->first == at && out->into < 0 && out != in;
    for (int i = 1; i < TWI_OP_IN_MAX; i++)
        may = may && !uses(plan, &step->in[i], source);
    if (!may)
        return;
    out->into = source;
    in->last = out->last;
}

// Lets the gradient of in[0] take the memory of the gradient of out[0].
static void merge_gradients(twi_plan *plan, int at)
{
    const twi_plan_step *step = &plan->steps.at[at];
    if (!step->kernel || step->op < 0 || step->grad_out.kind != TWI_REF_BUFFER ||
        step->grad_in[0].kind != TWI_REF_BUFFER ||
        !(plan->program.ops.at[step->op].kind->flags & TWI_OP_GRAD_IN_PLACE))
        return;
    twi_buffer *to = &plan->buffers.at[step->grad_in[0].index];
    int source = owner(plan, step->grad_out.index);
    twi_buffer *from = &plan->buffers.at[source];
    if (from == to || from->bytes != to->bytes || from->last != at || to->first != at || to->into >= 0)
        return;
    to->into = source;
    from->last = to->last;
}

typedef struct sorted {
    int64_t bytes;
    int index;
} sorted;

static int larger_first(const void *a, const void *b)
{
    const sorted *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static bool meet(const twi_buffer *a, const twi_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

// The smallest gap that holds `bytes` between the placed buffers (in order of offset) that live at the same time.
static bool find_gap(const twi_plan *plan, const int *placed, int n, const twi_buffer *buffer, int64_t bytes,
                     int64_t *offset)
{
    int64_t end = 0, best = INT64_MAX, limit;
    *offset = -1;
    for (int i = 0; i < n; i++) {
        const twi_buffer *other = &plan->buffers.at[placed[i]];
        if (!meet(buffer, other))
            continue;
        if (other->offset - end >= bytes && other->offset - end < best) {
            best = other->offset - end;
            *offset = end;
        }
        if (other->offset + other->bytes > end)
            end = other->offset + other->bytes;
    }
    if (*offset < 0)
        *offset = end;
    return twi_add(*offset, bytes, &limit);
}

static tw_status place_all(twi_plan *plan, sorted *order, int n, int *placed, tw_err *err)
{
    qsort(order, (size_t)n, sizeof *order, larger_first);
    for (int i = 0; i < n; i++) {
        twi_buffer *buffer = &plan->buffers.at[order[i].index];
        if (!find_gap(plan, placed, i, buffer, buffer->bytes, &buffer->offset))
            return twi_fail(err, TW_ENOMEM, "a run needs more memory than can be addressed");
        if (buffer->offset + buffer->bytes > plan->arena_bytes)
            plan->arena_bytes = buffer->offset + buffer->bytes;
        int at = i;
        for (; at > 0 && plan->buffers.at[placed[at - 1]].offset > buffer->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = order[i].index;
    }
    return TW_OK;
}

tw_status twi_plan_place(twi_plan *plan, tw_err *err)
{
    size_t n = plan->buffers.n;
    sorted *order = twi_new(n, sizeof *order, "a plan", err);
    int *placed = twi_new(n, sizeof *placed, "a plan", err);
    tw_status status = order && placed ? TW_OK : TW_ENOMEM;
    for (int i = 0; !status && i < (int)plan->steps.n; i++)
        if (i < plan->n_forward || plan->steps.at[i].is_again)
            merge_in_place(plan, i);
        else
            merge_gradients(plan, i);
    int n_order = 0;
    for (size_t i = 0; !status && i < n; i++) {
        twi_buffer *buffer = &plan->buffers.at[i];
        if (buffer->bytes < 0 || !twi_add(buffer->bytes, TWI_ALIGN - 1, &buffer->bytes))
            status = twi_fail(err, TW_ENOMEM, "a run needs more memory than can be addressed");
        buffer->bytes = buffer->bytes / TWI_ALIGN * TWI_ALIGN;
        if (buffer->into < 0)
            order[n_order++] = (sorted){buffer->bytes, (int)i};
    }
    if (!status)
        status = place_all(plan, order, n_order, placed, err);
    for (size_t i = 0; !status && i < n; i++)
        plan->buffers.at[i].offset = plan->buffers.at[owner(plan, (int)i)].offset;
    twi_free(order);
    twi_free(placed);
    return status;
}
