// Checkpoints. See checkpoint.h for the layout.

#include "train/checkpoint.h"

#include "base/json.h"
#include "base/source.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC       "TWCKPT2\n"
#define MAGIC_BYTES 8

// ------------------------------------------------------------------------------------------------------------ header

// NaN and Inf are not JSON: they are written as null.
static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static double number_of(const json_t *object, const char *key)
{
    return twi_json_number(object, key, NAN);
}

static json_t *history_json(const twi_history *h)
{
    json_t *list = json_array();
    for (size_t i = 0; i < h->epochs.n; i++) {
        const twi_epoch *e = &h->epochs.at[i];
        json_t *one = (json_pack(
            "{sI so so so so so so sb}", "epoch", (json_int_t)e->epoch, "loss", number(e->loss), "accuracy",
            number(e->accuracy), "val_loss", number(e->val_loss), "val_accuracy", number(e->val_accuracy),
            "lr", number(e->learning_rate), "seconds", number(e->seconds), "is_best", e->is_best));
        json_t *metrics = json_array();
        for (int j = 0; j < 2 * TWI_METRICS_MAX; j++)
            json_array_append_new(metrics, number(j % 2 ? e->val_metric[j / 2] : e->metric[j / 2]));
        json_object_set_new(one, "metrics", metrics);
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *sizes_json(int n, const int64_t *size, float *const *data)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_integer(data[i] ? (json_int_t)size[i] : 0));
    return list;
}

// What callbacks remember. Infinities are not JSON: they are written as texts.
static json_t *numbers_json(const twi_fit_state *s)
{
    json_t *list = json_array();
    for (int i = 0; i <= TWI_CALLBACKS_MAX; i++)
        for (int j = 0; j < TWI_CALLBACK_NUMBERS; j++) {
            double v = s->number[i][j];
            json_array_append_new(list, isfinite(v) ? json_real(v) : json_string(v > 0 ? "inf" : "-inf"));
        }
    return list;
}

static json_t *header_json(const char *phase, const twi_fit_state *s)
{
    return json_pack("{ss sI sI so so sb sI so so so so so}", "phase", phase, "next_epoch",
                     (json_int_t)s->next_epoch, "steps", (json_int_t)s->steps, "learning_rate",
                     number(s->learning_rate), "numbers", numbers_json(s), "is_over", (int)s->is_over,
                     "best_epoch", (json_int_t)s->history.best_epoch, "best", number(s->history.best),
                     "history", history_json(&s->history), "weights",
                     sizes_json(s->n_weights, s->weight_size, s->weight), "best_weights",
                     sizes_json(s->n_weights, s->weight_size, s->best), "slots",
                     sizes_json(s->n_slots, s->slot_size, s->slot));
}

// ------------------------------------------------------------------------------------------------------------- writing

typedef struct writer {
    FILE *file;
    XXH64_state_t *hash;
    bool failed;
} writer;

static void put(writer *w, const void *bytes, size_t n)
{
    if (w->failed || !n)
        return;
    w->failed = fwrite(bytes, 1, n, w->file) != n;
    XXH64_update(w->hash, bytes, n);
}

static void put_blobs(writer *w, int n, const int64_t *size, float *const *data)
{
    for (int i = 0; i < n; i++)
        if (data[i])
            put(w, data[i], (size_t)size[i] * sizeof(float));
}

static void put_all(writer *w, const char *header, const twi_fit_state *s)
{
    uint64_t header_bytes = strlen(header);
    XXH64_reset(w->hash, 0);
    put(w, MAGIC, MAGIC_BYTES);
    put(w, &header_bytes, sizeof header_bytes);
    put(w, header, header_bytes);
    put_blobs(w, s->n_weights, s->weight_size, s->weight);
    put_blobs(w, s->n_weights, s->weight_size, s->best);
    put_blobs(w, s->n_slots, s->slot_size, s->slot);
    uint64_t sum = XXH64_digest(w->hash);
    put(w, &sum, sizeof sum);
    w->failed |= fflush(w->file) != 0 || fsync(fileno(w->file)) != 0;
}

