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
    FILE *file = fopen(f->o->csv_log, "ae");
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

// A place in a file's name, as Keras has it: "{epoch}", "{epoch:03d}", "{val_loss:.2f}".
typedef struct hole {
    char key[64];
    int width, precision; // width 0: as it comes; precision -1: the format's
    bool has_zeros;
    char conversion; // d, e, f or g
} hole;

// Reads the hole that begins at `text` and gives what stands behind it; NULL: it is none.
static const char *read_hole(const char *text, hole *h)
{
    *h = (hole){.precision = -1};
    size_t n = strcspn(++text, ":}");
    if (!text[n] || n == 0 || n >= sizeof h->key)
        return NULL;
    snprintf(h->key, sizeof h->key, "%.*s", (int)n, text);
    bool is_epoch = strcmp(h->key, "epoch") == 0;
    h->conversion = is_epoch ? 'd' : 'g';
    if (text[n] == '}') {
        h->width = is_epoch ? 2 : 0;
        h->has_zeros = is_epoch;
        return text + n + 1;
    }
    char *at = (char *)text + n + 1;
    h->has_zeros = *at == '0';
    h->width = (int)strtol(at, &at, 10);
    if (*at == '.')
        h->precision = (int)strtol(at + 1, &at, 10);
    if (*at && strchr(is_epoch ? "d" : "efg", *at))
        h->conversion = *at++;
    bool ok = *at == '}' && h->width >= 0 && h->width < 32 && h->precision < 32;
    return ok ? at + 1 : NULL;
}

static tw_status check_pattern(const twi_fit_files *f, tw_err *err)
{
    static const char *const endings[] = {".keras", ".h5"}; // .weights.h5 is one of the second
    const char *pattern = f->o->checkpoint;
    bool ends = twi_str_ends(pattern, endings[0]) || twi_str_ends(pattern, endings[1]);
    if (!ends)
        return twi_fail(err, TW_EINVAL, "checkpoint '%s' must end in .keras, .h5 or .weights.h5", pattern);
    columns c = {0};
    twi_epoch e = {0}; // its losses are numbers: with validation
    list_columns(f, &e, &c);
    for (const char *at = strchr(pattern, '{'); at; at = strchr(at, '{')) {
        hole h;
        const char *key = at;
        if (!(at = read_hole(at, &h)))
            return twi_fail(err, TW_EINVAL, "checkpoint '%s': expected a place such as {epoch:02d} at '%s'",
                            pattern, key);
        bool is_known = strcmp(h.key, "epoch") == 0;
        for (int i = 0; i < c.n; i++)
            is_known |= strcmp(h.key, c.name[i]) == 0;
        if (!is_known)
            return twi_fail(err, TW_EINVAL,
                            "checkpoint '%s': '%s' is not measured; known are epoch, loss, "
                            "val_loss, accuracy and the metrics",
                            pattern, h.key);
    }
    return TW_OK;
}

static void fill_hole(const twi_fit_files *f, const twi_epoch *e, const hole *h, twi_str *path)
{
    char text[400];
    if (h->conversion == 'd') // epochs count from 1 in names
        snprintf(text, sizeof text, h->has_zeros ? "%0*lld" : "%*lld", h->width, (long long)e->epoch + 1);
    else if (h->conversion == 'f')
        snprintf(text, sizeof text, "%*.*f", h->width, h->precision, value_of(f, e, h->key));
    else if (h->conversion == 'e')
        snprintf(text, sizeof text, "%*.*e", h->width, h->precision, value_of(f, e, h->key));
    else
        snprintf(text, sizeof text, "%*.*g", h->width, h->precision, value_of(f, e, h->key));
    twi_str_add(path, text);
}

// A name with places is another one in each epoch.
static tw_status save_checkpoint(twi_fit_files *f, const twi_epoch *e, tw_err *err)
{
    const char *at = f->o->checkpoint;
    if (!strchr(at, '{') && !e->is_best)
        return TW_OK;
    twi_str path = {0};
    while (*at) {
        hole h;
        size_t n = strcspn(at, "{");
        twi_str_add_n(&path, at, n);
        at += n;
        if (*at && (at = read_hole(at, &h)))
            fill_hole(f, e, &h, &path);
        if (!at)
            break;
    }
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
    tw_status status = f->o->checkpoint ? check_pattern(f, err) : TW_OK;
    // Begun now, so that a place where nothing can be written is told before anything is trained.
    FILE *file = !status && f->o->csv_log ? fopen(f->o->csv_log, "we") : NULL;
    if (!status && f->o->csv_log && !file)
        status = twi_fail_errno(err, TW_EWRITE, "write '%s'", f->o->csv_log);
    if (file)
        fclose(file);
    if (status)
        return status;
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
