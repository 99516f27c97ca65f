// The builder: collects the steps of a kernel, inserts reorders where a tensor is held otherwise than the primitive wants
// it, and lays out the scratch memory.
//
// Scratch: the intermediate tensors one after the other, then one scratchpad that all steps use in turn.

#include "op/onednn/dnnl.h"

#include <stdio.h>
#include <string.h>

// ---------------------------------------------------------------------------------------------------- begin and end

static void set_failed(twi_builder *b, tw_status status)
{
    if (status)
        b->is_over = true;
}

void twi_give_up(twi_builder *b)
{
    b->is_over = true;
}

static bool is_served(const twi_kernel_request *r, unsigned abilities)
{
    if (r->algorithm == TWI_REFERENCE || (r->algorithm == TWI_WINOGRAD && !(abilities & TWI_CAN_WINOGRAD)))
        return false;
    if (r->n_fusion > 0 && !(abilities & TWI_CAN_FUSE))
        return false;
    if (r->dtype != TWI_F32 &&
        (r->dtype != TWI_BF16 || !r->is_layout_free || !twi_has_bf16() || r->direction == TWI_BACKWARD))
        return false;
    for (int i = 0; i < r->n_in; i++)
        if (!r->is_absent[i] && twi_shape_count(&r->in[i]) < 1)
            return false;
    for (int i = 0; i < r->n_out; i++)
        if (twi_shape_count(&r->out[i]) < 1)
            return false;
    return true;
}

bool twi_build(twi_builder *b, const twi_kernel_request *request, const char *name, unsigned abilities,
               tw_err *err)
{
    *b = (twi_builder){.request = request, .err = err};
    if (!is_served(request, abilities) || !(b->engine = twi_engine(err)))
        return false;
    b->kernel = twi_new(1, sizeof *b->kernel, "a kernel", err);
    b->steps = twi_new(1, sizeof *b->steps, "a kernel", err);
    if (!b->kernel || !b->steps) {
        twi_free(b->kernel);
        twi_free(b->steps);
        return false;
    }
    b->kernel->state = b->steps;
    b->kernel->run = twi_steps_run;
    b->kernel->free = twi_steps_free;
    snprintf(b->steps->name, sizeof b->steps->name, "%s", name);
    b->attr = twi_attr(b, NULL);
    return true;
}

static void step_drop(twi_step *step)
{
    for (int k = 0; k < step->n; k++)
        dnnl_memory_desc_destroy(step->md[k]);
    *step = (twi_step){0};
}

twi_kernel *twi_built(twi_builder *b)
{
    step_drop(&b->step);
    for (int i = 0; i < b->n_md; i++)
        dnnl_memory_desc_destroy(b->md[i]);
    for (int i = 0; i < b->n_pd; i++)
        dnnl_primitive_desc_destroy(b->pd[i]);
    for (int i = 0; i < b->n_attr; i++)
        dnnl_primitive_attr_destroy(b->attrs[i]);
    if (b->is_over) {
        twi_steps_free(b->kernel);
        twi_free(b->kernel);
        return NULL;
    }
    twi_kernel *kernel = b->kernel;
    kernel->request = *b->request;
    kernel->request.params = NULL;
    b->steps->pad_offset = b->scratch;
    kernel->scratch_bytes = b->scratch + b->pad;
    kernel->out_layout = b->steps->out_layout;
    for (int i = 0; i < TWI_OP_IN_MAX; i++) {
        kernel->in_layout[i] = b->steps->in_layout[i];
        kernel->request.in_layout[i] = NULL; // hints were lent for the call
    }
    return kernel;
}

// ------------------------------------------------------------------------------------------------------- descriptors

static twi_lent_md keep_md(twi_builder *b, tw_status status, twi_md md)
{
    set_failed(b, status);
    if (b->is_over)
        return NULL;
    if (b->n_md == TWI_BUILDER_OWNS)
        TWI_BUG("a kernel describes more tensors than the builder holds");
    b->md[b->n_md++] = md;
    return md;
}

