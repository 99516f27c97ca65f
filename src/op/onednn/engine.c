// The engine: oneDNN's handle of the processor, made once per process; and what the library says about itself.
//
// It holds no state that a run changes, so all kernels of all threads share it. It lives as long as the process: kernels
// may be freed in any order, and the library's primitive cache refers to it.

#include "op/onednn/dnnl.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static dnnl_engine_t dnnl_handle;
static pthread_once_t dnnl_once = PTHREAD_ONCE_INIT;

static void make_engine(void)
{
    if (dnnl_engine_create(&dnnl_handle, dnnl_cpu, 0) != dnnl_success)
        dnnl_handle = NULL;
}

dnnl_engine_t twi_engine(tw_err *err)
{
    pthread_once(&dnnl_once, make_engine);
    if (!dnnl_handle)
        twi_fail(err, TW_EFAILED, "onednn: no engine for this processor");
    return dnnl_handle;
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
