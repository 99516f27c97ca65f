// Augmentation: photos changed at random, so that a model learns what does not matter.
//
// One file per change (augment_<name>.c) and one line in augment_list.inc, with Keras's names, arguments and geometry. A
// change draws a few numbers in [0, 1) and is a function of them: what is drawn is named by (seed, epoch or copy, photo),
// so that resuming, sharding and caching cannot alter it.
#ifndef TWI_DATA_AUGMENT_H
#define TWI_DATA_AUGMENT_H

#include "base/field.h"
#include "base/rng.h"
#include "data/recipe.h"

enum { TWI_AUGMENTS_MAX = 8, TWI_DRAWS_MAX = 8 };

typedef struct twi_augment_call {
    int64_t h, w, c;
    const float *in;  // [h, w, c]
    float *out;       // [h, w, c], another place
    double low, high; // range of the numbers of a picture
} twi_augment_call;

typedef struct twi_augment_kind {
    tw_setting_kind setting;
    int n_draws;
    bool is_colour; // needs three channels of one range
    void (*apply)(const tw_setting *s, const double *draw, const twi_augment_call *call);
} twi_augment_kind;

const tw_setting_kind *twi_augment_find(const char *name);
const char *const *twi_augment_names(void);

// "random_flip:horizontal, random_rotation:0.1"; the random_ may be left out.
typedef struct twi_augment {
    int n;
    tw_setting at[TWI_AUGMENTS_MAX];
} twi_augment;
tw_status twi_augment_text(twi_augment *a, const char *text, const char *where, tw_err *err);
// As text, every argument spelt out: for cache keys.
void twi_augment_key(const twi_augment *a, twi_str *out);
// Whether pictures made by this recipe can be changed so: TW_EUNSUPPORTED where a colour change meets numbers of no one range.
tw_status twi_augment_check(const twi_augment *a, const twi_recipe *r, tw_err *err);

// Changes one picture [h, w, 3] in place; scratch holds as much. round: the epoch or the number of the copy.
void twi_augment_run(const twi_augment *a, const twi_recipe *r, uint64_t seed, uint64_t round, uint32_t photo,
                     float *picture, float *scratch);

// ---- what changes are written with

#define TWI_AUG_ARG(key_, default_, lo, hi)                       \
    {                                                             \
        .key = key_, .otherwise = default_, .low = lo, .high = hi \
    }
#define TWI_AUG_UPPER(key_, lo, hi)                                                            \
    {                                                                                          \
        .key = key_, .otherwise = (double)NAN, .low = lo, .high = hi, .flags = TW_ARG_NULLABLE \
    }
extern const char *const twi_fill_modes[];     // reflect constant wrap nearest
extern const char *const twi_interpolations[]; // bilinear nearest
#define TWI_AUG_FILL                                                                  \
    {.key = "fill_mode", .low = 0, .high = 3, .choices = twi_fill_modes},             \
        {.key = "interpolation", .low = 0, .high = 1, .choices = twi_interpolations}, \
    {                                                                                 \
        .key = "fill_value", .low = -1e6, .high = 1e6                                 \
    }
// Keras's factors: one number f means −f … f (not below `least`), two mean from the first to the second.
double twi_between(double factor, double upper, double least, double draw);
// out(x, y) = in(a0 x + a1 y + a2, b0 x + b1 y + b2); the last three arguments of s are TWI_AUG_FILL, from index `fill`.
void twi_affine(const tw_setting *s, int fill, const twi_augment_call *call, const double m[6]);

#endif
