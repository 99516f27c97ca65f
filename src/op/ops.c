// The table of ops. A new op is one file op_<name>.c and one line in list.inc.

#include "op/op.h"

const twi_op_kind *const twi_ops[] = {
#define TWI_OP(name) &twi_op_##name,
#include "op/list.inc"
#undef TWI_OP
    NULL};
