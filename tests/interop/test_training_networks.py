"""Whole networks train as in Keras: gradients of the first step, of a head alone and of everything, and twenty steps of Adam
of a head, and of everything with the statistics of BatchNormalization kept, which is how fine-tuning is done here.

The bound is 1e-4. Where a whole deep network is above it, it is three times what Keras itself changes by when its weights move
by the rounding of f32: units that stand on the corner of a ReLU turn over, and a turned unit moves a gradient by as much as it
had part in it. A head alone has no such corners; there the bound is what it is.
"""
import functools

import jax
import keras
import numpy as np
import pytest
from keras import layers as L

from oracle import calibrate, driver, layers_of, pictures, read, twin_in_f64, write


def under_head(trunk):
    return keras.Sequential([keras.Input(trunk.input_shape[1:]), L.Rescaling(1 / 127.5, offset=-1), trunk,
                             L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax", name="out")], name="classifier")


def mobilenet_v2(tmp_path):
    return under_head(keras.applications.MobileNetV2(input_shape=(48, 48, 3), alpha=.35, include_top=False, weights=None))


def mobilenet(tmp_path):
    return under_head(keras.applications.MobileNet(input_shape=(96, 96, 3), alpha=.25, include_top=False, weights=None))


def vgg16(tmp_path):
    return under_head(keras.applications.VGG16(input_shape=(32, 32, 3), include_top=False, weights=None))


def efficientnet_lite0(tmp_path):
    """Keras has no such network: its layers come from our file."""
    driver("save", zoo="efficientnet-lite0", input="96,96,3", head=3, dropout=0, to=tmp_path / "lite.keras")
    model = keras.models.load_model(tmp_path / "lite.keras")
    for layer in layers_of(model):
        if isinstance(layer, L.Dropout):
            layer.rate = 0.
    return model


class Training:
    """Keras's layers, loss and Adam in one compiled step, which tells the gradients too."""

    def __init__(self, model, dtype):
        self.start = [[np.asarray(v.value) for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]
        adam = keras.optimizers.Adam(1e-3)
        if dtype == np.float64:
            keras.config.set_floatx("float64")
        try:
            adam.build(model.trainable_variables)
        finally:
            keras.config.set_floatx("float32")
        self.adam = [np.asarray(v.value) for v in adam.variables]

        def loss(trained, others, x, y):
            out, others = model.stateless_call(trained, others, x, training=True)
            return keras.ops.mean(keras.losses.categorical_crossentropy(y, out)), others

        def step(trained, others, adams, x, y):
            (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(trained, others, x, y)
            trained, adams = adam.stateless_apply(adams, gradients, trained)
            return value, gradients, trained, others, adams
        # Runs often enough to be worth compiling well, unlike what else is in these tests.
        self.step = jax.jit(step, compiler_options={"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False})
        self.dtype = dtype

    def run(self, x, y, rate, steps, moved_by=0, seed=0):
        """Losses of so many steps, and the gradients of the first; from weights that are moved by a part of themselves."""
        (trained, others), adams, losses, first = self.start, list(self.adam), [], None
        rng = np.random.default_rng(seed)
        trained = [w * (1 + moved_by * rng.standard_normal(w.shape)).astype(w.dtype) for w in trained]
        adams[1] = np.asarray(rate, adams[1].dtype)
        for _ in range(steps):
            value, gradients, trained, others, adams = self.step(trained, others, adams, x.astype(self.dtype), y.astype(self.dtype))
            losses.append(float(value))
            first = first or [np.asarray(g) for g in gradients]
        return losses, first


HEAD, WHOLE, FINE_TUNED = "head", "whole", "fine_tuned"


class Case:
    def __init__(self, make, part, tmp_path):
        model = make(tmp_path)
        shape = model.input_shape[1:]
        x = pictures(8, *shape)
        for layer in model.layers:
            layer.trainable = True
        calibrate(model, x)
        for layer in model.layers:
            if isinstance(layer, keras.Model):
                layer.trainable = part != HEAD
        if part == FINE_TUNED:
            for layer in layers_of(model):
                if isinstance(layer, L.BatchNormalization):
                    layer.trainable = False
        labels = np.arange(8) % 3
        self.part = part
        self.model, self.x, self.y = model, x, np.eye(3, dtype=np.float32)[labels]
        self.f32 = Training(model, np.float32)
        self.f64 = functools.cache(lambda: Training(twin_in_f64(model), np.float64))
        model.save(tmp_path / "m.keras")
        self.files = dict(model=tmp_path / "m.keras", x=write(tmp_path / "x.f32", x), t=write(tmp_path / "t.f32", labels))

    def sensitivity(self, moved_by=1e-5):
        """How far each gradient goes from the truth in f64 when weights move by so much of themselves."""
        f64 = self.f64()
        _, gradients = f64.run(self.x, self.y, 1e-3, 1)
        off = [0] * len(gradients)
        for seed in range(DRAWS):
            _, moved = f64.run(self.x, self.y, 1e-3, 1, moved_by, seed)
            off = [max(o, float(np.abs(a - b).max())) for o, a, b in zip(off, moved, gradients)]
        return off


# What a weight is rounded by, times what the sums of some ten layers make of it; the same in f32, which adds its own; and how
# often that is tried.
ROUNDING, ROUNDING_F32, DRAWS = 1e-5, 1e-6, 3


NETWORKS = mobilenet_v2, vgg16, mobilenet, efficientnet_lite0


def cases(*parts):
    """Networks of the check, and those that only the long tests have."""
    return pytest.mark.parametrize("case", [
        pytest.param((f, part), id=f"{f.__name__}-{part}", marks=[pytest.mark.long] if f in (mobilenet, efficientnet_lite0) else [])
        for f in NETWORKS for part in parts], indirect=True)


@pytest.fixture(scope="module")
def case(request, tmp_path_factory):
    keras.utils.clear_session()
    return Case(*request.param, tmp_path_factory.mktemp("case"))


@cases(HEAD, WHOLE)
def test_gradients_of_the_first_step(case, tmp_path):
    names = [line["gradient"] for line in driver("gradients", y=tmp_path, **case.files)]
    _, theirs = case.f32.run(case.x, case.y, 1e-3, 1)
    variables = case.model.trainable_variables
    assert len(names) == len(variables) == len(theirs)
    # A bias before BatchNormalization has gradient zero, up to rounding of the large ones.
    least = max(float(np.abs(g).max()) for g in theirs) * 1e-3
    worst, off = 0, None
    for i, (v, g) in enumerate(zip(variables, theirs)):
        name = ".".join(v.path.split("/")[-2:])
        ours = read(tmp_path / f"{next(n for n in names if ('.' + n).endswith('.' + name))}.f32", g.shape)
        scale = max(np.abs(g).max(), least)
        distance, tolerance = np.abs(ours - g).max() / scale, 1e-4
        if distance > tolerance and case.part != HEAD:
            off = off or case.sensitivity(ROUNDING)
            tolerance = max(tolerance, 3 * off[i] / scale)
        assert distance <= tolerance, f"{name}: {distance:g}, allowed {tolerance:g}"
        worst = max(worst, distance)
    print(f"gradients {worst:.2g}")


@cases(HEAD, WHOLE)
def test_the_reference_kernels_gradients_are_those_of_double_precision(case, tmp_path):
    """Sums in double: only what rounding a result to f32 turns over is left, and the way back itself is seen."""
    names = [line["gradient"] for line in driver("gradients", y=tmp_path, kernels="reference", **case.files)]
    _, truth = case.f64().run(case.x, case.y, 1e-3, 1)
    least = max(float(np.abs(g).max()) for g in truth) * 1e-3
    off = None
    for i, (v, g) in enumerate(zip(case.model.trainable_variables, truth)):
        name = ".".join(v.path.split("/")[-2:])
        ours = read(tmp_path / f"{next(n for n in names if ('.' + n).endswith('.' + name))}.f32", g.shape)
        distance = np.abs(ours - g).max() / max(np.abs(g).max(), least)
        tolerance = 1e-3
        if distance > tolerance and case.part != HEAD:
            off = off or case.sensitivity(ROUNDING_F32 / 10)
            tolerance = max(tolerance, 3 * off[i] / max(np.abs(g).max(), least))
        assert distance <= tolerance, f"{name}: {distance:g}, allowed {tolerance:g}"


@cases(HEAD)
@pytest.mark.parametrize("rate", [1e-5, 1e-3])
def test_twenty_steps_of_adam_on_a_head(case, rate):
    ours = np.array([line["loss"] for line in driver("train", steps=20, lr=rate, loss="categorical_crossentropy", **case.files)])
    theirs = np.array(case.f32.run(case.x, case.y, rate, 20)[0])
    assert len(ours) == 20 and abs(theirs[0] - theirs[-1]) > 1e-5 * theirs[0]
    distance, tolerance = np.abs(ours - theirs) / theirs, 1e-4
    print(f"losses {theirs[0]:.3g} to {theirs[-1]:.3g}: {distance.max():.2g}, allowed {np.max(tolerance):.2g}")
    assert np.all(distance <= tolerance)


@cases(FINE_TUNED)
@pytest.mark.parametrize("rate", [1e-6, pytest.param(1e-5, marks=[pytest.mark.long])])
def test_twenty_steps_of_adam_on_everything(case, rate):
    """Adam's first steps are signs of gradients, so a unit that turns over parts the ways of two trainings: the first step is
    held to 1e-4, and later ones to that or to three times what Keras itself parts by when its weights are rounded."""
    ours = np.array([line["loss"] for line in driver("train", steps=20, lr=rate, loss="categorical_crossentropy", **case.files)])
    theirs = np.array(case.f32.run(case.x, case.y, rate, 20)[0])
    assert len(ours) == 20 and theirs[-1] < .95 * theirs[0]
    distance, tolerance = np.abs(ours - theirs) / theirs, np.full(20, 1e-4)
    if np.any(distance > tolerance):
        moved = [np.array(case.f32.run(case.x, case.y, rate, 20, ROUNDING_F32, seed)[0]) for seed in range(DRAWS)]
        own = np.maximum.accumulate(np.max([np.abs(m - theirs) / theirs for m in moved], axis=0))
        tolerance = np.maximum(tolerance, 3 * own)
    print(f"losses {theirs[0]:.3g} to {theirs[-1]:.3g}: {distance.max():.2g}, allowed {tolerance.max():.2g}")
    assert distance[0] <= 1e-4 and np.all(distance <= tolerance)
