// What the drawing says about layers. Colours and words go by class names and options; a kind nobody thought of here is
// drawn under its class name.

#include "report/drawing_inside.h"
#include "report/html.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// -------------------------------------------------------------------------------------------------------------- kinds

static bool says(const twi_layer *layer, const char *word)
{
    return strstr(layer->kind->name, word) != NULL;
}

static bool is_one_of(const twi_layer *layer, const char *names)
{
    size_t n = strlen(layer->kind->name);
    for (const char *at = names; (at = strstr(at, layer->kind->name)); at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

draw_kind draw_kind_of(const twi_layer *layer)
{
    if (layer->kind->flags & TWI_KIND_RANDOM)
        return DRAW_RANDOM;
    if (says(layer, "Depthwise") || says(layer, "Separable"))
        return DRAW_DEPTHWISE;
    if (says(layer, "Conv"))
        return DRAW_CONV;
    if (says(layer, "Pooling"))
        return DRAW_POOL;
    if (says(layer, "Normalization"))
        return DRAW_NORM;
    if (is_one_of(layer, "Dense"))
        return DRAW_DENSE;
    if (is_one_of(layer, "Add Subtract Multiply Average Maximum Minimum Concatenate Dot TrueDivide"))
        return DRAW_JOIN;
    if (is_one_of(
            layer,
            "Activation ReLU LeakyReLU PReLU ELU Softmax Relu Relu6 Elu Gelu HardSigmoid HardSilu Sigmoid "
            "Silu Softplus Tanh LeakyRelu Exp Sqrt"))
        return DRAW_ACTIVATION;
    if (is_one_of(layer, "InputLayer ZeroPadding2D Cropping2D Flatten Reshape Permute Identity Flip"))
        return DRAW_SHAPE;
    return DRAW_OTHER;
}

bool draw_is_small(const draw_call *call)
{
    const twi_layer *layer = call->layer;
    if (call->n_in == 0)
        return false; // the input
    switch (draw_kind_of(layer)) {
    case DRAW_NORM:
    case DRAW_ACTIVATION:
    case DRAW_RANDOM:
    case DRAW_SHAPE:
        return true;
    case DRAW_OTHER:
        return layer->n_weights == 0 || is_one_of(layer, "LayerScale CustomScaleLayer");
    case DRAW_JOIN: // of one tensor and a number
        return layer->kind->flags & TWI_KIND_OP;
    default:
        return false;
    }
}

// ------------------------------------------------------------------------------------------------------------- options

static const void *option(const twi_layer *layer, const char *key, tw_field_type type)
{
    const tw_field *f = layer->kind->fields ? tw_field_find(layer->kind->fields, key) : NULL;
    return f && f->type == type && layer->config ? (const char *)layer->config + f->offset : NULL;
}

static int64_t whole(const twi_layer *layer, const char *key, int64_t otherwise)
{
    const int64_t *v = option(layer, key, TW_FIELD_INT);
    return v ? *v : otherwise;
}

// "3×3" of a pair; false: the layer has none.
static bool pair(const twi_layer *layer, const char *key, char *buf, size_t size)
{
    const int64_t *v = option(layer, key, TW_FIELD_PAIR);
    buf[0] = 0;
    if (v)
        snprintf(buf, size, "%lld×%lld", (long long)v[0], (long long)v[1]);
    return v != NULL;
}

static int64_t stride(const twi_layer *layer)
{
    const int64_t *v = option(layer, "strides", TW_FIELD_PAIR),
                  *pool = option(layer, "pool_size", TW_FIELD_PAIR);
    return v && v[0] > 0 ? v[0] : v && pool ? pool[0] : 1;
}

static const char *activation_word(const char *name, char *buf)
{
    static const char *const words[][2] = {{"linear", ""},
                                           {"relu", "ReLU"},
                                           {"relu6", "ReLU6"},
                                           {"elu", "ELU"},
                                           {"gelu", "GELU"},
                                           {"selu", "SELU"},
                                           {"silu", "swish"},
                                           {"hard_silu", "h-swish"},
                                           {"leaky_relu", "leaky ReLU"},
                                           {"hard_sigmoid", "h-sigmoid"}};
    snprintf(buf, DRAW_TEXT, "%s", name);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i][0]) == 0)
            snprintf(buf, DRAW_TEXT, "%s", words[i][1]);
    return buf;
}

const char *draw_activation(const twi_layer *layer, char *buf)
{
    const tw_setting *v = option(layer, "activation", TW_FIELD_SETTING);
    return activation_word(v && v->kind ? v->kind->name : "linear", buf);
}

