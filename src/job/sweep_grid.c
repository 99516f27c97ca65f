// The grid of a sweep, and the options of each run. See sweep.h.

#include "job/sweep.h"

#include <stdio.h>
#include <string.h>

// Commas part values, but not those inside brackets or quotes; heads hold commas, so `|` parts values too.
static tw_status add_values(sweep *s, twi_axis *a, char *list, tw_err *err)
{
    const char *part = strchr(list, '|') ? "|" : ",";
    for (char *value; (value = strsep(&list, part));) {
        while (*value == ' ')
            value++;
        if (!*value)
            continue;
        if (a->n == TWI_SWEEP_VALUES)
            return twi_fail(err, TW_EINVAL, "--grid: more than %d values of %s", TWI_SWEEP_VALUES,
                            a->field->key);
        if (!(a->text[a->n++] = twi_arena_strdup(&s->arena, value, err)))
            return TW_ENOMEM;
    }
    return a->n ? TW_OK : twi_fail(err, TW_EINVAL, "--grid: %s has no values", a->field->key);
}

// Why an option of train cannot vary in a sweep, or NULL.
static const char *why_fixed(const char *key)
{
    static const struct {
        const char *key, *why;
    } fixed[] = {{"photos", "a sweep compares settings on the same photos"},
                 {"output_dir", "each run of a sweep has a folder of its own in --output-dir"},
                 {"force", "a sweep never writes over a run"},
                 {"resume", "a sweep goes on where it stopped by itself"},
                 {"config", "give it to the sweep"},
                 {"format", "give it to the sweep"},
                 {"cache", "give it to the sweep"},
                 {"cache_limit", "give it to the sweep"},
                 {"threads", "give it to the sweep"},
                 {"memory", "it changes no result"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(key, fixed[i].key) == 0)
            return fixed[i].why;
    return NULL;
}

static tw_status add_axis(sweep *s, char *word, tw_err *err)
{
    char *equals = strchr(word, '=');
    if (!equals)
        return twi_fail(err, TW_EINVAL, "--grid: expected key=value,value…, received '%s'", word);
    *equals = 0;
    const tw_field *field = tw_field_find(tw_train_fields, word);
    if (!field) {
        const char *near = tw_field_nearest(tw_train_fields, word);
        return twi_fail(err, TW_EINVAL, "--grid: '%s' is no option of train%s%s%s", word,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (why_fixed(field->key))
        return twi_fail(err, TW_EINVAL, "--grid: '%s' of train cannot vary in a sweep: %s", field->key,
                        why_fixed(field->key));
    for (int i = 0; i < s->n_axes; i++)
        if (s->axis[i].field == field)
            return twi_fail(err, TW_EINVAL, "--grid: '%s' stands there twice", field->key);
    if (s->n_axes == TWI_SWEEP_KEYS)
        return twi_fail(err, TW_EINVAL, "--grid: more than %d keys", TWI_SWEEP_KEYS);
    twi_axis *a = &s->axis[s->n_axes++];
    a->field = field;
    return add_values(s, a, equals + 1, err);
}

static bool begins_key(const char *word)
{
    char key[64];
    size_t n = strcspn(word, "=");
    snprintf(key, sizeof key, "%.*s", (int)n, word);
    return word[n] == '=' && (tw_field_find(tw_train_fields, key) || !strpbrk(key, ":|,"));
}

// "dropout=0,0.2 l2=0,1e-4": a word with '=' begins a key, others belong to the one before (heads have blanks).
static tw_status read_words(sweep *s, char *rest, tw_err *err)
{
    twi_str word = {0};
    tw_status status = TW_OK;
    while (!status && rest) {
        char *next = strsep(&rest, " ");
        if (*next && word.n && begins_key(next)) {
            status = add_axis(s, word.text, err);
            word.n = 0;
        }
        if (*next)
            twi_str_printf(&word, "%s%s", word.n ? " " : "", next);
    }
    if (!status && word.n)
        status = add_axis(s, word.text, err);
    twi_str_clear(&word);
    return status;
}

const char *twi_sweep_value(const sweep *s, int run, int which)
{
    for (int i = s->n_axes - 1; i > which; i--)
        run /= s->axis[i].n;
    return s->axis[which].text[run % s->axis[which].n];
}

// What is given to the sweep stands above what its config says; the command line has read that first.
static tw_status read_base(sweep *s, tw_err *err)
{
    const tw_sweep_options *o = s->o;
    tw_train_options *t = &s->base;
    tw_status status = tw_fields_default(tw_train_fields, t, s->texts, err);
    if (!status && o->config)
        status = tw_fields_read_part(tw_train_fields, tw_sweep_fields, t, o->config, s->texts, err);
    t->photos = o->photos;
    t->model = o->model;
    t->weights = o->weights;
    t->head = o->head;
    t->optimizer = o->optimizer;
    t->lr = o->lr;
    t->epochs = o->epochs;
    t->batch_size = o->batch_size;
    t->patience = o->patience;
    t->val_split = o->val_split;
    t->seed = o->seed;
    t->threads = o->threads;
    t->cache = o->cache;
    t->cache_limit = o->cache_limit;
    t->output_dir = t->config = NULL;
    t->force = false;
    t->resume = true;
    t->format = 0;
    return status;
}

static tw_status fill_options(sweep *s, int run, tw_err *err)
{
    tw_status status = TW_OK;
    tw_train_options *t = &s->options[run];
    *t = s->base;
    for (int i = 0; !status && i < s->n_axes; i++) {
        char where[96];
        snprintf(where, sizeof where, "--grid: %s", s->axis[i].field->key);
        status = tw_field_set(s->axis[i].field, t, twi_sweep_value(s, run, i), where, s->texts, err);
    }
    return status ? status : tw_fields_check(tw_train_fields, t, err);
}

tw_status twi_sweep_read_grid(sweep *s, tw_err *err)
{
    char *copy = twi_strdup(s->o->grid, err);
    tw_status status = copy ? read_words(s, copy, err) : TW_ENOMEM;
    twi_free(copy);
    if (!status && !s->n_axes)
        status =
            twi_fail(err, TW_EINVAL, "--grid is empty; for example --grid 'dropout=0,0.2,0.5 l2=0,1e-4'");
    s->n_runs = 1;
    for (int i = 0; i < s->n_axes && s->n_runs <= TWI_SWEEP_RUNS; i++)
        s->n_runs *= s->axis[i].n;
    if (!status && s->n_runs > TWI_SWEEP_RUNS)
        status = twi_fail(err, TW_EINVAL, "--grid: more than %d combinations", TWI_SWEEP_RUNS);
    if (!status)
        status = read_base(s, err);
    s->options = status ? NULL : twi_new((size_t)s->n_runs, sizeof *s->options, "a sweep", err);
    if (!status && !s->options)
        status = TW_ENOMEM;
    for (int i = 0; !status && i < s->n_runs; i++)
        status = fill_options(s, i, err);
    return status;
}

bool twi_sweep_shares_features(const sweep *s, int a, int b)
{
    static const char *const behind[] = {
        "epochs", "lr", "optimizer",  "schedule", "loss",    "metrics", "callbacks", "patience",
        "l1",     "l2", "batch_size", "proximal", "dropout", "mixup",   "cutmix",    "class_weight"};
    for (int i = 0; i < s->n_axes; i++) {
        bool is_behind = false;
        for (size_t j = 0; j < sizeof behind / sizeof *behind; j++)
            is_behind |= strcmp(s->axis[i].field->key, behind[j]) == 0;
        if (!is_behind && strcmp(twi_sweep_value(s, a, i), twi_sweep_value(s, b, i)) != 0)
            return false;
    }
    return true;
}
