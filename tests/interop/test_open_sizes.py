"""Networks whose files leave the size of pictures open, as Keras builds its Applications without top: they load, look as in
Keras, answer the same at any size, and go back as they came."""
import json
import os
import struct
import subprocess
import zlib

import keras
import numpy as np
import pytest
from keras import layers as L

from models import small_trunk
from oracle import DriverError, assert_lively, assert_same, calibrate, driver, expected, pictures, predict, sharpen

A = keras.applications


def program(*words, exit=0):
    run = subprocess.run([os.environ["TW_PROGRAM"], *map(str, words)], capture_output=True, text=True)
    assert run.returncode == exit, run.stderr
    return run


def write_png(path, pixels):
    """8-bit RGB, no filter."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    h, w, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def chain(scaling=(L.Rescaling,), size=None):
    before = [L.Rescaling(1 / 127.5, offset=-1)] if L.Rescaling in scaling else []
    if L.Resizing in scaling:
        before.insert(0, L.Resizing(20, 28))
    m = keras.Sequential([keras.Input((size, size, 3)), *before, small_trunk(size=None), L.GlobalAveragePooling2D(),
                          L.Dense(3, activation="softmax")], name="chain")
    return sharpen(calibrate(m, pictures(6, 24, 24, 3)), pictures(6, 24, 24, 3))


def graph():
    i = keras.Input((None, None, 3), name="photo")
    x = L.Rescaling(1 / 127.5, offset=-1)(i)
    a = L.Conv2D(8, 3, strides=2, padding="same")(x)
    b = L.MaxPooling2D(2, padding="same")(x)
    x = L.Concatenate()([a, b, L.ZeroPadding2D(1)(L.Cropping2D(1)(a))])
    x = L.UpSampling2D(2)(L.Conv2D(6, 3)(x))
    gate = L.Dense(6, activation="sigmoid")(L.Reshape((1, 1, 6))(L.GlobalAveragePooling2D()(x)))
    x = L.GlobalMaxPooling2D()(L.Multiply()([x, gate]))
    m = keras.Model(i, L.Dense(3, activation="softmax")(x), name="graph")
    return sharpen(calibrate(m, pictures(6, 24, 24, 3)), pictures(6, 24, 24, 3))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("make", [chain, graph])
def test_it_answers_as_keras_does_at_every_size(make, suffix, tmp_path):
    model = make()
    model.save(tmp_path / f"m.{suffix}")
    for h, w in ((24, 24), (31, 22)):
        x = pictures(5, h, w, 3)
        y = expected(model, x)
        assert_lively(y)
        assert_same(predict(tmp_path, x, y, model=tmp_path / f"m.{suffix}", size=f"{h},{w}"), y)


@pytest.mark.parametrize("make", [chain, graph])
def test_summaries_print_none_as_keras_does(make, tmp_path, monkeypatch):
    model = make()
    model.save(tmp_path / "m.keras")
    monkeypatch.setenv("COLUMNS", "80")
    text = []
    model.summary(print_fn=lambda line, *_, **k: text.append(line), expand_nested=True)
    ours = program("summary", tmp_path / "m.keras", "--expand-nested").stdout
    assert [l.rstrip() for l in ours.strip().splitlines()] == [l.rstrip() for l in "\n".join(text).strip().splitlines()]
    rows = json.loads(program("summary", tmp_path / "m.keras", "--format", "json").stdout)["layers"]
    assert [tuple(r["output_shape"]) for r in rows] == [tuple(l.output.shape) for l in model.layers]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("make", [chain, graph])
def test_what_is_written_is_as_open_as_what_was_read(make, suffix, tmp_path):
    model = make()
    model.save(tmp_path / "m.keras")
    program("convert", tmp_path / "m.keras", tmp_path / f"again.{suffix}")
    again = keras.models.load_model(tmp_path / f"again.{suffix}")
    assert again.input_shape == (None, None, None, 3)
    x = pictures(5, 27, 30, 3)
    assert_same(expected(again, x), expected(model, x))
    program("convert", tmp_path / "m.keras", tmp_path / "fixed.keras", "--input-size", "32")
    assert keras.models.load_model(tmp_path / "fixed.keras").input_shape == (None, 32, 32, 3)


def test_photos_are_read_at_the_size_that_is_asked_for(tmp_path):
    model = chain()
    model.save(tmp_path / "m.keras")
    x = np.round(pictures(3, 24, 24, 3))
    for i, picture in enumerate(x):
        write_png(tmp_path / f"{i}.png", picture)
    photos = [tmp_path / f"{i}.png" for i in range(len(x))]
    words = ("predict", tmp_path / "m.keras", *photos, "--topk", "3", "--format", "json")
    refused = program(*words, exit=3).stderr
    assert "any size" in refused and "--input-size" in refused
    lines = program(*words, "--input-size", "24", "--precision", "exact").stdout.splitlines()
    for line, y in zip(lines, expected(model, x)[0], strict=True):
        np.testing.assert_allclose([t["probability"] for t in json.loads(line)["top"]], sorted(y)[::-1], atol=2e-6)


def test_a_resizing_at_the_beginning_says_the_size(tmp_path):
    model = chain((L.Resizing, L.Rescaling))
    model.save(tmp_path / "m.keras")
    x = np.round(pictures(2, 20, 28, 3))
    for i, picture in enumerate(x):
        write_png(tmp_path / f"{i}.png", picture)
    run = program("predict", tmp_path / "m.keras", tmp_path / "0.png", tmp_path / "1.png", "--topk", "3", "--format", "json",
                  "--precision", "exact")
    for line, y in zip(run.stdout.splitlines(), expected(model, x)[0], strict=True):
        np.testing.assert_allclose([t["probability"] for t in json.loads(line)["top"]], sorted(y)[::-1], atol=2e-6)


def test_a_known_trunk_says_the_size_and_is_trained_on(tmp_path):
    trunk = A.MobileNetV2(include_top=False, weights=None, alpha=.35)
    assert trunk.input_shape == (None, None, None, 3)
    trunk.save(tmp_path / "trunk.keras")
    for kind in ("dark", "light"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(6):
            write_png(tmp_path / "photos" / kind / f"{i}.png", pictures(1, 40, 40, 3, seed=i)[0] * (.4 if kind == "dark" else 1))
    train = ("train", tmp_path / "photos", "--model", tmp_path / "trunk.keras", "--epochs", "1", "--cache", "off")
    for size, more in ((224, ()), (96, ("--input-size", "96"))):
        program(*train, "--output-dir", tmp_path / f"{size}", *more)
        loaded = keras.models.load_model(tmp_path / f"{size}" / "model.keras")
        assert loaded.input_shape == (None, size, size, 3)


def test_a_file_of_fixed_size_takes_another_one_where_its_weights_allow(tmp_path):
    trunk = small_trunk(size=16)
    i = keras.Input((16, 16, 3))
    pooled = keras.Model(i, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(trunk(i))))
    calibrate(pooled, pictures(4, 16, 16, 3))
    pooled.save(tmp_path / "pooled.keras")
    x = pictures(3, 22, 26, 3)
    wide = keras.Sequential([keras.Input((22, 26, 3)), L.Identity()])
    features = keras.models.clone_model(trunk, input_tensors=keras.Input((22, 26, 3)))
    features.set_weights(trunk.get_weights())
    j = keras.Input((22, 26, 3))
    other = keras.Model(j, pooled.layers[-1](pooled.layers[-2](features(wide(j)))))
    y = expected(other, x)
    assert_same(predict(tmp_path, x, y, model=tmp_path / "pooled.keras", size="22,26"), y)
    flat = keras.Model(i, L.Dense(3, name="out")(L.Flatten()(trunk(i))))
    flat.save(tmp_path / "flat.keras")
    with pytest.raises(DriverError, match=r"'out': its kernel is \(2048, 3\), at this input size it would be \(4576, 3\)"):
        driver("predict", model=tmp_path / "flat.keras", size="22,26", x="-", y="-")


# NASNet is missing: Keras gives it its published size even without top.
SMALL = ["MobileNetV3Small"]
OTHERS = ["Xception", "VGG16", "ResNet50", "ResNet50V2", "InceptionV3", "InceptionResNetV2", "MobileNet", "DenseNet121",
          "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"]


@pytest.mark.parametrize("name", SMALL + [pytest.param(n, marks=pytest.mark.long) for n in OTHERS])
def test_open_shapes_of_each_family_are_those_of_keras(name, tmp_path, monkeypatch):
    for draw in ("normal", "truncated_normal", "uniform"):
        monkeypatch.setattr(keras.src.backend.random, draw, lambda shape, *a, dtype=None, **k: np.zeros(shape, dtype or "float32"))
    model = getattr(A, name)(include_top=False, weights=None)
    assert model.input_shape == (None, None, None, 3)
    model.save(tmp_path / "m.keras")
    rows = json.loads(program("summary", tmp_path / "m.keras", "--format", "json").stdout)["layers"]
    assert [(r["name"], tuple(r["output_shape"])) for r in rows] == [(l.name, tuple(l.output.shape)) for l in model.layers]
    shape = json.loads(program("summary", tmp_path / "m.keras", "--input-shape", "160,160,3", "--format", "json").stdout)["layers"]
    assert tuple(shape[-1]["output_shape"]) == model.compute_output_shape((None, 160, 160, 3))
