// Checkpoints: the state of an interrupted fit, on disk.
//
// Layout of checkpoint.tw (little-endian): "TWCKPT2\n" · u64 bytes of header · header (JSON: phase, counters, history,
// sizes) · f32 blobs (weights, best weights, slots, in the header's order) · u64 XXH64 of everything before it.
// Written through a temporary sibling and rename: a reader sees the old or the new checkpoint, never half of one.
#ifndef TWI_TRAIN_CHECKPOINT_H
#define TWI_TRAIN_CHECKPOINT_H

#include "train/fit.h"

// TW_EWRITE on failure; an earlier checkpoint stays intact.
tw_status twi_checkpoint_write(const char *path, const char *phase, const twi_fit_state *state, tw_err *err);
// Fills *state (zero-initialised; yours to clear) and *phase (twi_free). A torn or foreign file: TW_EMALFORMED.
tw_status twi_checkpoint_read(const char *path, char **phase, twi_fit_state *state, tw_err *err);

#endif
