// oneDNN 2.6 seen as oneDNN 3: the only file that knows two versions.
//
// Everything here is written to the 3.x C interface: opaque memory descriptors that are created and destroyed, and one
// dnnl_<primitive>_primitive_desc_create per primitive. 2.6 has descriptors by value and operation descriptors in
// between; below, 2.6 gets inline functions of the 3.x names (and macros where 2.6 has the name with other arguments).
// Where versions differ otherwise, a TWI_DNNL_HAS_ constant says how.
//
// Source: the headers of oneDNN 2.6.3 and 3.2.0, and the 3.0 transition guide.
#ifndef TWI_OP_ONEDNN_COMPAT_H
#define TWI_OP_ONEDNN_COMPAT_H

#include "base/mem.h"

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_debug.h>

// How a block of memory is laid out, as far as it is made of strides and inner blocks.
typedef struct twi_blocking {
    bool is_blocked; // false: something only the library understands (Winograd, packed)
    int n_dims, n_blocks;
    int64_t dim[DNNL_MAX_NDIMS], padded[DNNL_MAX_NDIMS], stride[DNNL_MAX_NDIMS];
    int64_t block[DNNL_MAX_NDIMS], block_axis[DNNL_MAX_NDIMS]; // outermost first
    dnnl_data_type_t dtype;
} twi_blocking;

#if DNNL_VERSION_MAJOR >= 3

#define TWI_DNNL_HAS_HARDSIGMOID       1
#define TWI_DNNL_HAS_SHIFT_IN_BACKWARD 0

typedef dnnl_memory_desc_t twi_md;            // owned
typedef const_dnnl_memory_desc_t twi_lent_md; // lent

static inline void twi_md_blocking(twi_lent_md md, twi_blocking *b)
{
    dnnl_format_kind_t kind = dnnl_format_kind_undef;
    const dnnl_dims_t *dim = NULL, *padded = NULL, *stride = NULL, *block = NULL, *axis = NULL;
    *b = (twi_blocking){0};
    dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &b->n_dims);
    dnnl_memory_desc_query(md, dnnl_query_data_type, &b->dtype);
    dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind);
    dnnl_memory_desc_query(md, dnnl_query_dims, &dim);
    dnnl_memory_desc_query(md, dnnl_query_padded_dims, &padded);
    b->is_blocked = kind == dnnl_blocked;
    if (b->is_blocked) {
        dnnl_memory_desc_query(md, dnnl_query_strides, &stride);
        dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &b->n_blocks);
        dnnl_memory_desc_query(md, dnnl_query_inner_blks, &block);
        dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &axis);
    }
    for (int i = 0; i < b->n_dims; i++) {
        b->dim[i] = (*dim)[i];
        b->padded[i] = (*padded)[i];
        b->stride[i] = stride ? (*stride)[i] : 0;
    }
    for (int i = 0; i < b->n_blocks; i++) {
        b->block[i] = (*block)[i];
        b->block_axis[i] = (*axis)[i];
    }
}

#else // ------------------------------------------------------------------------------------------------- oneDNN 2.6

#define TWI_DNNL_HAS_HARDSIGMOID       0
#define TWI_DNNL_HAS_SHIFT_IN_BACKWARD 1 // counted among its inputs, though not read

typedef dnnl_memory_desc_t *twi_md;
typedef const dnnl_memory_desc_t *twi_lent_md;

static inline void twi_md_blocking(twi_lent_md md, twi_blocking *b)
{
    const dnnl_blocking_desc_t *blocking = &md->format_desc.blocking;
    *b = (twi_blocking){
        .is_blocked = md->format_kind == dnnl_blocked, .n_dims = md->ndims, .dtype = md->data_type};
    b->n_blocks = b->is_blocked ? blocking->inner_nblks : 0;
    for (int i = 0; i < b->n_dims; i++) {
        b->dim[i] = md->dims[i];
        b->padded[i] = md->padded_dims[i];
        b->stride[i] = b->is_blocked ? blocking->strides[i] : 0;
    }
    for (int i = 0; i < b->n_blocks; i++) {
        b->block[i] = blocking->inner_blks[i];
        b->block_axis[i] = blocking->inner_idxs[i];
    }
}

