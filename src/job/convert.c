// topwork convert: a model or weights read, written in the format that OUT's ending names, and compared if asked.
//
// What is compared is what the file gives, not what was meant to be written: a model is loaded again; weights are loaded into a
// model of the same layers that has none yet. Of formats that are only written, the ops they were made from are run.

#include "base/room.h"
#include "job/job.h"
#include "job/open.h"
#include "job/verify.h"

#include <string.h>
#include <sys/stat.h>

typedef struct conversion {
    tw_context *tw;
    const tw_convert_options *o;
    const twi_format *to;
    tw_model *model;
    double difference;
    int64_t shard_bytes; // 0: the format decides
} conversion;

// ------------------------------------------------------------------------------------------------------------- opening

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static tw_status check_free(const tw_convert_options *o, const char *path, tw_err *err)
{
    struct stat info;
    if (is_same_file(o->in, path))
        return twi_fail(err, TW_EINVAL, "'%s' would be written over itself", path);
    if (stat(path, &info) != 0)
        return TW_OK;
    if (S_ISDIR(info.st_mode))
        return twi_fail(err, TW_EINVAL, "'%s' is a folder that is there already", path);
    return o->force ? TW_OK
                    : twi_fail(err, TW_EINVAL,
                               "'%s' is there already\ntry  --force to write over it, or another name", path);
}

static tw_status check_beside(const conversion *c, tw_err *err)
{
    twi_str path = {0};
    twi_str_add_n(&path, c->o->out, strlen(c->o->out) - strlen(c->to->suffix));
    twi_str_add(&path, c->to->beside);
    tw_status status =
        path.failed ? twi_fail_memory(err, 0, "a file name") : check_free(c->o, path.text, err);
    twi_str_clear(&path);
    return status;
}

static twi_zoo_options zoo_options(const tw_convert_options *o)
{
    twi_zoo_options zoo = {.has_top = !o->no_top, .classes = o->classes};
    if (o->input_size)
        zoo.input = TWI_SHAPE(o->input_size, o->input_size, 3);
    return zoo;
}

static void say_loaded(tw_context *tw, const char *from, const twi_load_report *report)
{
    if (report->skipped.n)
        twi_note(tw, "not loaded from %s: %s", from, report->skipped.text);
    if (report->left_over.n)
        twi_note(tw, "left over in %s: %s", from, report->left_over.text);
}

static tw_model *open_network(tw_context *tw, const tw_convert_options *o, const char *name,
                              const char *weights, tw_err *err)
{
    twi_zoo_options zoo = zoo_options(o);
    twi_load_options loading = {.skip_mismatch = o->skip_mismatch, .by_name = o->by_name};
    twi_load_report report = {0};
    tw_model *m = twi_open_architecture(name, &zoo, weights, &loading, 1, NULL, &report, err);
    if (m)
        say_loaded(tw, weights, &report);
    twi_load_report_clear(&report);
    return m;
}

// Weights in IN, for the model file that --model names.
static tw_model *open_weights(tw_context *tw, const tw_convert_options *o, tw_err *err)
{
    twi_load_options none = {0}, loading = {.skip_mismatch = o->skip_mismatch, .by_name = o->by_name};
    twi_load_report report = {0};
    tw_model *m = twi_open_file(o->model, &none, &report, err);
    twi_load_report_clear(&report);
    if (m && twi_weights_load(m, o->in, &loading, &report, err)) {
        twi_model_free(m);
        m = NULL;
    }
    if (m)
        say_loaded(tw, o->in, &report);
    twi_load_report_clear(&report);
    return m;
}

static tw_status check_holds_model(const char *path, tw_err *err)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return TW_OK;
    twi_source source;
    tw_status status = twi_source_open(&source, path, err);
    if (status)
        return status;
    const twi_format *f = twi_format_of(&source, err);
    twi_source_close(&source);
    if (f && !f->read_model)
        return twi_fail_at(err, TW_EUNUSABLE, path, -1,
                           "'%s' holds weights only (%s)\ntry  --model NAME, the network they belong to",
                           path, f->doc);
    return f ? TW_OK : TW_EMALFORMED;
}

