// How events look. See terminal.h for the picture.
//
//     features  ████████████▌···········    520/1,000   410 photos/s   1.2 s left      the live line
//     head      epoch  7/10  loss 0.0412  accuracy 0.9888   val loss 0.0391  val accuracy 0.9900   best
//
// Lines that stay are printed once and never touched again; the live line is erased before anything else is printed.
// Into a pipe or a log there is no live line: one line a stage and an epoch, and one each half minute of a long stage.
// Epochs of a second or less share the live line, and the best of them stays; longer ones keep a line each.

#include "cli/terminal.h"

#include <math.h>
#include <string.h>

enum { BAR = 24, BAR_MIN = 8 };
#define DRAW_EVERY  0.1 // seconds
#define SPEAK_EVERY 30.0
#define LONG_EPOCH  1.0

#define BOLD   "\033[1m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

void cli_terminal_open(cli_terminal *t, FILE *out, bool is_quiet, bool no_progress)
{
    memset(t, 0, sizeof *t);
    t->out = out;
    t->is_quiet = is_quiet;
    t->is_tty = cli_is_tty(out);
    t->has_bars = t->is_tty && !no_progress && !is_quiet;
    t->has_colour = cli_has_colour(out);
    t->is_utf8 = cli_is_utf8();
}

// ------------------------------------------------------------------------------------------------------- the live line

void cli_terminal_clear(cli_terminal *t)
{
    if (!t->live_columns)
        return;
    // In a window made narrower the old line now fills several rows; the cursor is on the last of them.
    int rows = (t->live_columns - 1) / cli_columns(t->out);
    fputs("\r", t->out);
    if (rows > 0)
        fprintf(t->out, "\033[%dA", rows);
    fputs("\033[J", t->out);
    fflush(t->out);
    t->live_columns = 0;
}

static void draw(cli_terminal *t, const char *label, char *text)
{
    int columns = cli_columns(t->out) - 1; // the last column would move the cursor to the next row
    if (columns < CLI_LABEL + BAR_MIN)
        return;
    cli_visible(text);
    cli_cut(text, columns - CLI_LABEL);
    cli_terminal_clear(t);
    int blanks = CLI_LABEL - cli_width(label);
    fprintf(t->out, "%s%s%s%*s%s", t->has_colour ? BOLD : "", label, t->has_colour ? PLAIN : "",
            blanks > 0 ? blanks : 1, "", text);
    fflush(t->out);
    t->live_columns = CLI_LABEL + cli_width(text);
    t->drawn = cli_seconds();
}

// A bar of `width` cells; eighths of a cell where the terminal has blocks.
static void bar(const cli_terminal *t, char *buf, size_t size, int width, double share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    int cells = (int)(share * width * 8 + 0.5), full = cells / 8, rest = t->is_utf8 ? cells % 8 : 0;
    size_t at = 0;
    buf[0] = 0;
    for (int i = 0; i < width && at + 4 < size; i++) {
        const char *cell = i < full            ? (t->is_utf8 ? "█" : "#")
                           : i == full && rest ? eighths[rest]
                           : t->is_utf8        ? "·"
                                               : ".";
        at += (size_t)snprintf(buf + at, size - at, "%s", cell);
    }
}

// ------------------------------------------------------------------------------------------------------ lines that stay

// The label is not repeated under itself unless `again`.
static void line(cli_terminal *t, const char *label, const char *text, const char *colour, bool again)
{
    cli_terminal_clear(t);
    bool is_same = !again && strcmp(t->label, label) == 0;
    int blanks = CLI_LABEL - cli_width(label);
    int at = blanks > 0 ? CLI_LABEL : cli_width(label) + 1;
    if (is_same)
        fprintf(t->out, "%*s", CLI_LABEL, "");
    else
        fprintf(t->out, "%s%s%s%*s", t->has_colour ? colour : "", label, t->has_colour ? PLAIN : "",
                at - cli_width(label), "");
    char shown[4096];
    snprintf(shown, sizeof shown, "%s", text);
    cli_visible(shown);
    cli_wrap(t->out, shown, is_same ? CLI_LABEL : at, CLI_LABEL, t->is_tty ? cli_columns(t->out) : 0);
    fputc('\n', t->out);
    fflush(t->out);
    snprintf(t->label, sizeof t->label, "%s", label);
}

// ----------------------------------------------------------------------------------------------------------- the counts

// Seconds since the stage began.
static double seconds_of(const cli_terminal *t, const tw_event *e)
{
    return e->seconds > 0 ? e->seconds : cli_seconds() - t->began;
}