// A descriptor by value becomes one on the heap.
static inline dnnl_status_t twi_md_boxed(dnnl_status_t status, twi_md *out, const dnnl_memory_desc_t *value)
{
    if (status != dnnl_success)
        return status;
    *out = twi_new(1, sizeof **out, "a memory descriptor", NULL);
    if (!*out)
        return dnnl_out_of_memory;
    **out = *value;
    return dnnl_success;
}

static inline dnnl_status_t dnnl_memory_desc_create_with_tag(twi_md *out, int n, const dnnl_dims_t dims,
                                                             dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t d;
    return twi_md_boxed(dnnl_memory_desc_init_by_tag(&d, n, dims, type, tag), out, &d);
}

static inline dnnl_status_t dnnl_memory_desc_create_with_strides(twi_md *out, int n, const dnnl_dims_t dims,
                                                                 dnnl_data_type_t type,
                                                                 const dnnl_dims_t strides)
{
    dnnl_memory_desc_t d;
    return twi_md_boxed(dnnl_memory_desc_init_by_strides(&d, n, dims, type, strides), out, &d);
}

static inline dnnl_status_t dnnl_memory_desc_create_submemory(twi_md *out, twi_lent_md parent,
                                                              const dnnl_dims_t dims,
                                                              const dnnl_dims_t offsets)
{
    dnnl_memory_desc_t d;
    return twi_md_boxed(dnnl_memory_desc_init_submemory(&d, parent, dims, offsets), out, &d);
}

static inline dnnl_status_t dnnl_memory_desc_clone(twi_md *out, twi_lent_md md)
{
    return twi_md_boxed(dnnl_success, out, md);
}

static inline dnnl_status_t dnnl_memory_desc_destroy(twi_md md)
{
    twi_free(md);
    return dnnl_success;
}

#define dnnl_post_ops_append_eltwise(ops, kind, alpha, beta) \
    (dnnl_post_ops_append_eltwise)(ops, 1.0f, kind, alpha, beta)

// The second half of every creation in 2.6.
#define TWI_PD_OF(call, pd, desc, attr, engine, hint) \
    dnnl_status_t status_ = (call);                   \
    return status_ == dnnl_success ? dnnl_primitive_desc_create(pd, &(desc), attr, engine, hint) : status_

static inline dnnl_status_t dnnl_convolution_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, dnnl_alg_kind_t alg,
    twi_lent_md src, twi_lent_md weights, twi_lent_md bias, twi_lent_md dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    TWI_PD_OF(dnnl_dilated_convolution_forward_desc_init(&d, prop, alg, src, weights, bias, dst, strides,
                                                         dilates, pad_l, pad_r),
              pd, d, attr, engine, NULL);
}

static inline dnnl_status_t dnnl_convolution_backward_data_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, twi_lent_md diff_src,
    twi_lent_md weights, twi_lent_md diff_dst, const dnnl_dims_t strides, const dnnl_dims_t dilates,
    const dnnl_dims_t pad_l, const dnnl_dims_t pad_r, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    TWI_PD_OF(dnnl_dilated_convolution_backward_data_desc_init(&d, alg, diff_src, weights, diff_dst, strides,
                                                               dilates, pad_l, pad_r),
              pd, d, attr, engine, hint);
}

static inline dnnl_status_t dnnl_convolution_backward_weights_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, twi_lent_md src,
    twi_lent_md diff_weights, twi_lent_md diff_bias, twi_lent_md diff_dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    TWI_PD_OF(dnnl_dilated_convolution_backward_weights_desc_init(&d, alg, src, diff_weights, diff_bias,
                                                                  diff_dst, strides, dilates, pad_l, pad_r),
              pd, d, attr, engine, hint);
}

static inline dnnl_status_t dnnl_deconvolution_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, dnnl_alg_kind_t alg,
    twi_lent_md src, twi_lent_md weights, twi_lent_md bias, twi_lent_md dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_deconvolution_desc_t d;
    TWI_PD_OF(dnnl_dilated_deconvolution_forward_desc_init(&d, prop, alg, src, weights, bias, dst, strides,
                                                           dilates, pad_l, pad_r),
              pd, d, attr, engine, NULL);
}

static inline dnnl_status_t dnnl_deconvolution_backward_data_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, twi_lent_md diff_src,
    twi_lent_md weights, twi_lent_md diff_dst, const dnnl_dims_t strides, const dnnl_dims_t dilates,
    const dnnl_dims_t pad_l, const dnnl_dims_t pad_r, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_deconvolution_desc_t d;
    TWI_PD_OF(dnnl_dilated_deconvolution_backward_data_desc_init(&d, alg, diff_src, weights, diff_dst,
                                                                 strides, dilates, pad_l, pad_r),
              pd, d, attr, engine, hint);
}

