// Writes include/topwork_layers.h and src/api/layer_options.c from the layer kinds' field rows:
//     generate_layers header|source FILE
// Built by CMake (target generate_layers); a test compares both files with what it writes now.
//
// A kind's options struct has the members in the order of the head language's arguments (so that the first may stand
// without names), then the rest in row order, then name and frozen.

#include "layer/options.h"

#include <stdio.h>
#include <string.h>

typedef struct named_kind {
    const char *name;
    const tw_layer_kind *kind;
} named_kind;

static const named_kind kinds[] = {
#define TW_LAYER(name) {#name, &twi_layer_##name},
#include "layer/list.inc"
#undef TW_LAYER
    {NULL, NULL}};

enum { MEMBERS_MAX = 64 };

// Bare operations come from files only: as layers their layer twins (Add, ReLU …) serve.
static bool has_constructor(const named_kind *k)
{
    return !(k->kind->flags & TWI_KIND_OP);
}

// Names that mean something else in topwork.h already.
static const char *public_name(const char *name)
{
    static const char *const taken[][2] = {{"add", "add_tensors"}};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i][0], name) == 0)
            return taken[i][1];
    return name;
}

// "use_bias" → "no_bias", "center" → "no_center".
static const char *member_name(const tw_field *f, char *buf, size_t size)
{
    bool negative = twi_option_is_negative(f);
    const char *key = negative && strncmp(f->key, "use_", 4) == 0 ? f->key + 4 : f->key;
    snprintf(buf, size, "%s%s", negative ? "no_" : "", key);
    return buf;
}

static bool is_member(const tw_field *f)
{
    return f->type != TW_FIELD_IGNORED && !(f->flags & TW_FIELD_LATER);
}

static bool is_quick(const tw_layer_kind *kind, const char *key)
{
    for (const char *const *quick = kind->quick; quick && *quick; quick++)
        if (strcmp(*quick, key) == 0)
            return true;
    return false;
}

// Members in order: required arguments, arguments, the rest.
static int members(const tw_layer_kind *kind, const tw_field *list[MEMBERS_MAX])
{
    int n = 0;
    for (const char *const *quick = kind->quick; quick && *quick; quick++) {
        const tw_field *f = twi_field_find(kind->fields, *quick);
        if (f && is_member(f))
            list[n++] = f;
    }
    for (int pass = 0; pass < 2; pass++)
        for (const tw_field *f = kind->fields; f->key && n < MEMBERS_MAX; f++)
            if (is_member(f) && !is_quick(kind, f->key) && !(f->flags & TW_FIELD_REQUIRED) == (pass == 1))
                list[n++] = f;
    return n;
}

static void print_declaration(FILE *out, const tw_field *f, char *buf, size_t size)
{
    char name[64];
    member_name(f, name, sizeof name);
    switch (f->type) {
    case TW_FIELD_INT:
        snprintf(buf, size, "int64_t %s;", name);
        break;
    case TW_FIELD_FLOAT:
        snprintf(buf, size, "double %s;", name);
        break;
    case TW_FIELD_BOOL:
    case TW_FIELD_NOT:
        snprintf(buf, size, "bool %s;", name);
        break;
    case TW_FIELD_PAIR:
        snprintf(buf, size, "int64_t %s[2];", name);
        break;
    case TW_FIELD_PADS:
        snprintf(buf, size, "int64_t %s[4];", name);
        break;
    case TW_FIELD_SHAPE:
        snprintf(buf, size, "int64_t %s[TW_RANK_MAX];", name);
        break;
    case TW_FIELD_FLOATS:
        snprintf(buf, size, "double %s[%d];", name, TWI_OPTION_FLOATS);
        break;
    default:
        snprintf(buf, size, "const char *%s;", name);
    }
    fprintf(out, "    %-41s// ", buf);
}

static void print_comment(FILE *out, const tw_field *f)
{
    bool negative = twi_option_is_negative(f);
    fprintf(out, "%s%s", negative ? "do not " : "", f->help ? f->help : "");
    if (f->type == TW_FIELD_CHOICE && !strstr(f->help, f->choices[0])) {
        fprintf(out, " (");
        for (size_t i = 0; f->choices[i]; i++)
            fprintf(out, "%s%s", i ? ", " : "", f->choices[i]);
        fprintf(out, ")");
    }
    if (f->flags & TW_FIELD_REQUIRED)
        fprintf(out, "; required");
    else if (f->otherwise && !negative && !(f->flags & TW_FIELD_NULLABLE) && f->type != TW_FIELD_BOOL)
        fprintf(out, " [%s]", f->otherwise);
    fprintf(out, "\n");
}

