// Data sets in public. See topwork.h.

#include "train/dataset.h"

tw_dataset *tw_dataset_photos_(const tw_photos_options *o)
{
    return o && o->tw && !(o->err && o->err->status) ? twi_dataset_photos(o, o->err) : NULL;
}

tw_dataset *tw_dataset_files(tw_context *tw, int64_t n, const char *const *paths, tw_err *err)
{
    if (!tw || (err && err->status))
        return NULL;
    bool is_wrong = n < 0 || (n && !paths);
    for (int64_t i = 0; !is_wrong && i < n; i++)
        is_wrong = !paths[i];
    if (!is_wrong)
        return twi_dataset_files(tw, n, paths, err);
    twi_fail(err, TW_EINVAL, "paths must be n paths");
    return NULL;
}

tw_dataset *tw_dataset_arrays_(const tw_arrays_options *o)
{
    return o && o->tw && !(o->err && o->err->status) ? twi_dataset_arrays(o, o->err) : NULL;
}

tw_dataset *tw_dataset_part(tw_dataset *data, tw_part part, tw_err *err)
{
    return data ? twi_dataset_part(data, part, err) : NULL;
}

void tw_dataset_free(tw_dataset *data)
{
    twi_dataset_free(data);
}

int64_t tw_dataset_count(const tw_dataset *data)
{
    return data ? data->n : 0;
}

int64_t tw_dataset_n_classes(const tw_dataset *data)
{
    return data ? twi_dataset_n_classes(data) : 0;
}

const char *tw_dataset_class(const tw_dataset *data, int64_t i)
{
    if (!data || i < 0 || (size_t)i >= data->store->photos.classes.n)
        return NULL;
    return data->store->photos.classes.at[i];
}

static bool has_sample(const tw_dataset *data, int64_t i)
{
    return data && i >= 0 && i < data->n;
}

int64_t tw_dataset_label(const tw_dataset *data, int64_t i)
{
    return has_sample(data, i) ? twi_dataset_label(data, i) : -1;
}

const char *tw_dataset_path(const tw_dataset *data, int64_t i)
{
    const twi_photo *photo = has_sample(data, i) ? twi_dataset_photo(data, i) : NULL;
    return photo ? photo->path : NULL;
}

const char *tw_dataset_skipped(const tw_dataset *data, int64_t i)
{
    const twi_photo *photo = has_sample(data, i) ? twi_dataset_photo(data, i) : NULL;
    return photo ? photo->skipped : NULL;
}
