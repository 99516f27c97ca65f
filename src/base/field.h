// Option rows: the engine behind tw_field (topwork.h). One table per config struct; everything else follows from it.
#ifndef TWI_BASE_FIELD_H
#define TWI_BASE_FIELD_H

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

// Rows, written as a table:   {TWI_INT("filters", "number of outputs", conv2d, filters, 1, TW_DIM_MAX), .flags = TW_FIELD_REQUIRED},
#define TWI_FIELD(key_, help_, kind_, struct_, member_) \
    .key = key_, .help = help_, .type = kind_, .offset = offsetof(struct_, member_)
#define TWI_INT(key, help, s, m, lo, hi)   TWI_FIELD(key, help, TW_FIELD_INT, s, m), .low = lo, .high = hi
#define TWI_FLOAT(key, help, s, m, lo, hi) TWI_FIELD(key, help, TW_FIELD_FLOAT, s, m), .low = lo, .high = hi
#define TWI_PAIR(key, help, s, m, lo, hi)  TWI_FIELD(key, help, TW_FIELD_PAIR, s, m), .low = lo, .high = hi
#define TWI_CHOICE(key, help, s, m, names) TWI_FIELD(key, help, TW_FIELD_CHOICE, s, m), .choices = names
#define TWI_IGNORED(key_)                     \
    {                                         \
        .key = key_, .type = TW_FIELD_IGNORED \
    }
// A key of Keras that is not served yet: null, false and empty values are accepted, others refused. Never written.
#define TWI_LATER(key_)                                                \
    {                                                                  \
        .key = key_, .type = TW_FIELD_IGNORED, .flags = TW_FIELD_LATER \
    }

// Fills every member with its default. `arena` lends texts and lists to the object.
tw_status twi_fields_default(const tw_field *fields, void *object, twi_arena *arena, tw_err *err);

// Reads a JSON object over the defaults. Unknown key, wrong type, out of range, missing required key: TW_EMALFORMED for
// files, naming `where` ("layer 'conv1'"), the key, what was expected and received, and the nearest known key.
tw_status twi_fields_read(const tw_field *fields, void *object, const json_t *config, const char *where,
                          twi_arena *arena, tw_err *err);

// Sets one member from text as the command line gives it ("3", "3x5", "relu", "l2:1e-4"). TW_EINVAL.
tw_status twi_field_set(const tw_field *field, void *object, const char *text, const char *where,
                        twi_arena *arena, tw_err *err);

// Appends every member to a JSON object in row order, as Keras would write it (settings as
// {"module", "class_name", "config", "registered_name"}; see interop c2). TW_ENOMEM.
tw_status twi_fields_write(const tw_field *fields, const void *object, json_t *config, tw_err *err);

// Finds a row by key ('-' and '_' alike), or NULL.
const tw_field *twi_field_find(const tw_field *fields, const char *key);

// Settings: text "l2:1e-4", "adam:learning_rate=1e-3", or JSON (name string, or {"class_name", "config"}); null = none.
tw_status twi_setting_text(tw_setting *setting, const char *text, const tw_field *field, const char *where,
                           tw_err *err);
// Several, "a:1, b:key=2", into at[most]; words that are none of them ("none") are left out.
tw_status twi_settings_text(tw_setting *at, int most, int *n, const char *text, const tw_field *field,
                            const char *where, tw_err *err);
tw_status twi_setting_read(tw_setting *setting, const json_t *value, const tw_field *field, const char *where,
                           tw_err *err);
json_t *twi_setting_write(const tw_setting *setting, const char *module);
double twi_setting_arg(const tw_setting *setting,
                       const char *key); // TWI_BUG if the kind has no such argument
double twi_setting_or(const tw_setting *setting, const char *key, double otherwise); // where it has one
// Finds a kind by class name or alias in a NULL-ended table (case, '-', '_' do not matter).
const tw_setting_kind *twi_setting_find(const tw_setting_kind *const *kinds, const char *name);

#endif