// "BatchNormalization" → "batch normalization"
static void class_words(const char *name, char *buf)
{
    size_t n = 0;
    for (const char *c = name; *c && n + 2 < DRAW_TEXT; c++) {
        bool begins = isupper((unsigned char)c[0]) && c > name && islower((unsigned char)c[-1]);
        if (begins)
            buf[n++] = ' ';
        buf[n++] = (char)(begins || c == name ? tolower((unsigned char)*c) : *c);
    }
    buf[n] = 0;
    if (n > 2 && strcmp(buf + n - 2, "2D") == 0)
        buf[n - 2] = 0;
}

const char *draw_tag(const twi_layer *layer, char *buf)
{
    static const char *const words[][2] = {{"BatchNormalization", "BN"}, {"LayerNormalization", "LN"},
                                           {"GroupNormalization", "GN"}, {"ReLU", "ReLU"},
                                           {"PReLU", "PReLU"},           {"ELU", "ELU"},
                                           {"LeakyReLU", "leaky ReLU"},  {"ZeroPadding2D", "pad"},
                                           {"Cropping2D", "crop"},       {"Normalization", "normalize"},
                                           {"Rescaling", "rescale"},     {"StochasticDepth", "depth"},
                                           {"LayerScale", "scale"},      {"CustomScaleLayer", "scale"},
                                           {"InputLayer", ""},           {"Identity", ""}};
    const double *rate = option(layer, "rate", TW_FIELD_FLOAT),
                 *most = option(layer, "max_value", TW_FIELD_FLOAT);
    if (strcmp(layer->kind->name, "Activation") == 0)
        return draw_activation(layer, buf);
    if (strcmp(layer->kind->name, "ReLU") == 0 && most && *most == 6)
        return activation_word("relu6", buf);
    if (strcmp(layer->kind->name, "Dropout") == 0 && rate) {
        snprintf(buf, DRAW_TEXT, "drop %.3g", *rate);
        return buf;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(layer->kind->name, words[i][0]) == 0) {
            snprintf(buf, DRAW_TEXT, "%s", words[i][1]);
            return buf;
        }
    class_words(layer->kind->name, buf);
    return buf;
}

// ------------------------------------------------------------------------------------------------------------- labels

static const char *window_label(const twi_layer *layer, draw_kind kind, bool is_short, char *buf)
{
    char size[48], step[32] = "", out[32] = "";
    if (!pair(layer, "kernel_size", size, sizeof size))
        pair(layer, "pool_size", size, sizeof size);
    if (stride(layer) > 1)
        snprintf(step, sizeof step, " /%lld", (long long)stride(layer));
    if (whole(layer, "filters", 0) > 0)
        snprintf(out, sizeof out, " · %lld", (long long)whole(layer, "filters", 0));
    int64_t groups = whole(layer, "groups", 1);
    const char *name = kind == DRAW_POOL          ? (says(layer, "Max") ? (is_short ? "max" : "max pool")
                                                     : is_short         ? "mean"
                                                                        : "mean pool")
                       : says(layer, "Separable") ? (is_short ? "sep" : "separable")
                       : kind == DRAW_DEPTHWISE || groups > 1 ? (is_short     ? "dw"
                                                                 : groups > 1 ? "grouped"
                                                                              : "depthwise")
                       : says(layer, "Transpose")             ? (is_short ? "up" : "transposed")
                       : is_short                             ? ""
                                                              : "conv";
    snprintf(buf, DRAW_TEXT, "%.24s%s%s%.24s%.24s", size, *name ? " " : "", name, out, step);
    return buf;
}

const char *draw_label(const twi_layer *layer, bool is_short, char *buf)
{
    static const char *const joins[][2] = {
        {"Add", "+"},        {"Multiply", "×"},  {"Subtract", "−"}, {"Concatenate", "concat"},
        {"Average", "mean"}, {"Maximum", "max"}, {"Minimum", "min"}};
    draw_kind kind = draw_kind_of(layer);
    if (kind == DRAW_POOL && says(layer, "Global")) {
        snprintf(buf, DRAW_TEXT, "global %s", says(layer, "Max") ? "max" : "mean");
        return buf;
    }
    if (kind == DRAW_CONV || kind == DRAW_DEPTHWISE || kind == DRAW_POOL)
        return window_label(layer, kind, is_short, buf);
    if (kind == DRAW_DENSE) {
        snprintf(buf, DRAW_TEXT, "dense · %lld", (long long)whole(layer, "units", 0));
        return buf;
    }
    for (size_t i = 0; kind == DRAW_JOIN && i < sizeof joins / sizeof *joins; i++)
        if (strcmp(layer->kind->name, joins[i][0]) == 0) {
            snprintf(buf, DRAW_TEXT, "%s", joins[i][1]);
            return buf;
        }
    if (strcmp(layer->kind->name, "InputLayer") == 0) {
        snprintf(buf, DRAW_TEXT, "input");
        return buf;
    }
    return draw_tag(layer, buf);
}

