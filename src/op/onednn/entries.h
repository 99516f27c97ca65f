// The entries of the op rows into oneDNN. Each prepares a kernel for fixed shapes, or returns NULL: without an error
// where oneDNN has nothing for this combination (the reference runs), with one where it failed.
//
// What an entry serves is written in the head of the file of its name. This header and op/op.h are all that the rest
// of the library sees of oneDNN.
#ifndef TWI_OP_ONEDNN_ENTRIES_H
#define TWI_OP_ONEDNN_ENTRIES_H

#include "op/op.h"

twi_kernel *twi_dnnl_activation(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_batch_norm(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_binary(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_concat(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_conv(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_conv_transpose(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_layer_norm(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_matmul(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_pool(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_reduce(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_resample(const twi_kernel_request *request, tw_err *err);
twi_kernel *twi_dnnl_softmax(const twi_kernel_request *request, tw_err *err);

#endif
