// Promises of the fit loop and its checkpoints.

#include "testing.h"

#include "layer/layer.h"
#include "train/checkpoint.h"
#include "train/find_batch.h"
#include "train/find_rate.h"
#include "train/update.h"

#include <unistd.h>

enum {
    PHOTOS = 20,
    PIXELS = 4 * 4 * 3,
    EPOCHS = 6,
    STEPS = 3
}; // STEPS: of an epoch at batches of 8, the last one smaller

static float pixels[PHOTOS][PIXELS];
static int32_t labels[PHOTOS];

static tw_status read_pixels(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                             int64_t n_next, float *const dst[], tw_err *err)
{
    (void)self, (void)next, (void)n_next, (void)err;
    for (int64_t i = 0; i < count; i++)
        memcpy(dst[0] + i * PIXELS, pixels[index[i]], sizeof pixels[0]);
    return TW_OK;
}

static twi_samples samples(void)
{
    for (int i = 0; i < PHOTOS; i++) {
        labels[i] = i % 2;
        for (int j = 0; j < PIXELS; j++)
            pixels[i][j] = (float)((i * 37 + j * 11) % 29) / 29 + (float)(labels[i] * (j % 3)) / 3;
    }
    return (twi_samples){.n = PHOTOS, .label = labels, .n_classes = 2, .read = read_pixels};
}

static tw_status read_many(void *self, const uint32_t *index, int64_t count, const uint32_t *next,
                           int64_t n_next, float *const dst[], tw_err *err)
{
    (void)self, (void)next, (void)n_next, (void)err;
    for (int64_t i = 0; i < count; i++)
        memcpy(dst[0] + i * PIXELS, pixels[index[i] % PHOTOS], sizeof pixels[0]);
    return TW_OK;
}

static tw_model *small_model(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("small", false, &err);
    tw_shape shape = TWI_SHAPE(-1, 4, 4, 3);
    twi_tensor x = twi_model_input(m, "photo", &shape);
    x = twi_model_layer(m, twi_layer_kind_find("Flatten"), NULL, 1, &x, "%s", "");
    x = twi_model_layer(m, twi_layer_kind_find("Dense"), NULL, 1, &x,
                        "units=6 activation=relu kernel_regularizer=l2:0.01");
    x = twi_model_layer(m, twi_layer_kind_find("Dropout"), NULL, 1, &x, "rate=0.3");
    x = twi_model_layer(m, twi_layer_kind_find("Dense"), NULL, 1, &x, "units=1 activation=sigmoid");
    twi_model_output(m, x);
    assert_int_equal(twi_model_verify(m, &err), TW_OK);
    assert_int_equal(twi_model_initialize(m, 3, twi_initializer_fill, &err), TW_OK);
    return m;
}

// What a run is watched with: where it writes its checkpoints, and after how many steps it is stopped.
typedef struct watch {
    const char *path;
    int steps, stop_at;
} watch;

static tw_status keep(void *self, const twi_fit_state *state, tw_err *err)
{
    watch *w = self;
    return w->path ? twi_checkpoint_write(w->path, "head", state, err) : TW_OK;
}

static bool is_over(void *self)
{
    watch *w = self;
    return w->steps++ == w->stop_at;
}

static twi_history fit(tw_model *m, watch *w, twi_fit_state *state)
{
    tw_err err = {0};
    twi_samples s = samples();
    twi_fit_options o = {.phase = "head",
                         .epochs = EPOCHS,
                         .batch_size = 8,
                         .optimizer = {.kind = twi_optimizer_find("adam"), .value = {1e-2, 0.9, 0.999, 1e-7}},
                         .loss = {.kind = twi_loss_find("binary_crossentropy")},
                         .seed = 5,
                         .validation = &s,
                         .threads = 1,
                         .state = state,
                         .self = w,
                         .on_state = keep,
                         .is_cancelled = is_over};
    twi_history history = {0};
    twi_fit(m, &s, &o, &history, &err);
    expect_ok(err);
    return history;
}

