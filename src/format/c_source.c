// .c: a model as plain C, for programs and devices where topwork is not: NAME.c, and NAME.h with NAME_predict.
//
// The file needs a C11 compiler and libm. Weights are constant arrays, results lie in one static block (c_place.c), each op
// is a call with its sizes (c_ops.c) of a function that says what it does (c_text.c); those not needed are not written. Compiled
// with -DNAME_TEST it is a program that computes an answer known from here again.
//     cc -O2 -c cats.c                      cats_predict(pixels, probabilities)
//     cc -O2 -DCATS_TEST cats.c -lm && ./a.out
// Write only. A number takes about 12 bytes of text.

#include "format/c_export.h"

#include "graph/info.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <string.h>

void twi_c_number(float v, char *buf, size_t size)
{
    if (isnan(v))
        snprintf(buf, size, "NAN");
    else if (isinf(v))
        snprintf(buf, size, "%sINFINITY", v < 0 ? "-" : "");
    else {
        int n = snprintf(buf, size, "%.9g", (double)v);
        snprintf(buf + n, size - (size_t)n, "%s", strpbrk(buf, ".e") ? "f" : ".0f");
    }
}

// --------------------------------------------------------------------------------------------------------------- names

static void identifier(const char *text, char *out, size_t size)
{
    size_t n = 0;
    if (isdigit((unsigned char)text[0]))
        out[n++] = 'm';
    for (; *text && n + 1 < size; text++)
        out[n++] = isalnum((unsigned char)*text) ? *text : '_';
    out[n] = 0;
    if (!n)
        snprintf(out, size, "model");
}

// "dir/my cats.c" → "my cats" for #include, my_cats for C.
static tw_status name_of(twi_c_writer *w, const char *path, tw_err *err)
{
    const char *base = twi_base_name(path), *dot = strrchr(base, '.');
    size_t n = (size_t)(dot - base);
    if (n >= sizeof w->file || strcspn(base, "\"\\?\n\r") < n)
        return twi_fail(err, TW_EINVAL, "'%s' cannot be named in C: it is too long, or has one of \" \\ ?",
                        base);
    snprintf(w->file, sizeof w->file, "%.*s", (int)n, base);
    identifier(w->file, w->name, sizeof w->name);
    return TW_OK;
}

static const char *role(const twi_program_op *op, int i)
{
    if (op->kind == &twi_op_conv || op->kind == &twi_op_conv_transpose || op->kind == &twi_op_matmul)
        return i == 1 ? "kernel" : "bias";
    if (op->kind == &twi_op_layer_norm)
        return i == 1 ? "gamma" : "beta";
    return "numbers";
}

static bool is_taken(const twi_c_writer *w, const char *name)
{
    for (size_t i = 0; i < w->x->program.values.n; i++)
        if (w->constant[i] && strcmp(w->constant[i], name) == 0)
            return true;
    return false;
}

static tw_status name_constant(twi_c_writer *w, const twi_program_op *op, int i, tw_err *err)
{
    char label[80], name[128];
    identifier(op->label, label, sizeof label);
    snprintf(name, sizeof name, "w_%s_%s", label, role(op, i));
    for (int n = 2; is_taken(w, name); n++)
        snprintf(name, sizeof name, "w_%s_%s_%d", label, role(op, i), n);
    w->constant[op->in[i]] = twi_strdup(name, err);
    return w->constant[op->in[i]] ? TW_OK : TW_ENOMEM;
}

static tw_status name_constants(twi_c_writer *w, tw_err *err)
{
    tw_status status = TW_OK;
    w->constant = twi_new(w->x->program.values.n, sizeof *w->constant, "names", err);
    if (!w->constant)
        return TW_ENOMEM;
    for (size_t i = 0; i < w->x->program.ops.n; i++) {
        const twi_program_op *op = &w->x->program.ops.at[i];
        for (int j = 0; !status && j < op->n_in; j++)
            if (twi_export_numbers(w->x, op->in[j]) && !w->constant[op->in[j]])
                status = name_constant(w, op, j, err);
    }
    return status;
}

// -------------------------------------------------------------------------------------------------------------- header

