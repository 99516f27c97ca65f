// Updates: what all optimizers share. See update.h.

#include "train/update.h"

#include <string.h>

enum {
    PART = 8 << 10,  // values stepped at a time: what one pass leaves in the cache the next one finds there
    MANY = 128 << 10 // values in a weight from which on several threads pay
};

static double common(const tw_setting *optimizer, const char *key)
{
    return twi_setting_or(optimizer, key, NAN);
}

static uint64_t counted(const tw_setting *optimizer, const char *key)
{
    double value = common(optimizer, key);
    return value >= 1 ? (uint64_t)value : 0;
}

// --------------------------------------------------------------------------------------------------------------- slots

bool twi_update_has_average(const tw_setting *optimizer)
{
    return common(optimizer, "use_ema") == 1;
}

static bool collects(const tw_setting *optimizer)
{
    return counted(optimizer, "gradient_accumulation_steps") > 1;
}

int twi_update_per_weight(const tw_setting *optimizer)
{
    const twi_optimizer_kind *kind = optimizer->kind->row;
    return kind->n_slots(optimizer) + twi_update_has_average(optimizer) + collects(optimizer);
}

int64_t twi_update_slot_size(const tw_setting *optimizer, const tw_shape *shape, int j)
{
    const twi_optimizer_kind *kind = optimizer->kind->row;
    bool is_there = j >= kind->n_slots(optimizer) || !kind->has_slot || kind->has_slot(optimizer, shape, j);
    return is_there ? twi_shape_count(shape) : 0;
}

float twi_update_slot_start(const tw_setting *optimizer, int j)
{
    const twi_optimizer_kind *kind = optimizer->kind->row;
    return j < kind->n_slots(optimizer) && kind->slot_start ? (float)kind->slot_start(optimizer, j) : 0;
}

tw_status twi_update_open(twi_update *u, tw_err *err)
{
    const tw_setting *s = u->optimizer;
    u->kind = s->kind->row;
    u->own = u->kind->n_slots(s);
    u->per_weight = twi_update_per_weight(s);
    u->average = twi_update_has_average(s) ? u->own : -1;
    u->collected = collects(s) ? u->per_weight - 1 : -1;
    u->clip_norm = common(s, "clipnorm");
    u->clip_all = common(s, "global_clipnorm");
    u->clip_value = common(s, "clipvalue");
    u->ema_momentum = common(s, "ema_momentum");
    u->every = collects(s) ? counted(s, "gradient_accumulation_steps") : 1;
    u->ema_every = counted(s, "ema_overwrite_frequency");
    int64_t largest = 0;
    for (int i = 0; u->kind->scratch && i < u->n; i++) {
        int64_t n = u->kind->scratch(&u->weight[i]->shape);
        largest = n > largest ? n : largest;
    }
    if (largest)
        u->scratch = twi_new_aligned((size_t)largest, sizeof *u->scratch, "an optimizer's room", err);
    return largest && !u->scratch ? TW_ENOMEM : TW_OK;
}

void twi_update_close(twi_update *u)
{
    twi_free(u->scratch);
    u->scratch = NULL;
}

// ------------------------------------------------------------------------------------------------------------- clipping

static double square_sum(const float *g, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)g[i] * (double)g[i];
    return sum;
}

static void scale_by(float *g, int64_t n, float factor)
{
    for (int64_t i = 0; i < n; i++)
        g[i] *= factor;
}

// The first of the three that is set, as Keras.
static void clip(const twi_update *u, float *const *gradient)
{
    double sum = 0;
    for (int i = 0; u->clip_all > 0 && !(u->clip_norm > 0) && i < u->n; i++)
        sum += square_sum(gradient[i], twi_shape_count(&u->weight[i]->shape));
    for (int i = 0; i < u->n; i++) {
        float *g = gradient[i], limit = (float)u->clip_value;
        int64_t n = twi_shape_count(&u->weight[i]->shape);
        if (u->clip_norm > 0) {
            double norm = sqrt(square_sum(g, n));
            if (norm > u->clip_norm)
                scale_by(g, n, (float)(u->clip_norm / norm));
        } else if (u->clip_all > 0) {
            if (sqrt(sum) > u->clip_all)
                scale_by(g, n, (float)(u->clip_all / sqrt(sum)));
        } else if (u->clip_value > 0) {
            for (int64_t j = 0; j < n; j++)
                g[j] = fminf(fmaxf(g[j], -limit), limit);
        }
    }
}

// ----------------------------------------------------------------------------------------------------------------- step

