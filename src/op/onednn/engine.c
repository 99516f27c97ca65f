// The engine: oneDNN's handle of the processor, made once per process; and what the library says about itself.
//
// It holds no state that a run changes, so all kernels of all threads share it. It lives as long as the process: kernels
// may be freed in any order, and the library's primitive cache refers to it.

#include "op/onednn/dnnl.h"

#include "base/room.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static dnnl_engine_t dnnl_handle;
static pthread_once_t dnnl_once = PTHREAD_ONCE_INIT;

// Of a product that is too large for a shortcut; and more than the code of products takes (6 MB), and their buffers.
enum { SIDE = 32, PRODUCT_BYTES = 16 << 20 };

// The library generates the code of matrix products in the first product it computes, for all shapes, into memory it does
// not check for. Where that could be missing, it is done here, where its lack is an error. Elsewhere those 25 ms are saved.
static bool make_products(void)
{
    if (!twi_room_is_limited())
        return true;
    if (!twi_room_is_there(PRODUCT_BYTES))
        return false;
    float x[SIDE * SIDE] = {0}, y[SIDE * SIDE] = {0};
    return dnnl_sgemm('N', 'N', SIDE, SIDE, SIDE, 1, x, SIDE, x, SIDE, 0, y, SIDE) == dnnl_success;
}

static void make_engine(void)
{
    if (!make_products() || dnnl_engine_create(&dnnl_handle, dnnl_cpu, 0) != dnnl_success)
        dnnl_handle = NULL;
}

dnnl_engine_t twi_engine(tw_err *err)
{
    pthread_once(&dnnl_once, make_engine);
    if (!dnnl_handle && twi_room_is_limited())
        twi_fail_memory(err, PRODUCT_BYTES, "the code of matrix products");
    else if (!dnnl_handle)
        twi_fail(err, TW_EFAILED, "onednn: no engine for this processor");
    return dnnl_handle && !twi_dnnl_room("a kernel", err) ? dnnl_handle : NULL;
}

// Not by an allocation: freed among the library's small ones, it would leave a hole each time.
tw_status twi_dnnl_room(const char *what, tw_err *err)
{
    const size_t bytes = 4 << 20;
    return twi_room_is_there(bytes) ? TW_OK : twi_fail_memory(err, bytes, what);
}

bool twi_has_bf16(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa(), bf16 = (unsigned)dnnl_cpu_isa_avx512_core_bf16;
    return (isa & bf16) == bf16;
}

tw_status twi_dnnl_fail(dnnl_status_t status, const char *what, tw_err *err)
{
    if (status == dnnl_success)
        return TW_OK;
    if (status == dnnl_out_of_memory)
        return twi_fail(err, TW_ENOMEM, "out of memory in onednn %s", what);
    return twi_fail(err, TW_EFAILED, "onednn %s: %s", what, dnnl_status2str(status));
}

void twi_ops_versions(char *buf, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    const char *isa = dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa());
    const char *prefix = "cpu_isa_";
    if (strncmp(isa, prefix, strlen(prefix)) == 0)
        isa += strlen(prefix);
    // Own kernels count too: what they give is kept in caches under this name.
    snprintf(buf, size, "oneDNN %d.%d.%d (%s), winograd 1, silu 1", v->major, v->minor, v->patch, isa);
}
