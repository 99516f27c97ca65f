// Promises of the reading of curves: each rule speaks where it should and is silent where it should be.

#include "testing.h"

#include "report/diagnose.h"

enum { EPOCHS_MAX = 16, CLASSES = 2, PHOTOS = 400 };

typedef struct story {
    twi_run_facts facts;
    twi_history history;
    twi_evaluation val;
    int64_t n_train[CLASSES];
    float answers[PHOTOS];
    int32_t labels[PHOTOS];
} story;

static const char *const classes[] = {"cats", "dogs"};

// n epochs of given losses; accuracies follow from them. `wrong` of 400 validation photos are wrong, `sure` of them surely.
static void tell(story *s, int n, const double *loss, const double *val_loss, int wrong, int sure)
{
    tw_err err = {0};
    *s = (story){.n_train = {200, 200}};
    s->history.best_epoch = -1;
    s->history.best = INFINITY;
    for (int i = 0; i < n; i++) {
        twi_epoch e = {.epoch = i, .loss = loss[i], .val_loss = val_loss[i], .learning_rate = 1e-3};
        e.accuracy = exp(-loss[i]);
        e.val_accuracy = exp(-val_loss[i]);
        if (e.val_loss < s->history.best) {
            s->history.best = e.val_loss;
            s->history.best_epoch = i;
        }
        assert_true(twi_vec_push(&s->history.epochs, e, &err));
    }
    for (int i = 0; i < PHOTOS; i++) {
        s->labels[i] = i % 2;
        float p = i < wrong ? (i < sure ? 0.01f : 0.4f) : 0.9f; // of the true class
        s->answers[i] = s->labels[i] ? p : 1 - p;
    }
    tw_setting bce = {.kind = twi_loss_find("bce")};
    twi_evaluate(s->answers, 1, s->labels, PHOTOS, CLASSES, &bce, 0, &s->val, &err);
    expect_ok(err);
    s->facts = (twi_run_facts){.history = &s->history,
                               .val = &s->val,
                               .n_train = s->n_train,
                               .n_classes = CLASSES,
                               .classes = classes,
                               .learning_rate = 1e-3,
                               .dropout = -1,
                               .val_split = 0.2,
                               .epochs = n,
                               .answers = s->answers,
                               .labels = s->labels,
                               .n_answers = PHOTOS,
                               .k = 1};
}

static void end(story *s)
{
    twi_vec_clear(&s->history.epochs);
    twi_evaluation_clear(&s->val);
}

static bool says(story *s, const char *rule, const char *part)
{
    twi_readings r;
    tw_err err = {0};
    assert_int_equal(twi_diagnose(&s->facts, &r, &err), TW_OK);
    bool found = false;
    for (int i = 0; i < r.n; i++) {
        assert_true(r.at[i].text.n > 0);
        if (strcmp(r.at[i].rule, rule) == 0)
            found =
                strstr(r.at[i].text.text, part) || (r.at[i].advice.n && strstr(r.at[i].advice.text, part));
    }
    twi_readings_clear(&r);
    return found;
}

static const double falling[] = {0.6, 0.4, 0.3, 0.25, 0.23, 0.22},
                    near_it[] = {0.61, 0.42, 0.33, 0.28, 0.27, 0.265};