tw_status twi_checkpoint_write(const char *path, const char *phase, const twi_fit_state *state, tw_err *err)
{
    json_t *json = header_json(phase, state);
    char *header = json ? twi_json_text(json, 0, err) : NULL;
    json_decref(json);
    twi_str part = {0};
    twi_str_printf(&part, "%s.part", path);
    writer w = {.hash = XXH64_createState()};
    tw_status status = TW_OK;
    if (!header || part.failed || !w.hash) {
        status = twi_fail_memory(err, 0, "a checkpoint");
    } else if (!(w.file = fopen(part.text, "wbe"))) {
        status = twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
    } else {
        put_all(&w, header, state);
        int saved = errno;
        w.failed |= fclose(w.file) != 0;
        if (!w.failed && rename(part.text, path) != 0)
            w.failed = true, saved = errno;
        if (w.failed) {
            errno = saved;
            status = twi_fail_errno(err, TW_EWRITE, "write '%s'", path);
            unlink(part.text);
        }
    }
    XXH64_freeState(w.hash);
    twi_str_clear(&part);
    twi_free(header);
    return status;
}

// ------------------------------------------------------------------------------------------------------------- reading

static tw_status read_sizes(twi_source *src, const json_t *list, int *n, int64_t **size, float ***data,
                            tw_err *err)
{
    size_t count = json_array_size(list);
    if (twi_source_spend(src, count, sizeof(float *) + sizeof(int64_t), err))
        return TW_EMALFORMED;
    int64_t *sizes = twi_new(count, sizeof *sizes, "a checkpoint", err);
    float **blobs = twi_new(count, sizeof *blobs, "a checkpoint", err);
    for (size_t i = 0; sizes && i < count; i++)
        sizes[i] = json_integer_value(json_array_get(list, i));
    *size = sizes;
    *data = blobs;
    *n = sizes && blobs ? (int)count : 0; // what is cleared later
    return sizes && blobs ? TW_OK : TW_ENOMEM;
}

static tw_status read_blobs(twi_source *src, uint64_t *at, int n, const int64_t *size, float **data,
                            tw_err *err)
{
    for (int i = 0; i < n; i++) {
        if (!size[i])
            continue;
        if (size[i] < 0 || twi_source_spend(src, (uint64_t)size[i], sizeof(float), err))
            return twi_fail_at(err, TW_EMALFORMED, src->name, -1, "%s: a blob of %lld values", src->name,
                               (long long)size[i]);
        if (!(data[i] = twi_new_aligned((size_t)size[i], sizeof(float), "a checkpoint", err)))
            return TW_ENOMEM;
        tw_status status = twi_source_read(src, *at, data[i], (size_t)size[i] * sizeof(float), err);
        if (status)
            return status;
        *at += (uint64_t)size[i] * sizeof(float);
    }
    return TW_OK;
}

static tw_status read_history(const json_t *header, twi_history *h, tw_err *err)
{
    size_t i;
    json_t *row;
    h->best_epoch = twi_json_int(header, "best_epoch", -1);
    double best = number_of(header, "best");
    h->best = isnan(best) ? INFINITY : best;
    json_array_foreach(json_object_get(header, "history"), i, row)
    {
        twi_epoch e = {.epoch = twi_json_int(row, "epoch", (int64_t)i),
                       .loss = number_of(row, "loss"),
                       .accuracy = number_of(row, "accuracy"),
                       .val_loss = number_of(row, "val_loss"),
                       .val_accuracy = number_of(row, "val_accuracy"),
                       .learning_rate = number_of(row, "lr"),
                       .seconds = number_of(row, "seconds"),
                       .is_best = twi_json_bool(row, "is_best", false)};
        const json_t *metrics = json_object_get(row, "metrics");
        for (int j = 0; j < 2 * TWI_METRICS_MAX; j++) {
            const json_t *value = json_array_get(metrics, (size_t)j);
            *(j % 2 ? &e.val_metric[j / 2] : &e.metric[j / 2]) =
                json_is_number(value) ? json_number_value(value) : NAN;
        }
        if (!twi_vec_push(&h->epochs, e, err))
            return TW_ENOMEM;
    }
    return TW_OK;
}

static void read_numbers(const json_t *header, twi_fit_state *s)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(header, "numbers"), i, value)
    {
        if (i >= (TWI_CALLBACKS_MAX + 1) * TWI_CALLBACK_NUMBERS)
            break;
        const char *text = json_string_value(value);
        s->number[i / TWI_CALLBACK_NUMBERS][i % TWI_CALLBACK_NUMBERS] =
            text ? (*text == '-' ? -INFINITY : INFINITY) : json_number_value(value);
    }
}

// What the header says must agree with itself: copies are used in the sizes of their weights, epochs by their number.
static tw_status check_state(const twi_source *src, const twi_fit_state *s, const int64_t *best_size,
                             tw_err *err)
{
    bool fits = s->next_epoch >= 0 && s->history.best_epoch >= -1 &&
                s->history.best_epoch < (int64_t)s->history.epochs.n;
    for (int i = 0; i < s->n_weights; i++)
        fits = fits && (best_size[i] == 0 || best_size[i] == s->weight_size[i]);
    return fits ? TW_OK : twi_fail_at(err, TW_EMALFORMED, src->name, -1, "%s contradicts itself", src->name);
}

