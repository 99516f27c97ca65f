#!/usr/bin/env python3
"""Writes tests/golden/summary/*.txt: what real Keras prints for the models of tests/unit/test_summary.c.

    build/oracle/bin/python tools/golden_summary.py [TF_KERAS_WHEEL]

Keras 3 prints with itself. Keras 2's text comes from the function print_summary of the tf-keras wheel (`pip download
--no-deps tf-keras`), run without TensorFlow on a model dressed up as a Keras 2 one; without the wheel those files stay.
"""
import ast
import math
import os
import sys
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["COLUMNS"] = "80"
import keras  # noqa: E402
from keras import layers as L  # noqa: E402

OUT = Path(__file__).resolve().parents[1] / "tests/golden/summary"


def vgg16():
    return keras.applications.VGG16(weights=None)


def graph():
    x = inputs = keras.Input((16, 16, 3), name="pictures")
    x = L.Conv2D(8, 3, padding="same", name="a_convolution_with_a_rather_long_name")(x)
    shared = L.Conv2D(8, 1, name="shared")
    y = L.BatchNormalization(name="norm")(shared(x))
    z = L.DepthwiseConv2D(3, padding="same", name="depthwise")(shared(y))
    x = L.Add(name="add")([x, y, z])
    x = L.Concatenate(name="concatenate")([x, z])
    return keras.Model(inputs, L.GlobalAveragePooling2D(name="pool")(x), name="graph")


def trunk(name):
    x = inputs = keras.Input((8, 8, 3), name="trunk_input")
    x = L.Conv2D(4, 3, padding="same", use_bias=False, name="conv1_conv")(x)
    x = L.BatchNormalization(name="conv1_bn")(x)
    x = L.MaxPooling2D(2, name="conv1_pool")(x)
    return keras.Model(inputs, x, name=name)


def nest():
    base = trunk("trunk")
    base.trainable = False
    return keras.Sequential([base, L.Flatten(name="flatten"), L.Dense(5, "relu", name="dense"),
                             L.Dropout(0.5, name="dropout"), L.Dense(1, "sigmoid", name="dense_1")], name="head_model")


def deep():
    inner = trunk("inner")
    x = inputs = keras.Input((8, 8, 3), name="middle_input")
    x = inner(x)
    middle = keras.Model(inputs, [x, L.GlobalMaxPooling2D(name="peak")(x)], name="middle")
    inputs = keras.Input((8, 8, 3), name="outer_input")
    a, b = middle(inputs)
    c = L.GlobalAveragePooling2D(name="mean")(a)
    return keras.Model(inputs, L.Average(name="both")([b, c]), name="outer")


def keras3(model, **options):
    lines = []
    model.summary(print_fn=lines.append, **options)
    return lines[0]


# ------------------------------------------------------------------------------------------------------------- Keras 2

class Dressed:
    """A Keras 3 object with the attributes print_summary of Keras 2 reads."""

    def __init__(self, inside):
        self.inside = inside
        self.__class__ = type(type(inside).__name__, (Dressed,), {})

    def __getattr__(self, name):
        inside = object.__getattribute__(self, "inside")
        if name == "layers" and hasattr(inside, "layers"):
            return [Dressed(layer) for layer in inside.layers]
        if name == "_is_graph_network":
            return isinstance(inside, keras.Model)
        if name == "_nodes_by_depth":
            return {k: [DressedNode(n) for n in v] for k, v in inside._nodes_by_depth.items()}
        if name == "_inbound_nodes":
            return [DressedNode(n) for n in inside._inbound_nodes]
        if name == "output_shape":
            if isinstance(inside, L.InputLayer):
                return [tuple(inside.batch_shape)]
            shapes = [tuple(t.shape) for t in inside._inbound_nodes[-1].output_tensors]
            return shapes[0] if len(shapes) == 1 else shapes
        return getattr(inside, name)


class DressedNode:
    def __init__(self, node):
        self.node = node
        self.keras_inputs = node.input_tensors

    def __eq__(self, other):
        return self.node is other.node

    def iterate_inbound(self):
        for tensor in self.node.input_tensors:
            history = tensor._keras_history
            yield history.operation, history.node_index, history.tensor_index, None


def keras2_printer(wheel):
    source = zipfile.ZipFile(wheel).read("tf_keras/src/utils/layer_utils.py").decode()
    wanted = {"print_summary", "readable_memory_size"}
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    nest = type("nest", (), {"flatten": staticmethod(lambda x: list(x))})
    names = {
        "tf": type("tf", (), {"nest": nest}),
        "count_params": lambda weights: sum(math.prod(w.shape) for w in weights),
        "weight_memory_size": lambda weights: sum(math.prod(w.shape) * 4 for w in weights),
        "get_layer_index_bound_by_layer_name": lambda model, layer_range: (0, len(model.layers)),
        "print_dtensor_variable_summary": lambda *_: None,
    }
    exec(compile(tree, "layer_utils.py", "exec"), names)

    def keras2(model, **options):
        lines = []
        names["print_summary"](Dressed(model), print_fn=lines.append, **options)
        return "\n".join(lines) + "\n"
    return keras2


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    printers = {"keras3": keras3}
    if len(sys.argv) > 1:
        printers["keras2"] = keras2_printer(sys.argv[1])
    everything = {"expand_nested": True, "show_trainable": True}
    for style, printer in printers.items():
        for build in (vgg16, graph, nest, deep):
            keras.backend.clear_session()
            model = build()
            (OUT / f"{build.__name__}_{style}.txt").write_text(printer(model))
            if build is not vgg16:
                (OUT / f"{build.__name__}_{style}_all.txt").write_text(printer(model, **everything))
        os.environ["COLUMNS"] = "200"
        (OUT / f"graph_{style}_wide.txt").write_text(printer(graph(), line_length=133, show_trainable=True))
        (OUT / f"nest_{style}_narrow.txt").write_text(printer(nest(), line_length=45))
        os.environ["COLUMNS"] = "80"


main()
