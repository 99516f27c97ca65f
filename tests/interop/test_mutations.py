"""Comparisons that must fail: in a file of every format one stored number is changed, or two filters change places, and answers
that were Keras's no longer are. (The same for networks, family by family, is in test_applications.py.)"""
import io
import re
import zipfile

import h5py
import keras
import numpy as np
import pytest

import models
from oracle import assert_lively, assert_same, driver, expected, predict
from test_c_source import answers, compiled

LAYER = "aa"  # a convolution of models.functional


def one_number(kernel):
    kernel = kernel.copy()
    kernel.ravel()[kernel.size // 2] += 1
    return kernel


def two_filters(kernel):
    return kernel[..., [1, 0, *range(2, kernel.shape[-1])]]


CHANGES = [one_number, two_filters]


def in_hdf5(file, change):
    """The one kernel of that layer: a group that is named so, or says so."""
    found = []

    def visit(path, item):
        if isinstance(item, h5py.Dataset) and item.ndim == 4:
            parts = path.split("/")
            if LAYER in parts or item.parent.attrs.get("name") == LAYER:
                found.append(path)
    file.visititems(visit)
    assert len(found) == 1
    file[found[0]][...] = change(file[found[0]][()])


def of_hdf5(path, change):
    with h5py.File(path, "r+") as file:
        in_hdf5(file, change)


def of_keras(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        in_hdf5(file, change)
    members["model.weights.h5"] = buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def of_safetensors(path, change):
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = safetensors.load_file(path)
    arrays[f"{LAYER}/kernel"] = np.ascontiguousarray(change(arrays[f"{LAYER}/kernel"]))
    safetensors.save_file(arrays, path, {"format": "keras"})


def of_onnx(path, change):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    proto = onnx.load(path)
    kernel = next(t for t in proto.graph.initializer if t.name.startswith(LAYER) and len(t.dims) == 4)
    first = onnx.numpy_helper.to_array(kernel).transpose(2, 3, 1, 0)  # filters stand first there
    kernel.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(change(first).transpose(3, 2, 0, 1)), kernel.name))
    onnx.save(proto, path)


def of_c(path, change):
    head, body, rest = re.match(rf"(.*w_{LAYER}_kernel\[\] = {{)(.*?)(}};.*)", path.read_text(), re.S).groups()
    numbers = np.array([float(n.strip().rstrip("f")) for n in body.split(",") if n.strip()], np.float32)
    changed = change(numbers.reshape(-1, 6)).ravel()  # six filters
    path.write_text(head + ", ".join(f"{float(v)!r}f" for v in changed) + rest)


def ours_model(path, folder, model, x, y):
    return predict(folder, x, y, model=path)


def ours_weights(path, folder, model, x, y):
    models.fresh_like(model).save(folder / "other.keras")
    return predict(folder, x, y, model=folder / "other.keras", weights=path)


def keras_model(path, folder, model, x, y):
    return expected(keras.models.load_model(path), x)


def keras_weights(path, folder, model, x, y):
    other = models.fresh_like(model)
    other.load_weights(path)
    return expected(other, x)


def onnx_runtime(path, folder, model, x, y):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def compiler(path, folder, model, x, y):
    return answers(compiled(folder, path.stem), x, y)


FORMATS = {  # ending: how it is written, changed, and read; by topwork and by whom it is for
    "m.keras": ("save", of_keras, [ours_model, keras_model]),
    "m.h5": ("save", of_hdf5, [ours_model, keras_model]),
    "m.weights.h5": ("save_weights", of_hdf5, [ours_weights, keras_weights]),
    "m.safetensors": ("save_weights", of_safetensors, [ours_weights]),
    "m.onnx": ("save", of_onnx, [onnx_runtime]),
    "net.c": ("save", of_c, [compiler]),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    keras.utils.clear_session()
    folder = tmp_path_factory.mktemp("written")
    model, x = models.functional()
    y = expected(model, x)
    assert_lively(y)
    model.save(folder / "model.keras")
    return folder, model, x, y


@pytest.mark.parametrize("name", FORMATS)
def test_a_changed_weight_is_seen(name, written, tmp_path):
    folder, model, x, y = written
    how, spoil, readers = FORMATS[name]
    for i, change in enumerate([None, *CHANGES]):
        place = tmp_path / str(i)  # a library that is loaded stays the one of its path
        place.mkdir()
        file = place / name
        driver(how, model=folder / "model.keras", to=file)
        if change:
            spoil(file, change)
        for read in readers:
            got = read(file, place, model, x, y)
            if not change:
                assert_same(got, y, 1e-5)
                continue
            with pytest.raises(AssertionError, match="largest difference"):
                assert_same(got, y, 1e-5)
