// The version of the compute library.
#include "op/op.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>

void twi_ops_versions(char *buf, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(buf, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}
