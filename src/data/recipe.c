// Recipes: file → decoded picture → resized pixels → the model's values. See recipe.h.
//
// Fit      stretch: both sides to the model's. crop: the largest part of the model's aspect ratio, centred (Keras's
//          crop_to_aspect_ratio). pad: the whole picture, centred between zeros (tf.image.resize_with_pad, in its f32).
// Scale    With tf-antialias a JPEG is decoded at the smallest scale that leaves 3/2 of the target, and the triangle does the
//          rest: on photos of 500 pixels nothing changes, on photos of a camera most of the decoding falls away, and the mean
//          difference is 0.002 of 255 (0.15 if the target itself were enough).
// Planes   With tf-antialias brightness and colour are resized as the JPEG holds them (resize_planes.c): a quarter of the time
//          of a photo of 500 pixels, for a mean difference of 0.2 of 255. The other two flavours promise another program's
//          pixels and take RGB in full size.

#include "data/recipe.h"

#include "base/str.h"
#include "data/resize.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#define FILE_MAX (INT64_C(1) << 30) // bytes: no photo, and all of it is read into memory

const char *const twi_filter_names[] = {"tf-antialias", "tf", "pil", NULL};
const char *const twi_fit_mode_names[] = {"stretch", "crop", "pad", NULL};
const char *const twi_pixel_mode_names[] = {"raw", "tf", "torch", "caffe", "lite", "unit", NULL};
const char *const twi_alpha_names[] = {"white", "drop", NULL};
const char *const twi_exif_names[] = {"apply", "ignore", NULL};

void twi_recipe_work_clear(twi_recipe_work *work)
{
    twi_free(work->bytes);
    twi_free(work->rows);
    twi_picture_clear(&work->picture);
    for (int i = 0; i < 2; i++) {
        twi_idx_clear(&work->idx[i]);
        twi_free(work->idx_path[i]);
    }
    *work = (twi_recipe_work){0};
}

// ------------------------------------------------------------------------------------------------------------ reading

