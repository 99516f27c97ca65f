// The optimizer's variables in files: iteration, learning rate, then what it keeps per trained weight (interop b4).
//
// Files give them by position. What does not fit the model is left out as a whole, without an error: the optimizer then
// starts afresh, as in Keras.

#include "format/parts.h"

static void clear(tw_model *m)
{
    for (size_t i = 0; i < m->slots.n; i++)
        twi_free(m->slots.at[i].data);
    m->slots.n = 0;
}

// A slot has the shape of a trained weight or is one number; nothing else is read, however large a file calls it.
static bool is_slot(const twi_weights *all, const tw_shape *shape)
{
    bool fits = shape->rank == 0;
    for (int i = 0; !fits && i < all->n; i++)
        fits = all->at[i]->is_trainable && twi_shape_same(&all->at[i]->shape, shape);
    return fits;
}

// The iteration is a whole number in files, and stays one.
static tw_status as_whole(twi_view *view, tw_err *err)
{
    int64_t *count = twi_new(1, sizeof *count, "an optimizer's step", err);
    if (!count)
        return TW_ENOMEM;
    *count = (int64_t) * (const float *)view->data;
    twi_free(view->data);
    *view = (twi_view){.dtype = TWI_I64, .data = count};
    return TW_OK;
}

static tw_status read_slot(tw_model *m, const twi_weights *all, twi_hdf5 *file, twi_hdf5_object data,
                           bool *fits, tw_err *err)
{
    twi_hdf5_data info;
    tw_status status = twi_hdf5_data_of(file, data, &info, err);
    *fits = !status && is_slot(all, &info.shape);
    if (!*fits)
        return status;
    float *values = twi_new((size_t)twi_shape_count(&info.shape), sizeof *values, "optimizer slots", err);
    if (!values)
        return TW_ENOMEM;
    twi_view view = {.dtype = TWI_F32, .shape = info.shape, .data = values};
    status = twi_hdf5_read_f32(file, data, values, err);
    if (!status && (info.dtype == TWI_I64 || info.dtype == TWI_I32) && info.shape.rank == 0)
        status = as_whole(&view, err);
    if (!status && !twi_vec_push(&m->slots, view, err))
        status = TW_ENOMEM;
    if (status)
        twi_free(view.data);
    return status;
}

tw_status twi_slots_read(tw_model *m, twi_hdf5 *file, size_t n, const twi_hdf5_object *data, tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    if (status)
        return status;
    bool fits = n <= 4 * (size_t)all.n + 8;
    for (size_t i = 0; !status && fits && i < n; i++) {
        fits = data[i] != 0;
        if (fits)
            status = read_slot(m, &all, file, data[i], &fits, err);
    }
    if (status || !fits)
        clear(m);
    twi_weights_clear(&all);
    return status;
}

tw_status twi_slot_write(const twi_view *slot, twi_hdf5_writer *w, const char *path, tw_err *err)
{
    return twi_hdf5_put_data(w, path, slot->dtype, &slot->shape, slot->data, err);
}
