// Pieces of report.html: text made safe, charts as SVG, photos as thumbnails. All append to a text.
#ifndef TWI_REPORT_HTML_H
#define TWI_REPORT_HTML_H

#include "base/json.h"
#include "report/csv.h"

// Text with &, <, > and quotes as entities.
void twi_html_text(twi_str *out, const char *text);
// printf with the result made safe.
void twi_html_printf(twi_str *out, const char *fmt, ...) TWI_PRINTF(2, 3);

// A page of this look, from its beginning to where what it says goes (its title: "topwork · dir"), and its end.
void twi_html_open(twi_str *out, const char *dir);
void twi_html_close(twi_str *out);

// About how wide a text of this font size is, in the same unit.
double twi_html_text_width(const char *text, double size);

// Curves of a column and its validation twin over the epochs, with marks: the best epoch, and where fine-tuning began.
typedef struct twi_chart {
    const char *title;
    const double *train, *val; // [n]; NaN where not measured
    int64_t n, best;           // best: epoch from 0, or -1
    int64_t second_phase;      // first epoch of the second phase, or -1
    bool is_share;             // values are 0…1 and shown in percent
    int64_t stopped; // epochs after which early stopping ended the phase that is kept; 0: it did not
} twi_chart;
void twi_html_chart(twi_str *out, const twi_chart *chart);

// What happened to rates and weights, from results.json: the search for a rate, the schedule, what the kernels look like,
// and what dropout switched off in two steps. Each only where there is something to show.
void twi_html_learning(twi_str *out, const json_t *results);

// The confusion matrix as a table whose cells are shaded by their share of the row.
void twi_html_confusion(twi_str *out, const json_t *scores);

// A photo of at most `side` pixels as a data URI, or nothing where it cannot be read any more. Returns whether it could.
bool twi_html_thumbnail(twi_str *out, const char *path, int64_t side);

#endif
