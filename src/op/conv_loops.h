// The loops of convolutions: conv, conv_transpose (which runs them the other way round) and matmul (a 1×1 convolution).
//
// y[n,oh,ow,o] = Σ over kh,kw,i of x[n, oh·stride − pad + kh·dilation, …, i] · kernel[kh,kw,i,o]; outside x is zero.
// i runs over the cin/groups inputs of o's group. Sums are made in double and rounded once.
#ifndef TWI_OP_CONV_LOOPS_H
#define TWI_OP_CONV_LOOPS_H

#include "op/row.h"

typedef struct twi_conv_sizes {
    int64_t n, h, w, cin; // of x
    int64_t oh, ow, cout; // of y
    int64_t kh, kw;       // of the kernel
    int64_t stride[2], dilation[2];
    int64_t pad[2], groups; // pad: top and left; bottom and right follow from the sizes
} twi_conv_sizes;

void twi_conv_forward(const twi_conv_sizes *s, const float *x, const float *kernel, const float *bias,
                      float *y);
// x from y: the gradient with respect to x, or what a transposed convolution computes (then bias has cin numbers).
void twi_conv_backward(const twi_conv_sizes *s, const float *y, const float *kernel, const float *bias,
                       float *x);
void twi_conv_gradient(const twi_conv_sizes *s, const float *x, const float *y, float *kernel);

#endif