static void expect_same_weights(const tw_model *a, const tw_model *b, bool same)
{
    tw_err err = {0};
    twi_weights x = {0}, y = {0};
    twi_model_weights(a, &x, &err);
    twi_model_weights(b, &y, &err);
    expect_ok(err);
    bool is_same = x.n == y.n;
    for (int i = 0; is_same && i < x.n; i++)
        is_same = memcmp(x.at[i]->data, y.at[i]->data,
                         (size_t)twi_shape_count(&x.at[i]->shape) * sizeof(float)) == 0;
    twi_weights_clear(&x);
    twi_weights_clear(&y);
    assert_int_equal(is_same, same);
}

// A head whose kernel has more than a million values: 48 × 22000.
static tw_model *wide_model(void)
{
    tw_err err = {0};
    tw_model *m = twi_model_new("wide", false, &err);
    tw_shape shape = TWI_SHAPE(-1, 4, 4, 3);
    twi_tensor x = twi_model_input(m, "photo", &shape);
    x = twi_model_layer(m, twi_layer_kind_find("Flatten"), NULL, 1, &x, "%s", "");
    x = twi_model_layer(m, twi_layer_kind_find("Dense"), NULL, 1, &x,
                        "units=22000 activation=relu kernel_regularizer=l1l2:l1=1e-5:l2=1e-4");
    x = twi_model_layer(m, twi_layer_kind_find("Dense"), NULL, 1, &x, "units=1 activation=sigmoid");
    twi_model_output(m, x);
    assert_int_equal(twi_model_verify(m, &err), TW_OK);
    assert_int_equal(twi_model_initialize(m, 3, twi_initializer_fill, &err), TW_OK);
    return m;
}

static void set_optimizer(tw_setting *s, const char *text)
{
    static const tw_field field = {.key = "optimizer", .type = TW_FIELD_SETTING, .find = twi_optimizer_find};
    tw_err err = {0};
    twi_setting_text(s, text, &field, "learning_rate", &err);
    expect_ok(err);
}

static void fit_wide(tw_model *m, const char *optimizer, bool is_reference, bool is_proximal)
{
    tw_err err = {0};
    twi_samples s = samples();
    twi_fit_options o = {.phase = "head",
                         .epochs = 1,
                         .batch_size = 8,
                         .loss = {.kind = twi_loss_find("binary_crossentropy")},
                         .no_shuffle = true,
                         .keeps_last = true,
                         .threads = 2,
                         .is_proximal = is_proximal,
                         .is_reference = is_reference};
    set_optimizer(&o.optimizer, optimizer);
    twi_history history = {0};
    twi_fit(m, &s, &o, &history, &err);
    expect_ok(err);
    twi_history_clear(&history);
}

// The reference path makes whole gradients.
static void wide_weights_stepped_in_pieces_move_as_whole_ones(void **unused)
{
    (void)unused;
    static const struct {
        const char *optimizer;
        bool is_proximal;
    } cases[] = {{"sgd:0.1:momentum=0.9:nesterov=1", false},
                 {"sgd:0.1", true},
                 {"adamw:1e-3:weight_decay=0.1", false},
                 {"adam:1e-3:amsgrad=1:clipvalue=1e-3", false},
                 {"nadam:1e-3:use_ema=1", false},
                 {"adam:1e-3:global_clipnorm=0.01", false},
                 {"lamb:1e-3", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tw_model *a = wide_model(), *b = wide_model();
        fit_wide(a, cases[i].optimizer, true, cases[i].is_proximal);
        fit_wide(b, cases[i].optimizer, false, cases[i].is_proximal);
        tw_err err = {0};
        twi_weights x = {0}, y = {0};
        twi_model_weights(a, &x, &err);
        twi_model_weights(b, &y, &err);
        for (int j = 0; j < x.n; j++) {
            twi_difference d = twi_compare(y.at[j]->data, x.at[j]->data, twi_shape_count(&x.at[j]->shape));
            if (!(d.max_abs <= 2e-4))
                fail_msg("%s: weight %d is off by %g", cases[i].optimizer, j, d.max_abs);
        }
        twi_weights_clear(&x);
        twi_weights_clear(&y);
        twi_model_free(a);
        twi_model_free(b);
    }
}

static void only_what_steps_value_by_value_gets_gradients_in_pieces(void **unused)
{
    (void)unused;
    static const struct {
        const char *optimizer;
        bool hands_over;
    } cases[] = {{"adam", true},
                 {"sgd:0.1:clipvalue=1", true},
                 {"lion", true},
                 {"adam:1e-3:clipnorm=1", false},
                 {"muon", false},
                 {"adam:1e-3:global_clipnorm=1", false},
                 {"adam:1e-3:gradient_accumulation_steps=2", false}};
    tw_model *m = wide_model();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tw_err err = {0};
        tw_setting s = {0};
        set_optimizer(&s, cases[i].optimizer);
        assert_int_equal(twi_update_hands_over_from(&s, m, &err) > 0, cases[i].hands_over);
    }
    twi_model_free(m);
}

