// Any bytes as a model file, by every format that takes them; what becomes a model can be described and emitted.

#include "format/format.h"
#include "graph/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(tw_model *m)
{
    twi_program program = {0};
    twi_value out[64];
    twi_emit_options o = {.batch = 1};
    json_decref(twi_summary_json(m, NULL));
    if (m->outputs.n <= 64)
        twi_model_emit(m, &o, &program, out, NULL);
    twi_program_clear(&program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (int i = 0; twi_formats[i]; i++) {
        twi_source source;
        twi_load_options o = {0};
        twi_load_report report = {0};
        twi_source_memory(&source, "fuzz.model", data, n);
        bool is = twi_formats[i]->is && twi_formats[i]->read_model && twi_formats[i]->is(&source);
        tw_model *m = is ? twi_formats[i]->read_model(&source, &o, &report, NULL) : NULL;
        if (m)
            use(m);
        twi_model_free(m);
        twi_load_report_clear(&report);
        twi_source_close(&source);
    }
    return 0;
}