static inline dnnl_status_t dnnl_deconvolution_backward_weights_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, twi_lent_md src,
    twi_lent_md diff_weights, twi_lent_md diff_bias, twi_lent_md diff_dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_deconvolution_desc_t d;
    TWI_PD_OF(dnnl_dilated_deconvolution_backward_weights_desc_init(&d, alg, src, diff_weights, diff_bias,
                                                                    diff_dst, strides, dilates, pad_l, pad_r),
              pd, d, attr, engine, hint);
}

static inline dnnl_status_t dnnl_inner_product_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, twi_lent_md src,
    twi_lent_md weights, twi_lent_md bias, twi_lent_md dst, const_dnnl_primitive_attr_t attr)
{
    dnnl_inner_product_desc_t d;
    TWI_PD_OF(dnnl_inner_product_forward_desc_init(&d, prop, src, weights, bias, dst), pd, d, attr, engine,
              NULL);
}

static inline dnnl_status_t dnnl_inner_product_backward_data_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, twi_lent_md diff_src, twi_lent_md weights,
    twi_lent_md diff_dst, const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_inner_product_desc_t d;
    TWI_PD_OF(dnnl_inner_product_backward_data_desc_init(&d, diff_src, weights, diff_dst), pd, d, attr,
              engine, hint);
}

static inline dnnl_status_t dnnl_inner_product_backward_weights_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, twi_lent_md src, twi_lent_md diff_weights,
    twi_lent_md diff_bias, twi_lent_md diff_dst, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_inner_product_desc_t d;
    TWI_PD_OF(dnnl_inner_product_backward_weights_desc_init(&d, src, diff_weights, diff_bias, diff_dst), pd,
              d, attr, engine, hint);
}

static inline dnnl_status_t dnnl_pooling_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, dnnl_alg_kind_t alg,
    twi_lent_md src, twi_lent_md dst, const dnnl_dims_t strides, const dnnl_dims_t kernel,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_pooling_v2_desc_t d;
    TWI_PD_OF(
        dnnl_pooling_v2_forward_desc_init(&d, prop, alg, src, dst, strides, kernel, dilates, pad_l, pad_r),
        pd, d, attr, engine, NULL);
}

static inline dnnl_status_t dnnl_pooling_backward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, twi_lent_md diff_src,
    twi_lent_md diff_dst, const dnnl_dims_t strides, const dnnl_dims_t kernel, const dnnl_dims_t dilates,
    const dnnl_dims_t pad_l, const dnnl_dims_t pad_r, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_pooling_v2_desc_t d;
    TWI_PD_OF(dnnl_pooling_v2_backward_desc_init(&d, alg, diff_src, diff_dst, strides, kernel, dilates, pad_l,
                                                 pad_r),
              pd, d, attr, engine, hint);
}

// 2.6 runs elementwise functions and normalisations with one layout for source and destination.
static inline dnnl_status_t dnnl_eltwise_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, dnnl_alg_kind_t alg,
    twi_lent_md src, twi_lent_md dst, float alpha, float beta, const_dnnl_primitive_attr_t attr)
{
    dnnl_eltwise_desc_t d;
    (void)dst;
    TWI_PD_OF(dnnl_eltwise_forward_desc_init(&d, prop, alg, src, alpha, beta), pd, d, attr, engine, NULL);
}

static inline dnnl_status_t dnnl_eltwise_backward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, twi_lent_md diff_src,
    twi_lent_md diff_dst, twi_lent_md data, float alpha, float beta, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_eltwise_desc_t d;
    (void)diff_dst;
    TWI_PD_OF(dnnl_eltwise_backward_desc_init(&d, alg, diff_src, data, alpha, beta), pd, d, attr, engine,
              hint);
}

static inline dnnl_status_t
dnnl_softmax_forward_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                           dnnl_prop_kind_t prop, dnnl_alg_kind_t alg, twi_lent_md src,
                                           twi_lent_md dst, int axis, const_dnnl_primitive_attr_t attr)
{
    dnnl_softmax_v2_desc_t d;
    TWI_PD_OF(dnnl_softmax_v2_forward_desc_init(&d, prop, alg, src, dst, axis), pd, d, attr, engine, NULL);
}