static void a_run_stopped_within_an_epoch_resumes_to_the_same_bits(void **unused)
{
    (void)unused;
    char path[] = "/tmp/topwork-fit-XXXXXX", *phase = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    watch whole = {.stop_at = -1}, stopped = {.path = path, .stop_at = 3 * STEPS + 1}, rest = {.stop_at = -1};
    tw_model *a = small_model(), *b = small_model(), *c = small_model();
    twi_fit_state none = {0}, first = {0}, state = {0};
    twi_history h = fit(a, &whole, &none);
    twi_history_clear(&h);
    h = fit(b, &stopped, &first);
    assert_true(h.is_cancelled);
    twi_history_clear(&h);
    tw_err err = {0};
    assert_int_equal(twi_checkpoint_read(path, &phase, &state, &err), TW_OK);
    assert_string_equal(phase, "head");
    assert_int_equal(state.next_epoch, 3);
    // The state in memory is in the middle of its fourth epoch, so the one on disk is what counts.
    assert_true(first.steps > state.steps);
    h = fit(c, &rest, &state);
    assert_int_equal(h.epochs.n, EPOCHS);
    twi_history_clear(&h);
    expect_same_weights(a, c, true);
    expect_same_weights(a, b, false);
    twi_fit_state_clear(&none);
    twi_fit_state_clear(&first);
    twi_fit_state_clear(&state);
    twi_free(phase);
    twi_model_free(a);
    twi_model_free(b);
    twi_model_free(c);
    unlink(path);
}

static void a_torn_checkpoint_is_refused(void **unused)
{
    (void)unused;
    char path[] = "/tmp/topwork-fit-XXXXXX", *phase = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    watch w = {.path = path, .stop_at = -1};
    tw_model *m = small_model();
    twi_fit_state state = {0}, read = {0};
    twi_history h = fit(m, &w, &state);
    twi_history_clear(&h);
    assert_int_equal(truncate(path, 1000), 0);
    tw_err err = {0};
    assert_int_equal(twi_checkpoint_read(path, &phase, &read, &err), TW_EMALFORMED);
    twi_free(phase);
    twi_fit_state_clear(&state);
    twi_fit_state_clear(&read);
    twi_model_free(m);
    close(fd);
    unlink(path);
}

static void validation_follows_the_weights_of_each_epoch(void **unused)
{
    (void)unused;
    tw_model *m = small_model();
    watch w = {.stop_at = -1};
    twi_fit_state state = {0};
    twi_history h = fit(m, &w, &state);
    // The kept model, scored afresh, has the validation loss its best epoch reported.
    twi_samples s = samples();
    tw_setting loss = {.kind = twi_loss_find("binary_crossentropy")};
    twi_scores scores;
    tw_err err = {0};
    twi_score(m, &s, &loss, NULL, 8, 1, NULL, &scores, &err);
    expect_ok(err);
    expect_near(scores.loss, h.best, 1e-12);
    assert_true(h.epochs.at[0].val_loss != h.epochs.at[1].val_loss);
    twi_history_clear(&h);
    twi_fit_state_clear(&state);
    twi_model_free(m);
}

// ------------------------------------------------------------------------------------------------------------- trials

static twi_fit_options trial_options(void)
{
    return (twi_fit_options){
        .phase = "head",
        .epochs = EPOCHS,
        .batch_size = 8,
        .optimizer = {.kind = twi_optimizer_find("adam"), .value = {1e-2, 0.9, 0.999, 1e-7}},
        .loss = {.kind = twi_loss_find("binary_crossentropy")},
        .seed = 5,
        .threads = 1};
}

