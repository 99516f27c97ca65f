// A TensorFlow.js model: the text up to the first zero byte is model.json, the rest its shard "shard.bin".

#include "small_model.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern const twi_format twi_format_tfjs;

static char folder[64];

static void remove_folder(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/shard.bin", folder);
    unlink(path);
    rmdir(folder);
}

static void write_shard(const uint8_t *data, size_t n)
{
    char path[96];
    if (!*folder) {
        snprintf(folder, sizeof folder, "/tmp/topwork-fuzz-XXXXXX");
        if (!mkdtemp(folder))
            abort();
        atexit(remove_folder);
    }
    snprintf(path, sizeof path, "%s/shard.bin", folder);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = memchr(data, 0, n);
    size_t text = end ? (size_t)(end - data) : n;
    char name[96];
    twi_source source;
    write_shard(data + n - (end ? n - text - 1 : 0), end ? n - text - 1 : 0);
    snprintf(name, sizeof name, "%s/model.json", folder);
    twi_source_memory(&source, name, data, text);
    if (twi_format_tfjs.is(&source)) {
        twi_load_options o = {0};
        twi_load_report report = {0};
        twi_model_free(twi_format_tfjs.read_model(&source, &o, &report, NULL));
        twi_load_report_clear(&report);
        small_model_load(&twi_format_tfjs, &source);
    }
    twi_source_close(&source);
    return 0;
}
