// Splitting: which photos validate and which test. See twi_photos_split in photos.h.
//
// Each class is shuffled by its own stream (seed, class) and gives its first photos to validation, the next to the test. A
// photo's part therefore depends on its own class only: adding a class moves nobody in another.

#include "base/rng.h"
#include "data/photos.h"

#include <math.h>

// How many of n photos a share is: at least one where that leaves one to train on.
static int64_t count_of(int64_t n, double share, int64_t at_least)
{
    int64_t count = llround((double)n * share);
    return count < at_least ? at_least : count;
}

static void split_class(twi_photos *photos, const uint32_t *member, uint32_t n, double val, double test)
{
    int64_t n_val = val > 0 ? count_of(n, val, n >= 2) : 0;
    int64_t n_test = test > 0 ? count_of(n, test, 0) : 0;
    if (n_val > n - 1)
        n_val = n > 1 ? n - 1 : 0;
    if (n_test > n - 1 - n_val)
        n_test = n - 1 - n_val > 0 ? n - 1 - n_val : 0;
    for (uint32_t i = 0; i < n; i++)
        photos->at.at[member[i]].part = i < n_val ? TWI_VAL : i < n_val + n_test ? TWI_TEST : TWI_TRAIN;
}

static bool is_drawn(const twi_photos *photos, const twi_photo *photo)
{
    return photo->part == TWI_TRAIN || !photos->has_part[photo->part];
}

tw_status twi_photos_split(twi_photos *photos, double val, double test, uint64_t seed, tw_err *err)
{
    if (!(val >= 0 && test >= 0 && val + test < 1))
        return twi_fail(err, TW_EINVAL,
                        "validation share %g and test share %g, expected at least 0 and together below 1",
                        val, test);
    size_t n = photos->at.n;
    uint32_t *member = twi_new(n, sizeof *member, "the split", err);
    if (!member)
        return TW_ENOMEM;
    // Photos are sorted by class, so a class is one run.
    for (size_t i = 0; i < n;) {
        int32_t label = photos->at.at[i].label;
        uint32_t count = 0;
        for (; i < n && photos->at.at[i].label == label; i++)
            if (is_drawn(photos, &photos->at.at[i]))
                member[count++] = (uint32_t)i;
        if (label < 0)
            continue;
        twi_rng rng = twi_rng_at(seed, TWI_RNG_SPLIT, 0, (uint32_t)label);
        twi_rng_shuffle(&rng, member, count);
        split_class(photos, member, count, photos->has_part[TWI_VAL] ? 0 : val,
                    photos->has_part[TWI_TEST] ? 0 : test);
    }
    twi_free(member);
    return TW_OK;
}

// Frees those that are not marked and closes the gaps.
static void keep_marked(twi_photos *photos, const bool *is_kept)
{
    size_t n = 0;
    for (size_t i = 0; i < photos->at.n; i++) {
        if (is_kept[i]) {
            photos->at.at[n++] = photos->at.at[i];
            continue;
        }
        twi_free(photos->at.at[i].path);
        twi_free(photos->at.at[i].skipped);
    }
    photos->at.n = n;
}

tw_status twi_photos_limit(twi_photos *photos, int64_t per_class, uint64_t seed, tw_err *err)
{
    size_t n = photos->at.n;
    if (per_class <= 0)
        return TW_OK;
    uint32_t *order = twi_new(n, sizeof *order, "the split", err);
    bool *is_kept = twi_new(n, sizeof *is_kept, "the split", err);
    int64_t *count = twi_new(photos->classes.n * TWI_PARTS, sizeof *count, "the split", err);
    tw_status status = order && is_kept && count ? TW_OK : TW_ENOMEM;
    for (size_t i = 0; !status && i < n; i++)
        order[i] = (uint32_t)i;
    if (!status) {
        twi_rng rng = twi_rng_at(seed, TWI_RNG_SPLIT, 1, 0);
        twi_rng_shuffle(&rng, order, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
            const twi_photo *photo = &photos->at.at[order[i]];
            is_kept[order[i]] =
                photo->label < 0 || count[photo->label * TWI_PARTS + (int)photo->part]++ < per_class;
        }
        keep_marked(photos, is_kept);
    }
    twi_free(order);
    twi_free(is_kept);
    twi_free(count);
    return status;
}

int64_t twi_photos_count(const twi_photos *photos, twi_part part)
{
    int64_t count = 0;
    for (size_t i = 0; i < photos->at.n; i++) {
        const twi_photo *photo = &photos->at.at[i];
        count += photo->part == part && photo->label >= 0 && !photo->skipped;
    }
    return count;
}
