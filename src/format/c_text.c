// The functions that a model written as C calls. See c_source.c.
//
// They are what the ops mean and no more: channels last, one picture, sums in float. Loops run over channels inside, so that
// a compiler can turn them into vector instructions. y may be x wherever the numbers stay in their places.

#include "format/c_export.h"

// clang-format off
static const struct {
    const char *name, *text;
} functions[TWI_C_BINARY] = {
    [TWI_C_CONV] =
        {"conv",
         "// y[oh,ow,o] = bias[o] + sum of x[oh*sh-top+kh*dh, ow*sw-left+kw*dw, i] * kernel[kh,kw,i,o]; groups split channels.\n"
         "struct conv {\n"
         "    int h, w, cin, kh, kw, cout, groups, sh, sw, dh, dw, top, left, oh, ow;\n"
         "};\n"
         "static void conv(const struct conv *s, const float *x, const float *kernel, const float *bias, float *y)\n"
         "{\n"
         "    int in = s->cin / s->groups, out = s->cout / s->groups;\n"
         "    for (int oh = 0; oh < s->oh; oh++)\n"
         "        for (int ow = 0; ow < s->ow; ow++, y += s->cout) {\n"
         "            for (int o = 0; o < s->cout; o++)\n"
         "                y[o] = bias ? bias[o] : 0;\n"
         "            for (int kh = 0; kh < s->kh; kh++)\n"
         "                for (int kw = 0; kw < s->kw; kw++) {\n"
         "                    int h = oh * s->sh - s->top + kh * s->dh, w = ow * s->sw - s->left + kw * s->dw;\n"
         "                    if (h < 0 || h >= s->h || w < 0 || w >= s->w)\n"
         "                        continue;\n"
         "                    const float *a = x + ((size_t)h * s->w + w) * s->cin;\n"
         "                    const float *k = kernel + ((size_t)kh * s->kw + kw) * in * s->cout;\n"
         "                    for (int g = 0; g < s->groups; g++)\n"
         "                        for (int i = 0; i < in; i++) {\n"
         "                            float v = a[g * in + i], *to = y + g * out;\n"
         "                            const float *row = k + (size_t)i * s->cout + g * out;\n"
         "                            for (int o = 0; o < out; o++)\n"
         "                                to[o] += v * row[o];\n"
         "                        }\n"
         "                }\n"
         "        }\n"
         "}\n"},
    [TWI_C_DEPTHWISE] =
        {"depthwise",
         "// The same where each channel has kernels of its own: kernel[kh,kw,i,m] makes channel i*m of y.\n"
         "struct depthwise {\n"
         "    int h, w, cin, kh, kw, m, sh, sw, dh, dw, top, left, oh, ow;\n"
         "};\n"
         "static void depthwise(const struct depthwise *s, const float *x, const float *kernel, const float *bias,\n"
         "                      float *y)\n"
         "{\n"
         "    int cout = s->cin * s->m;\n"
         "    for (int oh = 0; oh < s->oh; oh++)\n"
         "        for (int ow = 0; ow < s->ow; ow++, y += cout) {\n"
         "            for (int o = 0; o < cout; o++)\n"
         "                y[o] = bias ? bias[o] : 0;\n"
         "            for (int kh = 0; kh < s->kh; kh++)\n"
         "                for (int kw = 0; kw < s->kw; kw++) {\n"
         "                    int h = oh * s->sh - s->top + kh * s->dh, w = ow * s->sw - s->left + kw * s->dw;\n"
         "                    if (h < 0 || h >= s->h || w < 0 || w >= s->w)\n"
         "                        continue;\n"
         "                    const float *a = x + ((size_t)h * s->w + w) * s->cin;\n"
         "                    const float *k = kernel + ((size_t)kh * s->kw + kw) * cout;\n"
         "                    if (s->m == 1)\n"
         "                        for (int i = 0; i < cout; i++)\n"
         "                            y[i] += a[i] * k[i];\n"
         "                    else\n"
         "                        for (int i = 0; i < cout; i++)\n"
         "                            y[i] += a[i / s->m] * k[i];\n"
         "                }\n"
         "        }\n"
         "}\n"},
    [TWI_C_CONV_TRANSPOSE] =
        {"conv_transpose",
         "// y[h*sh-top+kh*dh, w*sw-left+kw*dw, o] += x[h,w,i] * kernel[kh,kw,o,i], beginning with bias[o].\n"
         "struct conv_transpose {\n"
         "    int h, w, cin, kh, kw, cout, sh, sw, dh, dw, top, left, oh, ow;\n"
         "};\n"
         "static void conv_transpose(const struct conv_transpose *s, const float *x, const float *kernel,\n"
         "                           const float *bias, float *y)\n"
         "{\n"
         "    for (int i = 0; i < s->oh * s->ow * s->cout; i++)\n"
         "        y[i] = bias ? bias[i % s->cout] : 0;\n"
         "    for (int h = 0; h < s->h; h++)\n"
         "        for (int w = 0; w < s->w; w++, x += s->cin)\n"
         "            for (int kh = 0; kh < s->kh; kh++)\n"
         "                for (int kw = 0; kw < s->kw; kw++) {\n"
         "                    int oh = h * s->sh - s->top + kh * s->dh, ow = w * s->sw - s->left + kw * s->dw;\n"
         "                    if (oh < 0 || oh >= s->oh || ow < 0 || ow >= s->ow)\n"
         "                        continue;\n"
         "                    float *to = y + ((size_t)oh * s->ow + ow) * s->cout;\n"
         "                    const float *k = kernel + ((size_t)kh * s->kw + kw) * s->cout * s->cin;\n"
         "                    for (int o = 0; o < s->cout; o++, k += s->cin)\n"
         "                        for (int i = 0; i < s->cin; i++)\n"
         "                            to[o] += x[i] * k[i];\n"
         "                }\n"
         "}\n"},
    [TWI_C_DENSE] = {"dense", "// y[r,o] = bias[o] + sum of x[r,i] * w[i,o]\n"
                              "static void dense(const float *x, int rows, int cin, const float *w, const float *bias, int "
                              "cout, float *y)\n"
                              "{\n"
                              "    for (int r = 0; r < rows; r++, x += cin, y += cout) {\n"
                              "        for (int o = 0; o < cout; o++)\n"
                              "            y[o] = bias ? bias[o] : 0;\n"
                              "        for (int i = 0; i < cin; i++)\n"
                              "            for (int o = 0; o < cout; o++)\n"
                              "                y[o] += x[i] * w[(size_t)i * cout + o];\n"
                              "    }\n"
                              "}\n"},
#define POOL(name, start, take, end)                                                                       \
    "struct " name " {\n"                                                                                  \
    "    int h, w, c, kh, kw, sh, sw, top, left, oh, ow;\n"                                                \
    "};\n"                                                                                                 \
    "static void " name "(const struct " name " *s, const float *x, float *y)\n"                           \
    "{\n"                                                                                                  \
    "    for (int oh = 0; oh < s->oh; oh++)\n"                                                             \
    "        for (int ow = 0; ow < s->ow; ow++, y += s->c) {\n"                                            \
    "            int n = 0;\n"                                                                             \
    "            for (int h = oh * s->sh - s->top; h < oh * s->sh - s->top + s->kh; h++)\n"                \
    "                for (int w = ow * s->sw - s->left; w < ow * s->sw - s->left + s->kw; w++) {\n"        \
    "                    if (h < 0 || h >= s->h || w < 0 || w >= s->w)\n"                                  \
    "                        continue;\n"                                                                  \
    "                    const float *a = x + ((size_t)h * s->w + w) * s->c;\n"                            \
    "                    for (int c = 0; c < s->c; c++)\n"                                                 \
    "                        y[c] = " take ";\n"                                                           \
    "                    n++;\n"                                                                           \
    "                }\n" end "        }\n"                                                                \
    "}\n"
    [TWI_C_LARGEST] = {"largest", "// The largest number of each window; padding is no candidate.\n" POOL(
                                      "largest", "", "n == 0 || a[c] > y[c] ? a[c] : y[c]", "")},
    [TWI_C_MEAN] = {"mean", "// The mean of each window; padding is not counted.\n" POOL(
                                "mean", "", "(n == 0 ? 0 : y[c]) + a[c]",
                                "            for (int c = 0; c < s->c; c++)\n"
                                "                y[c] /= (float)n;\n")},
    [TWI_C_LARGEST_OF_ALL] = {"largest_of_all", "// The largest number of each channel.\n"
                                                "static void largest_of_all(const float *x, int pixels, int c, float *y)\n"
                                                "{\n"
                                                "    for (int i = 0; i < c; i++)\n"
                                                "        y[i] = x[i];\n"
                                                "    for (int p = 1; p < pixels; p++)\n"
                                                "        for (int i = 0; i < c; i++)\n"
                                                "            y[i] = x[(size_t)p * c + i] > y[i] ? x[(size_t)p * c + i] : "
                                                "y[i];\n"
                                                "}\n"},
    [TWI_C_MEAN_OF_ALL] = {"mean_of_all", "// The mean of each channel.\n"
                                          "static void mean_of_all(const float *x, int pixels, int c, float *y)\n"
                                          "{\n"
                                          "    for (int i = 0; i < c; i++)\n"
                                          "        y[i] = 0;\n"
                                          "    for (int p = 0; p < pixels; p++)\n"
                                          "        for (int i = 0; i < c; i++)\n"
                                          "            y[i] += x[(size_t)p * c + i];\n"
                                          "    for (int i = 0; i < c; i++)\n"
                                          "        y[i] /= (float)pixels;\n"
                                          "}\n"},
    [TWI_C_SOFTMAX] = {"softmax", "static void softmax(const float *x, int rows, int c, float *y)\n"
                                  "{\n"
                                  "    for (int r = 0; r < rows; r++, x += c, y += c) {\n"
                                  "        float most = x[0], sum = 0;\n"
                                  "        for (int i = 1; i < c; i++)\n"
                                  "            most = x[i] > most ? x[i] : most;\n"
                                  "        for (int i = 0; i < c; i++)\n"
                                  "            sum += y[i] = expf(x[i] - most);\n"
                                  "        for (int i = 0; i < c; i++)\n"
                                  "            y[i] /= sum;\n"
                                  "    }\n"
                                  "}\n"},
    [TWI_C_LOG_SOFTMAX] = {"log_softmax", "static void log_softmax(const float *x, int rows, int c, float *y)\n"
                                          "{\n"
                                          "    for (int r = 0; r < rows; r++, x += c, y += c) {\n"
                                          "        float most = x[0], sum = 0;\n"
                                          "        for (int i = 1; i < c; i++)\n"
                                          "            most = x[i] > most ? x[i] : most;\n"
                                          "        for (int i = 0; i < c; i++)\n"
                                          "            sum += expf(x[i] - most);\n"
                                          "        for (int i = 0; i < c; i++)\n"
                                          "            y[i] = x[i] - most - logf(sum);\n"
                                          "    }\n"
                                          "}\n"},
    [TWI_C_LAYER_NORM] =
        {"layer_norm", "// Each row less its mean, over its standard deviation.\n"
                       "static void layer_norm(const float *x, int rows, int c, const float *gamma, const float *beta,\n"
                       "                       float epsilon, float *y)\n"
                       "{\n"
                       "    for (int r = 0; r < rows; r++, x += c, y += c) {\n"
                       "        float mean = 0, variance = 0;\n"
                       "        for (int i = 0; i < c; i++)\n"
                       "            mean += x[i] / (float)c;\n"
                       "        for (int i = 0; i < c; i++)\n"
                       "            variance += (x[i] - mean) * (x[i] - mean) / (float)c;\n"
                       "        float scale = 1 / sqrtf(variance + epsilon);\n"
                       "        for (int i = 0; i < c; i++)\n"
                       "            y[i] = (x[i] - mean) * scale * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0);\n"
                       "    }\n"
                       "}\n"},
    [TWI_C_PAD] = {"pad", "// Zeros around x, or less of it: pixel (h, w) of x goes to (h + top, w + left).\n"
                          "static void pad(const float *x, int h, int w, int c, int top, int left, int oh, int ow, float "
                          "*y)\n"
                          "{\n"
                          "    for (int i = 0; i < oh * ow * c; i++) {\n"
                          "        int a = i / c / ow - top, b = i / c % ow - left;\n"
                          "        y[i] = a < 0 || a >= h || b < 0 || b >= w ? 0 : x[((size_t)a * w + b) * c + i % c];\n"
                          "    }\n"
                          "}\n"},
    [TWI_C_PART] = {"part", "// Rows of n numbers, `step` apart in y: one part of a concatenation.\n"
                            "static void part(const float *x, int rows, int n, float *y, int step)\n"
                            "{\n"
                            "    for (int r = 0; r < rows; r++)\n"
                            "        for (int i = 0; i < n; i++)\n"
                            "            y[(size_t)r * step + i] = x[(size_t)r * n + i];\n"
                            "}\n"},
    [TWI_C_TURN] = {"turn", "// y in reading order of six axes; a step along axis i of y is step[i] in x.\n"
                            "static void turn(const float *x, const int size[6], const int step[6], float *y)\n"
                            "{\n"
                            "    for (int a = 0; a < size[0]; a++)\n"
                            "        for (int b = 0; b < size[1]; b++)\n"
                            "            for (int c = 0; c < size[2]; c++)\n"
                            "                for (int d = 0; d < size[3]; d++)\n"
                            "                    for (int e = 0; e < size[4]; e++)\n"
                            "                        for (int f = 0; f < size[5]; f++)\n"
                            "                            *y++ = x[a * step[0] + b * step[1] + c * step[2] + d * step[3] + "
                            "e * step[4] +\n"
                            "                                     f * step[5]];\n"
                            "}\n"},
    [TWI_C_NEAREST] = {"nearest", "// Another size: the pixel under the middle of each new one.\n"
                                  "static void nearest(const float *x, int h, int w, int c, int oh, int ow, float *y)\n"
                                  "{\n"
                                  "    for (int i = 0; i < oh; i++)\n"
                                  "        for (int j = 0; j < ow; j++, y += c) {\n"
                                  "            int a = (2 * i + 1) * h / (2 * oh), b = (2 * j + 1) * w / (2 * ow);\n"
                                  "            for (int k = 0; k < c; k++)\n"
                                  "                y[k] = x[((size_t)a * w + b) * c + k];\n"
                                  "        }\n"
                                  "}\n"},
    [TWI_C_BILINEAR] =
        {"bilinear", "// Another size: between the four pixels around the middle of each new one.\n"
                     "static void taps(int i, int in, int out, int *low, int *high, float *share)\n"
                     "{\n"
                     "    double at = (i + 0.5) * in / out - 0.5;\n"
                     "    *low = at < 0 ? 0 : (int)at;\n"
                     "    *high = at < 0 ? 0 : *low + 1 < in ? *low + 1 : in - 1;\n"
                     "    *share = at < 0 ? 0 : (float)(at - *low);\n"
                     "}\n"
                     "static void bilinear(const float *x, int h, int w, int c, int oh, int ow, float *y)\n"
                     "{\n"
                     "    for (int i = 0; i < oh; i++)\n"
                     "        for (int j = 0; j < ow; j++, y += c) {\n"
                     "            int a, b, l, r;\n"
                     "            float v, u;\n"
                     "            taps(i, h, oh, &a, &b, &v);\n"
                     "            taps(j, w, ow, &l, &r, &u);\n"
                     "            for (int k = 0; k < c; k++) {\n"
                     "                float above = x[((size_t)a * w + l) * c + k] * (1 - u) + x[((size_t)a * w + r) * c + k] * u;\n"
                     "                float below = x[((size_t)b * w + l) * c + k] * (1 - u) + x[((size_t)b * w + r) * c + k] * u;\n"
                     "                y[k] = above * (1 - v) + below * v;\n"
                     "            }\n"
                     "        }\n"
                     "}\n"},
};

