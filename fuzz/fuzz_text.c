// The small languages of the command line: heads, what is frozen, augmentation, callbacks, metrics. The first byte says which.

#include "data/augment.h"
#include "layer/spec.h"
#include "small_model.h"
#include "train/callback.h"
#include "train/metric.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_text(int which, const char *text)
{
    twi_layers_parsed head = {0};
    twi_augment augment = {0};
    twi_callbacks callbacks = {0};
    twi_metrics metrics = {0};
    if (which == 0) {
        twi_layers_parse(text, &head, NULL);
        twi_layers_clear(&head);
    } else if (which == 1) {
        tw_model *m = small_model();
        twi_model_freeze(m, text, NULL);
        twi_model_free(m);
    } else if (which == 2) {
        twi_augment_text(&augment, text, "--augment", NULL);
    } else if (which == 3) {
        twi_callbacks_text(&callbacks, text, "--callbacks", NULL);
    } else {
        twi_metrics_text(&metrics, text, "--metrics", NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char text[4096];
    if (n < 1 || n > sizeof text)
        return 0;
    memcpy(text, data + 1, n - 1);
    text[n - 1] = 0;
    try_text(data[0] % 5, text);
    return 0;
}