static void remember(cli_terminal *t, const tw_event *e)
{
    if (t->n_samples && e->done < t->sample[(t->first + t->n_samples - 1) % CLI_RATE_SAMPLES].done)
        t->n_samples = 0; // counted from the start again
    int at = (t->first + t->n_samples) % CLI_RATE_SAMPLES;
    if (t->n_samples == CLI_RATE_SAMPLES)
        t->first = (t->first + 1) % CLI_RATE_SAMPLES;
    else
        t->n_samples++;
    t->sample[at].seconds = seconds_of(t, e);
    t->sample[at].done = e->done;
}

// Items a second over the latest samples: photos found in the cache at the start must not promise a quick end.
static double rate_now(const cli_terminal *t, const tw_event *e)
{
    double now = seconds_of(t, e), then = t->n_samples ? t->sample[t->first].seconds : 0;
    int64_t done = t->n_samples ? t->sample[t->first].done : 0;
    if (now - then < 0.05 || e->done < done)
        then = 0, done = 0;
    return now > then ? (double)(e->done - done) / (now - then) : 0;
}

static void add(char *buf, size_t size, const char *text)
{
    size_t n = strlen(buf);
    snprintf(buf + n, size - n, "%s%s", n ? "   " : "", text);
}

static void add_rate(char *buf, size_t size, double rate, const char *unit)
{
    if (rate <= 0 || !unit)
        return;
    char number[32], text[96];
    if (rate < 10)
        snprintf(number, sizeof number, "%.1f", rate);
    else
        cli_count(number, sizeof number, (int64_t)(rate + 0.5));
    snprintf(text, sizeof text, "%s %s/s", number, unit);
    add(buf, size, text);
}

// "  520/1,000" (the width stays while it counts), or "520 photos" where the total is not known.
static void add_done(char *buf, size_t size, const tw_event *e)
{
    char done[32], total[32], text[128];
    cli_count(done, sizeof done, e->done);
    if (e->total > 0)
        snprintf(text, sizeof text, "%*s/%s", (int)strlen(cli_count(total, sizeof total, e->total)), done,
                 total);
    else
        snprintf(text, sizeof text, "%s %s", done, e->unit ? e->unit : "");
    add(buf, size, text);
}

static double share_of(const tw_event *e)
{
    return e->total > 0 ? (double)e->done / (double)e->total : 0;
}

static void draw_progress(cli_terminal *t, const tw_event *e)
{
    char counts[256] = "", text[640] = "", blocks[BAR * 4 + 1], left[48];
    double rate = rate_now(t, e);
    add_done(counts, sizeof counts, e);
    add_rate(counts, sizeof counts, rate, e->unit);
    if (rate > 0 && e->total > e->done && seconds_of(t, e) > 1) {
        cli_duration(left, sizeof left, (double)(e->total - e->done) / rate);
        add(counts, sizeof counts, left);
        strncat(counts, " left", sizeof counts - strlen(counts) - 1);
    }
    if (e->text)
        snprintf(text, sizeof text, "%.200s  ", e->text);
    text[strcspn(text, "\n")] = 0;
    int room = cli_columns(t->out) - 1 - CLI_LABEL - cli_width(text) - 2 - cli_width(counts);
    int width = room < BAR ? room : BAR;
    if (e->total > 0 && width >= BAR_MIN) {
        bar(t, blocks, sizeof blocks, width, share_of(e));
        strncat(text, blocks, sizeof text - strlen(text) - 1);
        strncat(text, "  ", sizeof text - strlen(text) - 1);
    }
    strncat(text, counts, sizeof text - strlen(text) - 1);
    draw(t, e->stage, text);
}

static void show_progress(cli_terminal *t, const tw_event *e)
{
    double now = cli_seconds();
    remember(t, e);
    if (t->has_bars) {
        // A line about an epoch stays long enough to be read.
        if (now - t->drawn >= DRAW_EVERY && now - t->epoch_drawn >= LONG_EPOCH)
            draw_progress(t, e);
        return;
    }
    if (seconds_of(t, e) - t->spoken < SPEAK_EVERY)
        return;
    t->spoken = seconds_of(t, e);
    char text[640] = "";
    if (e->text)
        add(text, sizeof text, e->text);
    add_done(text, sizeof text, e);
    add_rate(text, sizeof text, rate_now(t, e), e->unit);
    line(t, e->stage, text, BOLD, true);
}

// ----------------------------------------------------------------------------------------------------------- the epochs

static void add_value(char *buf, size_t size, const char *gap, const char *name, double value)
{
    size_t n = strlen(buf);
    if (!isnan(value))
        snprintf(buf + n, size - n, "%s%s %.4f", gap, name, value);
}