// clang-format on

static const struct {
    const char *name, *value;
} binaries[TWI_MIN + 1] = {[TWI_ADD] = {"add", "a + b"},
                           [TWI_SUB] = {"subtract", "a - b"},
                           [TWI_MUL] = {"multiply", "a * b"},
                           [TWI_DIV] = {"divide", "a / b"},
                           [TWI_MAX] = {"larger", "a > b ? a : b"},
                           [TWI_MIN] = {"smaller", "a < b ? a : b"}};

// alpha, beta and threshold are the numbers of the op; most functions use none.
static const struct {
    const char *name, *value;
} activations[TWI_ACTIVATIONS] = {
    [TWI_LINEAR] = {"linear", "v"},
    [TWI_RELU] = {"relu", "v > threshold ? (v < alpha ? v : alpha) : beta * (v - threshold)"},
    [TWI_SIGMOID] = {"sigmoid", "1 / (1 + expf(-v))"},
    [TWI_TANH] = {"tanh_of", "tanhf(v)"},
    [TWI_SILU] = {"silu", "v / (1 + expf(-v))"},
    [TWI_ELU] = {"elu", "v > 0 ? v : alpha * expm1f(v)"},
    [TWI_SELU] = {"selu", "1.0507009873554805f * (v > 0 ? v : 1.6732632423543772f * expm1f(v))"},
    [TWI_SOFTPLUS] = {"softplus", "(v > 0 ? v : 0) + log1pf(expf(-fabsf(v)))"},
    [TWI_SOFTSIGN] = {"softsign", "v / (1 + fabsf(v))"},
    [TWI_EXPONENTIAL] = {"exponential", "expf(v)"},
    [TWI_HARD_SIGMOID] = {"hard_sigmoid", "fminf(fmaxf(v + 3, 0), 6) / 6"},
    [TWI_HARD_SILU] = {"hard_silu", "v * fminf(fmaxf(v + 3, 0), 6) / 6"},
    [TWI_GELU] = {"gelu", "0.5f * v * (1 + erff(v * 0.70710678118654752f))"},
    [TWI_GELU_TANH] = {"gelu_tanh",
                       "0.5f * v * (1 + tanhf(0.79788456080286536f * (v + 0.044715f * v * v * v)))"},
    [TWI_MISH] = {"mish", "v * tanhf((v > 0 ? v : 0) + log1pf(expf(-fabsf(v))))"},
    [TWI_SQRT] = {"square_root", "sqrtf(v)"},
    [TWI_LOG_SIGMOID] = {"log_sigmoid", "(v < 0 ? v : 0) - log1pf(expf(-fabsf(v)))"},
    [TWI_SQUAREPLUS] = {"squareplus", "0.5f * (v + sqrtf(v * v + alpha))"},
    [TWI_SPARSE_PLUS] = {"sparse_plus", "v >= 1 ? v : v > -1 ? 0.25f * (v + 1) * (v + 1) : 0"},
    [TWI_SPARSE_SIGMOID] = {"sparse_sigmoid", "v >= 1 ? 1 : v > -1 ? 0.5f * (v + 1) : 0"},
    [TWI_SOFT_SHRINK] = {"soft_shrink", "v > alpha ? v - alpha : v < -alpha ? v + alpha : 0"},
    [TWI_HARD_SHRINK] = {"hard_shrink", "fabsf(v) > alpha ? v : 0"},
    [TWI_TANH_SHRINK] = {"tanh_shrink", "v - tanhf(v)"},
    [TWI_HARD_TANH] = {"hard_tanh", "fminf(fmaxf(v, -1), 1)"},
    [TWI_THRESHOLD] = {"threshold_of", "v > threshold ? v : beta"}};