dnnl_data_type_t twi_type(const twi_kernel_request *request)
{
    return request->dtype == TWI_BF16 ? dnnl_bf16 : dnnl_f32;
}

twi_lent_md twi_dense(twi_builder *b, const tw_shape *shape, twi_axes axes, int64_t groups,
                      dnnl_data_type_t type)
{
    twi_md md = NULL;
    if (b->is_over)
        return NULL;
    tw_status status = twi_md_dense(&md, shape, axes, groups, type, b->err);
    return keep_md(b, status, md);
}

twi_lent_md twi_any(twi_builder *b, const tw_shape *shape, twi_axes axes, int64_t groups,
                    dnnl_data_type_t type)
{
    twi_md md = NULL;
    if (b->is_over)
        return NULL;
    tw_status status = twi_md_any(&md, shape, axes, groups, type, b->err);
    return keep_md(b, status, md);
}

twi_lent_md twi_part(twi_builder *b, twi_lent_md whole, const int64_t *dims, const int64_t *offsets)
{
    twi_md md = NULL;
    dnnl_dims_t size = {0}, offset = {0};
    if (b->is_over)
        return NULL;
    twi_blocking blocking;
    twi_md_blocking(whole, &blocking);
    memcpy(size, dims, (size_t)blocking.n_dims * sizeof size[0]);
    memcpy(offset, offsets, (size_t)blocking.n_dims * sizeof offset[0]);
    dnnl_status_t status = dnnl_memory_desc_create_submemory(&md, whole, size, offset);
    return keep_md(b, twi_dnnl_fail(status, "memory descriptor", b->err), md);
}

static bool is_of_shape(const twi_layout *layout, const tw_shape *shape, twi_axes axes)
{
    twi_md dense;
    twi_blocking is, wanted;
    if (!layout->md || layout->axes != axes || twi_md_dense(&dense, shape, axes, 1, dnnl_f32, NULL))
        return false;
    twi_md_blocking(layout->md, &is);
    twi_md_blocking(dense, &wanted);
    dnnl_memory_desc_destroy(dense);
    return is.is_blocked && is.n_dims == wanted.n_dims &&
           memcmp(is.dim, wanted.dim, (size_t)is.n_dims * sizeof is.dim[0]) == 0;
}

twi_lent_md twi_hinted(twi_builder *b, int i, twi_axes axes)
{
    const twi_kernel_request *r = b->request;
    const twi_layout *hint = r->in_layout[i];
    if (r->is_layout_free && r->direction == TWI_FORWARD && hint && is_of_shape(hint, &r->in[i], axes) &&
        (r->dtype == TWI_BF16 || twi_md_type(hint->md) != dnnl_bf16))
        return hint->md;
    return twi_dense(b, &r->in[i], axes, 1, dnnl_f32);
}

// ------------------------------------------------------------------------------------------------ primitive descriptors

dnnl_primitive_desc_t *twi_pd_at(twi_builder *b)
{
    if (b->n_pd == TWI_BUILDER_PDS)
        TWI_BUG("a kernel prepares more primitives than the builder holds");
    return &b->pd[b->n_pd];
}

bool twi_pd(twi_builder *b, dnnl_status_t status)
{
    if (status == dnnl_success) {
        b->n_pd++; // kept even when the kernel is given up already: twi_built destroys it
        return !b->is_over;
    }
    if (b->is_over)
        return false;
    // What the library calls an invalid argument is a valid op that it does not take (padding wider than the window).
    if (status != dnnl_unimplemented && status != dnnl_invalid_arguments)
        set_failed(b, twi_dnnl_fail(status, b->steps->name, b->err));
    return false;
}

dnnl_primitive_desc_t twi_pd_last(twi_builder *b)
{
    return b->n_pd ? b->pd[b->n_pd - 1] : NULL;
}

const char *twi_pd_text(dnnl_primitive_desc_t pd)
{
    const char *text = NULL;
    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &text) != dnnl_success || !text)
        return "unknown";
    return text;
}

bool twi_pd_is_slow(dnnl_primitive_desc_t pd)
{
    return strncmp(twi_pd_text(pd), "ref", 3) == 0;
}