// Adds the gradients of a batch to the ones collected; true when the last of them makes a step due, with their mean in
// `gradient`.
static bool collect(const twi_update *u, uint64_t step, float *const *gradient)
{
    bool is_due = step % u->every == 0;
    for (int i = 0; i < u->n; i++) {
        float *sum = u->slot[i * u->per_weight + u->collected], *g = gradient[i];
        int64_t n = twi_shape_count(&u->weight[i]->shape);
        for (int64_t j = 0; j < n; j++) {
            float all = g[j] + sum[j];
            sum[j] = is_due ? 0 : all;
            g[j] = all / (float)u->every;
        }
    }
    return is_due;
}

// Elementwise, so threads and parts change no bit of the result.
static void step_part(const twi_update *u, const twi_optimizer_step *whole, int64_t at)
{
    twi_optimizer_step o = *whole;
    o.n = whole->n - at < PART ? whole->n - at : PART;
    o.w += at;
    o.g += at;
    for (int j = 0; j < u->own; j++)
        o.slot[j] = o.slot[j] ? o.slot[j] + at : NULL;
    o.update = o.update ? o.update + at : NULL;
    u->kind->step(u->optimizer, &o);
}

static void step_weight(const twi_update *u, int i, twi_optimizer_step *o, const float *gradient)
{
    twi_weight *w = u->weight[i];
    o->n = twi_shape_count(&w->shape);
    o->w = w->data;
    o->g = gradient;
    o->update = u->scratch;
    for (int j = 0; j < u->own; j++)
        o->slot[j] = u->slot[i * u->per_weight + j];
    double decay =
        u->kind->decay ? u->kind->decay(u->optimizer, &w->shape) : common(u->optimizer, "weight_decay");
    if (decay > 0) {
        float share = (float)decay, lr = (float)o->lr;
#pragma omp parallel for simd if (o->n >= MANY)
        for (int64_t j = 0; j < o->n; j++)
            o->w[j] -= o->w[j] * share * lr;
    }
    if (u->kind->whole)
        u->kind->whole(u->optimizer, &w->shape, o);
#pragma omp parallel for schedule(static) if (o->n >= MANY)
    for (int64_t at = 0; at < o->n; at += PART)
        step_part(u, o, at);
    w->version++;
}

// Keras counts updates here, not batches: with accumulation the average starts over in each batch of the first update.
static void move_averages(const twi_update *u, uint64_t step)
{
    uint64_t updates = (step - 1) / u->every;
    float keep = updates > 0 ? (float)u->ema_momentum : 0;
    bool is_copied = u->ema_every && (updates + 1) % u->ema_every == 0;
    for (int i = 0; i < u->n; i++) {
        float *average = u->slot[i * u->per_weight + u->average], *w = u->weight[i]->data;
        int64_t n = twi_shape_count(&u->weight[i]->shape);
        for (int64_t j = 0; j < n; j++)
            average[j] = keep * average[j] + (1 - keep) * w[j];
        if (is_copied) {
            memcpy(w, average, (size_t)n * sizeof *w);
            u->weight[i]->version++;
        }
    }
}

void twi_update_step(twi_update *u, double lr, uint64_t step, float *const *gradient)
{
    // loss_scale_factor multiplies the loss and divides the gradients again: in f32 it changes nothing.
    if (u->collected < 0 || collect(u, step, gradient)) {
        clip(u, gradient);
        twi_optimizer_step o = {.lr = lr, .t = (step - 1) / u->every + 1};
        if (u->kind->begin)
            u->kind->begin(u->optimizer, &o);
        for (int i = 0; i < u->n; i++)
            step_weight(u, i, &o, gradient[i]);
    }
    if (u->average >= 0)
        move_averages(u, step);
}

void twi_update_swap(twi_update *u)
{
    for (int i = 0; u->average >= 0 && i < u->n; i++) {
        float *average = u->slot[i * u->per_weight + u->average], *w = u->weight[i]->data;
        int64_t n = twi_shape_count(&u->weight[i]->shape);
        for (int64_t j = 0; j < n; j++) {
            float kept = w[j];
            w[j] = average[j];
            average[j] = kept;
        }
        u->weight[i]->version++;
    }
}

// ---------------------------------------------------------------------------------------------------------------- files

// Whether slot j of a weight stands in the group that begins with slot `first`.
static bool in_group(const twi_update *u, int first, int j)
{
    if (j < first)
        return false;
    for (int i = first + 1; i <= j; i++)
        if (u->kind->groups >> i & 1)
            return false;
    return true;
}

typedef struct visitor {
    tw_status (*number)(void *self, twi_dtype type, double value, tw_err *err);
    tw_status (*array)(void *self, const twi_weight *w, float *values, tw_err *err);
    void *self;
} visitor;