static void epoch_text(char *buf, size_t size, const tw_event *e)
{
    char total[32];
    snprintf(total, sizeof total, "%lld", (long long)e->total);
    snprintf(buf, size, "epoch %*lld/%s", (int)strlen(total), (long long)e->done, total);
    add_value(buf, size, "  ", "loss", e->loss);
    add_value(buf, size, "  ", "accuracy", e->accuracy);
    add_value(buf, size, "   ", "val loss", e->val_loss);
    add_value(buf, size, isnan(e->val_loss) ? "   " : "  ", "val accuracy", e->val_accuracy);
    if (e->is_best)
        add(buf, size, "best");
}

static void show_epoch(cli_terminal *t, const tw_event *e)
{
    char text[320];
    if (!t->has_epochs)
        t->keeps_epoch = !t->has_bars || e->seconds >= LONG_EPOCH;
    t->has_epochs = true;
    t->spoken = cli_seconds() - t->began;
    if (t->keeps_epoch) {
        epoch_text(text, sizeof text, e);
        line(t, e->stage, text, BOLD, true);
        return;
    }
    if (!t->has_best || e->is_best) {
        t->best = *e;
        t->best.text = NULL;
        snprintf(t->best_stage, sizeof t->best_stage, "%s", e->stage);
        t->has_best = true;
    }
    double now = cli_seconds();
    if (now - t->drawn < DRAW_EVERY)
        return;
    epoch_text(text, sizeof text, e);
    draw(t, e->stage, text);
    t->epoch_drawn = now;
}

static void keep_best(cli_terminal *t)
{
    if (!t->has_best)
        return;
    char text[320];
    epoch_text(text, sizeof text, &t->best);
    line(t, t->best_stage, text, BOLD, true);
    t->has_best = false;
}

// ----------------------------------------------------------------------------------------------------------- the stages

// Every event but a note belongs to a stage; a stage may begin without saying so.
static void enter(cli_terminal *t, const char *stage, bool is_new)
{
    if (!is_new && strcmp(t->stage, stage) == 0)
        return;
    keep_best(t);
    cli_terminal_clear(t);
    snprintf(t->stage, sizeof t->stage, "%s", stage);
    t->began = cli_seconds();
    t->has_epochs = t->keeps_epoch = false;
    t->n_samples = t->first = 0;
    t->spoken = 0;
    t->epoch_drawn = 0;
}

static void begin_stage(cli_terminal *t, const tw_event *e)
{
    if (e->total == 0 && !e->unit) {
        if (e->text)
            line(t, e->stage, e->text, BOLD, false);
    } else if (t->has_bars && e->text) {
        char text[256];
        snprintf(text, sizeof text, "%s", e->text);
        text[strcspn(text, "\n")] = 0;
        draw(t, e->stage, text);
    }
}

static void end_stage(cli_terminal *t, const tw_event *e)
{
    char text[1600] = "", blocks[BAR * 4 + 1], took[48];
    keep_best(t);
    cli_terminal_clear(t);
    bool is_counted = !t->has_epochs && (e->total > 0 || e->done > 0);
    if (is_counted) {
        add_done(text, sizeof text, e);
        double seconds = seconds_of(t, e);
        add_rate(text, sizeof text, seconds > 0 ? (double)e->done / seconds : 0, e->unit);
        add(text, sizeof text, cli_duration(took, sizeof took, seconds));
        int room = cli_columns(t->out) - CLI_LABEL - 2 - cli_width(text);
        if (t->has_bars && e->total > 0 && room >= BAR) {
            char counts[256];
            snprintf(counts, sizeof counts, "%.255s", text);
            bar(t, blocks, sizeof blocks, BAR, share_of(e));
            snprintf(text, sizeof text, "%s  %s", blocks, counts);
        }
    }
    if (e->text)
        add(text, sizeof text, e->text);
    if (*text)
        line(t, e->stage, text, BOLD, is_counted);
    t->stage[0] = 0;
}

void cli_terminal_event(cli_terminal *t, const tw_event *event)
{
    if (t->is_quiet)
        return;
    tw_event e = *event;
    if (!e.stage)
        e.stage = "";
    if (e.kind != TW_EVENT_NOTE && e.kind != TW_EVENT_WARNING)
        enter(t, e.stage, e.kind == TW_EVENT_STAGE);
    switch (e.kind) {
    case TW_EVENT_STAGE:
        begin_stage(t, &e);
        return;
    case TW_EVENT_PROGRESS:
        show_progress(t, &e);
        return;
    case TW_EVENT_EPOCH:
        show_epoch(t, &e);
        return;
    case TW_EVENT_END:
        end_stage(t, &e);
        return;
    case TW_EVENT_NOTE:
        line(t, "note", e.text ? e.text : "", BOLD, true);
        return;
    case TW_EVENT_WARNING:
        line(t, "warning", e.text ? e.text : "", YELLOW, true);
        return;
    }
}

void cli_terminal_close(cli_terminal *t)
{
    if (!t->out || t->is_quiet)
        return;
    keep_best(t);
    cli_terminal_clear(t);
}
