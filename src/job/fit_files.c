// What tw_fit writes while it goes on: a CSV log, checkpoints of the model, TensorBoard's event files. See learn.h.

#include "base/source.h"
#include "format/format.h"
#include "job/learn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// ------------------------------------------------------------------------------------------------------------- CSV log

// Keras's CSVLogger: epoch from 0, then all values in alphabetical order.
typedef struct columns {
    int n;
    char name[2 * TWI_METRICS_MAX + 8][TWI_METRIC_LABEL + 8];
} columns;

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void add_column(columns *c, const char *prefix, const char *name)
{
    snprintf(c->name[c->n++], sizeof c->name[0], "%s%s", prefix, name);
}

static void list_columns(const twi_fit_files *f, const twi_epoch *e, columns *c)
{
    for (int side = 0; side < (isnan(e->val_loss) ? 1 : 2); side++) {
        const char *prefix = side ? "val_" : "";
        add_column(c, prefix, "loss");
        add_column(c, prefix, "accuracy");
        for (int i = 0; i < f->training->n_metrics; i++)
            add_column(c, prefix, f->training->metric[i]);
    }
    add_column(c, "", "learning_rate");
    qsort(c->name, (size_t)c->n, sizeof c->name[0], by_name);
}

static double value_of(const twi_fit_files *f, const twi_epoch *e, const char *name)
{
    return twi_epoch_value(e, f->training->n_metrics, f->training->metric, name);
}

static tw_status log_epoch(twi_fit_files *f, const twi_epoch *e, const columns *c, tw_err *err)
{
    FILE *file = fopen(f->o->csv_log, f->has_header ? "ae" : "we");
    bool ok = file != NULL;
    if (ok && !f->has_header) {
        ok = fprintf(file, "epoch") > 0;
        for (int i = 0; ok && i < c->n; i++)
            ok = fprintf(file, ",%s", c->name[i]) > 0;
        ok = ok && fputc('\n', file) != EOF;
    }
    ok = ok && fprintf(file, "%lld", (long long)e->epoch) > 0;
    for (int i = 0; ok && i < c->n; i++)
        ok = fprintf(file, ",%.9g", value_of(f, e, c->name[i])) > 0;
    ok = ok && fputc('\n', file) != EOF;
    if (file)
        ok = fclose(file) == 0 && ok;
    f->has_header = true;
    return ok ? TW_OK : twi_fail_errno(err, TW_EWRITE, "write '%s'", f->o->csv_log);
}

// --------------------------------------------------------------------------------------------------------- checkpoints

// {epoch} is the number of the epoch from 1, as in Keras.
static tw_status save_checkpoint(twi_fit_files *f, const twi_epoch *e, tw_err *err)
{
    const char *pattern = f->o->checkpoint, *place = strstr(pattern, "{epoch}");
    if (!place && !e->is_best)
        return TW_OK;
    twi_str path = {0};
    if (place)
        twi_str_printf(&path, "%.*s%02lld%s", (int)(place - pattern), pattern, (long long)e->epoch + 1,
                       place + strlen("{epoch}"));
    else
        twi_str_add(&path, pattern);
    size_t n = path.n, end = strlen(".weights.h5");
    bool is_weights = !path.failed && n > end && strcmp(path.text + n - end, ".weights.h5") == 0;
    tw_status status = path.failed  ? twi_fail_memory(err, 0, "a file name")
                       : is_weights ? twi_weights_save(f->m, path.text, err)
                                    : twi_model_save(f->m, path.text, err);
    twi_str_clear(&path);
    return status;
}

// ---------------------------------------------------------------------------------------------------------- TensorBoard

static tw_status add_histograms(twi_fit_files *f, const twi_epoch *e, tw_err *err)
{
    twi_weights all = {0};
    tw_status status = twi_model_weights(f->m, &all, err);
    for (int i = 0; !status && i < all.n; i++)
        if (all.at[i]->is_trainable && all.at[i]->is_set)
            status = twi_tfevents_histogram(f->events, all.path[i], e->epoch, all.at[i]->data,
                                            twi_shape_count(&all.at[i]->shape), err);
    twi_weights_clear(&all);
    return status;
}

static tw_status add_events(twi_fit_files *f, const twi_epoch *e, const columns *c, tw_err *err)
{
    tw_status status = TW_OK;
    for (int i = 0; !status && i < c->n; i++) {
        char tag[TWI_METRIC_LABEL + 16];
        snprintf(tag, sizeof tag, "epoch_%s", c->name[i]);
        status = twi_tfevents_scalar(f->events, tag, e->epoch, value_of(f, e, c->name[i]), err);
    }
    if (!status)
        status = add_histograms(f, e, err);
    return status ? status : twi_tfevents_flush(f->events, err);
}

tw_status twi_fit_files_open(twi_fit_files *f, tw_err *err)
{
    if (f->o->tensorboard)
        f->events = twi_tfevents_open(f->o->tensorboard, err);
    return f->o->tensorboard && !f->events ? TW_EWRITE : TW_OK;
}

tw_status twi_fit_files_epoch(twi_fit_files *f, const twi_epoch *e, tw_err *err)
{
    columns c = {0};
    list_columns(f, e, &c);
    tw_status status = f->o->csv_log ? log_epoch(f, e, &c, err) : TW_OK;
    if (!status && f->o->checkpoint)
        status = save_checkpoint(f, e, err);
    if (!status && f->events)
        status = add_events(f, e, &c, err);
    return status;
}

void twi_fit_files_close(twi_fit_files *f)
{
    twi_tfevents_close(f->events);
    f->events = NULL;
}
