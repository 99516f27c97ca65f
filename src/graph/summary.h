// The text of model.summary(), as Keras 3 and Keras 2 print it, byte for byte (interop d), and as JSON.
#ifndef TWI_GRAPH_SUMMARY_H
#define TWI_GRAPH_SUMMARY_H

#include "base/str.h"
#include "graph/model.h"

typedef struct twi_summary_options {
    bool is_keras2; // the Keras 2 text; false: the Keras 3 table
    bool expand_nested, show_trainable;
    int line_length; // 0: Keras's default at 80 columns
} twi_summary_options;

tw_status twi_summary_text(const tw_model *m, const twi_summary_options *o, twi_str *out, tw_err *err);
// {name, layers:[{name, class, output_shape, params, trainable}], params:{…}, weights:{all, trainable, non_trainable}}
json_t *twi_summary_json(const tw_model *m, tw_err *err);

#endif