const char *draw_shape(const tw_shape *shape, char *buf)
{
    size_t n = 0;
    buf[0] = 0;
    for (int i = 1; i < shape->rank && n < DRAW_TEXT - 24; i++) {
        n += (size_t)snprintf(buf + n, DRAW_TEXT - n, "%s", i > 1 ? "×" : "");
        n += (size_t)(shape->dim[i] < 0 ? snprintf(buf + n, DRAW_TEXT - n, "?")
                                        : snprintf(buf + n, DRAW_TEXT - n, "%lld", (long long)shape->dim[i]));
    }
    return buf;
}

const char *draw_count(int64_t n, char *buf)
{
    const char *unit = n < 10000 ? "" : n < 1000000 ? "k" : "M";
    double value = n < 10000 ? (double)n : n < 1000000 ? (double)n / 1e3 : (double)n / 1e6;
    if (n < 10000)
        twi_str_thousands(buf, DRAW_TEXT, n);
    else
        snprintf(buf, DRAW_TEXT, "%.*f%s", value < 100 ? 1 : 0, value, unit);
    return buf;
}

// --------------------------------------------------------------------------------------------------------- common names

typedef struct common {
    const draw *d;
    const char *name;
    size_t n; // of its beginning
    const char *last;
} common;

static void compare_names(void *self, int unit)
{
    common *c = self;
    const draw_call *face = draw_face(c->d, unit);
    if (draw_kind_of(face->layer) == DRAW_SHAPE)
        return; // "input_layer" and "flatten" stand in any block
    const char *name = c->last = face->layer->name;
    if (!c->name)
        c->name = name, c->n = strlen(name);
    size_t n = 0;
    while (n < c->n && name[n] == c->name[n])
        n++;
    c->n = n;
}

const char *draw_common_name(const draw *d, const draw_item *first, const draw_item *end, char *buf)
{
    common c = {.d = d};
    for (const draw_item *item = first; item && item != end; item = item->next)
        draw_each(item, compare_names, &c);
    size_t n = c.n;
    bool ends_word = !c.name || !c.name[n] || (n && c.name[n - 1] == '_');
    while (n && !ends_word && c.name[n - 1] != '_')
        n--;
    while (n && c.name[n - 1] == '_')
        n--;
    bool has_digit = false;
    for (size_t i = 0; i < n; i++)
        has_digit = has_digit || isdigit((unsigned char)c.name[i]);
    if (has_digit)
        snprintf(buf, DRAW_TEXT, "%.*s", (int)(n < DRAW_TEXT ? n : DRAW_TEXT - 1), c.name);
    else
        snprintf(buf, DRAW_TEXT, "%s", first && first->next == end && c.last ? c.last : "");
    return buf;
}

const char *draw_range_name(const char *first, const char *last, char *buf)
{
    size_t n = 0;
    while (first[n] && first[n] == last[n])
        n++;
    while (n && isdigit((unsigned char)last[n - 1]))
        n--;
    if (strcmp(first, last) == 0)
        snprintf(buf, DRAW_TEXT, "%s", first);
    else
        snprintf(buf, DRAW_TEXT, "%.44s – %.44s", first, n > 3 ? last + n : last);
    return buf;
}

// ---------------------------------------------------------------------------------------------------------- parameters

typedef struct total {
    const draw *d;
    int64_t params;
} total;

static void add_params(void *self, int unit)
{
    total *t = self;
    for (int u = unit; u >= 0; u = t->d->units.at[u].twin)
        for (int i = t->d->units.at[u].first; i >= 0; i = t->d->calls.at[i].next) {
            int64_t yes = 0, no = 0;
            if (t->d->calls.at[i].is_first)
                twi_layer_params(t->d->calls.at[i].layer, &yes, &no);
            t->params += yes + no;
        }
}

int64_t draw_params(const draw *d, const draw_item *item)
{
    total t = {.d = d};
    draw_each(item, add_params, &t);
    return t.params;
}

void draw_words(twi_str *out, const char *class_name, double size, double x, double y, const char *text)
{
    twi_str_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\"", class_name, x, y);
    if (size > 0 && strlen(text) > 2) // squeezing shows in a single sign
        twi_str_printf(out, " textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\"",
                       twi_html_text_width(text, size));
    twi_str_add(out, ">");
    twi_html_text(out, text);
    twi_str_add(out, "</text>");
}
