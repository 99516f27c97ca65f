// What the builders of the zoo share. See build.h.

#include "zoo/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

twi_name twi_name_of(const char *fmt, ...)
{
    twi_name name;
    va_list args;
    va_start(args, fmt);
    vsnprintf(name.text, sizeof name.text, fmt, args);
    va_end(args);
    return name;
}

int64_t twi_divisible(double v, int64_t divisor)
{
    int64_t rounded = (int64_t)(v + (double)divisor / 2) / divisor * divisor;
    if (rounded < divisor)
        rounded = divisor;
    return (double)rounded < 0.9 * v ? rounded + divisor : rounded;
}

tw_shape twi_shape_of(const tw_model *m, twi_tensor x)
{
    return x.node < 0 ? (tw_shape){.rank = 4} : twi_model_shape(m, x);
}

int64_t twi_channels(const tw_model *m, twi_tensor x)
{
    tw_shape shape = twi_shape_of(m, x);
    return twi_shape_last(&shape);
}

twi_name twi_zoo_pad(const tw_model *m, twi_tensor x, int k)
{
    tw_shape shape = twi_shape_of(m, x);
    int top = k / 2 - (shape.dim[1] % 2 == 0), left = k / 2 - (shape.dim[2] % 2 == 0);
    return twi_name_of("padding=%d,%d,%d,%d", top, k / 2, left, k / 2);
}

twi_tensor twi_zoo_squeeze_excite(tw_model *m, twi_tensor x, const char *prefix, int64_t squeezed)
{
    long long channels = twi_channels(m, x);
    twi_tensor se = PLAIN(global_average_pooling2d, x, NAME("%sse_squeeze", prefix));
    se = CALL(reshape, se, NAME("%sse_reshape", prefix), "target_shape=1,1,%lld", channels);
    se = CALL(
        conv2d, se, NAME("%sse_reduce", prefix),
        "filters=%lld kernel_size=1 padding=same activation=silu kernel_initializer=" TWI_EFFICIENTNET_CONV,
        (long long)squeezed);
    se = CALL(conv2d, se, NAME("%sse_expand", prefix),
              "filters=%lld kernel_size=1 padding=same activation=sigmoid "
              "kernel_initializer=" TWI_EFFICIENTNET_CONV,
              channels);
    return JOIN(multiply, 2, ((twi_tensor[]){x, se}), NAME("%sse_excite", prefix));
}

void twi_zoo_dense(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *name)
{
    x = CALL(dense, x, name, "units=%lld activation=%s", (long long)o->classes, o->classifier_activation);
    twi_model_output(m, x);
}

twi_tensor twi_zoo_pool(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *average,
                        const char *max)
{
    if (o->pooling && strcmp(o->pooling, "avg") == 0)
        return PLAIN(global_average_pooling2d, x, average);
    if (o->pooling && strcmp(o->pooling, "max") == 0)
        return PLAIN(global_max_pooling2d, x, max);
    if (o->pooling)
        twi_fail(&m->err, TW_EINVAL, "pooling must be avg or max, received '%s'", o->pooling);
    return x;
}

void twi_zoo_pooled(tw_model *m, const twi_zoo_options *o, twi_tensor x, const char *average, const char *max)
{
    twi_model_output(m, twi_zoo_pool(m, o, x, average, max));
}