static tw_status read_state(twi_source *src, const json_t *header, uint64_t at, twi_fit_state *s, tw_err *err)
{
    s->next_epoch = twi_json_int(header, "next_epoch", 0);
    s->steps = (uint64_t)twi_json_int(header, "steps", 0);
    s->learning_rate = number_of(header, "learning_rate");
    s->is_over = twi_json_bool(header, "is_over", false);
    read_numbers(header, s);
    int n_best = 0;
    int64_t *best_size = NULL;
    tw_status status = read_history(header, &s->history, err);
    if (!status)
        status = read_sizes(src, json_object_get(header, "weights"), &s->n_weights, &s->weight_size,
                            &s->weight, err);
    if (!status)
        status = read_sizes(src, json_object_get(header, "best_weights"), &n_best, &best_size, &s->best, err);
    if (!status)
        status = read_sizes(src, json_object_get(header, "slots"), &s->n_slots, &s->slot_size, &s->slot, err);
    if (n_best != s->n_weights) { // and there would be fewer than are cleared later
        twi_free(s->best);
        s->best = NULL;
        status = status ? status
                        : twi_fail_at(err, TW_EMALFORMED, src->name, -1,
                                      "%s: best weights do not match the weights", src->name);
    }
    if (!status)
        status = check_state(src, s, best_size, err);
    if (!status)
        status = read_blobs(src, &at, s->n_weights, s->weight_size, s->weight, err);
    if (!status)
        status = read_blobs(src, &at, s->n_weights, best_size, s->best, err);
    if (!status)
        status = read_blobs(src, &at, s->n_slots, s->slot_size, s->slot, err);
    twi_free(best_size);
    return status;
}

static tw_status check_sum(const twi_source *src, tw_err *err)
{
    XXH64_state_t *hash = XXH64_createState();
    if (!hash)
        return twi_fail_memory(err, 0, "a checkpoint");
    XXH64_reset(hash, 0);
    uint8_t piece[16384];
    uint64_t left = src->size - 8, at = 0, stored = 0;
    tw_status status = TW_OK;
    while (left && !status) {
        size_t n = left < sizeof piece ? (size_t)left : sizeof piece;
        status = twi_source_read(src, at, piece, n, err);
        XXH64_update(hash, piece, status ? 0 : n);
        at += n, left -= n;
    }
    if (!status)
        status = twi_source_u64(src, src->size - 8, &stored, err);
    if (!status && stored != XXH64_digest(hash))
        status = twi_fail_at(err, TW_EMALFORMED, src->name, -1,
                             "%s: checkpoint is damaged (checksum differs)", src->name);
    XXH64_freeState(hash);
    return status;
}

static json_t *read_header(twi_source *src, uint64_t *after, tw_err *err)
{
    char magic[MAGIC_BYTES];
    uint64_t n;
    if (src->size < MAGIC_BYTES + 16 || twi_source_read(src, 0, magic, sizeof magic, err) ||
        memcmp(magic, MAGIC, sizeof magic) != 0 || twi_source_u64(src, MAGIC_BYTES, &n, err) ||
        n > src->size) {
        twi_fail_at(err, TW_EMALFORMED, src->name, 0, "%s: not a topwork checkpoint", src->name);
        return NULL;
    }
    if (check_sum(src, err) || twi_source_spend(src, n, 1, err))
        return NULL;
    char *text = twi_new((size_t)n + 1, 1, "a checkpoint", err);
    json_t *header = NULL;
    if (text && !twi_source_read(src, MAGIC_BYTES + 8, text, (size_t)n, err))
        header = twi_json_parse(src->name, text, (size_t)n, err);
    twi_free(text);
    *after = MAGIC_BYTES + 8 + n;
    return header;
}

tw_status twi_checkpoint_read(const char *path, char **phase, twi_fit_state *state, tw_err *err)
{
    twi_source src;
    tw_status status = twi_source_open(&src, path, err);
    if (status)
        return status;
    uint64_t at = 0;
    json_t *header = read_header(&src, &at, err);
    status = header ? read_state(&src, header, at, state, err) : TW_EMALFORMED;
    if (!status) {
        *phase = twi_strdup(twi_json_string(header, "phase", ""), err);
        status = *phase ? TW_OK : TW_ENOMEM;
    }
    if (status)
        twi_fit_state_clear(state);
    json_decref(header);
    twi_source_close(&src);
    return status;
}
