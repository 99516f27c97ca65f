// Choices: which kernel each op of a plan runs with, read from a printed plan, so that the same plan can be made again.
//
// A plan prints for each op its algorithm, number type and implementation (twi_plan_json). Made from choices, a plan asks for
// exactly these; where this machine or this model would give another one, that is an error, since it would round otherwise.
#ifndef TWI_ENGINE_CHOICES_H
#define TWI_ENGINE_CHOICES_H

#include "engine/plan.h"

extern const char
    *const twi_algorithm_names[]; // NULL-ended, in enum order: "direct", "winograd", "reference"
extern const char *const twi_precision_names[]; // "exact", "f32", "bf16"

typedef struct twi_choice {
    char *op, *layer, *impl;
    int nth; // among the ops of this kind that the layer's calls emitted
    twi_algorithm algorithm;
    twi_dtype dtype;
    bool is_liked; // twi_kernel_request
} twi_choice;

struct twi_choices {
    char *source; // file, for messages
    twi_precision precision;
    twi_vec(twi_choice) at;
};

// From a printed plan of the file `source`. Zero-initialise; twi_choices_clear. TW_EMALFORMED naming what is missing.
tw_status twi_choices_read(const json_t *plan, const char *source, twi_choices *choices, tw_err *err);
void twi_choices_clear(twi_choices *choices);
// NULL: there is none for this op.
const twi_choice *twi_choices_find(const twi_choices *choices, const char *op, const char *layer, int nth);

// Hash of what a plan runs with: plans that round alike have equal keys.
void twi_plan_key(const twi_plan *plan, uint8_t key[16]);

#endif
