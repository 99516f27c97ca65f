#!/usr/bin/env python3
"""Writes tests/golden/layer/*.json: what real Keras computes with each kind of layer (see tests/conform/test_layer.c).

    build/oracle/bin/python tools/golden_layer.py [NAME…]

A file is {"module", "class_name", "cases": [{"config", "args", "training", "inputs", "weights", "output", "after"}]}; arrays are
{"shape", "data"}; `args` are the numbers a bare operation is called with; `after` are the weights after a training step.
"""
import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402
from keras.src.applications.convnext import LayerScale, StochasticDepth  # noqa: E402
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer  # noqa: E402
from keras.src.ops import nn, numpy as knp  # noqa: E402

OUT = Path(__file__).resolve().parents[1] / "tests/golden/layer"
P = (2, 3, 5, 4)  # a small picture
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "elu", "celu", "selu", "softplus", "softsign", "squareplus",
               "soft_shrink", "sparse_plus", "exponential", "hard_sigmoid", "hard_silu", "hard_tanh", "hard_shrink", "log_sigmoid",
               "sparse_sigmoid", "tanh_shrink", "gelu", "mish", "linear", "softmax", "log_softmax", "sparsemax")


class Op:
    """A bare operation, with the numbers it is called with (None: a tensor)."""

    def __init__(self, op, *args):
        self.op, self.args = op, args