static void a_found_rate_is_a_tenth_of_the_best_and_nothing_has_learned(void **unused)
{
    (void)unused;
    tw_err err = {0};
    tw_model *m = small_model(), *fresh = small_model();
    twi_samples s = samples();
    twi_fit_options o = trial_options();
    twi_rates r;
    assert_int_equal(twi_find_rate(m, &s, &o, &r, &err), TW_OK);
    expect_same_weights(m, fresh, true);
    int lowest = 0;
    for (int i = 1; i < r.n; i++) {
        assert_true(r.rate[i] > r.rate[i - 1]);
        lowest = r.loss[i] < r.loss[lowest] ? i : lowest;
    }
    assert_true(r.n > 20 && lowest > 0 && lowest < r.n - 1);
    expect_near(r.chosen / (r.rate[lowest] / 10), 1, 0.05);
    // It is a rate to learn with: better than one a thousand times smaller.
    double ends[2];
    for (int i = 0; i < 2; i++) {
        tw_model *learner = small_model();
        twi_history h = {0};
        o.learning_rate = i ? r.chosen / 1000 : r.chosen;
        assert_int_equal(twi_fit(learner, &s, &o, &h, &err), TW_OK);
        ends[i] = h.epochs.at[h.epochs.n - 1].loss;
        twi_history_clear(&h);
        tw_model_free(learner);
    }
    assert_true(ends[0] < ends[1] - 0.01);
    tw_model_free(m);
    tw_model_free(fresh);
}

static bool fits_two(void *self, int64_t batch)
{
    return batch <= *(int64_t *)self;
}

static void a_found_batch_size_fits_and_nothing_has_learned(void **unused)
{
    (void)unused;
    tw_err err = {0};
    tw_model *m = small_model(), *fresh = small_model();
    twi_samples s = samples();
    static int32_t many[600];
    for (int i = 0; i < 600; i++)
        many[i] = i % 2;
    s.n = 600;
    s.label = many;
    s.read = read_many;
    int64_t largest = 16;
    twi_fit_options o = trial_options();
    o.self = &largest;
    twi_batches b;
    assert_int_equal(twi_find_batch(m, &s, &o, fits_two, &b, &err), TW_OK);
    expect_same_weights(m, fresh, true);
    assert_int_equal(b.n, 2); // 32 does not fit
    assert_int_equal(b.size[1], 16);
    assert_true(b.chosen == 8 || b.chosen == 16);
    assert_true(b.photos_per_second[0] > 0 && b.photos_per_second[1] > 0);
    largest = 1 << 20;
    assert_int_equal(twi_find_batch(m, &s, &o, fits_two, &b, &err), TW_OK);
    assert_int_equal(b.size[b.n - 1], 64); // eight steps an epoch stay
    tw_model_free(m);
    tw_model_free(fresh);
}

static double none_for_kernels(void *self, const twi_weight *w)
{
    (void)self;
    return w->shape.rank > 1 ? 0 : 1;
}

static void a_weight_learns_with_its_share_of_the_rate(void **unused)
{
    (void)unused;
    tw_err err = {0};
    tw_model *m = small_model(), *fresh = small_model();
    twi_samples s = samples();
    twi_fit_options o = trial_options();
    o.rate_factor = none_for_kernels;
    twi_history h = {0};
    assert_int_equal(twi_fit(m, &s, &o, &h, &err), TW_OK);
    twi_weights a = {0}, b = {0};
    twi_model_weights(m, &a, &err);
    twi_model_weights(fresh, &b, &err);
    for (int i = 0; i < a.n; i++) {
        size_t bytes = (size_t)twi_shape_count(&a.at[i]->shape) * sizeof(float);
        bool is_same = memcmp(a.at[i]->data, b.at[i]->data, bytes) == 0;
        assert_int_equal(is_same, a.at[i]->shape.rank > 1);
    }
    twi_weights_clear(&a);
    twi_weights_clear(&b);
    twi_history_clear(&h);
    tw_model_free(m);
    tw_model_free(fresh);
}

// ---------------------------------------------------------------------------------------------- numbers that are none

typedef struct poison {
    int at, seen; // steps: when a weight is poisoned, and how many were done
    tw_model *m;
    float value;
} poison;

static void poison_weight(void *self, twi_moment moment, int64_t epoch, int64_t step, twi_watch *w)
{
    poison *p = self;
    (void)epoch, (void)step, (void)w;
    if (moment != TWI_BATCH_BEGIN)
        return;
    twi_layer *layer = twi_model_find(p->m, "dense");
    if (++p->seen == p->at)
        layer->weights[0].data[7] = p->value;
}

