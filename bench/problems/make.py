#!/usr/bin/env python3
"""Writes the problem files beside it: the distinct convolutions, products and pools of networks at 224×224, read from Keras.

usage: make.py        needs Keras (the oracle's Python: tools/oracle.sh)
"""
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402

NETWORKS = {"vgg16": "VGG16", "resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2", "efficientnet_b0": "EfficientNetB0"}
COLUMNS = "# {:<8} {:<13} {:<17} {:<7} {:<12} {:<7} {}\n".format("op", "in", "kernel", "stride", "pad", "groups", "layer")


def by(*numbers):
    return "x".join(map(str, numbers))


def same(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def source(layer):
    """The shape that a layer reads, and the zeros put around it by a layer of their own."""
    before = layer.input._keras_history.operation
    if isinstance(before, keras.layers.ZeroPadding2D):
        return before.input.shape[1:], sum(before.padding, ())
    return layer.input.shape[1:], None


def pad(layer, shape, window, strides):
    if layer.padding == "same":
        return same(shape[0], window[0], strides[0]) + same(shape[1], window[1], strides[1])
    return 0, 0, 0, 0


def problem(layer):
    name = type(layer).__name__
    if name == "Dense":
        return "matmul", by(layer.input.shape[-1]), by(*layer.kernel.shape), "-", "-", "-"
    if name not in ("Conv2D", "DepthwiseConv2D", "MaxPooling2D"):
        return None
    shape, padded = source(layer)
    window = layer.pool_size if name == "MaxPooling2D" else layer.kernel_size
    zeros = by(*(padded or pad(layer, shape, window, layer.strides))).replace("x", ",")
    if name == "MaxPooling2D":
        return "pool_max", by(*shape), by(*window), layer.strides[0], zeros, "-"
    if name == "Conv2D":
        return "conv", by(*shape), by(*layer.kernel.shape), layer.strides[0], zeros, layer.groups
    return "conv", by(*shape), by(*window, 1, shape[-1] * layer.depth_multiplier), layer.strides[0], zeros, shape[-1]


for file, network in NETWORKS.items():
    rows = {}
    for layer in getattr(keras.applications, network)(weights=None).layers:
        row = problem(layer)
        if row:
            rows.setdefault(row, layer.name)
    with open(Path(__file__).parent / f"{file}.txt", "w") as out:
        out.write(f"# {network}: every distinct convolution, product and largest-of-window. Written by make.py.\n" + COLUMNS)
        for row, layer in rows.items():
            out.write("{:<10} {:<13} {:<17} {:<7} {:<12} {:<7} {}\n".format(*row, layer))
