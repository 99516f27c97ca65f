// A verb that plays scripted events, in the place of `train`: tests see how the program's front shows them, without photos.
//     topwork_play train SCENE

#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(cli *c, tw_event_kind kind, const char *stage, int64_t done, int64_t total, double seconds,
                 const char *text)
{
    const tw_event event = {.kind = kind,
                            .stage = stage,
                            .text = text,
                            .done = done,
                            .total = total,
                            .seconds = seconds,
                            .unit = total ? "photos" : NULL};
    cli_event(c, &event);
}

static void tell_epoch(cli *c, int64_t epoch, double seconds, bool is_best)
{
    const tw_event event = {.kind = TW_EVENT_EPOCH,
                            .stage = "head",
                            .done = epoch,
                            .total = 10,
                            .seconds = seconds,
                            .loss = 0.0412,
                            .accuracy = 0.9888,
                            .val_loss = 0.0391,
                            .val_accuracy = 0.99,
                            .learning_rate = 1e-3,
                            .is_best = is_best};
    cli_event(c, &event);
}

static tw_status play_run(cli *c)
{
    tell(c, TW_EVENT_STAGE, "photos", 0, 0, 0, "1,000 in 2 classes: cats 500 · dogs 500");
    tell(c, TW_EVENT_STAGE, "model", 0, 0, 0,
         "efficientnet-lite0, ImageNet weights\ntrunk 3,371,024 parameters frozen");
    tell(c, TW_EVENT_STAGE, "features", 0, 1000, 0, NULL);
    for (int i = 1; i <= 4; i++) {
        tell(c, TW_EVENT_PROGRESS, "features", i * 250, 1000, i * 0.6, NULL);
        usleep(120000);
    }
    tell(c, TW_EVENT_NOTE, NULL, 0, 0, 0, "something in between");
    tell(c, TW_EVENT_END, "features", 1000, 1000, 2.4, "kept for the next run");
    for (int i = 1; i <= 10; i++)
        tell_epoch(c, i, 0.1, i == 1 || i == 7);
    tell(c, TW_EVENT_END, "head", 0, 0, 1, "stopped after epoch 10");
    tell(c, TW_EVENT_WARNING, NULL, 0, 0, 0, "few photos");
    return TW_OK;
}

static tw_status play_epochs(cli *c)
{
    for (int i = 1; i <= 3; i++)
        tell_epoch(c, i, 60, i == 1);
    tell(c, TW_EVENT_END, "head", 0, 0, 180, NULL);
    return TW_OK;
}

// Two phases that never say where they begin and end.
static tw_status play_phases(cli *c)
{
    for (int i = 1; i <= 3; i++) {
        const tw_event step = {.kind = TW_EVENT_PROGRESS, .stage = "head", .done = i * 50, .total = 150};
        cli_event(c, &step);
        tell_epoch(c, i, 0.1, i == 2);
    }
    tell(c, TW_EVENT_STAGE, "head", 0, 0, 0, "epoch 2 was the best and is restored");
    const tw_event step = {.kind = TW_EVENT_PROGRESS, .stage = "fine-tune", .done = 1, .total = 150};
    cli_event(c, &step);
    const tw_event epoch = {.kind = TW_EVENT_EPOCH,
                            .stage = "fine-tune",
                            .done = 1,
                            .total = 1,
                            .seconds = 90,
                            .loss = 0.5,
                            .accuracy = 0.75,
                            .val_loss = NAN,
                            .val_accuracy = NAN};
    cli_event(c, &epoch);
    return TW_OK;
}

// Works until asked to stop.
static tw_status play_work(cli *c)
{
    tell(c, TW_EVENT_STAGE, "features", 0, 1000, 0, NULL);
    for (int i = 0; i < 1000 && !cli_signal_caught(); i++) {
        tell(c, TW_EVENT_PROGRESS, "features", i, 1000, i * 0.01, NULL);
        usleep(10000);
    }
    return cli_fail(&c->err, TW_ECANCELLED, "cancelled\nkept      runs/x-1/model.keras");
}

// Does not hear.
static tw_status play_deaf(cli *c)
{
    tell(c, TW_EVENT_STAGE, "photos", 0, 0, 0, "deaf");
    sleep(20);
    sleep(20);
    return TW_OK;
}

static tw_status play_flood(cli *c)
{
    for (int i = 0; i < 100000 && !c->write_error; i++)
        cli_print(c, "line %d\n", i);
    return cli_fail(&c->err, TW_ECANCELLED, "cancelled");
}

static tw_status play_odd(cli *c)
{
    tell(c, TW_EVENT_STAGE, "photos", 0, 0, 0, "a \"quoted\" \\ name\tand \xff \033[2Jbyte\nline two\n");
    return cli_fail(&c->err, TW_EUNUSABLE, "no weights\nlooked in  here\nget them   there");
}

// Gives what the command line came to.
static tw_status give_options(cli *c, const tw_train_options *o)
{
    cli_print(c, "epochs %d top %d no_top %d force %d val_split %g bn %d head %s\n", (int)o->epochs, o->top,
              o->no_top, o->force, o->val_split, o->bn, o->head);
    return TW_OK;
}

static tw_status run(cli *c, const void *options)
{
    static const struct {
        const char *name;
        tw_status (*play)(cli *c);
    } scenes[] = {{"run", play_run},   {"epochs", play_epochs}, {"phases", play_phases}, {"work", play_work},
                  {"deaf", play_deaf}, {"flood", play_flood},   {"odd", play_odd}};
    const tw_train_options *o = options;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        if (strcmp(scenes[i].name, o->photos) == 0)
            return scenes[i].play(c);
    if (strcmp(o->photos, "options") == 0)
        return give_options(c, o);
    return cli_fail(&c->err, TW_EINVAL, "no scene '%s'", o->photos);
}

const cli_verb cli_verb_train = {
    .name = "train",
    .doc = "play a scene",
    .examples = "topwork_play train run",
    .fields = tw_train_fields,
    CLI_OPTIONS(tw_train_options),
    .streams_events = true,
    .run = run,
};