static inline dnnl_status_t
dnnl_softmax_backward_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, twi_lent_md diff_src, twi_lent_md diff_dst,
                                            twi_lent_md dst, int axis, const_dnnl_primitive_desc_t hint,
                                            const_dnnl_primitive_attr_t attr)
{
    dnnl_softmax_v2_desc_t d;
    TWI_PD_OF(dnnl_softmax_v2_backward_desc_init(&d, alg, diff_src, diff_dst, dst, axis), pd, d, attr, engine,
              hint);
}

static inline dnnl_status_t dnnl_batch_normalization_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, twi_lent_md src, twi_lent_md dst,
    float epsilon, unsigned flags, const_dnnl_primitive_attr_t attr)
{
    dnnl_batch_normalization_desc_t d;
    (void)dst;
    TWI_PD_OF(dnnl_batch_normalization_forward_desc_init(&d, prop, src, epsilon, flags), pd, d, attr, engine,
              NULL);
}

static inline dnnl_status_t dnnl_batch_normalization_backward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, twi_lent_md diff_src,
    twi_lent_md diff_dst, twi_lent_md src, float epsilon, unsigned flags, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_batch_normalization_desc_t d;
    (void)diff_dst;
    TWI_PD_OF(dnnl_batch_normalization_backward_desc_init(&d, prop, diff_src, src, epsilon, flags), pd, d,
              attr, engine, hint);
}

static inline dnnl_status_t dnnl_layer_normalization_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, twi_lent_md src, twi_lent_md dst,
    twi_lent_md stat, float epsilon, unsigned flags, const_dnnl_primitive_attr_t attr)
{
    dnnl_layer_normalization_desc_t d;
    (void)dst;
    TWI_PD_OF(dnnl_layer_normalization_forward_desc_init(&d, prop, src, stat, epsilon, flags), pd, d, attr,
              engine, NULL);
}

static inline dnnl_status_t dnnl_layer_normalization_backward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, twi_lent_md diff_src,
    twi_lent_md diff_dst, twi_lent_md src, twi_lent_md stat, float epsilon, unsigned flags,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_layer_normalization_desc_t d;
    (void)diff_dst;
    TWI_PD_OF(dnnl_layer_normalization_backward_desc_init(&d, prop, diff_src, src, stat, epsilon, flags), pd,
              d, attr, engine, hint);
}

static inline dnnl_status_t dnnl_binary_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                              dnnl_alg_kind_t alg, twi_lent_md a,
                                                              twi_lent_md b, twi_lent_md dst,
                                                              const_dnnl_primitive_attr_t attr)
{
    dnnl_binary_desc_t d;
    TWI_PD_OF(dnnl_binary_desc_init(&d, alg, a, b, dst), pd, d, attr, engine, NULL);
}

static inline dnnl_status_t dnnl_resampling_forward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop, dnnl_alg_kind_t alg,
    const float *factors, twi_lent_md src, twi_lent_md dst, const_dnnl_primitive_attr_t attr)
{
    dnnl_resampling_desc_t d;
    TWI_PD_OF(dnnl_resampling_forward_desc_init(&d, prop, alg, factors, src, dst), pd, d, attr, engine, NULL);
}

static inline dnnl_status_t dnnl_resampling_backward_primitive_desc_create(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg, const float *factors,
    twi_lent_md diff_src, twi_lent_md diff_dst, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_resampling_desc_t d;
    TWI_PD_OF(dnnl_resampling_backward_desc_init(&d, alg, factors, diff_src, diff_dst), pd, d, attr, engine,
              hint);
}

#undef TWI_PD_OF

// 2.6 takes the sources of a concatenation by value, and the destination before them.
static inline dnnl_status_t twi_concat_pd_26(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, twi_lent_md dst,
                                             int n, int axis, const twi_lent_md *src,
                                             const_dnnl_primitive_attr_t attr)
{
    dnnl_memory_desc_t value[16];
    if (n > 16)
        return dnnl_unimplemented;
    for (int i = 0; i < n; i++)
        value[i] = *src[i];
    return dnnl_concat_primitive_desc_create(pd, dst, n, axis, value, attr, engine);
}
#define dnnl_concat_primitive_desc_create twi_concat_pd_26

#endif
#endif