static void print_struct(FILE *out, const named_kind *k)
{
    const tw_field *list[MEMBERS_MAX];
    int n = members(k->kind, list);
    const char *name = public_name(k->name);
    bool is_required = n && (list[0]->flags & TW_FIELD_REQUIRED);
    char buf[128];
    fprintf(out, "// %s: %s.\ntypedef struct tw_%s_options {\n", k->kind->name, k->kind->doc, name);
    if (!is_required)
        fprintf(out, "    %-41s// not used: all options may be left out\n", "int64_t reserved_;");
    for (int i = 0; i < n; i++) {
        print_declaration(out, list[i], buf, sizeof buf);
        print_comment(out, list[i]);
    }
    fprintf(out, "    %-41s// of the layer; [Keras's automatic name]\n", "const char *name;");
    if (k->kind->weights)
        fprintf(out, "    %-41s// trainable = False\n", "bool frozen;");
    fprintf(out, "} tw_%s_options;\nTW_API tw_layer_spec tw_%s_(const tw_%s_options *o);\n", name, name,
            name);
    char first[160] = "reserved_ = 0,";
    if (is_required) {
        member_name(list[0], buf, sizeof buf);
        snprintf(first, sizeof first, "%s =", buf);
    }
    fprintf(out, "#define tw_%s(...) tw_%s_(&(tw_%s_options){.%s __VA_ARGS__})\n\n", name, name, name, first);
}

static void print_header(FILE *out)
{
    fprintf(out, "%s",
            "// Keras's layers as constructors. Generated by tools/generate_layers.c: do not edit. Part of "
            "topwork.h.\n"
            "//\n"
            "//     tw_dense(256, .activation = \"relu\", .no_bias = true)      tw_conv2d(64, {3}, .padding "
            "= \"same\")\n"
            "//\n"
            "// Zero is the default [in brackets]; TW_ZERO is a zero. Pairs are {3} for both or {height, "
            "width}; four sides are {all},\n"
            "// {rows, columns} or {top, bottom, left, right}; lists end at their last number that is not "
            "zero (longer ones: tw_layer).\n"
            "// Activations, initializers and regularizers are texts with their arguments: "
            "\"leaky_relu:0.1\", \"he_normal\",\n"
            "// \"l2:1e-4\", \"l1_l2:l1=1e-5:l2=1e-4\". What is wrong is said where the layer is made "
            "(tw_add, tw_call, tw_layer_new).\n"
            "// clang-format off\n"
            "#ifndef TOPWORK_LAYERS_H\n#define TOPWORK_LAYERS_H\n\n");
    for (const named_kind *k = kinds; k->name; k++)
        if (has_constructor(k))
            print_struct(out, k);
    fprintf(out, "#endif\n");
}

static void print_source(FILE *out)
{
    fprintf(out, "%s",
            "// The constructors of topwork_layers.h. Generated by tools/generate_layers.c: do not edit.\n"
            "// clang-format off\n\n"
            "#include \"layer/options.h\"\n");
    for (const named_kind *k = kinds; k->name; k++) {
        if (!has_constructor(k))
            continue;
        const tw_field *list[MEMBERS_MAX];
        int n = members(k->kind, list);
        const char *name = public_name(k->name);
        char buf[64];
        fprintf(out, "\nstatic const twi_option_row %s_rows[] = {\n", name);
        for (int i = 0; i < n; i++)
            fprintf(out, "    {\"%s\", offsetof(tw_%s_options, %s)},\n", list[i]->key, name,
                    member_name(list[i], buf, sizeof buf));
        fprintf(out, "    {0}};\ntw_layer_spec tw_%s_(const tw_%s_options *o)\n{\n", name, name);
        fprintf(out, "    return twi_spec_write(\"%s\", %s_rows, o, o ? o->name : NULL, %s);\n}\n",
                k->kind->name, name, k->kind->weights ? "o && o->frozen" : "false");
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "header") != 0 && strcmp(argv[1], "source") != 0)) {
        fprintf(stderr, "usage: generate_layers header|source FILE\n");
        return 2;
    }
    FILE *out = fopen(argv[2], "w");
    if (!out) {
        perror(argv[2]);
        return 7;
    }
    (strcmp(argv[1], "header") == 0 ? print_header : print_source)(out);
    return fclose(out) == 0 ? 0 : 7;
}
