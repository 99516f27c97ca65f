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


def read(path):
    """What torch.load(weights_only=True) makes of a file, without torch."""
    archive = zipfile.ZipFile(path)

    def rebuild(storage, offset, shape, strides, requires_grad, hooks):
        assert not offset and not requires_grad and not hooks
        return np.lib.stride_tricks.as_strided(storage, shape, [4 * s for s in strides])

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return {"collections.OrderedDict": collections.OrderedDict, "torch.FloatStorage": "f32",
                    "torch._utils._rebuild_tensor_v2": rebuild}[f"{module}.{name}"]

        def persistent_load(self, pid):
            word, kind, key, where, n = pid
            assert (word, kind, where) == ("storage", "f32", "cpu")
            data = np.frombuffer(archive.read(f"archive/data/{key}"), "<f4")
            assert data.size == n
            return data
    return Unpickler(io.BytesIO(archive.read("archive/data.pkl"))).load()


def test_what_is_written_is_what_torch_would_have_written(tmp_path):
    driver("save", zoo="efficientnet-lite0", top=1, input="64,64,3", classes=10, to=tmp_path / "lite.keras")
    model = keras.models.load_model(tmp_path / "lite.keras")
    calibrate(model, pictures(6, 64, 64, 3) / 128 - 1)
    model.save(tmp_path / "lite.keras")
    subprocess.run([os.environ["TW_PROGRAM"], "convert", tmp_path / "lite.keras", tmp_path / "lite.pth", "--verify"], check=True)
    state, wanted = read(tmp_path / "lite.pth"), state_dict(model)
    assert set(state) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(state[name], values)


def test_networks_of_one_s_own_have_keras_s_names_in_torch_s_words(tmp_path):
    x = i = keras.Input((8, 8, 3))
    for layer in (keras.layers.Conv2D(4, 3, name="c"), keras.layers.BatchNormalization(name="b"),
                  keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="d"), keras.layers.SeparableConv2D(5, 1, name="s"),
                  keras.layers.Conv2DTranspose(6, 2, name="t"), keras.layers.Flatten(), keras.layers.Dense(2, name="out")):
        x = layer(x)
    model = keras.Model(i, x)
    model.save(tmp_path / "m.keras")
    subprocess.run([os.environ["TW_PROGRAM"], "convert", tmp_path / "m.keras", tmp_path / "m.pth", "--verify"], check=True)
    state, weights = read(tmp_path / "m.pth"), {v.path: np.asarray(v) for v in model.variables}
    assert list(state) == ["c.weight", "c.bias", "b.weight", "b.bias", "b.running_mean", "b.running_var", "d.weight", "d.bias",
                           "s.depthwise.weight", "s.pointwise.weight", "s.bias", "t.weight", "t.bias", "out.weight", "out.bias"]
    for name, path, axes in (("c.weight", "c/kernel", (3, 2, 0, 1)), ("t.weight", "t/kernel", (3, 2, 0, 1)), ("out.weight", "out/kernel", (1, 0)),
                             ("b.running_var", "b/moving_variance", (0,))):
        np.testing.assert_array_equal(state[name], weights[path].transpose(axes))
    np.testing.assert_array_equal(state["d.weight"], weights["d/kernel"].transpose(2, 3, 0, 1).reshape(8, 1, 3, 3))