def cases():
    yield "dense", L.Dense(3), (2, 5)
    yield "dense", L.Dense(3, "gelu", use_bias=False), (2, 3, 5)
    yield "dense", L.Dense(6, "glu"), (2, 5)
    yield "dense", L.Dense(6, "sparsemax"), (4, 5)
    yield "conv2d", L.Conv2D(3, 3), P
    yield "conv2d", L.Conv2D(4, (3, 2), strides=(2, 3), padding="same", groups=2, activation="relu"), P
    yield "conv2d", L.Conv2D(2, 2, padding="same", dilation_rate=2, use_bias=False), P
    yield "conv2d", L.Conv2D(4, 2, activation="glu"), P
    yield "depthwise_conv2d", L.DepthwiseConv2D(3, strides=2, padding="same"), P
    yield "depthwise_conv2d", L.DepthwiseConv2D((2, 3), depth_multiplier=2, activation="tanh", use_bias=False), P
    yield "separable_conv2d", L.SeparableConv2D(3, 3, padding="same", depth_multiplier=2), P
    yield "conv2d_transpose", L.Conv2DTranspose(3, 3, strides=2, padding="same"), P
    yield "conv2d_transpose", L.Conv2DTranspose(3, (2, 4), strides=(3, 2), padding="valid", activation="relu"), P
    yield "conv2d_transpose", L.Conv2DTranspose(2, 4, padding="same", dilation_rate=1, use_bias=False), P
    yield "batch_normalization", L.BatchNormalization(), P
    yield "batch_normalization", L.BatchNormalization(scale=False, momentum=0.7, epsilon=1e-5), P, True
    yield "batch_normalization", L.BatchNormalization(center=False, trainable=False), P, True
    yield "batch_normalization", L.BatchNormalization(), (5, 4), True
    yield "layer_normalization", L.LayerNormalization(), P
    yield "layer_normalization", L.LayerNormalization(center=False, epsilon=1e-6), (3, 5)
    yield "group_normalization", L.GroupNormalization(groups=2), P
    yield "group_normalization", L.GroupNormalization(groups=-1, scale=False), P
    for name in ACTIVATIONS:
        yield "activation", L.Activation(name), (2, 9)
    yield "activation", L.Activation("glu"), (2, 6)
    yield "activation", L.Activation("glu"), P
    yield "relu", L.ReLU(), P
    yield "relu", L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.5), P
    yield "leaky_relu", L.LeakyReLU(), P
    yield "prelu", L.PReLU(), (2, 3, 2, 4)
    yield "prelu", L.PReLU(shared_axes=[1, 2]), P
    yield "elu", L.ELU(0.7), P
    yield "softmax", L.Softmax(), (2, 9)
    yield "dropout", L.Dropout(0.4), P
    yield "gaussian_dropout", L.GaussianDropout(0.4), P
    yield "gaussian_noise", L.GaussianNoise(0.4), P
    yield "spatial_dropout2d", L.SpatialDropout2D(0.4), P
    yield "stochastic_depth", StochasticDepth(0.3), P
    yield "layer_scale", LayerScale(0.3, 4), P
    yield "custom_scale_layer", CustomScaleLayer(0.17), [P, P]
    yield "flatten", L.Flatten(), P
    yield "reshape", L.Reshape((-1, 10)), P
    yield "permute", L.Permute((3, 1, 2)), P
    yield "identity", L.Identity(), P
    yield "global_average_pooling2d", L.GlobalAveragePooling2D(), P
    yield "global_average_pooling2d", L.GlobalAveragePooling2D(keepdims=True), P
    yield "global_max_pooling2d", L.GlobalMaxPooling2D(), P
    yield "average_pooling2d", L.AveragePooling2D(2), P
    yield "average_pooling2d", L.AveragePooling2D(3, strides=2, padding="same"), P
    yield "max_pooling2d", L.MaxPooling2D(), P
    yield "max_pooling2d", L.MaxPooling2D((3, 2), strides=2, padding="same"), P
    yield "zero_padding2d", L.ZeroPadding2D(((1, 0), (2, 3))), P
    yield "zero_padding2d", L.ZeroPadding2D(1), P
    yield "cropping2d", L.Cropping2D(((1, 0), (2, 1))), P
    yield "up_sampling2d", L.UpSampling2D((2, 3)), (1, 2, 3, 2)
    yield "up_sampling2d", L.UpSampling2D(2, interpolation="bilinear"), (1, 3, 2, 2)
    yield "resizing", L.Resizing(3, 7), P
    yield "resizing", L.Resizing(7, 4, interpolation="nearest"), P
    yield "center_crop", L.CenterCrop(2, 3), P
    yield "rescaling", L.Rescaling(1 / 127.5, -1), P
    yield "rescaling", L.Rescaling([0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]), P
    yield "normalization", L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 4.0, 0.0, 2.0]), P
    yield "normalization", L.Normalization(), P
    yield "normalization", L.Normalization(mean=0.5, variance=2.0, invert=True), P
    yield "add", L.Add(), [P, P, P]
    yield "add", L.Add(), [P, (2, 1, 1, 4)]
    yield "average", L.Average(), [P, P, P]
    yield "maximum", L.Maximum(), [P, P]
    yield "minimum", L.Minimum(), [P, P]
    yield "multiply", L.Multiply(), [P, (2, 1, 1, 4)]
    yield "subtract", L.Subtract(), [P, P]
    yield "concatenate", L.Concatenate(), [P, (2, 3, 5, 2), P]
    yield "concatenate", L.Concatenate(axis=1), [P, P]
    yield "op_add", Op(knp.Add(), None, 3.0), (2, 4)
    yield "op_add", Op(knp.Add(), None, None), [P, (2, 1, 1, 4)]
    yield "op_maximum", Op(knp.Maximum(), None, 0.1), (2, 4)
    yield "op_minimum", Op(knp.Minimum(), None, 0.1), (2, 4)
    yield "op_multiply", Op(knp.Multiply(), 2.5, None), (2, 4)
    yield "op_subtract", Op(knp.Subtract(), 1, None), (2, 4)
    yield "op_true_divide", Op(knp.TrueDivide(), None, 3), (2, 4)
    yield "op_celu", Op(nn.Celu(0.6), None), (2, 4)
    yield "op_glu", Op(nn.Glu(), None), P
    yield "op_hard_shrink", Op(nn.HardShrink(0.3), None), (2, 4)
    yield "op_hard_tanh", Op(nn.HardTanh(), None), (2, 4)
    yield "op_log_sigmoid", Op(nn.LogSigmoid(), None), (2, 4)
    yield "op_log_softmax", Op(nn.LogSoftmax(), None), (2, 4)
    yield "op_selu", Op(nn.Selu(), None), (2, 4)
    yield "op_soft_shrink", Op(nn.SoftShrink(0.3), None), (2, 4)
    yield "op_softsign", Op(nn.Softsign(), None), (2, 4)
    yield "op_sparse_plus", Op(nn.SparsePlus(), None), (2, 4)
    yield "op_sparse_sigmoid", Op(nn.SparseSigmoid(), None), (2, 4)
    yield "op_sparsemax", Op(nn.Sparsemax(), None), (5, 7)
    yield "op_squareplus", Op(nn.Squareplus(2), None), (2, 4)
    yield "op_tanh_shrink", Op(nn.TanhShrink(), None), (2, 4)
    yield "op_threshold", Op(nn.Threshold(0.2, -1.5), None), (2, 4)
    yield "op_elu", Op(nn.Elu(0.6), None), (2, 4)
    yield "op_exp", Op(knp.Exp(), None), (2, 4)
    yield "op_flip", Op(knp.Flip(axis=-1), None), P
    yield "op_gelu", Op(nn.Gelu(), None), (2, 4)
    yield "op_gelu", Op(nn.Gelu(approximate=False), None), (2, 4)
    yield "op_hard_sigmoid", Op(nn.HardSigmoid(), None), (2, 4)
    yield "op_hard_silu", Op(nn.HardSilu(), None), (2, 4)
    yield "op_leaky_relu", Op(nn.LeakyRelu(0.1), None), (2, 4)
    yield "op_relu", Op(nn.Relu(), None), (2, 4)
    yield "op_relu6", Op(nn.Relu6(), None), (2, 4)
    yield "op_sigmoid", Op(nn.Sigmoid(), None), (2, 4)
    yield "op_silu", Op(nn.Silu(), None), (2, 4)
    yield "op_softmax", Op(nn.Softmax(), None), (2, 4)
    yield "op_softplus", Op(nn.Softplus(), None), (2, 4)
    yield "op_sqrt", Op(knp.Sqrt(), None), (2, 4)
    yield "op_tanh", Op(knp.Tanh(), None), (2, 4)
    yield "activity_regularization", L.ActivityRegularization(1e-3, 2e-3), P


