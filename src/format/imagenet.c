// The names of the 1000 ImageNet classes, for networks that come with their classifier.
//
// File     imagenet_class_index.json, as Keras's decode_predictions has it: {"0": ["n01440764", "tench"], …}; in the places of
//          published weights. `topwork fetch imagenet-classes` gets it.
// A model whose layers are those of a network of the zoo and that gives 1000 answers was made for these classes; that it carries
// no names of its own is how Keras saves it. Other models of 1000 classes keep their numbers.

#include "format/parts.h"

#include <stdio.h>

enum { N_CLASSES = 1000 };

static tw_status read_names(const json_t *index, const char *path, const char **names, tw_err *err)
{
    for (int i = 0; i < N_CLASSES; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        names[i] = json_string_value(json_array_get(json_object_get(index, key), 1));
        if (!names[i])
            return twi_fail_at(err, TW_EMALFORMED, path, -1,
                               "'%s' has no name of class %d, expected \"%d\": [\"n…\", \"name\"]", path, i,
                               i);
    }
    return TW_OK;
}

static tw_status set_names(tw_model *m, const char *path, tw_err *err)
{
    json_t *index = twi_json_read(path, err);
    const char **names = index ? twi_new(N_CLASSES, sizeof *names, "class names", err) : NULL;
    tw_status status = names ? read_names(index, path, names, err) : err->status;
    if (!status)
        status = twi_info_set_labels(m, N_CLASSES, names, err);
    twi_free(names);
    json_decref(index);
    return status;
}

tw_status twi_imagenet_labels(tw_model *m, bool *is_missing, tw_err *err)
{
    tw_shape out = m->outputs.n ? twi_model_shape(m, m->outputs.at[0]) : (tw_shape){0};
    *is_missing = false;
    if (twi_info_n_labels(m) || out.rank != 2 || out.dim[1] != N_CLASSES || !twi_model_known_trunk(m))
        return TW_OK;
    char *path = twi_weights_place("imagenet_class_index.json", err);
    *is_missing = !path;
    tw_status status = path ? set_names(m, path, err) : err->status;
    twi_free(path);
    return status;
}
