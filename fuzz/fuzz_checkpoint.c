// Any bytes as a checkpoint, with the right sum behind them: a fuzzer does not guess it, whoever forges a file computes it.

#include "train/checkpoint.h"

#include "base/mem.h"

#include "scratch.h"

#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// As resuming uses it: copies in the sizes of their weights, the best epoch by its number.
static void use(const char *phase, const twi_fit_state *s)
{
    float sum = 0;
    for (int i = 0; i < s->n_weights; i++)
        for (int64_t k = 0; k < s->weight_size[i]; k++)
            sum += s->weight[i][k] + (s->best && s->best[i] ? s->best[i][k] : 0);
    if (s->history.best_epoch >= 0)
        sum += (float)s->history.epochs.at[s->history.best_epoch].loss;
    volatile float keep = sum;
    (void)keep;
    if (!phase)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *file = malloc(n + 8);
    if (!file)
        abort();
    uint64_t sum = XXH64(data, n, 0);
    memcpy(file, data, n);
    memcpy(file + n, &sum, 8);
    twi_fit_state state = {0};
    char *phase = NULL;
    if (!twi_checkpoint_read(scratch_file(file, n + 8), &phase, &state, NULL))
        use(phase, &state);
    twi_free(phase);
    twi_fit_state_clear(&state);
    free(file);
    return 0;
}