// One column of slots (or a group of columns, weight by weight).
static tw_status visit_columns(const twi_update *u, int first, int end, const visitor *v, tw_err *err)
{
    for (int i = 0; i < u->n; i++)
        for (int j = first; j < end; j++) {
            float *values = u->slot[i * u->per_weight + j];
            tw_status status = values ? v->array(v->self, u->weight[i], values, err) : TW_OK;
            if (status)
                return status;
        }
    return TW_OK;
}

// Everything in the order of Keras's optimizer.variables.
static tw_status visit(const twi_update *u, double lr, bool has_schedule, uint64_t step, const visitor *v,
                       tw_err *err)
{
    tw_status status = v->number(v->self, TWI_I64, (double)step, err);
    if (!status && !has_schedule)
        status = v->number(v->self, TWI_F32, lr, err);
    if (!status && u->average >= 0)
        status = visit_columns(u, u->average, u->average + 1, v, err);
    if (!status && u->collected >= 0)
        status = visit_columns(u, u->collected, u->collected + 1, v, err);
    for (int first = 0, end; !status && first < u->own; first = end) {
        for (end = first + 1; end < u->own && in_group(u, first, end);)
            end++;
        status = visit_columns(u, first, end, v, err);
    }
    if (!status && u->kind->file_number)
        status = v->number(v->self, TWI_F32, u->kind->file_number(u->optimizer, step / u->every), err);
    return status;
}

static tw_status put_view(tw_model *m, twi_dtype type, const tw_shape *shape, const void *values,
                          size_t bytes, tw_err *err)
{
    twi_view view = {.dtype = type, .shape = *shape, .data = twi_new(bytes, 1, "optimizer slots", err)};
    if (!view.data)
        return TW_ENOMEM;
    memcpy(view.data, values, bytes);
    if (twi_vec_push(&m->slots, view, err))
        return TW_OK;
    twi_free(view.data);
    return TW_ENOMEM;
}

static tw_status put_number(void *self, twi_dtype type, double value, tw_err *err)
{
    tw_shape scalar = {0};
    int64_t whole = (int64_t)value;
    float real = (float)value;
    return type == TWI_I64 ? put_view(self, type, &scalar, &whole, sizeof whole, err)
                           : put_view(self, type, &scalar, &real, sizeof real, err);
}

static tw_status put_array(void *self, const twi_weight *w, float *values, tw_err *err)
{
    return put_view(self, TWI_F32, &w->shape, values, (size_t)twi_shape_count(&w->shape) * sizeof *values,
                    err);
}

static void drop_slots(tw_model *m)
{
    for (size_t i = 0; i < m->slots.n; i++)
        twi_free(m->slots.at[i].data);
    twi_vec_clear(&m->slots);
}

tw_status twi_update_store(const twi_update *u, tw_model *m, double lr, bool has_schedule, uint64_t step,
                           tw_err *err)
{
    drop_slots(m);
    twi_weights all = {0};
    tw_status status = twi_model_weights(m, &all, err);
    int n_trainable = 0;
    for (int i = 0; !status && i < all.n; i++)
        n_trainable += all.at[i]->is_trainable;
    twi_weights_clear(&all);
    if (status || n_trainable != u->n)
        return status;
    status = visit(u, lr, has_schedule, step, &(visitor){put_number, put_array, m}, err);
    if (status)
        drop_slots(m);
    return status;
}

// Reading: first only looks whether everything fits, then copies.
typedef struct reader {
    const tw_model *m;
    size_t at;
    bool copies;
} reader;

static const twi_view *next_view(reader *r)
{
    return r->at < r->m->slots.n ? &r->m->slots.at[r->at++] : NULL;
}

static tw_status read_number(void *self, twi_dtype type, double value, tw_err *err)
{
    (void)value, (void)err;
    const twi_view *view = next_view(self);
    return view && view->dtype == type && view->shape.rank == 0 ? TW_OK : TW_EUNUSABLE;
}

static tw_status read_values(void *self, const twi_weight *w, float *values, tw_err *err)
{
    (void)err;
    reader *r = self;
    const twi_view *view = next_view(r);
    if (!view || view->dtype != TWI_F32 || !twi_shape_same(&view->shape, &w->shape))
        return TW_EUNUSABLE;
    if (r->copies)
        memcpy(values, view->data, (size_t)twi_shape_count(&w->shape) * sizeof *values);
    return TW_OK;
}

bool twi_update_take(twi_update *u, const tw_model *m, bool has_schedule, uint64_t *step)
{
    if (!m->slots.n || m->slots.at[0].dtype != TWI_I64)
        return false;
    for (int pass = 0; pass < 2; pass++) {
        reader r = {.m = m, .copies = pass == 1};
        if (visit(u, 0, has_schedule, 0, &(visitor){read_number, read_values, &r}, NULL) ||
            r.at != m->slots.n)
            return false;
    }
    *step = (uint64_t) * (const int64_t *)m->slots.at[0].data;
    return true;
}