static void a_good_run_is_called_healthy(void **state)
{
    (void)state;
    story s;
    tell(&s, 6, falling, near_it, 20, 1);
    assert_true(says(&s, "healthy", "fell together (0.22 and 0.265)"));
    assert_true(says(&s, "healthy", "--fine-tune 3"));
    s.facts.fine_tune = 2; // what was done is not advised again
    assert_false(says(&s, "healthy", "--fine-tune"));
    s.facts.is_fine_tuned = true;
    assert_true(says(&s, "healthy", "--fine-tune 4"));
    s.history.best_epoch = 3;
    assert_false(says(&s, "healthy", "--fine-tune"));
    s.facts.fine_tune = 0;
    s.facts.is_fine_tuned = false;
    s.history.best_epoch = 5;
    static const char *const others[] = {"divergence",  "rate_high", "imbalance",
                                         "overfitting", "rate_low",  "underfitting",
                                         "label_noise", "plateau",   "few_photos"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(says(&s, others[i], ""));
    end(&s);
}

static void overfitting_and_divergence(void **state)
{
    (void)state;
    story s;
    const double down[] = {0.5, 0.2, 0.1, 0.05, 0.02}, up[] = {0.45, 0.35, 0.4, 0.5, 0.7};
    tell(&s, 5, down, up, 60, 2);
    assert_true(says(&s, "overfitting", "after epoch 2"));
    assert_true(says(&s, "overfitting", "--dropout 0.5 --l2 1e-4"));
    s.facts.dropout = 0.5; // what was tried is not advised again
    assert_false(says(&s, "overfitting", "--dropout"));
    assert_true(says(&s, "overfitting", "--l2 1e-4"));
    s.facts.l2 = 1e-3;
    assert_true(says(&s, "overfitting", "--augment-copies 4"));
    s.facts.augment_copies = 4;
    assert_true(says(&s, "overfitting", "--l2 0.01"));
    end(&s);
    const double wild[] = {0.7, 3, 9};
    tell(&s, 3, wild, wild, 180, 2);
    assert_true(says(&s, "divergence", "--lr 0.0001"));
    end(&s);
    tell(&s, 1, falling, near_it, 20, 1);
    assert_false(says(&s, "divergence", ""));
    s.facts.is_diverged = true;
    assert_true(says(&s, "divergence", "no number"));
    end(&s);
}

static void rates_too_high_and_too_low(void **state)
{
    (void)state;
    story s;
    const double jumps[] = {0.6, 0.5, 0.62, 0.4, 0.55, 0.45, 0.6};
    tell(&s, 7, jumps, jumps, 60, 2);
    assert_true(says(&s, "rate_high", "3 of 6 epochs"));
    assert_true(says(&s, "rate_high", "--lr 0.0002"));
    s.facts.is_fine_tuned = true;
    assert_true(says(&s, "rate_high", "--fine-tune-lr 0.0002"));
    end(&s);
    const double fast[] = {0.6, 0.5, 0.41, 0.33}, creeping[] = {0.693, 0.690, 0.687, 0.684};
    tell(&s, 4, fast, fast, 60, 2);
    assert_true(says(&s, "rate_low", "--epochs 12"));
    s.facts.epochs = 9; // stopped before its time: more epochs were allowed
    assert_false(says(&s, "rate_low", ""));
    end(&s);
    tell(&s, 4, creeping, creeping, 190, 2);
    assert_true(says(&s, "rate_low", "--lr 0.01"));
    end(&s);
}

static void what_contradicts_is_not_said(void **state)
{
    (void)state;
    story s;
    static const double jumping[] = {9, 4, 1.0, 1.2, 1.3, 1.29}, turning[] = {2, 0.7, 1.2, 1.4, 1.5, 1.6};
    tell(&s, 6, jumping, turning, 200, 1);
    assert_true(says(&s, "overfitting", "rose from 0.7 to 1.6"));
    assert_false(says(&s, "underfitting", "")); // though few are right and the loss no longer falls
    end(&s);
}

static void underfitting_and_plateau(void **state)
{
    (void)state;
    story s;
    const double stuck[] = {0.69, 0.66, 0.65, 0.655, 0.648},
                 flat[] = {0.6, 0.21, 0.2, 0.2, 0.1995, 0.2, 0.1998};
    tell(&s, 5, stuck, stuck, 180, 2);
    assert_true(says(&s, "underfitting", "guessing gives 50.0 %"));
    end(&s);
    tell(&s, 7, flat, flat, 60, 2);
    assert_true(says(&s, "plateau", "near 0.2"));
    assert_false(says(&s, "underfitting", ""));
    end(&s);
}

static void what_lies_in_the_photos(void **state)
{
    (void)state;
    story s;
    tell(&s, 6, falling, near_it, 20, 12);
    assert_true(says(&s, "label_noise", "12 of the 20"));
    end(&s);
    tell(&s, 6, falling, near_it, 20, 1);
    s.n_train[0] = 12;
    assert_true(says(&s, "few_photos", "only 12"));
    // Rare cats, and only they are missed.
    for (int i = 0; i < PHOTOS; i++)
        s.answers[i] = s.labels[i] ? 0.9f : i < 100 ? 0.8f : 0.1f;
    tw_err err = {0};
    tw_setting bce = {.kind = twi_loss_find("bce")};
    twi_evaluation_clear(&s.val);
    twi_evaluate(s.answers, 1, s.labels, PHOTOS, CLASSES, &bce, 0, &s.val, &err);
    assert_true(says(&s, "imbalance", "--class-weight balanced"));
    s.facts.is_balanced = true;
    assert_false(says(&s, "imbalance", ""));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_is_called_healthy), cmocka_unit_test(overfitting_and_divergence),
        cmocka_unit_test(rates_too_high_and_too_low),   cmocka_unit_test(underfitting_and_plateau),
        cmocka_unit_test(what_contradicts_is_not_said), cmocka_unit_test(what_lies_in_the_photos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
