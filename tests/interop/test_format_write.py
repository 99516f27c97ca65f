"""Files written here open in real Keras and predict the same."""
import os
import subprocess

import keras
import numpy as np
import pytest

import models
from oracle import allowed, assert_lively, assert_same, calibrate, differs, driver, expected, layers_of, pictures, predict


def trainable_flags(model):
    return {layer.name: layer.trainable for layer in layers_of(model) if not isinstance(layer, keras.layers.InputLayer)}


@pytest.mark.parametrize("suffix", [".keras", ".h5", "/"])
@pytest.mark.parametrize("make", models.ALL, ids=lambda f: f.__name__)
def test_saved_again_keras_predicts_and_trains_the_same(make, suffix, tmp_path):
    model, x = make()
    y = expected(model, x)
    assert_lively(y)
    model.save(tmp_path / "m.keras")
    driver("save", model=tmp_path / "m.keras", to=f"{tmp_path}/n{suffix}")
    again = keras.models.load_model(tmp_path / f"n{suffix}")
    assert_same(expected(again, x), y, 1e-6)
    assert trainable_flags(again) == trainable_flags(model)
    assert [v.path.split("/")[-1] for v in again.trainable_variables] == \
        [v.path.split("/")[-1] for v in model.trainable_variables]


@pytest.mark.parametrize("suffix", [".weights.h5", ".weights.json"])
@pytest.mark.parametrize("make", models.ALL, ids=lambda f: f.__name__)
def test_weight_files_load_into_the_same_architecture(make, suffix, tmp_path):
    model, x = make()
    y = expected(model, x)
    model.save(tmp_path / "m.keras")
    driver("save_weights", model=tmp_path / "m.keras", to=tmp_path / f"n{suffix}")
    other = models.fresh_like(model)
    assert differs(expected(other, x), y) > 1e-3
    other.load_weights(tmp_path / f"n{suffix}")
    assert_same(expected(other, x), y, 1e-6)


def test_shards_and_the_optimizer_in_them_are_keras_s(tmp_path):
    model, x = models.frozen_nest()
    y = np.array([0, 1, 0, 1])
    model.compile("adam", "binary_crossentropy")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.keras")
    largest = max(int(np.prod(v.shape)) * 4 for v in model.weights)
    subprocess.run([os.environ["TW_PROGRAM"], "convert", tmp_path / "m.keras", tmp_path / "n.weights.json", "--shard-size",
                    str(largest)], check=True)
    assert len(list(tmp_path.glob("n_*.weights.h5"))) > 1
    other = keras.models.load_model(tmp_path / "m.keras")
    for v in [*other.variables, *other.optimizer.variables]:
        v.assign(v * 0)
    other.load_weights(tmp_path / "n.weights.json")
    assert_same(expected(other, x), expected(model, x), 1e-6)
    for a, b in zip(other.optimizer.variables, model.optimizer.variables):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


ZOO = [("mobilenet_v2:0.35", lambda **o: keras.applications.MobileNetV2(alpha=.35, **o)),
       ("mobilenet:0.25", lambda **o: keras.applications.MobileNet(alpha=.25, **o)),
       ("vgg16", lambda **o: keras.applications.VGG16(**o))]


@pytest.mark.parametrize("name,make", ZOO, ids=[n for n, _ in ZOO])
def test_a_classifier_on_a_trunk_of_the_zoo_opens_in_keras(name, make, tmp_path):
    trunk = make(input_shape=(64, 64, 3), include_top=False, weights=None)
    x = pictures(4, 64, 64, 3)
    calibrate(trunk, x / 127.5 - 1)
    trunk.save_weights(tmp_path / "t.weights.h5")
    file = tmp_path / "c.keras"
    driver("save", zoo=name, input="64,64,3", trunk_weights=tmp_path / "t.weights.h5", head=3, to=file)
    again = keras.models.load_model(file)
    y = expected(again, x)
    assert_lively(y)
    ours = predict(tmp_path, x, y, model=file)
    assert_same(ours, y, allowed(again, x, differs(ours, y)))
    # The trunk inside is the oracle's trunk, and frozen to the last layer.
    inner = next(l for l in again.layers if isinstance(l, keras.Model))
    assert_same(expected(inner, x / 127.5 - 1), expected(trunk, x / 127.5 - 1), 1e-5)
    assert not inner.trainable_variables and not any(l.trainable for l in inner.layers[1:])
    assert len(again.trainable_variables) == 2


def test_efficientnet_lite_opens_in_keras(tmp_path):
    file = tmp_path / "lite.keras"
    driver("save", zoo="efficientnet-lite0", input="64,64,3", head=2, to=file)
    model = keras.models.load_model(file)
    x = pictures(4, 64, 64, 3)
    calibrate(model, x)
    model.save(file)
    y = expected(model, x)
    assert_lively(y)
    ours = predict(tmp_path, x, y, model=file)
    assert_same(ours, y, allowed(model, x, differs(ours, y)))


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        driver("save", zoo="mobilenet:0.25", input="64,64,3", head=2, to=tmp_path / f"{name}.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
