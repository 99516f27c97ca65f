// Choices of a printed plan. See choices.h.

#include "engine/choices.h"

#include "engine/inside.h"

#include <string.h>
#include <xxhash.h>

const char *const twi_algorithm_names[] = {
    [TWI_DIRECT] = "direct", [TWI_WINOGRAD] = "winograd", [TWI_REFERENCE] = "reference", NULL};
const char *const twi_precision_names[] = {
    [TWI_EXACT] = "exact", [TWI_PRECISE] = "f32", [TWI_BRAIN] = "bf16", NULL};

static int index_of(const char *const *names, const char *name)
{
    for (int i = 0; name && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static int count_like(const twi_choices *c, const char *op, const char *layer)
{
    int n = 0;
    for (size_t i = 0; i < c->at.n; i++)
        n += strcmp(c->at.at[i].op, op) == 0 && strcmp(c->at.at[i].layer, layer) == 0;
    return n;
}

static tw_status read_one(const json_t *one, twi_choices *c, tw_err *err)
{
    const char *op = twi_json_string(one, "op", ""), *layer = twi_json_string(one, "layer", ""),
               *impl = twi_json_string(one, "impl", NULL);
    if (strcmp(op, "reorder") == 0)
        return TW_OK; // follows from the layouts that kernels want
    int algorithm = index_of(twi_algorithm_names, twi_json_string(one, "algorithm", NULL));
    const char *type = twi_json_string(one, "dtype", "");
    bool is_f32 = strcmp(type, "f32") == 0;
    if (!*op || !impl || algorithm < 0 || (!is_f32 && strcmp(type, "bf16") != 0))
        return twi_fail(err, TW_EMALFORMED, "%s: op %zu lacks one of op, impl, algorithm and dtype",
                        c->source, c->at.n);
    twi_choice choice = {.nth = count_like(c, op, layer),
                         .algorithm = (twi_algorithm)algorithm,
                         .dtype = is_f32 ? TWI_F32 : TWI_BF16,
                         .is_liked = json_is_true(json_object_get(one, "liked")),
                         .op = twi_strdup(op, err),
                         .layer = twi_strdup(layer, err),
                         .impl = twi_strdup(impl, err)};
    if (choice.op && choice.layer && choice.impl && twi_vec_push(&c->at, choice, err))
        return TW_OK;
    twi_free(choice.op);
    twi_free(choice.layer);
    twi_free(choice.impl);
    return TW_ENOMEM;
}

tw_status twi_choices_read(const json_t *plan, const char *source, twi_choices *c, tw_err *err)
{
    const json_t *ops = json_object_get(plan, "ops"), *one;
    int precision = index_of(twi_precision_names, twi_json_string(plan, "precision", NULL));
    c->source = twi_strdup(source, err);
    if (!c->source)
        return TW_ENOMEM;
    if (!json_is_array(ops) || precision < 0)
        return twi_fail(err, TW_EMALFORMED, "%s: a plan has a list 'ops' and a 'precision'", source);
    c->precision = (twi_precision)precision;
    tw_status status = TW_OK;
    size_t i;
    json_array_foreach(ops, i, one)
    {
        status = read_one(one, c, err);
        if (status)
            break;
    }
    return status;
}

void twi_choices_clear(twi_choices *c)
{
    for (size_t i = 0; i < c->at.n; i++) {
        twi_free(c->at.at[i].op);
        twi_free(c->at.at[i].layer);
        twi_free(c->at.at[i].impl);
    }
    twi_vec_clear(&c->at);
    twi_free(c->source);
    *c = (twi_choices){0};
}

const twi_choice *twi_choices_find(const twi_choices *c, const char *op, const char *layer, int nth)
{
    for (size_t i = 0; i < c->at.n; i++) {
        const twi_choice *choice = &c->at.at[i];
        if (choice->nth == nth && strcmp(choice->layer, layer) == 0 && strcmp(choice->op, op) == 0)
            return choice;
    }
    return NULL;
}

void twi_plan_key(const twi_plan *plan, uint8_t key[16])
{
    XXH128_hash_t sum = {0, 0};
    for (size_t i = 0; i < plan->steps.n; i++) {
        const twi_plan_step *step = &plan->steps.at[i];
        if (step->is_again)
            continue; // rounds as the first time
        const char *texts[] = {step->op >= 0 ? plan->program.ops.at[step->op].kind->name : "", step->fused,
                               step->kernel ? step->kernel->impl : "",
                               step->layout ? twi_layout_text(step->layout) : ""};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            XXH128_hash_t link[2] = {sum, XXH3_128bits(texts[k], strlen(texts[k]))};
            sum = XXH3_128bits(link, sizeof link);
        }
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, sum);
    memcpy(key, canonical.digest, 16);
}