static void put_labels(const twi_c_writer *w)
{
    int n = twi_info_n_labels(w->x->model);
    twi_stream_printf(w->s, "const char *const %s_labels[] = {", w->name);
    for (int i = 0; i < n; i++) {
        twi_stream_printf(w->s, "%s\"", i ? ", " : "");
        for (const char *c = twi_info_label(w->x->model, i); *c; c++) {
            unsigned char byte = (unsigned char)*c;
            if (byte < 32 || byte == 127)
                twi_stream_printf(w->s, "\\%03o", byte);
            else
                twi_stream_printf(w->s, "%s%c", strchr("\\\"?", *c) ? "\\" : "", *c);
        }
        twi_stream_printf(w->s, "\"");
    }
    twi_stream_printf(w->s, "};\n\n");
}

static void upper(const char *name, char *out, size_t size)
{
    size_t n = 0;
    for (; name[n] && n + 1 < size; n++)
        out[n] = (char)toupper((unsigned char)name[n]);
    out[n] = 0;
}

static void put_shapes(const twi_c_writer *w, const char *what, int n, const tw_shape *shape)
{
    for (int i = 0; i < n; i++) {
        char text[TWI_SHAPE_TEXT];
        tw_shape one = {.rank = shape[i].rank - 1};
        memcpy(one.dim, shape[i].dim + 1, sizeof one.dim - sizeof *one.dim);
        twi_stream_printf(w->s, "// %s  %s floats%s\n", what, twi_shape_text(&one, text),
                          n > 1 ? ", one after the other" : "");
    }
}

static void put_header(twi_c_writer *w, const char *big)
{
    const tw_model *m = w->x->model;
    tw_shape shape[TWI_LAYER_IN_MAX];
    char label[96];
    int n_labels = twi_info_n_labels(m);
    twi_stream_printf(w->s, "// %s: written by topwork %s.\n//\n",
                      twi_c_comment(m->name, label, sizeof label), tw_version());
    for (size_t i = 0; i < m->inputs.n; i++)
        shape[i] = twi_model_shape(m, m->inputs.at[i]);
    put_shapes(w, "input ", (int)m->inputs.n, shape);
    twi_stream_printf(w->s, "// pixels  %s; rows from the top, the numbers of a pixel together\n",
                      twi_export_pixels(m));
    for (int i = 0; i < w->x->n_out && i < TWI_LAYER_IN_MAX; i++)
        shape[i] = *twi_export_shape(w->x, w->x->out[i]);
    put_shapes(w, "output", w->x->n_out < TWI_LAYER_IN_MAX ? w->x->n_out : TWI_LAYER_IN_MAX, shape);
    if (n_labels == 2 && twi_export_outputs_size(w->x) == 1)
        twi_stream_printf(w->s, "//         how likely it is the second class, '%s'\n",
                          twi_c_comment(twi_info_label(m, 1), label, sizeof label));
    twi_stream_printf(w->s, "#ifndef %s_H\n#define %s_H\n\n", big, big);
    tw_shape in = twi_model_shape(m, m->inputs.at[0]);
    if (in.rank == 4)
        twi_stream_printf(w->s, "#define %s_HEIGHT %lld\n#define %s_WIDTH %lld\n#define %s_CHANNELS %lld\n",
                          big, (long long)in.dim[1], big, (long long)in.dim[2], big, (long long)in.dim[3]);
    twi_stream_printf(w->s, "#define %s_INPUT_SIZE %lld\n#define %s_OUTPUT_SIZE %lld\n", big,
                      (long long)twi_export_inputs_size(w->x), big, (long long)twi_export_outputs_size(w->x));
    if (n_labels)
        twi_stream_printf(w->s,
                          "#define %s_CLASSES %d\n\n// Names of the classes, in the order of the outputs.\n"
                          "extern const char *const %s_labels[%s_CLASSES];\n",
                          big, n_labels, w->name, big);
    twi_stream_printf(
        w->s,
        "\n// Answers to one picture: %s_INPUT_SIZE floats in, %s_OUTPUT_SIZE out. 0, or 1 for a null "
        "pointer. It computes in\n// static memory: one call at a time.\n"
        "int %s_predict(const float *input, float *output);\n\n#endif\n",
        big, big, w->name);
}

