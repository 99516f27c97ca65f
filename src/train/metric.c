// Metrics: the list, and several at once. See metric.h.

#include "train/metric.h"

#include "base/error.h"

#include <string.h>

#define TW_METRIC(name) extern const twi_metric_kind twi_metric_##name;
#include "train/metric_list.inc"
#undef TW_METRIC

static const tw_setting_kind *const settings[] = {
#define TW_METRIC(name) &twi_metric_##name.setting,
#include "train/metric_list.inc"
#undef TW_METRIC
    NULL};

const tw_setting_kind *twi_metric_find(const char *name)
{
    return twi_setting_find(settings, name);
}

const char *const *twi_metric_names(void)
{
    static const char *const names[] = {
#define TW_METRIC(name) #name,
#include "train/metric_list.inc"
#undef TW_METRIC
        NULL};
    return names;
}

const char *twi_metric_label(const tw_setting *metric, char *buf, size_t size)
{
    const char *alias = metric->kind->aliases;
    size_t n = strcspn(alias, " ");
    n = n < size ? n : size - 1;
    memcpy(buf, alias, n);
    buf[n] = 0;
    return buf;
}

// ---------------------------------------------------------------------------------------------------------- several

static const tw_field metric_field = {
    .key = "metric", .type = TW_FIELD_SETTING, .find = twi_metric_find, .names = twi_metric_names};

static bool is_accuracy(const char *name)
{
    return twi_str_same(name, "accuracy") || twi_str_same(name, "acc");
}

static tw_status add_metric(twi_metrics *metrics, const tw_setting *one, const char *where, tw_err *err)
{
    for (int i = 0; i < metrics->n; i++)
        if (metrics->at[i].kind == one->kind)
            return twi_fail(err, TW_EINVAL, "%s: %s stands twice", where, one->kind->name);
    if (metrics->n == TWI_METRICS_MAX)
        return twi_fail(err, TW_EINVAL, "%s: more than %d metrics", where, TWI_METRICS_MAX);
    metrics->at[metrics->n++] = *one;
    return TW_OK;
}

tw_status twi_metrics_text(twi_metrics *metrics, const char *text, const char *where, tw_err *err)
{
    *metrics = (twi_metrics){0};
    char *copy = twi_strdup(text ? text : "", err), *rest = copy;
    tw_status status = copy ? TW_OK : TW_ENOMEM;
    while (!status && rest) {
        char *word = strsep(&rest, ", ");
        tw_setting one = {0};
        if (!*word || is_accuracy(word))
            continue;
        status = twi_setting_text(&one, word, &metric_field, where, err);
        if (!status && one.kind)
            status = add_metric(metrics, &one, where, err);
    }
    twi_free(copy);
    return status;
}

json_t *twi_metrics_write(const twi_metrics *metrics)
{
    json_t *list = json_array();
    json_array_append_new(list, json_string("accuracy"));
    for (int i = 0; i < metrics->n; i++)
        json_array_append_new(list, twi_setting_write(&metrics->at[i], "keras.metrics"));
    return list;
}

void twi_metrics_read(twi_metrics *metrics, const json_t *list)
{
    size_t i;
    json_t *value;
    *metrics = (twi_metrics){0};
    json_array_foreach(list, i, value)
    {
        tw_setting one = {0};
        tw_err ignored = {0};
        if (json_is_string(value) && is_accuracy(json_string_value(value)))
            continue;
        if (!twi_setting_read(&one, value, &metric_field, "metrics", &ignored) && one.kind)
            add_metric(metrics, &one, "metrics", &ignored);
    }
}

// ------------------------------------------------------------------------------------------------------------ under way

static const twi_metric_kind *kind_of(const twi_meters *m, int i)
{
    return m->metrics->at[i].kind->row;
}

tw_status twi_meters_open(twi_meters *m, const twi_metrics *metrics, int64_t k, tw_err *err)
{
    *m = (twi_meters){.metrics = metrics, .k = k};
    for (int i = 0; i < metrics->n; i++) {
        m->sum[i] = twi_new(kind_of(m, i)->room(&metrics->at[i], k), sizeof(double), "a metric", err);
        if (!m->sum[i])
            return TW_ENOMEM;
    }
    return TW_OK;
}

void twi_meters_reset(twi_meters *m)
{
    for (int i = 0; m->metrics && i < m->metrics->n; i++)
        memset(m->sum[i], 0, kind_of(m, i)->room(&m->metrics->at[i], m->k) * sizeof(double));
}

void twi_meters_add(twi_meters *m, int64_t n, const float *y, const float *p)
{
    for (int i = 0; m->metrics && i < m->metrics->n; i++)
        kind_of(m, i)->add(&m->metrics->at[i], m->sum[i], n, m->k, y, p);
}

void twi_meters_result(const twi_meters *m, double *value)
{
    for (int i = 0; m->metrics && i < m->metrics->n; i++)
        value[i] = kind_of(m, i)->result(&m->metrics->at[i], m->sum[i], m->k);
}

void twi_meters_close(twi_meters *m)
{
    for (int i = 0; i < TWI_METRICS_MAX; i++)
        twi_free(m->sum[i]);
    *m = (twi_meters){0};
}
