// Activations of a model written as ONNX: those without an operator of their own are put together. See onnx.h.
//
// Source   onnx.ai/onnx/operators, operator set 18: the operators' meanings, and their attributes' defaults.

#include "format/onnx.h"

#include <math.h>

typedef struct step {
    twi_onnx *o;
    const char *label;
} step;

static const char *one(step s, const char *op, const char *x)
{
    twi_onnx_node n = twi_onnx_node_of(op, x);
    return twi_onnx_node_end(s.o, &n, s.label, NULL);
}

static const char *two(step s, const char *op, const char *a, const char *b)
{
    twi_onnx_node n = twi_onnx_node_of(op, a);
    twi_onnx_node_in(&n, b);
    return twi_onnx_node_end(s.o, &n, s.label, NULL);
}

static const char *with_float(step s, const char *op, const char *x, const char *attribute, double v)
{
    twi_onnx_node n = twi_onnx_node_of(op, x);
    twi_onnx_node_float(&n, attribute, v);
    return twi_onnx_node_end(s.o, &n, s.label, NULL);
}

// Within low..high.
static const char *within(step s, const char *x, double low, double high)
{
    twi_onnx_node n = twi_onnx_node_of("Clip", x);
    twi_onnx_node_in(&n, twi_onnx_scalar(s.o, s.label, low));
    twi_onnx_node_in(&n, twi_onnx_scalar(s.o, s.label, high));
    return twi_onnx_node_end(s.o, &n, s.label, NULL);
}

// x > threshold ? min(x, alpha) : beta (x − threshold)
static const char *relu(step s, const twi_activation_params *p, const char *x)
{
    bool is_plain = p->threshold == 0;
    if (is_plain && p->beta == 0 && isinf(p->alpha))
        return one(s, "Relu", x);
    if (is_plain && isinf(p->alpha))
        return with_float(s, "LeakyRelu", x, "alpha", p->beta);
    if (is_plain && p->beta == 0)
        return within(s, x, 0, p->alpha);
    const char *threshold = twi_onnx_scalar(s.o, s.label, p->threshold);
    const char *above = isinf(p->alpha) ? x : two(s, "Min", x, twi_onnx_scalar(s.o, s.label, p->alpha));
    const char *below = two(s, "Mul", two(s, "Sub", x, threshold), twi_onnx_scalar(s.o, s.label, p->beta));
    twi_onnx_node n = twi_onnx_node_of("Where", two(s, "Greater", x, threshold));
    twi_onnx_node_in(&n, above);
    twi_onnx_node_in(&n, below);
    return twi_onnx_node_end(s.o, &n, s.label, NULL);
}

// x / 2 · (1 + f)
static const char *half_gate(step s, const char *x, const char *f)
{
    const char *half = two(s, "Mul", x, twi_onnx_scalar(s.o, s.label, 0.5));
    return two(s, "Mul", half, two(s, "Add", f, twi_onnx_scalar(s.o, s.label, 1)));
}

static const char *gelu_tanh(step s, const char *x)
{
    const char *cube = two(s, "Mul", two(s, "Mul", x, x), x);
    const char *sum = two(s, "Add", x, two(s, "Mul", cube, twi_onnx_scalar(s.o, s.label, 0.044715)));
    return half_gate(s, x,
                     one(s, "Tanh", two(s, "Mul", sum, twi_onnx_scalar(s.o, s.label, 0.79788456080286536))));
}

static const char *squareplus(step s, const char *x, double b)
{
    const char *square = two(s, "Add", two(s, "Mul", x, x), twi_onnx_scalar(s.o, s.label, b));
    return two(s, "Mul", two(s, "Add", x, one(s, "Sqrt", square)), twi_onnx_scalar(s.o, s.label, 0.5));
}

// (x + 1)² / 4 of what lies in −1..1, and what is above 1.
static const char *sparse_plus(step s, const char *x)
{
    const char *inside = within(s, x, -1, 1);
    const char *half = with_float(s, "HardSigmoid", inside, "alpha", 0.5);
    return two(s, "Add", two(s, "Mul", half, half),
               two(s, "Sub", x, two(s, "Min", x, twi_onnx_scalar(s.o, s.label, 1))));
}

static const char *shrink(step s, const char *x, double threshold, double bias)
{
    twi_onnx_node n = twi_onnx_node_of("Shrink", x);
    twi_onnx_node_float(&n, "lambd", threshold);
    twi_onnx_node_float(&n, "bias", bias);
    return twi_onnx_node_end(s.o, &n, s.label, NULL);
}

const char *twi_onnx_activation(twi_onnx *o, const char *label, const twi_activation_params *p, const char *x)
{
    step s = {o, label};
    switch (p->function) {
    case TWI_RELU:
        return relu(s, p, x);
    case TWI_SILU:
        return two(s, "Mul", x, one(s, "Sigmoid", x));
    case TWI_ELU:
        return with_float(s, "Elu", x, "alpha", p->alpha);
    case TWI_HARD_SIGMOID:
        return with_float(s, "HardSigmoid", x, "alpha", 1.0 / 6);
    case TWI_HARD_SILU:
        return two(s, "Mul", x, with_float(s, "HardSigmoid", x, "alpha", 1.0 / 6));
    case TWI_GELU:
        return half_gate(s, x,
                         one(s, "Erf", two(s, "Mul", x, twi_onnx_scalar(s.o, s.label, 0.70710678118654752))));
    case TWI_GELU_TANH:
        return gelu_tanh(s, x);
    case TWI_MISH:
        return two(s, "Mul", x, one(s, "Tanh", one(s, "Softplus", x)));
    case TWI_LOG_SIGMOID:
        return one(s, "Neg", one(s, "Softplus", one(s, "Neg", x)));
    case TWI_SQUAREPLUS:
        return squareplus(s, x, p->alpha);
    case TWI_SPARSE_PLUS:
        return sparse_plus(s, x);
    case TWI_SPARSE_SIGMOID:
        return with_float(s, "HardSigmoid", x, "alpha", 0.5);
    case TWI_SOFT_SHRINK:
        return shrink(s, x, p->alpha, p->alpha);
    case TWI_HARD_SHRINK:
        return shrink(s, x, p->alpha, 0);
    case TWI_TANH_SHRINK:
        return two(s, "Sub", x, one(s, "Tanh", x));
    case TWI_HARD_TANH:
        return within(s, x, -1, 1);
    default:
        break;
    }
    static const char *const simple[TWI_ACTIVATIONS] = {
        [TWI_LINEAR] = "Identity", [TWI_SIGMOID] = "Sigmoid",   [TWI_TANH] = "Tanh",
        [TWI_SELU] = "Selu",       [TWI_SOFTPLUS] = "Softplus", [TWI_SOFTSIGN] = "Softsign",
        [TWI_EXPONENTIAL] = "Exp", [TWI_SQRT] = "Sqrt"};
    return simple[p->function] ? one(s, simple[p->function], x) : NULL;
}
