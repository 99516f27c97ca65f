// The main job from C: a folder of photos becomes runs/…/model.keras.
//     train_folder PHOTOS [EPOCHS]

#include <topwork.h>

#include <stdio.h>
#include <stdlib.h>

static void on_event(void *arg, const tw_event *event)
{
    (void)arg;
    if (event->kind == TW_EVENT_EPOCH)
        printf("%s %lld/%lld: loss %.4f, validation loss %.4f\n", event->stage, (long long)event->done,
               (long long)event->total, event->loss, event->val_loss);
    else if (event->text)
        printf("%s: %s\n", event->stage, event->text);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: train_folder PHOTOS [EPOCHS]\n");
        return 2;
    }
    // The first error stays in err and later calls do nothing, so one check at the end is enough.
    tw_err err = {0};
    tw_context *tw = tw_open(&(tw_open_options){.event = on_event}, &err);
    tw_arena *arena = tw_arena_new(&err);
    tw_train_options options = {0};
    if (tw && arena && !tw_fields_default(tw_train_fields, &options, arena, &err)) {
        options.photos = argv[1];
        if (argc > 2)
            options.epochs = atoll(argv[2]);
        tw_train(tw, &options, &err);
    }
    tw_arena_free(arena);
    tw_close(tw);
    if (err.status)
        fprintf(stderr, "train_folder: %s\n", err.msg);
    return tw_status_exit(err.status);
}