// The kernel's poisoned number belongs to a unit behind ReLU, which may hide it from the loss.
static void a_weight_that_is_no_number_stops_within_three_steps(void **unused)
{
    (void)unused;
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++)
        for (int at = 1; at <= 8; at++) {
            tw_err err = {0};
            tw_model *m = small_model(), *kept = small_model();
            twi_samples s = samples();
            poison p = {.at = at, .m = m, .value = values[i]};
            twi_fit_options o = trial_options();
            twi_history h = {0};
            o.on_moment = poison_weight;
            o.self = &p;
            twi_fit(m, &s, &o, &h, &err);
            expect_error(err, TW_EDIVERGED, "dense/kernel");
            assert_true(strstr(err.msg, "smaller --lr"));
            assert_true(p.seen <= at + 3);
            // The best epoch's weights, or the first ones.
            twi_fit_options again = trial_options();
            twi_history other = {0};
            tw_err none = {0};
            again.epochs = h.best_epoch + 1;
            again.keeps_last = true;
            if (h.epochs.n)
                twi_fit(kept, &s, &again, &other, &none);
            expect_ok(none);
            expect_same_weights(m, kept, true);
            twi_history_clear(&other);
            twi_history_clear(&h);
            tw_model_free(m);
            tw_model_free(kept);
        }
}

static const char *photo_name(void *self, int64_t i)
{
    static char name[32];
    (void)self;
    snprintf(name, sizeof name, "photos/%d.jpg", (int)i);
    return name;
}

static void a_photo_that_is_no_number_is_named_before_anything_learns_from_it(void **unused)
{
    (void)unused;
    for (int is_validation = 0; is_validation < 2; is_validation++) {
        tw_err err = {0};
        tw_model *m = small_model(), *fresh = small_model();
        twi_samples s = samples();
        s.name = photo_name;
        pixels[13][5] = NAN;
        twi_samples clean = s;
        clean.n = 13;
        twi_fit_options o = trial_options();
        o.validation = &s;
        twi_history h = {0};
        twi_fit(m, is_validation ? &clean : &s, &o, &h, &err);
        expect_error(err, TW_EDIVERGED, "photos/13.jpg holds numbers that are NaN or infinite");
        assert_string_equal(err.where, "photos/13.jpg");
        if (!is_validation)
            expect_same_weights(m, fresh, true);
        twi_history_clear(&h);
        tw_model_free(m);
        tw_model_free(fresh);
    }
}

static void a_rate_that_is_far_too_large_leaves_the_first_weights(void **unused)
{
    (void)unused;
    tw_err err = {0};
    tw_model *m = small_model(), *fresh = small_model();
    twi_samples s = samples();
    twi_fit_options o = trial_options();
    o.optimizer = (tw_setting){.kind = twi_optimizer_find("sgd"), .value = {1e30}};
    o.loss = (tw_setting){.kind = twi_loss_find("mse")};
    twi_history h = {0};
    twi_fit(m, &s, &o, &h, &err);
    expect_error(err, TW_EDIVERGED, "learning rate 1e+30");
    expect_same_weights(m, fresh, true);
    twi_history_clear(&h);
    tw_model_free(m);
    tw_model_free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_weights_stepped_in_pieces_move_as_whole_ones),
        cmocka_unit_test(only_what_steps_value_by_value_gets_gradients_in_pieces),
        cmocka_unit_test(a_run_stopped_within_an_epoch_resumes_to_the_same_bits),
        cmocka_unit_test(a_torn_checkpoint_is_refused),
        cmocka_unit_test(validation_follows_the_weights_of_each_epoch),
        cmocka_unit_test(a_found_rate_is_a_tenth_of_the_best_and_nothing_has_learned),
        cmocka_unit_test(a_found_batch_size_fits_and_nothing_has_learned),
        cmocka_unit_test(a_weight_that_is_no_number_stops_within_three_steps),
        cmocka_unit_test(a_photo_that_is_no_number_is_named_before_anything_learns_from_it),
        cmocka_unit_test(a_rate_that_is_far_too_large_leaves_the_first_weights),
        cmocka_unit_test(a_weight_learns_with_its_share_of_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
