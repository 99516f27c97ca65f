// The terminal: how events look. A two-column page of stage and text that grows downwards, and below it, on a terminal,
// one live line with a bar that is drawn over.
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "topwork.h"

#include <stdio.h>

enum { CLI_LABEL = 10, CLI_RATE_SAMPLES = 32 };

typedef struct cli_terminal {
    FILE *out;
    bool is_quiet;    // shows nothing
    bool is_tty;      // wraps long lines
    bool has_bars;    // draws the live line
    bool has_colour;  // emphasis
    bool is_utf8;     // blocks, else '#'
    int live_columns; // of the live line as drawn; 0: none
    double drawn;     // when the live line was last drawn (cli_seconds)
    double epoch_drawn;
    char label[32]; // of the last line that stays

    // The stage that is going on
    char stage[32];
    double began;     // cli_seconds, for events that do not say how long it has been
    bool has_epochs;  // an epoch was seen: the stage is not summed up as a count
    bool keeps_epoch; // epochs are so long that each keeps its line
    bool has_best;    // `best` waits to be shown when the stage ends
    char best_stage[32];
    tw_event best;
    double spoken; // second of the stage when a plain line was last written
    struct {
        double seconds;
        int64_t done;
    } sample[CLI_RATE_SAMPLES]; // the latest counts, oldest at sample[first]
    int n_samples, first;
} cli_terminal;

void cli_terminal_open(cli_terminal *t, FILE *out, bool is_quiet, bool no_progress);
void cli_terminal_event(cli_terminal *t, const tw_event *event);
void cli_terminal_clear(cli_terminal *t); // takes the live line away, before something else is printed
void cli_terminal_close(cli_terminal *t);

// screen.c: facts about a terminal, and texts that fit it.
bool cli_is_tty(FILE *out);
bool cli_has_colour(FILE *out); // NO_COLOR and TERM=dumb respected
bool cli_is_utf8(void);
int cli_columns(FILE *out);            // width; 80 where it is not known
int cli_width(const char *text);       // columns a text takes
void cli_cut(char *text, int columns); // shortens it to so many columns
void cli_visible(char *text);          // shows control characters, all but line ends, as '?'
// Prints text, which may have several lines, starting at column `at`; lines after the first start at `indent`; breaks between words
// at `columns` (0: never).
void cli_wrap(FILE *out, const char *text, int at, int indent, int columns);
const char *cli_duration(char *buf, size_t size, double seconds); // "2.4 s", "3 min 20 s"
const char *cli_count(char *buf, size_t size, int64_t n);         // "1,234,567"
double cli_seconds(void);

#endif