def array(x):
    x = np.asarray(x, np.float32)
    return {"shape": list(x.shape), "data": [float(f"{v:.7g}") for v in x.ravel().tolist()]}


def run_case(rng, layer, shapes, training=False):
    shapes = shapes if isinstance(shapes, list) else [shapes]
    inputs = [rng.normal(0, 2, s).astype(np.float32).round(3) for s in shapes]
    if isinstance(layer, Op):
        if isinstance(layer.op, knp.Sqrt):
            inputs = [abs(x) for x in inputs]
        rest = list(inputs)
        output = layer.op(*[rest.pop(0) if a is None else a for a in layer.args])
        return {"config": layer.op.get_config(), "args": list(layer.args), "training": False,
                "inputs": [array(x) for x in inputs], "weights": [], "output": array(output)}
    x = inputs if len(inputs) > 1 else inputs[0]
    layer.build([s for s in shapes] if len(shapes) > 1 else shapes[0])
    values = []
    for w in layer.weights:
        value = rng.normal(0, 0.7, w.shape).astype(np.float32).round(3)
        values.append(abs(value) + 0.3 if "variance" in w.name else np.round(value) * 0 if "count" in w.name else value)
    layer.set_weights(values)
    if isinstance(layer, L.Normalization):
        layer.finalize_state()
    result = {"config": layer.get_config(), "training": training, "inputs": [array(v) for v in inputs],
              "weights": [array(v) for v in values]}
    has_mode = isinstance(layer, (L.BatchNormalization, L.Dropout, L.GaussianDropout, L.GaussianNoise, L.SpatialDropout2D, StochasticDepth))
    result["output"] = array(layer(x, training=training) if has_mode else layer(x))
    if training:
        result["after"] = [array(w) for w in layer.get_weights()]
    return result


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng, files = np.random.default_rng(1), {}
    for name, layer, *rest in cases():
        thing = layer.op if isinstance(layer, Op) else layer
        saved = keras.saving.serialize_keras_object(thing)
        file = files.setdefault(name, {"module": saved["module"], "class_name": saved["class_name"], "cases": []})
        file["cases"].append(run_case(rng, layer, *rest))
    for name, file in files.items():
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            (OUT / f"{name}.json").write_text(json.dumps(file, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
