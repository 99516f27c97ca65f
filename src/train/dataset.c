// Data sets. See dataset.h.

#include "train/dataset.h"

#include <string.h>

// --------------------------------------------------------------------------------------------------------------- stores

static void store_free(twi_store *s)
{
    if (!s || --s->references > 0)
        return;
    twi_photos_clear(&s->photos);
    twi_free(s);
}

static twi_store *store_new(tw_context *tw, tw_err *err)
{
    twi_store *s = twi_new(1, sizeof *s, "a data set", err);
    if (!s)
        return NULL;
    s->references = 1;
    s->tw = tw;
    s->wishes = (twi_recipe_wishes){-1, -1, -1, -1, -1, -1};
    return s;
}

static bool has_part(const twi_photo *photo, tw_part part)
{
    static const twi_part parts[] = {
        [TW_PART_TRAIN] = TWI_TRAIN, [TW_PART_VALIDATION] = TWI_VAL, [TW_PART_TEST] = TWI_TEST};
    return part == TW_PART_ALL || photo->part == parts[part];
}

// A view of a store; takes over one reference of it, also where it fails.
static tw_dataset *view_new(twi_store *s, tw_part part, tw_err *err)
{
    tw_dataset *d = twi_new(1, sizeof *d, "a data set", err);
    if (!d) {
        store_free(s);
        return NULL;
    }
    d->store = s;
    d->part = part;
    if (!s->has_photos) {
        d->n = part == TW_PART_ALL || part == TW_PART_TRAIN ? s->n : 0;
        return d;
    }
    d->index = twi_new(s->photos.at.n, sizeof *d->index, "a data set", err);
    if (!d->index) {
        twi_dataset_free(d);
        return NULL;
    }
    for (size_t i = 0; i < s->photos.at.n; i++)
        if (has_part(&s->photos.at.at[i], part))
            d->index[d->n++] = (int64_t)i;
    return d;
}

void twi_dataset_free(tw_dataset *d)
{
    if (!d)
        return;
    store_free(d->store);
    twi_free(d->index);
    twi_free(d);
}

tw_dataset *twi_dataset_part(tw_dataset *d, tw_part part, tw_err *err)
{
    if (part < TW_PART_ALL || part > TW_PART_TEST) {
        twi_fail(err, TW_EINVAL, "no part %d of a data set", (int)part);
        return NULL;
    }
    d->store->references++;
    return view_new(d->store, part, err);
}

// --------------------------------------------------------------------------------------------------------------- photos

