// Model files and weights in public. See topwork.h.

#include "job/learn.h"

tw_model *tw_model_load(tw_context *tw, const char *path, tw_err *err)
{
    if (!tw || (err && err->status))
        return NULL;
    if (!path) {
        twi_fail(err, TW_EINVAL, "the path of a model is missing");
        return NULL;
    }
    twi_load_options o = {0};
    twi_load_report report = {0};
    tw_model *m = twi_open_file(path, &o, &report, err);
    twi_load_report_clear(&report);
    return m;
}

static tw_status check_write(tw_model *m, const char *path, tw_err *err)
{
    if (!m)
        return err && err->status ? err->status : TW_EINVAL;
    tw_status status = path ? TW_OK : twi_fail(err, TW_EINVAL, "the path to write to is missing");
    return status ? status : twi_learn_ready(m, 1, err);
}

tw_status tw_model_save(tw_model *model, const char *path, tw_err *err)
{
    tw_status status = check_write(model, path, err);
    return status ? status : twi_model_save(model, path, err);
}

tw_status tw_weights_save(tw_model *model, const char *path, tw_err *err)
{
    tw_status status = check_write(model, path, err);
    return status ? status : twi_weights_save(model, path, err);
}

tw_status tw_weights_load_(const tw_weights_options *o)
{
    if (!o || !o->model)
        return o && o->err && o->err->status ? o->err->status : TW_EINVAL;
    tw_status status = twi_model_verify(o->model, o->err);
    if (!status && !o->path)
        status = twi_fail(o->err, TW_EINVAL, "the path of the weights is missing");
    if (status)
        return status;
    // Files from elsewhere name weights as the architecture's own code does.
    const char *trunk = twi_info_text(o->model, "trunk", NULL);
    const twi_zoo_family *family;
    tw_err unknown = {0};
    twi_load_options options = {.skip_mismatch = o->skip_mismatch,
                                .by_name = o->by_name,
                                .variant = trunk ? twi_zoo_find(trunk, &family, &unknown) : NULL};
    twi_load_report report = {0};
    status = twi_weights_load(o->model, o->path, &options, &report, o->err);
    twi_load_report_clear(&report);
    return status;
}

tw_status tw_model_initialize(tw_model *model, int64_t seed, tw_err *err)
{
    if (!model)
        return err && err->status ? err->status : TW_EINVAL;
    return twi_learn_ready(model, seed, err);
}