// -------------------------------------------------------------------------------------------------------------- source

static void put_numbers(const twi_c_writer *w, const float *numbers, int64_t n)
{
    char text[48];
    for (int64_t i = 0; i < n; i++) {
        twi_c_number(numbers[i], text, sizeof text);
        twi_stream_printf(w->s, "%s%s,", i % 8 ? " " : "\n    ", text);
    }
    twi_stream_printf(w->s, "\n};\n");
}

static void put_constants(const twi_c_writer *w)
{
    for (size_t i = 0; i < w->x->program.values.n; i++) {
        const tw_shape *shape = twi_export_shape(w->x, (twi_value)i);
        char text[TWI_SHAPE_TEXT];
        if (!w->constant[i])
            continue;
        twi_stream_printf(w->s, "// %s\nstatic const float %s[] = {", twi_shape_text(shape, text),
                          w->constant[i]);
        put_numbers(w, twi_export_numbers(w->x, (twi_value)i), twi_shape_count(shape));
    }
}

static tw_status put_calls(twi_c_writer *w, tw_err *err)
{
    tw_status status = TW_OK;
    for (size_t i = 0; !status && i < w->x->program.ops.n; i++)
        status = twi_c_call(w, &w->x->program.ops.at[i], err);
    return status;
}

static void put_outputs(const twi_c_writer *w)
{
    int64_t before = 0;
    for (int i = 0; i < w->x->n_out; i++) {
        int64_t n = twi_shape_count(twi_export_shape(w->x, w->x->out[i]));
        const twi_value_info *info = &w->x->program.values.at[w->x->out[i]];
        long long from = info->kind == TWI_VALUE_TEMP ? (long long)w->place.at[w->x->out[i]] : 0;
        twi_stream_printf(
            w->s, "    for (int i = 0; i < %lld; i++)\n        output[%lld + i] = %s[%lld + i];\n",
            (long long)n, (long long)before, info->kind == TWI_VALUE_TEMP ? "memory" : "input", from);
        before += n;
    }
}

static tw_status put_source(twi_c_writer *w, const char *big, tw_err *err)
{
    char label[96];
    twi_stream_printf(
        w->s,
        "// %s: written by topwork %s. See %s.h.\n"
        "// To try it: cc -O2 -D%s_TEST %s.c -lm && ./a.out\n#include \"%s.h\"\n\n#include <math.h>\n"
        "#include <stddef.h>\n\n",
        twi_c_comment(w->x->model->name, label, sizeof label), tw_version(), w->file, big, w->file, w->file);
    if (twi_info_n_labels(w->x->model))
        put_labels(w);
    for (int i = 0; i < TWI_C_FUNCTIONS; i++)
        if (w->is_used[i])
            twi_c_text(w->s, i);
    put_constants(w);
    if (w->place.total)
        twi_stream_printf(w->s, "\n// Results between the layers, %.1f MB.\nstatic float memory[%lld];\n",
                          (double)w->place.total * 4e-6, (long long)w->place.total);
    twi_stream_printf(w->s,
                      "\nint %s_predict(const float *input, float *output)\n{\n    if (!input || !output)\n"
                      "        return 1;\n",
                      w->name);
    tw_status status = put_calls(w, err);
    put_outputs(w);
    twi_stream_printf(w->s, "    return 0;\n}\n");
    return status;
}

// ---------------------------------------------------------------------------------------------------------------- test

// Pictures of noise: the same few lines here and in the file.
static void fill_noise(float *x, int64_t n, double low, double high)
{
    uint32_t seed = 1;
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)low + (float)(high - low) * ((float)(seed >> 8) / 16777216.0f);
    }
}

