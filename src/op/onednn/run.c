// Running a kernel: its steps, one after the other, on one thread's bench.
//
// oneDNN's memory objects hold the pointer of one run, so threads cannot share them, and making them for each run would
// cost more than a small primitive does (half a microsecond each; setting a pointer: 13 ns). So each kernel keeps
// benches: a stream and the memory objects of all steps. A run takes an idle one or makes one, and puts it back; there
// are as many as ever ran at once. Taking and putting are single atomic exchanges: no lock, no allocation after the
// first run of a thread.

#include "op/onednn/dnnl.h"

#include <stdatomic.h>

struct twi_bench {
    dnnl_stream_t stream;
    size_t n;
    dnnl_exec_arg_t arg[]; // of all steps in a row
};

static void bench_free(struct twi_bench *bench)
{
    if (!bench)
        return;
    for (size_t i = 0; i < bench->n; i++)
        dnnl_memory_destroy(bench->arg[i].memory);
    if (bench->stream)
        dnnl_stream_destroy(bench->stream);
    twi_free(bench);
}

static struct twi_bench *bench_new(const twi_steps *s, tw_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < s->steps.n; i++)
        total += (size_t)s->steps.at[i].n;
    dnnl_engine_t engine = twi_engine(err);
    struct twi_bench *bench =
        engine ? twi_new(1, sizeof *bench + total * sizeof bench->arg[0], "a running kernel", err) : NULL;
    if (!bench)
        return NULL;
    dnnl_status_t status = dnnl_stream_create(&bench->stream, engine, dnnl_stream_default_flags);
    for (size_t i = 0; i < s->steps.n; i++) {
        const twi_step *step = &s->steps.at[i];
        for (int k = 0; k < step->n && status == dnnl_success; k++) {
            dnnl_exec_arg_t *a = &bench->arg[bench->n];
            a->arg = step->arg[k];
            status = dnnl_memory_create(&a->memory, step->md[k], engine, DNNL_MEMORY_NONE);
            bench->n += status == dnnl_success;
        }
    }
    if (twi_dnnl_fail(status, s->name, err)) {
        bench_free(bench);
        return NULL;
    }
    return bench;
}

// The list of idle benches is the one part of a kernel that runs change.
static twi_steps *steps_of(const twi_kernel *kernel)
{
    return kernel->state;
}

static struct twi_bench *take_bench(twi_steps *s, tw_err *err)
{
    for (int i = 0; i < TWI_BENCHES; i++) {
        struct twi_bench *bench = atomic_exchange(&s->idle[i], NULL);
        if (bench)
            return bench;
    }
    return bench_new(s, err);
}

static void put_bench(twi_steps *s, struct twi_bench *bench)
{
    for (int i = 0; i < TWI_BENCHES; i++) {
        struct twi_bench *none = NULL;
        if (atomic_compare_exchange_strong(&s->idle[i], &none, bench))
            return;
    }
    bench_free(bench);
}

void *twi_slot_data(const twi_kernel *kernel, const twi_kernel_args *args, twi_slot slot)
{
    const char *base = args->scratch;
    switch (slot.place) {
    case TWI_SLOT_IN:
        base = args->in[slot.index];
        break;
    case TWI_SLOT_OUT:
        base = args->out[slot.index];
        break;
    case TWI_SLOT_GRAD_OUT:
        base = args->grad_out;
        break;
    case TWI_SLOT_GRAD_IN:
        base = args->grad_in[slot.index];
        break;
    case TWI_SLOT_PAD:
        base += steps_of(kernel)->pad_offset;
        break;
    case TWI_SLOT_SCRATCH:
        break;
    }
    return (char *)(uintptr_t)(base + slot.offset);
}

static dnnl_status_t run_step(const twi_kernel *kernel, const twi_step *step, struct twi_bench *bench,
                              const dnnl_exec_arg_t *arg, const twi_kernel_args *args)
{
    dnnl_status_t status = dnnl_success;
    for (int r = 0; r < step->repeat && status == dnnl_success; r++) {
        for (int k = 0; k < step->n && status == dnnl_success; k++) {
            char *data = twi_slot_data(kernel, args, step->slot[k]);
            status = dnnl_memory_set_data_handle(arg[k].memory, data + (size_t)r * step->stride[k]);
        }
        if (status == dnnl_success)
            status = dnnl_primitive_execute(step->primitive, bench->stream, step->n, arg);
    }
    return status;
}

tw_status twi_steps_run(const twi_kernel *kernel, const twi_kernel_args *args, tw_err *err)
{
    twi_steps *s = steps_of(kernel);
    struct twi_bench *bench = take_bench(s, err);
    if (!bench)
        return err && err->status ? err->status : TW_ENOMEM;
    const dnnl_exec_arg_t *arg = bench->arg;
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < s->steps.n && status == dnnl_success; i++) {
        const twi_step *step = &s->steps.at[i];
        if (step->work)
            step->work(kernel, args);
        else
            status = run_step(kernel, step, bench, arg, args);
        arg += step->n;
    }
    if (status == dnnl_success)
        status = dnnl_stream_wait(bench->stream);
    put_bench(s, bench);
    return twi_dnnl_fail(status, s->name, err);
}

static void step_free(twi_step *step)
{
    for (int k = 0; k < step->n; k++)
        dnnl_memory_desc_destroy(step->md[k]);
    if (step->primitive)
        dnnl_primitive_destroy(step->primitive);
}

// twi_kernel.free: what twi_kernel_free leaves to the kernel's maker.
void twi_steps_free(twi_kernel *kernel)
{
    twi_steps *s = steps_of(kernel);
    if (!s)
        return;
    for (int i = 0; i < TWI_BENCHES; i++)
        bench_free(atomic_load(&s->idle[i]));
    for (size_t i = 0; i < s->steps.n; i++)
        step_free(&s->steps.at[i]);
    for (int i = 0; i < TWI_OP_IN_MAX; i++)
        twi_layout_free(s->in_layout[i]);
    twi_layout_free(s->out_layout);
    twi_vec_clear(&s->steps);
    twi_free(s);
    kernel->state = NULL;
}
