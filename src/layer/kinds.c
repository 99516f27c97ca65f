// The table of layer kinds, and finding one by name. See layer.h.

#include "layer/layer.h"

#include <ctype.h>
#include <string.h>

const tw_layer_kind *const twi_layers[] = {
#define TW_LAYER(name) &twi_layer_##name,
#include "layer/list.inc"
#undef TW_LAYER
    NULL};

// "BatchNormalization", "batch_normalization" and "batch-normalization" are one name.
bool twi_layer_name_is(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == '_' || *a == '-')
            a++;
        while (*b == '_' || *b == '-')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

static bool has_alias(const tw_layer_kind *kind, const char *name)
{
    for (const char *alias = kind->aliases; alias && *alias;) {
        size_t n = strcspn(alias, " ");
        char word[64];
        if (n < sizeof word) {
            memcpy(word, alias, n);
            word[n] = 0;
            if (twi_layer_name_is(word, name))
                return true;
        }
        alias += n + (alias[n] == ' ');
    }
    return false;
}

static const tw_layer_kind *find(const char *name, bool is_op)
{
    // Class names first: an alias never hides one.
    for (int pass = 0; pass < 2; pass++)
        for (const tw_layer_kind *const *kind = twi_layers; *kind; kind++)
            if (is_op == !!((*kind)->flags & TWI_KIND_OP) &&
                (pass == 0 ? twi_layer_name_is((*kind)->name, name) : has_alias(*kind, name)))
                return *kind;
    return NULL;
}

const tw_layer_kind *twi_layer_kind_find(const char *name)
{
    return find(name, false);
}

const tw_layer_kind *twi_layer_kind_of(const char *module, const char *class_name)
{
    return find(class_name, module && strncmp(module, "keras.src.ops", 13) == 0);
}
