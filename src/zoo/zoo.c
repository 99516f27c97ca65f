// The zoo: finding architectures by name and building them. See zoo.h.

#include "zoo/build.h"

#include "graph/info.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const twi_zoo_family *const twi_families[] = {
#define TW_FAMILY(name) &twi_family_##name,
#include "zoo/list.inc"
#undef TW_FAMILY
    NULL};

// --------------------------------------------------------------------------------------------------------------- finding

enum { NAME_MAX_BYTES = 64 };

static tw_status unknown_name(const char *name, tw_err *err)
{
    const char *names[128];
    size_t n = 0;
    for (const twi_zoo_family *const *f = twi_families; *f; f++)
        for (const twi_zoo_variant *v = (*f)->variants; v->name && n < 128; v++)
            names[n++] = v->name;
    const char *near = twi_str_nearest(name, names, n);
    return twi_fail(err, TW_EINVAL, "no architecture '%s'%s%s%s", name, near ? "; did you mean '" : "",
                    near ? near : "", near ? "'?" : "\ntry  topwork models");
}

static tw_status unknown_width(const twi_zoo_family *family, const char *name, const char *width, tw_err *err)
{
    twi_str list = {0};
    for (const twi_zoo_variant *v = family->variants; v->name; v++)
        if (twi_layer_name_is(v->name, name))
            twi_str_printf(&list, "%s%g", list.n ? ", " : "", v->alpha);
    twi_fail(err, TW_EINVAL, "%s has no width '%s'; its widths are %s", name, width,
             list.text ? list.text : "");
    twi_str_clear(&list);
    return TW_EINVAL;
}

const twi_zoo_variant *twi_zoo_find(const char *name, const twi_zoo_family **family, tw_err *err)
{
    char base[NAME_MAX_BYTES];
    size_t n = strcspn(name, ":");
    double alpha = 1;
    char *end = NULL;
    if (name[n])
        alpha = strtod(name + n + 1, &end);
    if (n < sizeof base) {
        memcpy(base, name, n);
        base[n] = 0;
        const twi_zoo_family *found = NULL;
        for (const twi_zoo_family *const *f = twi_families; *f; f++)
            for (const twi_zoo_variant *v = (*f)->variants; v->name; v++) {
                if (!twi_layer_name_is(v->name, base))
                    continue;
                found = *f;
                if ((end && *end) || fabs(v->alpha - alpha) > 1e-6)
                    continue;
                if (family)
                    *family = *f;
                return v;
            }
        if (found) {
            unknown_width(found, base, name + n + (name[n] == ':'), err);
            return NULL;
        }
    }
    unknown_name(name, err);
    return NULL;
}

// -------------------------------------------------------------------------------------------------------------- building

static tw_status fill_options(const char *name, const twi_zoo_variant *v, twi_zoo_options *o, tw_err *err)
{
    if (!o->input.rank)
        o->input = TWI_SHAPE(v->input_size, v->input_size, 3);
    if (!o->classes)
        o->classes = 1000;
    if (!o->classifier_activation)
        o->classifier_activation = "softmax";
    const int64_t *size = o->input.dim;
    if (o->input.rank != 3)
        return twi_fail(err, TW_EINVAL, "%s: the input shape must be height, width, channels", name);
    if (size[0] < v->min_size || size[1] < v->min_size)
        return twi_fail(err, TW_EINVAL, "%s: the input must be at least %lld x %lld, received %lld x %lld",
                        name, (long long)v->min_size, (long long)v->min_size, (long long)size[0],
                        (long long)size[1]);
    return TW_OK;
}

static twi_name model_name(const twi_zoo_variant *v, const twi_zoo_options *o)
{
    if (o->name)
        return twi_name_of("%s", o->name);
    return twi_str_ends(v->model_name, "_") ? twi_name_of("%s%lld", v->model_name, (long long)o->input.dim[0])
                                            : twi_name_of("%s", v->model_name);
}

tw_model *twi_zoo_build(const char *name, const twi_zoo_options *options, tw_err *err)
{
    const twi_zoo_family *family;
    const twi_zoo_variant *v = twi_zoo_find(name, &family, err);
    twi_zoo_options o = *options;
    if (!v || fill_options(name, v, &o, err))
        return NULL;
    twi_name title = model_name(v, &o);
    tw_model *m = twi_model_new(title.text, false, err);
    if (!m)
        return NULL;
    tw_shape input = TWI_SHAPE(-1, o.input.dim[0], o.input.dim[1], o.input.dim[2]);
    family->build(m, v, &o, twi_model_input(m, NULL, &input));
    twi_name trunk = v->alpha == 1 ? twi_name_of("%s", v->name) : twi_name_of("%s:%g", v->name, v->alpha);
    if (!twi_model_verify(m, err) && !twi_info_set_text(m, "trunk", trunk.text, err))
        return m;
    twi_model_free(m);
    return NULL;
}