static tw_model *open_in(tw_context *tw, const tw_convert_options *o, tw_err *err)
{
    if (o->model)
        return twi_is_architecture(o->model) ? open_network(tw, o, o->model, o->in, err)
                                             : open_weights(tw, o, err);
    if (twi_is_architecture(o->in))
        return open_network(tw, o, o->in, o->weights ? o->weights : "imagenet", err);
    if (o->by_name || o->skip_mismatch) {
        twi_fail(err, TW_EINVAL, "%s is for weights that are loaded into a --model",
                 o->by_name ? "--by-name" : "--skip-mismatch");
        return NULL;
    }
    if (check_holds_model(o->in, err))
        return NULL;
    twi_load_options loading = {0};
    twi_load_report report = {0};
    tw_model *m = twi_open_file(o->in, &loading, &report, err);
    twi_load_report_clear(&report);
    return m;
}

// ----------------------------------------------------------------------------------------------------------- verifying

// What was written, read again.
static tw_model *open_out(const conversion *c, tw_err *err)
{
    twi_load_options loading = {0};
    twi_load_report report = {0};
    tw_model *m = NULL;
    if (c->to->write_model) {
        m = twi_model_load(c->o->out, &loading, &report, err);
    } else {
        json_t *config = twi_keras_config(c->model, err);
        m = config ? twi_keras_build(config, c->model->name, err) : NULL;
        json_decref(config);
        if (m)
            json_object_update(m->info, c->model->info); // which pixels it is asked about
        if (m && twi_weights_load(m, c->o->out, &loading, &report, err)) {
            twi_model_free(m);
            m = NULL;
        }
    }
    twi_load_report_clear(&report);
    return m;
}

static tw_status answer_again(const conversion *c, twi_verify_answers *out, tw_err *err)
{
    if (!c->to->is)
        return twi_verify_exported(c->model, out, err);
    tw_model *again = open_out(c, err);
    tw_shape shape[TWI_LAYER_IN_MAX]; // those of the model in memory, which are settled by now
    for (size_t i = 0; i < c->model->inputs.n; i++)
        shape[i] = twi_model_shape(c->model, c->model->inputs.at[i]);
    tw_status status = !again ? TW_EFAILED
                       : twi_model_is_open(again)
                           ? twi_model_resize(again, (int)c->model->inputs.n, shape, err)
                           : TW_OK;
    if (!status)
        status = twi_verify_answer(again, twi_threads(c->tw, c->o->threads), out, err);
    twi_model_free(again);
    return status;
}

static tw_status verify(conversion *c, tw_err *err)
{
    twi_verify_answers ours = {0}, theirs = {0};
    tw_status status = twi_open_size(c->model, c->model, 0, err);
    if (!status)
        status = twi_verify_answer(c->model, twi_threads(c->tw, c->o->threads), &ours, err);
    if (!status)
        status = answer_again(c, &theirs, err);
    if (!status)
        c->difference = twi_verify_difference(&theirs, &ours);
    twi_free(ours.at);
    twi_free(theirs.at);
    if (status)
        return err->status ? err->status : status;
    double allowed = c->o->tolerance > 0 ? c->o->tolerance : 1e-5;
    return c->difference <= allowed
               ? TW_OK
               : twi_fail_at(err, TW_EFAILED, c->o->out, -1,
                             "'%s' answers otherwise than '%s': largest difference %.3g, allowed %.3g\n"
                             "the file is kept for a look",
                             c->o->out, c->o->in, c->difference, allowed);
}

// -------------------------------------------------------------------------------------------------------------- telling

static tw_status tell_json(const conversion *c, int64_t bytes, tw_err *err)
{
    const tw_convert_options *o = c->o;
    json_t *all = json_pack("{ss ss ss ss sI}", "in", o->in, "out", o->out, "format", c->to->name, "holds",
                            c->to->write_model ? "model" : "weights", "bytes", (json_int_t)bytes);
    if (all && o->verify)
        json_object_set_new(all, "verify",
                            json_pack("{si sf sb}", "pictures", TWI_VERIFY_PICTURES, "largest_difference",
                                      c->difference, "read_again", c->to->is != NULL));
    char *text = all ? twi_json_text(all, 2, err) : NULL;
    if (text)
        twi_print(c->tw, "%s\n", text);
    twi_free(text);
    json_decref(all);
    return text ? TW_OK : TW_ENOMEM;
}

