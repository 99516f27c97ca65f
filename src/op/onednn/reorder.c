// Copies between layouts.
#include "op/op.h"

twi_kernel *twi_reorder_new(const tw_shape *shape, const twi_layout *from, const twi_layout *to, tw_err *err)
{
    (void)shape, (void)from, (void)to, (void)err;
    return NULL;
}
