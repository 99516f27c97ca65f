"""A state dict as torch writes it, of a network that Keras lacks: our file opened in Keras is the oracle of what it must answer."""
import collections
import io
import os
import pickle
import re
import subprocess
import sys
import types
import zipfile

import keras
import numpy as np
import pytest

from oracle import allowed, assert_lively, assert_same, calibrate, differs, driver, expected, pictures, predict

OUTER = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1", "predictions": "_fc"}
INNER = {"expand_conv": "_expand_conv", "expand_bn": "_bn0", "dwconv": "_depthwise_conv", "bn": "_bn1", "project_conv": "_project_conv",
         "project_bn": "_bn2"}
VARIABLE = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def state_dict(model):
    """Names and layouts of the torch implementation: channels first, blocks counted through."""
    state, blocks = collections.OrderedDict(), []
    for layer in model.layers:
        for v in layer.weights:
            if v.name not in VARIABLE:
                continue
            block, part = re.match(r"(block\w{2})?_?(.*)", layer.name).groups()
            if block and block not in blocks:
                blocks.append(block)
            name = f"_blocks.{blocks.index(block)}.{INNER[part]}" if block else OUTER[part]
            a = np.asarray(v)
            if a.ndim == 4:
                a = a.transpose((2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (3, 2, 0, 1))
            state[f"{name}.{VARIABLE[v.name]}"] = a.T if a.ndim == 2 else a
    return state


class Storage:
    def __init__(self, key, n):
        self.key, self.n = key, n


def write(path, state, monkeypatch):
    """A zip of a pickle that rebuilds tensors, and of their bytes. The pickle names torch's functions; torch need not be there."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    class FloatStorage:
        __module__, __qualname__ = "torch", "FloatStorage"

    def _rebuild_tensor_v2(*args):
        raise NotImplementedError
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch.FloatStorage, utils._rebuild_tensor_v2, torch._utils = FloatStorage, _rebuild_tensor_v2, utils

    class Tensor:
        def __init__(self, key, a):
            self.parts = Storage(key, a.size), 0, a.shape, tuple(s // 4 for s in a.strides), False, collections.OrderedDict()

        def __reduce__(self):
            return _rebuild_tensor_v2, self.parts

    class Pickler(pickle.Pickler):
        def persistent_id(self, o):
            return ("storage", FloatStorage, o.key, "cpu", o.n) if isinstance(o, Storage) else None
    arrays = {name: np.ascontiguousarray(a, np.float32) for name, a in state.items()}
    out = io.BytesIO()
    with monkeypatch.context() as m:
        m.setitem(sys.modules, "torch", torch)
        m.setitem(sys.modules, "torch._utils", utils)
        Pickler(out, 2).dump(collections.OrderedDict((name, Tensor(str(i), a)) for i, (name, a) in enumerate(arrays.items())))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lite/data.pkl", out.getvalue())
        for i, a in enumerate(arrays.values()):
            archive.writestr(f"lite/data/{i}", a.tobytes())
        archive.writestr("lite/version", "3\n")


def changed_number(state):
    state["_blocks.3._expand_conv.weight"].reshape(-1)[7] += 1


def changed_filters(state):
    w = state["_blocks.3._expand_conv.weight"]
    w[[0, 1]] = w[[1, 0]]


def another_norm(state):
    state["_blocks.2._bn1.running_mean"], state["_blocks.2._bn1.bias"] = state["_blocks.2._bn1.bias"], state["_blocks.2._bn1.running_mean"]


def test_a_state_dict_answers_as_its_network_in_keras(tmp_path, monkeypatch):
    driver("save", zoo="efficientnet-lite0", top=1, input="64,64,3", classes=10, to=tmp_path / "lite.keras")
    model = keras.models.load_model(tmp_path / "lite.keras")
    x = pictures(6, 64, 64, 3) / 128 - 1
    calibrate(model, x)
    y = expected(model, x)
    assert_lively(y)
    tolerance = None
    for change in (None, changed_number, changed_filters, another_norm):
        state = {name: a.copy() for name, a in state_dict(model).items()}
        if change:
            change(state)
        write(tmp_path / "lite.pth", state, monkeypatch)
        subprocess.run([os.environ["TW_PROGRAM"], "convert", tmp_path / "lite.pth", tmp_path / "back.keras", "--model", "efficientnet-lite0", "--top",
                        "--input-size", "64", "--classes", "10", "--force"], check=True, capture_output=True)
        ours = predict(tmp_path, x, y, model=tmp_path / "back.keras")
        tolerance = tolerance or allowed(model, x, differs(ours, y))
        if not change:
            assert_same(ours, y, tolerance)
            continue
        with pytest.raises(AssertionError, match="largest difference"):
            assert_same(ours, y, tolerance)
