// Model files by format: which one a file is, loading and saving. See format.h.
//
// Content decides when reading (real users have HDF5 files named .keras); the suffix decides when writing.

#include "format/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TWI_FORMAT(name) extern const twi_format twi_format_##name;
#include "format/list.inc"
#undef TWI_FORMAT

const twi_format *const twi_formats[] = {
#define TWI_FORMAT(name) &twi_format_##name,
#include "format/list.inc"
#undef TWI_FORMAT
    NULL};

void twi_load_report_clear(twi_load_report *report)
{
    twi_str_clear(&report->skipped);
    twi_str_clear(&report->left_over);
    *report = (twi_load_report){0};
}

// ------------------------------------------------------------------------------------------------------------ which one

// Why a container that no row wanted is refused: its own damage, else what it lacks.
static void explain(const twi_source *source, tw_err *err)
{
    twi_source copy = *source;
    copy.is_owner = false;
    const char *what = "is no model file: expected ";
    if (twi_hdf5_is(&copy)) {
        twi_hdf5 *file = twi_hdf5_open(&copy, err);
        what = file ? "is an HDF5 file without a Keras model or weights: expected " : what;
        twi_hdf5_close(file);
    } else if (twi_zip_is(&copy)) {
        twi_zip *zip = twi_zip_open(&copy, err);
        what = zip ? "is an archive without a model: expected " : what;
        twi_zip_close(zip);
    }
    twi_str known = {0};
    for (int i = 0; twi_formats[i]; i++)
        if (twi_formats[i]->is)
            twi_str_printf(&known, "%s%s", known.n ? ", " : "", twi_formats[i]->doc);
    twi_fail_at(err, TW_EMALFORMED, source->name, -1, "'%s' %s%s", source->name, what,
                known.text ? known.text : "a model");
    twi_str_clear(&known);
}

const twi_format *twi_format_of(const twi_source *source, tw_err *err)
{
    for (int i = 0; twi_formats[i]; i++)
        if (twi_formats[i]->is && twi_formats[i]->is(source))
            return twi_formats[i];
    explain(source, err);
    return NULL;
}

typedef enum purpose { ANYTHING, WHOLE_MODELS, WEIGHTS } purpose;

static bool serves(const twi_format *f, purpose p)
{
    return p == WHOLE_MODELS ? f->write_model != NULL
           : p == WEIGHTS    ? f->write_weights != NULL
                             : f->write_model || f->write_weights;
}

static const twi_format *format_for(const char *path, purpose p, tw_err *err)
{
    const twi_format *best = NULL;
    twi_str known = {0};
    for (int i = 0; twi_formats[i]; i++) {
        const twi_format *f = twi_formats[i];
        if (!f->suffix || !serves(f, p))
            continue;
        bool is_new = true;
        for (int j = 0; j < i; j++)
            is_new = is_new && !(twi_formats[j]->suffix && serves(twi_formats[j], p) &&
                                 strcmp(twi_formats[j]->suffix, f->suffix) == 0);
        if (is_new)
            twi_str_printf(&known, "%s%s", known.n ? ", " : "",
                           strcmp(f->suffix, "/") ? f->suffix : "/ (a folder)");
        if (twi_str_ends(path, f->suffix) && (!best || strlen(f->suffix) > strlen(best->suffix)))
            best = f;
    }
    if (!best)
        twi_fail(err, TW_EINVAL, "cannot tell from '%s' how to write: %s ends in one of %s", path,
                 p == WEIGHTS ? "a file of weights" : "a model file", known.text ? known.text : "none");
    twi_str_clear(&known);
    return best;
}

const twi_format *twi_format_for(const char *path, tw_err *err)
{
    return format_for(path, ANYTHING, err);
}

