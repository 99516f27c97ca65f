// Memory of a model written as C: each result has a place from its making to its last reader, the lowest that is free then.
//
// A reshape is its input under another name; activations and additions write over their first input where nobody else reads it.

#include "format/c_export.h"

#include <string.h>

// A block of memory: one result, or several that follow each other in the same place.
typedef struct block {
    int64_t n, at;
    int first, last; // ops between which it lives
} block;

// The last op that reads each value; outputs live to the end.
static void find_last(const twi_export *x, int *last)
{
    for (size_t i = 0; i < x->program.ops.n; i++)
        for (int j = 0; j < x->program.ops.at[i].n_in; j++)
            if (x->program.ops.at[i].in[j] != TWI_NONE)
                last[x->program.ops.at[i].in[j]] = (int)i;
    for (int i = 0; i < x->n_out; i++)
        last[x->out[i]] = (int)x->program.ops.n;
}

// The block whose memory op i may use for its result, or -1. Others may know its input by another name (a reshape), so it is
// the block that must have ended, not the value.
static int shared_block(const twi_export *x, const twi_program_op *op, const block *all, const int *block_of,
                        int i)
{
    int b = block_of[op->in[0]];
    if (b < 0 || (op->kind->flags & TWI_OP_ALIAS))
        return b;
    bool is_last = all[b].last == i && (op->kind->flags & TWI_OP_IN_PLACE);
    for (int j = 1; j < op->n_in; j++)
        is_last = is_last && (op->in[j] == TWI_NONE || block_of[op->in[j]] != b);
    const tw_shape *in = twi_export_shape(x, op->in[0]), *out = twi_export_shape(x, op->out[0]);
    return is_last && twi_shape_count(in) == twi_shape_count(out) ? b : -1;
}

static void give_place(block *all, int n)
{
    block *b = &all[n];
    b->at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < n; i++) {
            const block *o = &all[i];
            bool meet = o->first <= b->last && b->first <= o->last;
            if (meet && b->at < o->at + o->n && o->at < b->at + b->n) {
                b->at = o->at + o->n;
                moved = true;
            }
        }
    }
}

tw_status twi_c_place_all(const twi_export *x, twi_c_place *place, tw_err *err)
{
    size_t n = x->program.values.n, n_ops = x->program.ops.n;
    int *last = twi_new(n, sizeof *last, "places", err),
        *block_of = twi_new(n, sizeof *block_of, "places", err);
    block *all = twi_new(n_ops + 1, sizeof *all, "places", err);
    place->at = twi_new(n, sizeof *place->at, "places", err);
    tw_status status = last && block_of && all && place->at ? TW_OK : TW_ENOMEM;
    int n_blocks = 0;
    for (size_t i = 0; !status && i < n; i++)
        block_of[i] = -1, last[i] = -1;
    if (!status)
        find_last(x, last);
    for (size_t i = 0; !status && i < n_ops; i++) {
        const twi_program_op *op = &x->program.ops.at[i];
        twi_value out = op->out[0];
        int b = shared_block(x, op, all, block_of, (int)i);
        if (b < 0) {
            b = n_blocks++;
            all[b] = (block){.n = twi_shape_count(twi_export_shape(x, out)), .first = (int)i};
        }
        block_of[out] = b;
        all[b].last = last[out] > all[b].last ? last[out] : all[b].last;
    }
    for (int b = 0; !status && b < n_blocks; b++) {
        give_place(all, b);
        place->total = all[b].at + all[b].n > place->total ? all[b].at + all[b].n : place->total;
    }
    for (size_t i = 0; !status && i < n; i++)
        place->at[i] = block_of[i] < 0 ? -1 : all[block_of[i]].at;
    twi_free(last);
    twi_free(block_of);
    twi_free(all);
    return status;
}