// Reads the rest of the file, which may turn out longer or shorter than its directory entry says.
static tw_status read_all(int fd, const char *path, size_t size, twi_recipe_work *work, tw_err *err)
{
    if (work->room < size) {
        twi_free(work->bytes);
        work->room = 0;
        work->bytes = twi_new_aligned(size, 1, "a photo", err);
        if (!work->bytes)
            return TW_ENOMEM;
        work->room = size;
    }
    work->n = 0;
    while (work->n < size) {
        ssize_t got = read(fd, work->bytes + work->n, size - work->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return twi_fail_errno(err, TW_EUNUSABLE, "read '%s'", path);
        if (got == 0)
            break;
        work->n += (size_t)got;
    }
    return TW_OK;
}

static tw_status read_file(const char *path, twi_recipe_work *work, tw_err *err)
{
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    tw_status status;
    if (fd < 0 || fstat(fd, &info) != 0)
        status = twi_fail_errno(err, TW_EUNUSABLE, "open '%s'", path);
    else if (!S_ISREG(info.st_mode))
        status = twi_fail_at(err, TW_EUNUSABLE, path, -1, "'%s' is %s, expected a photo", path,
                             S_ISDIR(info.st_mode) ? "a directory" : "not a regular file");
    else if (info.st_size > FILE_MAX)
        status = twi_fail_at(err, TW_EMALFORMED, path, -1, "%s: %lld bytes, more than any photo", path,
                             (long long)info.st_size);
    else
        status = read_all(fd, path, (size_t)info.st_size, work, err);
    if (fd >= 0)
        close(fd);
    return status;
}

// --------------------------------------------------------------------------------------------- pictures in IDX files

// Where the number of FILE#N begins, if FILE is an IDX file by its name; else NULL.
static const char *number_of(const char *path)
{
    const char *mark = strrchr(path, '#');
    if (!mark || !mark[1] || strspn(mark + 1, "0123456789") != strlen(mark + 1) || strlen(mark) > 12)
        return NULL;
    char name[256];
    const char *base = mark;
    while (base > path && base[-1] != '/')
        base--;
    snprintf(name, sizeof name, "%.*s", (int)(mark - base), base);
    return twi_idx_has_pictures(name) ? mark + 1 : NULL;
}

static tw_status open_idx(twi_recipe_work *work, const char *path, size_t n, const twi_idx **found,
                          tw_err *err)
{
    for (int i = 0; i < 2; i++)
        if (work->idx_path[i] && strncmp(work->idx_path[i], path, n) == 0 && !work->idx_path[i][n]) {
            *found = &work->idx[i];
            return TW_OK;
        }
    int i = work->idx_next;
    twi_idx_clear(&work->idx[i]);
    twi_free(work->idx_path[i]);
    twi_str file = {0};
    twi_str_add_n(&file, path, n);
    work->idx_path[i] = twi_str_take(&file, err);
    tw_status status = work->idx_path[i] ? twi_idx_read(work->idx_path[i], 3, &work->idx[i], err) : TW_ENOMEM;
    if (status) {
        twi_free(work->idx_path[i]);
        work->idx_path[i] = NULL;
        return status;
    }
    work->idx_next = !i;
    *found = &work->idx[i];
    return TW_OK;
}

static tw_status read_idx(const char *path, const char *number, twi_recipe_work *work, tw_err *err)
{
    const twi_idx *idx = NULL;
    int64_t picture = strtoll(number, NULL, 10);
    tw_status status = open_idx(work, path, (size_t)(number - 1 - path), &idx, err);
    if (status)
        return status;
    if (picture >= idx->count)
        return twi_fail_at(err, TW_EUNUSABLE, path, -1, "%s: the file holds %lld pictures", path,
                           (long long)idx->count);
    size_t n = twi_idx_bmp_size(idx);
    if (work->room < n) {
        twi_free(work->bytes);
        work->room = 0;
        work->bytes = twi_new_aligned(n, 1, "a photo", err);
        if (!work->bytes)
            return TW_ENOMEM;
        work->room = n;
    }
    twi_idx_bmp(idx, picture, work->bytes);
    work->n = n;
    return TW_OK;
}

// ---------------------------------------------------------------------------------------------------------------- both

tw_status twi_recipe_read(const char *path, twi_recipe_work *work, uint8_t hash[16], tw_err *err)
{
    work->n = 0;
    const char *number = number_of(path);
    tw_status status = number ? read_idx(path, number, work, err) : read_file(path, work, err);
    if (!status && hash) {
        XXH128_canonical_t bytes;
        XXH128_canonicalFromHash(&bytes, XXH3_128bits(work->bytes, work->n));
        memcpy(hash, bytes.digest, sizeof bytes.digest);
    }
    return status;
}

tw_status twi_recipe_decode(const twi_recipe *r, const char *path, twi_recipe_work *work, float *dst,
                            tw_err *err)
{
    bool may_shrink = r->filter == TWI_FILTER_TF_ANTIALIAS && !r->exact_decode;
    twi_picture_options options = {
        .enough_width = may_shrink ? (r->width * 3 + 1) / 2 : 0,
        .enough_height = may_shrink ? (r->height * 3 + 1) / 2 : 0,
        .exact_decode = r->exact_decode,
        .planes_welcome = may_shrink,
        .accurate_dct = !may_shrink && !r->exact_decode,
        .alpha = r->alpha,
        .ignore_exif = r->ignore_exif,
    };
    tw_status status = twi_picture_read(work->bytes, work->n, path, &options, &work->picture, err);
    return status ? status : twi_recipe_apply(r, &work->picture, work, dst, err);
}

// ----------------------------------------------------------------------------------------------------------- applying

static void crop(const twi_recipe *r, twi_resample *part)
{
    int64_t w = part->wide, h = part->high;
    int64_t wide = h * r->width / r->height, high = w * r->height / r->width;
    part->wide = wide < 1 ? 1 : wide < w ? wide : w;
    part->high = high < 1 ? 1 : high < h ? high : h;
    part->left = (w - part->wide) / 2;
    part->top = (h - part->high) / 2;
}

// Sizes the picture to fit and gives the corner it goes to.
static void pad(const twi_recipe *r, twi_resample *part, int64_t *left, int64_t *top)
{
    float w = (float)part->wide, h = (float)part->high, out_w = (float)r->width, out_h = (float)r->height;
    float ratio = fmaxf(w / out_w, h / out_h);
    float wide = w / ratio, high = h / ratio;
    *left = (int64_t)fmaxf(0, floorf((out_w - wide) / 2));
    *top = (int64_t)fmaxf(0, floorf((out_h - high) / 2));
    part->out_width = wide < 1 ? 1 : (int64_t)wide; // TensorFlow fails where a side vanishes
    part->out_height = high < 1 ? 1 : (int64_t)high;
}

static void fill(const twi_pixels *pixels, float *dst, int64_t n)
{
    float zero[3] = {0}, value[3];
    twi_pixels_put(pixels, zero, value);
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + 3 * i, value, sizeof value);
}