// -------------------------------------------------------------------------------------------------------------- loading

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// A model must come with all its weights.
static tw_status check_complete(const tw_model *m, const char *path, tw_err *err)
{
    twi_weights all;
    tw_status status = twi_model_weights(m, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        if (!all.at[i]->is_set)
            status =
                twi_fail_at(err, TW_EUNUSABLE, path, -1, "'%s' has no values for '%s'", path, all.path[i]);
    twi_weights_clear(&all);
    return status;
}

static tw_model *load_file(const char *path, const twi_load_options *o, twi_load_report *report, tw_err *err)
{
    twi_source source;
    if (twi_source_open(&source, path, err))
        return NULL;
    const twi_format *f = twi_format_of(&source, err);
    tw_model *m = NULL;
    if (f && !f->read_model)
        twi_fail_at(err, TW_EUNUSABLE, path, -1,
                    "'%s' holds weights only (%s), no model\ntry  --model NAME --weights %s", path, f->doc,
                    path);
    else if (f)
        m = f->read_model(&source, o, report, err);
    twi_source_close(&source);
    return m;
}

// A run directory holds its model; a folder with config.json is an unzipped archive; model.json is TensorFlow.js's.
static tw_model *load_folder(const char *path, const twi_load_options *o, twi_load_report *report,
                             tw_err *err)
{
    twi_str inside = {0};
    twi_str_printf(&inside, "%s/model.keras", path);
    tw_model *m = NULL;
    if (inside.text && twi_file_exists(inside.text)) {
        m = load_file(inside.text, o, report, err);
    } else {
        twi_str_clear(&inside);
        twi_str_printf(&inside, "%s/config.json", path);
        bool is_archive = inside.text && twi_file_exists(inside.text);
        twi_str_clear(&inside);
        twi_str_printf(&inside, "%s/model.json", path);
        if (is_archive)
            m = twi_keras_folder(path, o, report, err);
        else if (inside.text && twi_file_exists(inside.text))
            m = load_file(inside.text, o, report, err);
        else
            twi_fail_at(err, TW_EUNUSABLE, path, -1,
                        "'%s' is a folder without model.keras: expected a model file or a run directory",
                        path);
    }
    twi_str_clear(&inside);
    return m;
}

tw_model *twi_model_load(const char *path, const twi_load_options *o, twi_load_report *report, tw_err *err)
{
    twi_load_report mine = {0};
    twi_load_report *r = report ? report : &mine;
    tw_model *m = is_folder(path) ? load_folder(path, o, r, err) : load_file(path, o, r, err);
    if (m && (check_complete(m, path, err) || twi_recognise(m, path, o, err))) {
        twi_model_free(m);
        m = NULL;
    }
    twi_load_report_clear(&mine);
    return m;
}

tw_status twi_weights_load(tw_model *m, const char *path, const twi_load_options *o, twi_load_report *report,
                           tw_err *err)
{
    twi_load_report mine = {0};
    twi_source source;
    tw_status status = twi_source_open(&source, path, err);
    if (status)
        return status;
    const twi_format *f = twi_format_of(&source, err);
    if (f && !f->read_weights)
        status = twi_fail_at(err, TW_EUNUSABLE, path, -1,
                             "'%s' (%s) holds no weights that can be loaded alone", path, f->doc);
    else
        status = f ? f->read_weights(m, &source, o, report ? report : &mine, err) : TW_EMALFORMED;
    twi_source_close(&source);
    twi_load_report_clear(&mine);
    return status;
}

// --------------------------------------------------------------------------------------------------------------- saving

tw_status twi_model_save(const tw_model *m, const char *path, tw_err *err)
{
    const twi_format *f = format_for(path, WHOLE_MODELS, err);
    return f ? f->write_model(m, path, err) : TW_EINVAL;
}

tw_status twi_weights_save(const tw_model *m, const char *path, tw_err *err)
{
    const twi_format *f = format_for(path, WEIGHTS, err);
    return f ? f->write_weights(m, path, err) : TW_EINVAL;
}

char *twi_part_path(const char *path, tw_err *err)
{
    twi_str part = {0};
    twi_str_printf(&part, "%s.%ld.weights.part", path, (long)getpid());
    return twi_str_take(&part, err);
}

tw_status twi_part_drop(const char *part, tw_status status)
{
    unlink(part);
    return status;
}

tw_status twi_part_commit(const char *part, const char *path, tw_err *err)
{
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (ok)
        ok = rename(part, path) == 0, saved = errno;
    if (ok)
        return TW_OK;
    errno = saved;
    twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
    return twi_part_drop(part, TW_EWRITE);
}

tw_status twi_hdf5_write(const tw_model *m, const char *path,
                         tw_status (*fill)(const tw_model *m, twi_hdf5_writer *w, tw_err *err), tw_err *err)
{
    char *part = twi_part_path(path, err);
    twi_hdf5_writer *w = part ? twi_hdf5_create(part, err) : NULL;
    tw_status status = w ? fill(m, w, err) : TW_EWRITE;
    tw_status closed = w ? twi_hdf5_finish(w, err) : TW_OK;
    status = status ? status : closed;
    if (part)
        status = status ? twi_part_drop(part, status) : twi_part_commit(part, path, err);
    twi_free(part);
    return status;
}
