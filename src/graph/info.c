// What a model knows beside its graph. See info.h.

#include "graph/info.h"

#include <string.h>

int twi_info_n_labels(const tw_model *m)
{
    return (int)json_array_size(json_object_get(m->info, "labels"));
}

const char *twi_info_label(const tw_model *m, int i)
{
    return json_string_value(json_array_get(json_object_get(m->info, "labels"), (size_t)i));
}

tw_status twi_info_set_labels(tw_model *m, int n, const char *const *labels, tw_err *err)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        if (json_array_append_new(list, json_string(labels[i])) != 0) {
            json_decref(list);
            return twi_fail(err, TW_EINVAL, "label %d is not valid UTF-8", i);
        }
    return json_object_set_new(m->info, "labels", list) == 0 ? TW_OK : twi_fail_memory(err, 0, "labels");
}

// "preprocessing.filter": member of a member.
const char *twi_info_text(const tw_model *m, const char *key, const char *otherwise)
{
    const char *dot = strchr(key, '.');
    if (!dot)
        return twi_json_string(m->info, key, otherwise);
    char outer[64];
    size_t n = (size_t)(dot - key);
    if (n >= sizeof outer)
        return otherwise;
    memcpy(outer, key, n);
    outer[n] = 0;
    return twi_json_string(json_object_get(m->info, outer), dot + 1, otherwise);
}

tw_status twi_info_set_text(tw_model *m, const char *key, const char *text, tw_err *err)
{
    json_t *object = m->info;
    const char *dot = strchr(key, '.');
    char outer[64];
    if (dot && (size_t)(dot - key) < sizeof outer) {
        memcpy(outer, key, (size_t)(dot - key));
        outer[dot - key] = 0;
        if (!json_is_object(json_object_get(m->info, outer)))
            json_object_set_new(m->info, outer, json_object());
        object = json_object_get(m->info, outer);
        key = dot + 1;
    }
    if (json_object_set_new(object, key, json_string(text)) != 0)
        return twi_fail(err, TW_EINVAL, "'%s' is not valid UTF-8", text);
    return TW_OK;
}
