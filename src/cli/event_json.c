// Events and errors as JSON, one object a line:
//     {"event":"epoch","stage":"head","epoch":7,"epochs":10,"seconds":0.3,"loss":0.0412,…,"best":true}
// What is not known is left out. Written by hand: the program has no JSON library, and only writes.

#include "cli/cli.h"

#include <math.h>
#include <string.h>

typedef struct object {
    char text[4096];
    size_t n;
} object;

static void put(object *o, char byte)
{
    if (o->n < sizeof o->text - 8) // room for the end is kept: an object too long loses text, never its form
        o->text[o->n++] = byte;
}

static void put_text(object *o, const char *text)
{
    for (; *text; text++)
        put(o, *text);
}

// Bytes of the UTF-8 character at s, 0 where there is none (names of files may hold anything).
static int utf8_bytes(const char *s)
{
    unsigned char first = (unsigned char)*s;
    int n = first < 0x80                    ? 1
            : first >= 0xC2 && first < 0xE0 ? 2
            : first >= 0xE0 && first < 0xF0 ? 3
            : first >= 0xF0 && first < 0xF5 ? 4
                                            : 0;
    for (int i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return 0;
    unsigned char second = n > 1 ? (unsigned char)s[1] : 0;
    bool is_odd = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                  (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return is_odd ? 0 : n;
}

static void put_string(object *o, const char *s)
{
    put(o, '"');
    while (*s && o->n < sizeof o->text - 512) {
        int n = utf8_bytes(s);
        unsigned char byte = (unsigned char)*s;
        char text[8];
        if (n == 0)
            snprintf(text, sizeof text, "\\ufffd");
        else if (byte == '"' || byte == '\\')
            snprintf(text, sizeof text, "\\%c", byte);
        else if (byte == '\n')
            snprintf(text, sizeof text, "\\n");
        else if (byte < 0x20)
            snprintf(text, sizeof text, "\\u%04x", byte);
        else
            snprintf(text, sizeof text, "%.*s", n, s);
        put_text(o, text);
        s += n ? n : 1;
    }
    put(o, '"');
}

static void key(object *o, const char *name)
{
    put_text(o, o->n > 1 ? "," : "");
    put_string(o, name);
    put(o, ':');
}

static void string(object *o, const char *name, const char *value)
{
    if (!value)
        return;
    key(o, name);
    put_string(o, value);
}

static void number(object *o, const char *name, double value)
{
    if (!isfinite(value))
        return;
    char text[48];
    snprintf(text, sizeof text, "%.9g", value);
    key(o, name);
    put_text(o, text);
}

static void whole(object *o, const char *name, int64_t value)
{
    char text[48];
    snprintf(text, sizeof text, "%lld", (long long)value);
    key(o, name);
    put_text(o, text);
}

static void give(cli *c, object *o)
{
    o->text[o->n++] = '}';
    o->text[o->n++] = '\n';
    cli_write(c, o->text, o->n);
}

void cli_event_json(cli *c, const tw_event *e)
{
    static const char *const names[] = {"stage", "progress", "epoch", "end", "note", "warning"};
    if (e->kind == TW_EVENT_PROGRESS) {
        double now = cli_seconds();
        if (c->global.no_progress || now - c->last_progress < 0.5)
            return;
        c->last_progress = now;
    }
    object o = {.text = "{", .n = 1};
    string(&o, "event", names[e->kind]);
    string(&o, "stage", e->stage);
    if (e->kind == TW_EVENT_EPOCH) {
        whole(&o, "epoch", e->done);
        whole(&o, "epochs", e->total);
    } else if (e->unit || e->total || e->done) {
        whole(&o, "done", e->done);
        if (e->total)
            whole(&o, "total", e->total);
        string(&o, "unit", e->unit);
    }
    if (e->kind != TW_EVENT_NOTE && e->kind != TW_EVENT_WARNING && e->kind != TW_EVENT_STAGE)
        number(&o, "seconds", e->seconds);
    if (e->kind == TW_EVENT_EPOCH) {
        number(&o, "loss", e->loss);
        number(&o, "accuracy", e->accuracy);
        number(&o, "val_loss", e->val_loss);
        number(&o, "val_accuracy", e->val_accuracy);
        number(&o, "learning_rate", e->learning_rate);
        key(&o, "best");
        put_text(&o, e->is_best ? "true" : "false");
    }
    string(&o, "text", e->text);
    give(c, &o);
}

void cli_error_json(cli *c, const tw_err *err)
{
    object o = {.text = "{", .n = 1};
    string(&o, "event", "error");
    string(&o, "status", tw_status_text(err->status));
    whole(&o, "exit", tw_status_exit(err->status));
    string(&o, "text", err->msg);
    give(c, &o);
}