twi_lent_md twi_pd_md(dnnl_primitive_desc_t pd, dnnl_query_t what, int index)
{
    return dnnl_primitive_desc_query_md(pd, what, index);
}

// ------------------------------------------------------------------------------------------------------------ binding

twi_slot twi_scratch_for(twi_builder *b, twi_lent_md md)
{
    twi_slot slot = {TWI_SLOT_SCRATCH, 0, b->scratch};
    if (!b->is_over)
        b->scratch += (dnnl_memory_desc_get_size(md) + TWI_ALIGN - 1) / TWI_ALIGN * TWI_ALIGN;
    return slot;
}

static void bind(twi_builder *b, twi_step *step, int arg, twi_slot slot, twi_lent_md md)
{
    if (b->is_over)
        return;
    if (step->n == TWI_STEP_ARGS)
        TWI_BUG("a primitive has more arguments than a step holds");
    dnnl_status_t status = dnnl_memory_desc_clone(&step->md[step->n], md);
    set_failed(b, twi_dnnl_fail(status, "memory descriptor", b->err));
    if (b->is_over)
        return;
    step->arg[step->n] = arg;
    step->slot[step->n++] = slot;
}

void twi_bind(twi_builder *b, int arg, twi_slot slot, twi_lent_md md)
{
    bind(b, &b->step, arg, slot, md);
}

void twi_bind_from(twi_builder *b, int arg, twi_slot slot, twi_lent_md held, twi_lent_md wanted)
{
    if (!b->is_over && !twi_md_same(held, wanted)) {
        twi_slot copy = twi_scratch_for(b, wanted);
        twi_add_copy(b, slot, held, copy, wanted);
        slot = copy;
    }
    twi_bind(b, arg, slot, wanted);
}

void twi_bind_to(twi_builder *b, int arg, twi_slot slot, twi_lent_md held, twi_lent_md wanted)
{
    if (!b->is_over && !twi_md_same(held, wanted)) {
        twi_slot copy = twi_scratch_for(b, wanted);
        b->after[b->n_after++] = (twi_after){copy, slot, wanted, held};
        slot = copy;
    }
    twi_bind(b, arg, slot, wanted);
}

bool twi_ask_in(twi_builder *b, int i, twi_axes axes, int64_t groups, twi_lent_md wanted)
{
    const twi_kernel_request *r = b->request;
    if (b->is_over || r->direction == TWI_BACKWARD || (!r->is_layout_free && !r->is_constant[i]))
        return false;
    if (!b->steps->in_layout[i])
        set_failed(b, twi_layout_new(&b->steps->in_layout[i], &r->in[i], axes, groups, wanted, b->err));
    return true;
}

bool twi_leave_out(twi_builder *b, twi_axes axes, twi_lent_md as)
{
    const twi_kernel_request *r = b->request;
    if (b->is_over || r->direction == TWI_BACKWARD || !r->is_layout_free)
        return false;
    set_failed(b, twi_layout_new(&b->steps->out_layout, &r->out[0], axes, 1, as, b->err));
    return true;
}

void twi_bind_in(twi_builder *b, int arg, int i, twi_axes axes, int64_t groups, twi_lent_md wanted)
{
    if (twi_ask_in(b, i, axes, groups, wanted))
        twi_bind(b, arg, TWI_IN(i), wanted);
    else
        twi_bind_from(b, arg, TWI_IN(i), twi_dense(b, &b->request->in[i], axes, groups, dnnl_f32), wanted);
}

void twi_bind_out(twi_builder *b, int arg, twi_axes axes, twi_lent_md wanted)
{
    if (twi_leave_out(b, axes, wanted))
        twi_bind(b, arg, TWI_OUT(0), wanted);
    else
        twi_bind_to(b, arg, TWI_OUT(0), twi_dense(b, &b->request->out[0], axes, 1, dnnl_f32), wanted);
}

void twi_bind_grad_out(twi_builder *b, int arg, twi_axes axes, twi_lent_md wanted)
{
    twi_bind_from(b, arg, TWI_GRAD_OUT, twi_dense(b, &b->request->out[0], axes, 1, dnnl_f32), wanted);
}