static tw_status put_test(const twi_c_writer *w, const char *big, tw_err *err)
{
    int64_t n_in = twi_export_inputs_size(w->x), n_out = twi_export_outputs_size(w->x);
    float *x = twi_new((size_t)n_in, sizeof *x, "a picture", err),
          *y = twi_new((size_t)n_out, sizeof *y, "answers", err);
    double low, high;
    twi_export_range(w->x->model, &low, &high);
    tw_status status = x && y ? TW_OK : TW_ENOMEM;
    if (!status) {
        fill_noise(x, n_in, low, high);
        status = twi_export_run(w->x, x, y, err);
    }
    if (!status) {
        twi_stream_printf(
            w->s,
            "\n#ifdef %s_TEST // what topwork answers to noise, computed again\n#include <stdio.h>\n\n"
            "static const float expected[] = {",
            big);
        put_numbers(w, y, n_out);
        twi_stream_printf(
            w->s,
            "\nint main(void)\n{\n    static float input[%s_INPUT_SIZE], output[%s_OUTPUT_SIZE];\n"
            "    unsigned seed = 1;\n    double worst = 0, most = 1;\n"
            "    for (int i = 0; i < %s_INPUT_SIZE; i++) {\n"
            "        seed = (seed * 1664525u + 1013904223u) & 0xffffffffu;\n"
            "        input[i] = %g.0f + %g.0f * ((float)(seed >> 8) / 16777216.0f);\n    }\n"
            "    %s_predict(input, output);\n    for (int i = 0; i < %s_OUTPUT_SIZE; i++) {\n"
            "        double d = fabs((double)output[i] - expected[i]);\n        worst = d <= worst ? worst : "
            "d;\n"
            "        most = fmax(most, fabs((double)expected[i]));\n    }\n"
            "    printf(\"largest difference %%g\\n\", worst);\n    return !(worst <= 1e-4 * "
            "most);\n}\n#endif\n",
            big, big, big, low, high - low, w->name, big);
    }
    twi_free(x);
    twi_free(y);
    return status;
}

// -------------------------------------------------------------------------------------------------------------- writing

static tw_status check_size(const twi_c_writer *w, tw_err *err)
{
    bool fits = w->place.total <= INT_MAX;
    for (size_t i = 0; fits && i < w->x->program.values.n; i++)
        fits = twi_shape_count(twi_export_shape(w->x, (twi_value)i)) <= INT_MAX;
    for (int i = 0; i < w->x->n_out; i++)
        if (twi_export_numbers(w->x, w->x->out[i]))
            return twi_fail(err, TW_EUNSUPPORTED,
                            "not supported yet: an output that depends on no input as C");
    return fits ? TW_OK
                : twi_fail(err, TW_EUNSUPPORTED, "not supported yet: results of more than 2^31 numbers as C");
}

// "dir/cats.c" → "dir/cats.h"
static char *header_path(const char *path, tw_err *err)
{
    char *header = twi_strdup(path, err);
    if (header)
        header[strlen(header) - 1] = 'h';
    return header;
}

static tw_status write_files(twi_c_writer *w, const char *path, tw_err *err)
{
    char big[sizeof w->name], *header = header_path(path, err);
    if (!header)
        return TW_ENOMEM;
    twi_stream s;
    upper(w->name, big, sizeof big);
    twi_stream_open(&s, header);
    w->s = &s;
    put_header(w, big);
    tw_status status = twi_stream_finish(&s, TW_OK, err);
    if (!status) {
        twi_stream_open(&s, path);
        status = put_source(w, big, err);
        if (!status)
            status = put_test(w, big, err);
        status = twi_stream_finish(&s, status, err);
    }
    twi_free(header);
    return status;
}

static tw_status c_source_write(const tw_model *m, const char *path, tw_err *err)
{
    twi_export x = {0};
    twi_c_writer w = {.x = &x};
    tw_status status = name_of(&w, path, err);
    if (!status)
        status = twi_export_new(m, 1, &x, err);
    if (!status)
        status = twi_c_place_all(&x, &w.place, err);
    if (!status)
        status = name_constants(&w, err);
    if (!status)
        status = check_size(&w, err);
    // Once without writing: what cannot be written is refused before a file is begun, and what is called is known.
    if (!status)
        status = put_calls(&w, err);
    if (!status)
        status = write_files(&w, path, err);
    for (size_t i = 0; w.constant && i < x.program.values.n; i++)
        twi_free(w.constant[i]);
    twi_free(w.constant);
    twi_free(w.place.at);
    twi_export_clear(&x);
    return status;
}

const twi_format twi_format_c_source = {
    .name = "c_source", .doc = "C source", .suffix = ".c", .beside = ".h", .write_model = c_source_write};
