"""A training step here is Keras's: gradients, statistics of BatchNormalization, Adam."""
import jax
import keras
import numpy as np
import pytest
from keras import layers as L

import models
from oracle import assert_same, calibrate, driver, expected, pictures, read, write


def trainable():
    i = keras.Input((12, 12, 3), name="photo")
    x = L.Rescaling(1 / 127.5, offset=-1, name="scale")(i)
    x = L.Conv2D(6, 3, padding="same", use_bias=False, name="c1")(x)
    x = L.BatchNormalization(name="b1")(x)
    a = L.ReLU(name="r1")(x)
    b = L.DepthwiseConv2D(3, padding="same", name="dw")(a)
    b = L.BatchNormalization(name="b2", momentum=.9)(b)
    x = L.Add(name="sum")([a, b])
    x = L.MaxPooling2D(name="pool")(x)
    x = L.Conv2D(8, 3, strides=2, activation="relu", name="c2")(x)
    x = L.GlobalAveragePooling2D(name="gap")(x)
    x = L.Dense(10, activation="tanh", name="d1")(x)
    return keras.Model(i, L.Dense(3, activation="softmax", name="out")(x), name="small"), (8, 12, 12, 3)


def binary_head():
    trunk = models.small_trunk()
    trunk.trainable = False
    i = keras.Input((16, 16, 3), name="photo")
    x = L.GlobalAveragePooling2D(name="gap")(trunk(i / 127.5 - 1.))
    return keras.Model(i, L.Dense(1, activation="sigmoid", name="out")(x), name="head"), (8, 16, 16, 3)


@pytest.fixture(params=[trainable, binary_head], ids=lambda f: f.__name__)
def case(request, tmp_path):
    model, shape = request.param()
    x = pictures(*shape)
    calibrate(model, x)
    classes = model.output_shape[-1]
    t = np.arange(len(x)) % max(classes, 2)
    model.save(tmp_path / "m.keras")
    write(tmp_path / "x.f32", x)
    write(tmp_path / "t.f32", t)
    y = t.reshape(-1, 1).astype(np.float32) if classes == 1 else np.eye(classes, dtype=np.float32)[t]
    loss = "binary_crossentropy" if classes == 1 else "categorical_crossentropy"
    return model, x, y, loss, dict(model=tmp_path / "m.keras", x=tmp_path / "x.f32", t=tmp_path / "t.f32")


def test_gradients_of_the_first_step(case, tmp_path):
    model, x, y, loss, files = case
    names = [line["gradient"] for line in driver("gradients", y=tmp_path, **files)]
    values = [v.value for v in model.trainable_variables]
    frozen = [v.value for v in model.non_trainable_variables]

    def total(variables):
        out, _ = model.stateless_call(variables, frozen, x, training=True)
        return keras.ops.mean(getattr(keras.losses, loss)(y, out))
    expected_gradients = jax.grad(total)(values)
    assert len(names) == len(values)
    # A bias before BatchNormalization has gradient zero, up to rounding of the large ones.
    least = max(float(np.abs(g).max()) for g in expected_gradients) * 1e-3
    for v, g in zip(model.trainable_variables, expected_gradients):
        name = ".".join(v.path.split("/")[-2:])
        ours = read(tmp_path / f"{next(n for n in names if n.endswith(name))}.f32", g.shape)
        worst = np.abs(ours - g).max() / max(np.abs(g).max(), least)
        assert worst <= 1e-4, f"{name}: {worst:g}"


@pytest.mark.parametrize("rate,tolerance", [(1e-5, 1e-4), (1e-3, 1e-3)])
def test_twenty_steps_of_adam(case, rate, tolerance):
    model, x, y, loss, files = case
    ours = [line["loss"] for line in driver("train", steps=20, lr=rate, loss=loss, **files)]
    model.compile(keras.optimizers.Adam(rate), loss)
    theirs = [float(model.train_on_batch(x, y)) for _ in range(20)]
    assert len(ours) == 20 and theirs[0] != theirs[-1]
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def test_every_layer_gives_what_keras_gives(case, tmp_path):
    model, x, _, _, files = case
    folder = tmp_path / "layers"
    folder.mkdir()
    names = [line["layer"] for line in driver("layers", y=folder, model=files["model"], x=files["x"])]
    layers = [l for l in model.layers if not isinstance(l, (keras.layers.InputLayer, keras.Model))]
    assert set(l.name for l in layers) <= set(names)
    for layer, theirs in zip(layers, expected(keras.Model(model.inputs, [l.output for l in layers]), x)):
        assert_same([read(folder / f"{layer.name}.f32", theirs.shape)], [theirs], 1e-4)
