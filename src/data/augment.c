// Augmentation: the list, the geometry, and running it. See augment.h.

#include "data/augment.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TW_AUGMENT(name) extern const twi_augment_kind twi_augment_##name;
#include "data/augment_list.inc"
#undef TW_AUGMENT

static const tw_setting_kind *const settings[] = {
#define TW_AUGMENT(name) &twi_augment_##name.setting,
#include "data/augment_list.inc"
#undef TW_AUGMENT
    NULL};

const tw_setting_kind *twi_augment_find(const char *name)
{
    return twi_setting_find(settings, name);
}

const char *const *twi_augment_names(void)
{
    static const char *const names[] = {
#define TW_AUGMENT(name) #name,
#include "data/augment_list.inc"
#undef TW_AUGMENT
        NULL};
    return names;
}

tw_status twi_augment_text(twi_augment *a, const char *text, const char *where, tw_err *err)
{
    static const tw_field field = {
        .key = "change", .type = TW_FIELD_SETTING, .find = twi_augment_find, .names = twi_augment_names};
    *a = (twi_augment){0};
    return twi_settings_text(a->at, TWI_AUGMENTS_MAX, &a->n, text, &field, where, err);
}

void twi_augment_key(const twi_augment *a, twi_str *out)
{
    for (int i = 0; i < a->n; i++) {
        twi_str_printf(out, " %s", a->at[i].kind->name);
        for (int j = 0; j < TW_SETTING_ARGS && a->at[i].kind->args[j].key; j++)
            twi_str_printf(out, ":%.17g", a->at[i].value[j]);
    }
}

static bool range_of(const twi_recipe *r, double *low, double *high)
{
    *low = r->pixels == TWI_PIXELS_TF || r->pixels == TWI_PIXELS_LITE ? -1 : 0;
    *high = r->pixels == TWI_PIXELS_RAW ? 255 : 1;
    return r->pixels != TWI_PIXELS_TORCH && r->pixels != TWI_PIXELS_CAFFE;
}

tw_status twi_augment_check(const twi_augment *a, const twi_recipe *r, tw_err *err)
{
    double low, high;
    for (int i = 0; i < a->n; i++) {
        const twi_augment_kind *kind = a->at[i].kind->row;
        if (kind->is_colour && !range_of(r, &low, &high))
            return twi_fail(err, TW_EUNSUPPORTED, "not supported yet: %s on pixels in the %s form",
                            kind->setting.name, twi_pixel_mode_names[r->pixels]);
    }
    return TW_OK;
}

void twi_augment_run(const twi_augment *a, const twi_recipe *r, uint64_t seed, uint64_t round, uint32_t photo,
                     float *picture, float *scratch)
{
    twi_rng rng = twi_rng_at(seed, TWI_RNG_AUGMENT, round, photo);
    size_t bytes = (size_t)(r->height * r->width * 3) * sizeof *picture;
    twi_augment_call call = {.h = r->height, .w = r->width, .c = 3, .in = scratch, .out = picture};
    range_of(r, &call.low, &call.high);
    for (int i = 0; i < a->n; i++) {
        const twi_augment_kind *kind = a->at[i].kind->row;
        double draw[TWI_DRAWS_MAX];
        for (int j = 0; j < kind->n_draws; j++)
            draw[j] = (double)twi_rng_uniform(&rng);
        memcpy(scratch, picture, bytes);
        kind->apply(&a->at[i], draw, &call);
    }
}

// ------------------------------------------------------------------------------------------------------------- geometry

const char *const twi_fill_modes[] = {"reflect", "constant", "wrap", "nearest", NULL};
const char *const twi_interpolations[] = {"bilinear", "nearest", NULL};
enum { REFLECT, CONSTANT, WRAP, NEAREST };

double twi_between(double factor, double upper, double least, double draw)
{
    double low = isnan(upper) ? fmax(-fabs(factor), least) : fmin(factor, upper);
    double high = isnan(upper) ? fabs(factor) : fmax(factor, upper);
    return low + draw * (high - low);
}

static int64_t modulo(int64_t a, int64_t n)
{
    return (a % n + n) % n;
}

// Where a place outside lies inside; -1: nowhere (constant). reflect is d c b a | a b c d | d c b a.
static int64_t inside(int64_t i, int64_t n, int mode)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == CONSTANT)
        return -1;
    if (mode == WRAP)
        return modulo(i, n);
    if (mode == NEAREST)
        return i < 0 ? 0 : n - 1;
    int64_t j = modulo(i, 2 * n);
    return j < n ? j : 2 * n - 1 - j;
}

typedef struct sampler {
    const twi_augment_call *call;
    int mode;
    float fill;
} sampler;

static float pixel(const sampler *s, int64_t y, int64_t x, int64_t channel)
{
    int64_t i = inside(y, s->call->h, s->mode), j = inside(x, s->call->w, s->mode);
    return i < 0 || j < 0 ? s->fill : s->call->in[(i * s->call->w + j) * s->call->c + channel];
}

static void bilinear(const sampler *s, float y, float x, float *out)
{
    float top = floorf(y), left = floorf(x), dy = y - top, dx = x - left;
    int64_t i = (int64_t)top, j = (int64_t)left;
    for (int64_t k = 0; k < s->call->c; k++)
        out[k] = (1 - dy) * ((1 - dx) * pixel(s, i, j, k) + dx * pixel(s, i, j + 1, k)) +
                 dy * ((1 - dx) * pixel(s, i + 1, j, k) + dx * pixel(s, i + 1, j + 1, k));
}

void twi_affine(const tw_setting *setting, int fill, const twi_augment_call *call, const double m[6])
{
    sampler s = {call, (int)setting->value[fill], (float)setting->value[fill + 2]};
    bool is_nearest = setting->value[fill + 1] == 1;
    for (int64_t y = 0; y < call->h; y++)
        for (int64_t x = 0; x < call->w; x++) {
            float from_x = (float)(m[0] * (double)x + m[1] * (double)y + m[2]);
            float from_y = (float)(m[3] * (double)x + m[4] * (double)y + m[5]);
            float *out = call->out + (y * call->w + x) * call->c;
            if (is_nearest)
                for (int64_t k = 0; k < call->c; k++)
                    out[k] = pixel(&s, (int64_t)roundf(from_y), (int64_t)roundf(from_x), k);
            else
                bilinear(&s, from_y, from_x, out);
        }
}
