// What a summary shows of a model, shared by its styles. See summary.h.
#ifndef TWI_GRAPH_SUMMARY_ROWS_H
#define TWI_GRAPH_SUMMARY_ROWS_H

#include "graph/summary.h"

// One line of the table. Texts are owned.
typedef struct twi_summary_row {
    const twi_layer *layer;
    int level;         // 0: the model's own layer, 1: of a nest in it …
    char *shape;       // "(None, 4, 4, 8)", of the last call
    char *connections; // "conv[0][0]\nbn[0][0]": inputs, one a line; "" for none
    int64_t params;
    bool has_weights;
} twi_summary_row;
typedef twi_vec(twi_summary_row) twi_summary_rows;

// Appends the rows of a model, and with expand_nested those of its nests below them. ops: also bare operations.
tw_status twi_summary_rows_of(twi_summary_rows *rows, const tw_model *m, bool expand_nested, bool ops,
                              int level, tw_err *err);
void twi_summary_rows_clear(twi_summary_rows *rows);

// One layer after the other, each called once: no "Connected to" column.
bool twi_summary_is_chain(const tw_model *m, tw_err *err);

typedef struct twi_summary_totals {
    int64_t params[2], bytes[2]; // [1]: trainable
    int weights[2];              // tensors
} twi_summary_totals;
tw_status twi_summary_totals_of(twi_summary_totals *t, const tw_model *m, tw_err *err);
// "56.13 MB"
const char *twi_summary_size(char buf[32], int64_t bytes, const char *const units[6]);

tw_status twi_summary_keras2(const tw_model *m, const twi_summary_options *o, twi_str *out, tw_err *err);

#endif