static int64_t add_size(const char *out, size_t n, const char *fmt, int i)
{
    twi_str path = {0};
    struct stat info = {0};
    twi_str_add_n(&path, out, n);
    twi_str_printf(&path, fmt, i);
    bool is_there = !path.failed && stat(path.text, &info) == 0;
    twi_str_clear(&path);
    return is_there ? (int64_t)info.st_size : -1;
}

// All of it: the members of a folder, the shards beside an index.
static int64_t bytes_written(const conversion *c)
{
    const char *out = c->o->out;
    size_t n = strlen(out);
    bool is_folder = c->to->suffix[0] == '/', is_sharded = c->to->beside && c->to->is;
    int64_t all = is_folder ? add_size(out, n, "model.weights.h5", 0) + add_size(out, n, "config.json", 0)
                            : add_size(out, n, "", 0);
    for (int i = 0; is_sharded; i++) {
        int64_t bytes = add_size(out, n - strlen(c->to->suffix), "_%05d.weights.h5", i);
        if (bytes < 0)
            break;
        all += bytes;
    }
    return all;
}

static tw_status tell(const conversion *c, tw_err *err)
{
    int64_t bytes = bytes_written(c);
    if (c->o->format == TW_FORMAT_JSON)
        return tell_json(c, bytes, err);
    twi_print(c->tw, "%s: %s, %s, %.1f MB\n", c->o->out, c->to->doc,
              c->to->write_model ? "model and weights" : "weights only", (double)bytes / 1e6);
    if (c->o->verify)
        twi_print(c->tw, "%s: largest difference %.3g over %d pictures\n",
                  c->to->is ? "read again" : "computed as it was written, not read again", c->difference,
                  TWI_VERIFY_PICTURES);
    return TW_OK;
}

// A Keras file keeps sizes that are open; what is only written holds a network of one size, and comparing needs one.
static tw_status settle_size(conversion *c, tw_err *err)
{
    if (c->o->input_size || !c->to->is)
        return twi_open_size(c->model, c->model, c->o->input_size, err);
    tw_shape shape[TWI_LAYER_IN_MAX];
    return c->o->verify ? twi_open_shapes(c->model, c->model, 0, shape, err) : TW_OK;
}

static tw_status read_shard_size(conversion *c, tw_err *err)
{
    if (!c->o->shard_size)
        return TW_OK;
    if (!c->to->beside || !c->to->is)
        return twi_fail(err, TW_EINVAL, "--shard-size is for weights in .weights.json, not for '%s'",
                        c->o->out);
    return twi_bytes_read(c->o->shard_size, "--shard-size", &c->shard_bytes, err);
}

static tw_status save(const conversion *c, tw_err *err)
{
    if (c->shard_bytes)
        return twi_shards_write(c->model, c->o->out, c->shard_bytes, err);
    return c->to->write_model ? twi_model_save(c->model, c->o->out, err)
                              : twi_weights_save(c->model, c->o->out, err);
}

static tw_status convert(conversion *c, tw_err *err)
{
    tw_status status = check_free(c->o, c->o->out, err);
    c->to = status ? NULL : twi_format_for(c->o->out, err);
    if (c->to)
        status = read_shard_size(c, err);
    if (c->to && !status && c->to->beside)
        status = check_beside(c, err);
    if (c->to && !status)
        c->model = open_in(c->tw, c->o, err);
    if (!c->model)
        return err->status;
    twi_say(c->tw, "model", "'%s' from %s", c->model->name, c->o->in);
    status = settle_size(c, err);
    if (!status)
        status = twi_check_cancelled(c->tw, err);
    if (!status)
        status = save(c, err);
    if (!status && c->o->verify)
        status = verify(c, err);
    return status ? status : tell(c, err);
}

tw_status twi_job_convert(tw_context *tw, const tw_convert_options *o, tw_err *err)
{
    tw_err own = {0};
    conversion c = {.tw = tw, .o = o};
    convert(&c, &own);
    twi_model_free(c.model);
    if (own.status && err && !err->status)
        *err = own;
    return own.status;
}
