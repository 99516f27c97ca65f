// Sharded Keras 3 weights: an index .weights.json beside numbered .weights.h5 files (interop b5).
//
//   {"metadata": {…}, "weight_map": {"/layers/dense/vars": "m_00000.weights.h5" or a list of them, …}}
// Each shard is a tree like keras_weights.c's with some of the groups. Shards are named relative to the index and must
// stand beside it. Read only.

#include "format/parts.h"

#include <string.h>

static bool weights_json_is(const twi_source *source)
{
    char head[4096];
    size_t n = source->size < sizeof head - 1 ? (size_t)source->size : sizeof head - 1;
    if (n < 2 || twi_source_read(source, 0, head, n, NULL))
        return false;
    head[n] = 0;
    const char *first = head + strspn(head, " \t\r\n");
    return *first == '{' && (strstr(head, "\"weight_map\"") || strstr(head, "\"total_size\""));
}

static tw_status weights_json_read(tw_model *m, twi_source *source, const twi_load_options *o,
                                   twi_load_report *report, tw_err *err)
{
    (void)m, (void)o, (void)report;
    return twi_fail_at(err, TW_EUNSUPPORTED, source->name, -1,
                       "not supported yet: '%s' is an index of weight shards; save without max_shard_size",
                       source->name);
}

const twi_format twi_format_weights_json = {.name = "weights_json",
                                            .doc = "sharded Keras 3 weights",
                                            .is = weights_json_is,
                                            .read_weights = weights_json_read};