bool twi_c_takes_alpha(int activation)
{
    return activation == TWI_ELU || activation == TWI_SQUAREPLUS || activation == TWI_SOFT_SHRINK ||
           activation == TWI_HARD_SHRINK;
}

const char *twi_c_name(int function)
{
    return function >= TWI_C_ACTIVATION ? activations[function - TWI_C_ACTIVATION].name
           : function >= TWI_C_BINARY   ? binaries[function - TWI_C_BINARY].name
                                        : functions[function].name;
}

void twi_c_text(twi_stream *s, int function)
{
    const char *name = twi_c_name(function);
    if (function >= TWI_C_ACTIVATION) {
        int which = function - TWI_C_ACTIVATION;
        const char *more = which == TWI_RELU          ? ", float alpha, float beta, float threshold"
                           : twi_c_takes_alpha(which) ? ", float alpha"
                                                      : "";
        twi_stream_printf(
            s,
            "static void %s(const float *x, int n, float *y%s)\n{\n"
            "    for (int i = 0; i < n; i++) {\n        float v = x[i];\n        y[i] = %s;\n    }\n}\n",
            name, more, activations[which].value);
    } else if (function >= TWI_C_BINARY) {
        twi_stream_printf(
            s,
            "// Four axes; a step along axis i is as[i] in a and bs[i] in b, 0 where it repeats.\n"
            "static void %s(const float *p, const int as[4], const float *q, const int bs[4], const int "
            "n[4],\n"
            "                float *y)\n{\n"
            "    for (int i = 0; i < n[0]; i++)\n        for (int j = 0; j < n[1]; j++)\n"
            "            for (int k = 0; k < n[2]; k++)\n                for (int l = 0; l < n[3]; l++) "
            "{\n"
            "                    float a = p[i * as[0] + j * as[1] + k * as[2] + l * as[3]];\n"
            "                    float b = q[i * bs[0] + j * bs[1] + k * bs[2] + l * bs[3]];\n"
            "                    *y++ = %s;\n                }\n}\n",
            name, binaries[function - TWI_C_BINARY].value);
    } else {
        twi_stream_printf(s, "%s", functions[function].text);
    }
    twi_stream_printf(s, "\n");
}