void twi_bind_grad_in(twi_builder *b, int arg, int i, twi_axes axes, int64_t groups, twi_lent_md wanted)
{
    twi_bind_to(b, arg, TWI_GRAD_IN(i), twi_dense(b, &b->request->in[i], axes, groups, dnnl_f32), wanted);
}

// -------------------------------------------------------------------------------------------------------------- steps

static void push_step(twi_builder *b, twi_step *step)
{
    if (!b->is_over && !twi_vec_push(&b->steps->steps, *step, b->err))
        b->is_over = true;
    if (b->is_over) {
        if (step->primitive)
            dnnl_primitive_destroy(step->primitive);
        step_drop(step);
    }
    *step = (twi_step){0};
}

static tw_status check_room(const char *name, tw_err *err)
{
    char what[64];
    snprintf(what, sizeof what, "the code of a %s", name);
    return twi_dnnl_room(what, err);
}

// Binds the scratchpad and makes the primitive.
static void finish_step(twi_builder *b, twi_step *step, dnnl_primitive_desc_t pd, int repeat)
{
    if (b->is_over)
        return;
    twi_lent_md pad = twi_pd_md(pd, dnnl_query_scratchpad_md, 0);
    size_t bytes = pad ? dnnl_memory_desc_get_size(pad) : 0;
    if (bytes > 0)
        bind(b, step, DNNL_ARG_SCRATCHPAD, (twi_slot){TWI_SLOT_PAD, 0, 0}, pad);
    if (bytes > b->pad)
        b->pad = bytes;
    step->repeat = repeat;
    if (!b->is_over && !b->request->is_estimate && check_room(b->steps->name, b->err))
        set_failed(b, TW_ENOMEM);
    if (!b->is_over && !b->request->is_estimate)
        set_failed(b, twi_dnnl_fail(dnnl_primitive_create(&step->primitive, pd), b->steps->name, b->err));
    push_step(b, step);
}

// "dnnl jit:avx2", and the further ones where they differ: "dnnl jit:avx2 + gemm:jit".
static void write_impl(twi_builder *b, dnnl_primitive_desc_t pd)
{
    char *impl = b->kernel->impl;
    size_t n = strlen(impl), room = sizeof b->kernel->impl - n;
    const char *text = twi_pd_text(pd);
    if (!strstr(impl, text))
        snprintf(impl + n, room, "%s%s", n ? " + " : "dnnl ", text);
}

void twi_add_copy(twi_builder *b, twi_slot from, twi_lent_md from_md, twi_slot to, twi_lent_md to_md)
{
    twi_step step = {0};
    if (b->is_over)
        return;
    if (!twi_pd(b, dnnl_reorder_primitive_desc_create(twi_pd_at(b), from_md, b->engine, to_md, b->engine,
                                                      b->attr))) {
        twi_give_up(b);
        return;
    }
    bind(b, &step, DNNL_ARG_FROM, from, from_md);
    bind(b, &step, DNNL_ARG_TO, to, to_md);
    if (b->is_over)
        step_drop(&step);
    finish_step(b, &step, twi_pd_last(b), 1);
}

void twi_add_repeated(twi_builder *b, dnnl_primitive_desc_t pd, int repeat, const size_t *stride)
{
    if (b->is_over)
        return;
    write_impl(b, pd);
    for (int i = 0; stride && i < b->step.n; i++)
        b->step.stride[i] = stride[i];
    finish_step(b, &b->step, pd, repeat);
    for (int i = 0; i < b->n_after; i++)
        twi_add_copy(b, b->after[i].from, b->after[i].from_md, b->after[i].to, b->after[i].to_md);
    b->n_after = 0;
}

void twi_add_step(twi_builder *b, dnnl_primitive_desc_t pd)
{
    twi_add_repeated(b, pd, 1, NULL);
}

void twi_add_work(twi_builder *b, void (*work)(const twi_kernel *, const twi_kernel_args *))
{
    twi_step step = {.work = work};
    push_step(b, &step);
}