static tw_status read_wish(const char *key, const char *text, const char *const *names, int *wish,
                           tw_err *err)
{
    twi_str list = {0};
    for (int i = 0; text && names[i]; i++) {
        if (twi_str_same(names[i], text)) {
            *wish = i;
            twi_str_clear(&list);
            return TW_OK;
        }
        twi_str_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    tw_status status = TW_OK;
    if (text)
        status = twi_fail(err, TW_EINVAL, "%s must be one of %s, received '%s'", key,
                          list.text ? list.text : "", text);
    twi_str_clear(&list);
    return status;
}

static tw_status read_wishes(const tw_photos_options *o, twi_recipe_wishes *w, tw_err *err)
{
    tw_status status = read_wish("preprocess", o->preprocess, twi_pixel_mode_names, &w->pixels, err);
    if (!status)
        status = read_wish("resize", o->resize, twi_fit_mode_names, &w->fit, err);
    if (!status)
        status = read_wish("filter", o->filter, twi_filter_names, &w->filter, err);
    if (!status)
        status = read_wish("alpha", o->alpha, twi_alpha_names, &w->alpha, err);
    if (o->ignore_exif)
        w->exif = 1;
    if (o->exact_decode)
        w->decode = 1;
    return status;
}

static double share(double given)
{
    return given == (double)TW_ZERO ? 0 : given;
}

static tw_status check_shares(double val, double test, tw_err *err)
{
    if (val >= 0 && test >= 0 && val + test < 1)
        return TW_OK;
    return twi_fail(err, TW_EINVAL,
                    "val_split and test_split must be 0 or more and less than 1 together, received %g and %g",
                    val, test);
}

static tw_status open_photos(const tw_photos_options *o, twi_store *s, tw_err *err)
{
    double val = share(o->val_split), test = share(o->test_split);
    tw_status status = o->folder ? TW_OK : twi_fail(err, TW_EINVAL, "folder is missing");
    if (!status)
        status = check_shares(val, test, err);
    if (!status)
        status = read_wishes(o, &s->wishes, err);
    if (status)
        return status;
    size_t n = o->classes && o->n_classes > 0 ? (size_t)o->n_classes : 0;
    const char **classes = n ? twi_new(n + 1, sizeof *classes, "classes", err) : NULL;
    if (n && !classes)
        return TW_ENOMEM;
    if (n)
        memcpy(classes, o->classes, n * sizeof *classes);
    twi_photos_options options = {.labels = o->labels,
                                  .label_regex = o->label_regex,
                                  .val = o->val,
                                  .test = o->test,
                                  .classes = classes,
                                  .needs_classes = !o->unlabelled};
    s->has_photos = true;
    status = twi_photos_open(o->folder, &options, &s->photos, err);
    twi_free(classes);
    uint64_t seed = o->seed ? (uint64_t)o->seed : 1;
    if (!status && !o->unlabelled)
        status = twi_photos_limit(&s->photos, o->per_class, seed, err);
    return status || o->unlabelled ? status : twi_photos_split(&s->photos, val, test, seed, err);
}

tw_dataset *twi_dataset_photos(const tw_photos_options *o, tw_err *err)
{
    twi_store *s = store_new(o->tw, err);
    if (!s)
        return NULL;
    if (open_photos(o, s, err)) {
        store_free(s);
        return NULL;
    }
    return view_new(s, TW_PART_ALL, err);
}

tw_dataset *twi_dataset_files(tw_context *tw, int64_t n, const char *const *paths, tw_err *err)
{
    twi_store *s = store_new(tw, err);
    if (!s)
        return NULL;
    s->has_photos = true;
    for (int64_t i = 0; i < n; i++) {
        twi_photo photo = {.path = twi_strdup(paths[i], err), .label = -1};
        if (!photo.path || !twi_vec_push(&s->photos.at, photo, err)) {
            twi_free(photo.path);
            store_free(s);
            return NULL;
        }
    }
    return view_new(s, TW_PART_ALL, err);
}

// --------------------------------------------------------------------------------------------------------------- arrays

static tw_status check_arrays(const tw_arrays_options *o, int64_t *n_classes, tw_err *err)
{
    if (o->n < 0 || (o->n > 0 && !o->x))
        return twi_fail(err, TW_EINVAL, "x must hold n samples, received %s and n = %lld",
                        o->x ? "an array" : "NULL", (long long)o->n);
    if (twi_shape_count(&o->shape) <= 0 || o->shape.rank >= TW_RANK_MAX)
        return twi_fail(err, TW_EINVAL, "shape must be that of one sample, of known size");
    *n_classes = o->n_classes;
    for (int64_t i = 0; o->labels && i < o->n; i++) {
        if (o->labels[i] < 0 || (o->n_classes > 0 && o->labels[i] >= o->n_classes))
            return twi_fail(err, TW_EINVAL, "label %lld of sample %lld is none of the classes",
                            (long long)o->labels[i], (long long)i);
        if (o->n_classes <= 0 && o->labels[i] >= *n_classes)
            *n_classes = o->labels[i] + 1;
    }
    if (o->labels && *n_classes < 2)
        *n_classes = 2;
    return TW_OK;
}

tw_dataset *twi_dataset_arrays(const tw_arrays_options *o, tw_err *err)
{
    int64_t n_classes = 0;
    if (check_arrays(o, &n_classes, err))
        return NULL;
    twi_store *s = store_new(o->tw, err);
    if (!s)
        return NULL;
    s->n = o->n;
    s->x = o->x;
    s->shape = o->shape;
    s->label = o->labels;
    s->n_classes = n_classes;
    return view_new(s, TW_PART_ALL, err);
}

// -------------------------------------------------------------------------------------------------------------- looking

int64_t twi_dataset_n_classes(const tw_dataset *d)
{
    return d->store->has_photos ? (int64_t)d->store->photos.classes.n : d->store->n_classes;
}

twi_photo *twi_dataset_photo(const tw_dataset *d, int64_t i)
{
    return d->store->has_photos ? &d->store->photos.at.at[d->index[i]] : NULL;
}

int64_t twi_dataset_label(const tw_dataset *d, int64_t i)
{
    if (d->store->has_photos)
        return twi_dataset_photo(d, i)->label;
    return d->store->label ? d->store->label[i] : -1;
}

void twi_dataset_wish(const tw_dataset *d, twi_recipe *r)
{
    const twi_recipe_wishes *w = &d->store->wishes;
    if (w->pixels >= 0)
        r->pixels = (twi_pixel_mode)w->pixels;
    if (w->fit >= 0)
        r->fit = (twi_fit_mode)w->fit;
    if (w->filter >= 0)
        r->filter = (twi_filter)w->filter;
    if (w->alpha >= 0)
        r->alpha = (twi_photo_alpha)w->alpha;
    if (w->exif >= 0)
        r->ignore_exif = w->exif != 0;
    if (w->decode >= 0)
        r->exact_decode = w->decode != 0;
}
