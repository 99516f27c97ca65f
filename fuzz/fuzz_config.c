// Any bytes as config.json: what becomes a model must become the same model again from the config it writes.

#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *config = twi_json_parse("fuzz.json", data, n, NULL);
    tw_model *m = config ? twi_keras_build(config, "fuzz.json", NULL) : NULL;
    json_decref(config);
    json_t *once = m ? twi_keras_config(m, NULL) : NULL;
    if (once) {
        tw_err err = {0};
        tw_model *again = twi_keras_build(once, "again", &err);
        json_t *twice = again ? twi_keras_config(again, NULL) : NULL;
        if (err.status != TW_ENOMEM && !json_equal(once, twice))
            __builtin_trap();
        json_decref(twice);
        twi_model_free(again);
    }
    json_decref(once);
    twi_model_free(m);
    return 0;
}