tw_status twi_recipe_apply(const twi_recipe *r, const twi_picture *picture, twi_recipe_work *work, float *dst,
                           tw_err *err)
{
    if (r->width < 1 || r->height < 1 || r->width > TWI_PICTURE_SIDE_MAX || r->height > TWI_PICTURE_SIDE_MAX)
        return twi_fail(err, TW_EINVAL, "input size %lld × %lld, expected 1 to %d", (long long)r->width,
                        (long long)r->height, TWI_PICTURE_SIDE_MAX);
    twi_resample part = {.picture = picture,
                         .wide = picture->width,
                         .high = picture->height,
                         .out_width = r->width,
                         .out_height = r->height,
                         .filter = r->filter};
    int64_t left = 0, top = 0;
    if (r->fit == TWI_RESIZE_CROP)
        crop(r, &part);
    else if (r->fit == TWI_RESIZE_PAD)
        pad(r, &part, &left, &top);
    size_t need = picture->planes ? twi_resample_planes_scratch(&part) : twi_resample_scratch(&part);
    if (work->rows_room < need) {
        twi_free(work->rows);
        work->rows_room = 0;
        work->rows = twi_new_aligned(need, 1, "resizing", err);
        if (!work->rows)
            return TW_ENOMEM;
        work->rows_room = need;
    }
    twi_pixels pixels = twi_pixels_of(r->pixels);
    if (part.out_width != r->width || part.out_height != r->height)
        fill(&pixels, dst, r->width * r->height);
    (picture->planes ? twi_resample_planes_run : twi_resample_run)(
        &part, &pixels, work->rows, dst + (top * r->width + left) * 3, r->width * 3);
    return TW_OK;
}

// ------------------------------------------------------------------------------------------------------------ keeping

tw_status twi_recipe_key(const twi_recipe *r, twi_str *out)
{
    // The number grows when the code here gives other pixels.
    twi_str_printf(out, "recipe 2 %lldx%lld %s %s %s alpha=%s exif=%s decode=%s", (long long)r->height,
                   (long long)r->width, twi_filter_names[r->filter], twi_fit_mode_names[r->fit],
                   twi_pixel_mode_names[r->pixels], twi_alpha_names[r->alpha], twi_exif_names[r->ignore_exif],
                   r->exact_decode ? "exact" : "fast");
    for (const twi_picture_kind *const *kind = twi_picture_kinds; *kind; kind++) {
        char version[64];
        (*kind)->version(version, sizeof version);
        twi_str_printf(out, " %s", version);
    }
    return out->failed ? TW_ENOMEM : TW_OK;
}

// The settings kept in a model, each the index of a name.
typedef struct setting {
    const char *key;
    const char *const *names;
} setting;

static const char *const decode_names[] = {"fast", "exact", NULL};
enum { FILTER, FIT, PIXELS, ALPHA, EXIF, DECODE, SETTINGS };
static const setting settings[SETTINGS] = {
    [FILTER] = {"preprocessing.filter", twi_filter_names},
    [FIT] = {"preprocessing.resize", twi_fit_mode_names},
    [PIXELS] = {"preprocessing.mode", twi_pixel_mode_names},
    [ALPHA] = {"preprocessing.alpha", twi_alpha_names},
    [EXIF] = {"preprocessing.exif", twi_exif_names},
    [DECODE] = {"preprocessing.decode", decode_names},
};

// The index of what the model says; `otherwise` where it says nothing known.
static int loaded(const tw_model *m, const setting *s, int otherwise)
{
    const char *name = twi_info_text(m, s->key, NULL);
    for (int i = 0; name && s->names[i]; i++)
        if (strcmp(s->names[i], name) == 0)
            return i;
    return otherwise;
}

void twi_recipe_load(const tw_model *m, twi_recipe *r)
{
    r->filter = (twi_filter)loaded(m, &settings[FILTER], (int)r->filter);
    r->fit = (twi_fit_mode)loaded(m, &settings[FIT], (int)r->fit);
    r->pixels = (twi_pixel_mode)loaded(m, &settings[PIXELS], (int)r->pixels);
    r->alpha = (twi_photo_alpha)loaded(m, &settings[ALPHA], (int)r->alpha);
    r->ignore_exif = loaded(m, &settings[EXIF], r->ignore_exif);
    r->exact_decode = loaded(m, &settings[DECODE], r->exact_decode);
    if (!m->inputs.n || m->inputs.at[0].node < 0)
        return;
    twi_tensor in = m->inputs.at[0];
    const tw_shape *shape = &m->nodes.at[in.node].out[in.slot];
    if (shape->rank == 4 && shape->dim[1] > 0 && shape->dim[2] > 0) {
        r->height = shape->dim[1];
        r->width = shape->dim[2];
    }
}

tw_status twi_recipe_store(tw_model *m, const twi_recipe *r, tw_err *err)
{
    int value[SETTINGS] = {[FILTER] = (int)r->filter, [FIT] = (int)r->fit,     [PIXELS] = (int)r->pixels,
                           [ALPHA] = (int)r->alpha,   [EXIF] = r->ignore_exif, [DECODE] = r->exact_decode};
    tw_status status = TW_OK;
    for (int i = 0; i < SETTINGS && !status; i++)
        status = twi_info_set_text(m, settings[i].key, settings[i].names[value[i]], err);
    return status;
}
