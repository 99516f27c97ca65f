// A whole job by one call: what `topwork train` does, with its flags as options.  verbs PHOTOS RUN [NAME=VALUE…]
//
// Every option of a verb is described by a row (tw_train_fields): so a program can take them as text, from its own flags,
// a form or a file, with the checks and messages of the command line.

#include <stdio.h>
#include <string.h>
#include <topwork.h>

static void say(void *arg, const tw_event *event)
{
    (void)arg;
    if (event->kind == TW_EVENT_EPOCH)
        printf("%s %lld/%lld: val_accuracy %.4f\n", event->stage, (long long)event->done,
               (long long)event->total, event->val_accuracy);
    else if (event->text && event->kind != TW_EVENT_PROGRESS)
        printf("%s: %s\n", event->stage ? event->stage : "note", event->text);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: verbs PHOTOS RUN [NAME=VALUE...]\n");
        return 2;
    }
    tw_err err = {0};
    tw_arena *texts = tw_arena_new(&err);
    tw_train_options options;
    tw_fields_default(tw_train_fields, &options, texts, &err);
    options.photos = argv[1];
    options.output_dir = argv[2];
    for (int i = 3; i < argc && !err.status; i++) {
        char *equals = strchr(argv[i], '=');
        const char *value = equals ? equals + 1 : "true";
        if (equals)
            *equals = 0;
        const tw_field *field = tw_field_find(tw_train_fields, argv[i]);
        const char *near = tw_field_nearest(tw_train_fields, argv[i]);
        if (field) {
            tw_field_set(field, &options, value, argv[i], texts, &err);
        } else {
            err.status = TW_EINVAL;
            snprintf(err.msg, sizeof err.msg, "no option '%s'; did you mean '%s'?", argv[i],
                     near ? near : "epochs");
        }
    }
    tw_context *tw = tw_open(&(tw_open_options){.event = say}, &err);
    if (!err.status)
        tw_train(tw, &options, &err);
    if (err.status)
        fprintf(stderr, "verbs: %s\n", err.msg);
    tw_close(tw);
    tw_arena_free(texts);
    return tw_status_exit(err.status);
}
