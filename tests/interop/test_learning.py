"""Learning here is Keras's: losses, optimizers with all their options, and the state they leave in files."""
import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import optimizers as O

from oracle import DriverError, driver, write

STEPS = 20


def network(classes=3, activation="softmax", regularizer=None):
    """Small, dense and convolution, so that every optimizer meets vectors, matrices and kernels."""
    i = keras.Input((6, 6, 2), name="photo")
    x = L.Conv2D(4, 3, name="c", activation="tanh")(i)
    x = L.Flatten(name="f")(x)
    x = L.Dense(7, activation="tanh", name="d", kernel_regularizer=regularizer)(x)
    m = keras.Model(i, L.Dense(classes, activation=activation, name="out")(x), name="small")
    rng = np.random.default_rng(5)
    for v in m.weights:
        v.assign(rng.normal(0, .4, tuple(v.shape)))
    return m


def data(n=12, classes=3, seed=1):
    rng = np.random.default_rng(seed)
    t = np.arange(n) % max(classes, 2)
    x = rng.normal(0, 1, (n, 6, 6, 2)) + .5 * t[:, None, None, None]
    return x.astype(np.float32), t


def targets(t, classes, loss=None):
    if loss is not None and ("Sparse" in type(loss).__name__ or "Generalized" in type(loss).__name__):
        return t
    return t.reshape(-1, 1).astype(np.float32) if classes == 1 else np.eye(classes, dtype=np.float32)[t]


def files(tmp_path, x, t, name=""):
    return dict(x=write(tmp_path / f"x{name}.f32", x), t=write(tmp_path / f"t{name}.f32", t))


def fit(tmp_path, model_file, x, t, **options):
    return driver("fit", model=model_file, **files(tmp_path, x, t), **options)


def full_batch(tmp_path, model_file, x, t, steps=STEPS, **options):
    lines = fit(tmp_path, model_file, x, t, epochs=steps, batch=len(x), **options)
    assert len(lines) == steps
    return [line["loss"] for line in lines]


def worst(a, b):
    return max(float(np.abs(np.asarray(p) - np.asarray(q)).max()) for p, q in zip(a, b))


OPTIMIZERS = {
    "sgd": lambda: O.SGD(.05), "sgd_momentum": lambda: O.SGD(.02, momentum=.9),
    "sgd_nesterov": lambda: O.SGD(.02, momentum=.9, nesterov=True),
    "rmsprop": lambda: O.RMSprop(1e-3), "rmsprop_momentum": lambda: O.RMSprop(1e-3, momentum=.8, epsilon=1e-3),
    "rmsprop_centered": lambda: O.RMSprop(1e-3, momentum=.5, centered=True, epsilon=1e-3),
    "adam": lambda: O.Adam(1e-3), "amsgrad": lambda: O.Adam(1e-3, beta_2=.9, amsgrad=True),
    "adamw": lambda: O.AdamW(1e-3, weight_decay=.1), "adamw_amsgrad": lambda: O.AdamW(1e-3, beta_2=.9, amsgrad=True),
    "nadam": lambda: O.Nadam(1e-3), "adagrad": lambda: O.Adagrad(.02), "adadelta": lambda: O.Adadelta(1.),
    "adamax": lambda: O.Adamax(2e-3), "ftrl": lambda: O.Ftrl(.02),
    "ftrl_all": lambda: O.Ftrl(.05, learning_rate_power=-.4, initial_accumulator_value=.2, l1_regularization_strength=.01,
                               l2_regularization_strength=.02, l2_shrinkage_regularization_strength=.03, beta=.1),
    "lion": lambda: O.Lion(1e-3), "lamb": lambda: O.Lamb(1e-3), "muon": lambda: O.Muon(1e-3),
    "muon_plain": lambda: O.Muon(2e-3, nesterov=False, ns_steps=3, adam_lr_ratio=.5, rms_rate=.1, weight_decay=.1),
    "decay": lambda: O.SGD(.05, weight_decay=.5), "clipnorm": lambda: O.SGD(.05, clipnorm=.1),
    "global_clipnorm": lambda: O.Adam(1e-3, global_clipnorm=.2), "clipvalue": lambda: O.RMSprop(1e-3, clipvalue=.01, epsilon=1e-3),
    "ema": lambda: O.SGD(.05, use_ema=True, ema_momentum=.8),
    "ema_copied": lambda: O.Adam(1e-3, use_ema=True, ema_momentum=.7, ema_overwrite_frequency=3),
    "accumulate": lambda: O.Adam(1e-3, gradient_accumulation_steps=3),
    "accumulate_all": lambda: O.SGD(.05, momentum=.9, gradient_accumulation_steps=4, use_ema=True, ema_momentum=.5,
                                    ema_overwrite_frequency=2, clipnorm=.5, weight_decay=.1),
    "loss_scale": lambda: O.SGD(.05, loss_scale_factor=2.),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_and_the_state_after_them(name, tmp_path):
    m, (x, t) = network(), data()
    y = targets(t, 3)
    m.compile(OPTIMIZERS[name](), "categorical_crossentropy")
    m.save(tmp_path / "m.keras")
    ours = full_batch(tmp_path, tmp_path / "m.keras", x, t, save=tmp_path / "ours.keras")
    theirs = [float(m.train_on_batch(x, y)) for _ in range(STEPS)]
    assert abs(theirs[0] - theirs[-1]) > 1e-4
    # Losses before each step: exact at first, and still after everything that could have added up.
    assert abs(ours[0] - theirs[0]) <= 1e-5 and worst([ours], [theirs]) <= 1e-4
    # Keras takes our file: the same weights, the same variables of its optimizer, and goes on as if nothing had happened.
    back = keras.models.load_model(tmp_path / "ours.keras")
    assert worst(back.get_weights(), m.get_weights()) <= 1e-4
    assert [tuple(v.shape) for v in back.optimizer.variables] == [tuple(v.shape) for v in m.optimizer.variables]
    for a, b in zip(back.optimizer.variables, m.optimizer.variables):
        assert worst([a], [b]) <= 1e-4 * max(1, float(np.abs(b).max())), b.path
    # and we take Keras's.
    m.save(tmp_path / "theirs.keras")
    more = full_batch(tmp_path, tmp_path / "theirs.keras", x, t, steps=5)
    assert worst([more], [[float(m.train_on_batch(x, y)) for _ in range(5)]]) <= 1e-4


def change_compile(source, target, change):
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(target, "w") as b:
        for name in a.namelist():
            content = a.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["compile_config"])
                content = json.dumps(config).encode()
            b.writestr(name, content)


MUTATIONS = [("rmsprop", "epsilon", 1e-3), ("adam", "epsilon", 1e-3), ("sgd_nesterov", "nesterov", False),
             ("amsgrad", "amsgrad", False), ("adagrad", "initial_accumulator_value", .2), ("decay", "weight_decay", .4),
             ("clipnorm", "clipnorm", .11), ("muon", "ns_steps", 4), ("lion", "beta_1", .5), ("nadam", "beta_1", .8)]


@pytest.mark.parametrize("name,key,value", MUTATIONS)
def test_a_wrong_argument_is_seen(name, key, value, tmp_path):
    m, (x, t) = network(), data()
    m.compile(OPTIMIZERS[name](), "categorical_crossentropy")
    m.save(tmp_path / "m.keras")
    change_compile(tmp_path / "m.keras", tmp_path / "wrong.keras", lambda c: c["optimizer"]["config"].update({key: value}))
    ours = full_batch(tmp_path, tmp_path / "wrong.keras", x, t)
    theirs = [float(m.train_on_batch(x, targets(t, 3))) for _ in range(STEPS)]
    assert worst([ours], [theirs]) > 1e-4


LOSSES = [
    (1, "sigmoid", lambda l: l.BinaryCrossentropy()), (1, "sigmoid", lambda l: l.BinaryCrossentropy(label_smoothing=.2)),
    (1, None, lambda l: l.BinaryCrossentropy(from_logits=True)), (3, "sigmoid", lambda l: l.BinaryCrossentropy()),
    (3, "softmax", lambda l: l.CategoricalCrossentropy(label_smoothing=.1)),
    (3, None, lambda l: l.CategoricalCrossentropy(from_logits=True)), (3, "sigmoid", lambda l: l.CategoricalCrossentropy()),
    (3, "softmax", lambda l: l.SparseCategoricalCrossentropy()),
    (3, None, lambda l: l.SparseCategoricalCrossentropy(from_logits=True)),
    (1, "sigmoid", lambda l: l.BinaryFocalCrossentropy()),
    (1, "sigmoid", lambda l: l.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=.3, gamma=1.5, label_smoothing=.1)),
    (1, None, lambda l: l.BinaryFocalCrossentropy(from_logits=True)),
    (3, "softmax", lambda l: l.CategoricalFocalCrossentropy()), (3, "sigmoid", lambda l: l.CategoricalFocalCrossentropy(gamma=1.)),
    (3, None, lambda l: l.CategoricalFocalCrossentropy(from_logits=True, label_smoothing=.1)),
    (1, "tanh", lambda l: l.Hinge()), (3, "tanh", lambda l: l.SquaredHinge()), (3, None, lambda l: l.CategoricalHinge()),
    (3, "softmax", lambda l: l.MeanSquaredError()), (3, None, lambda l: l.MeanAbsoluteError()),
    (3, "sigmoid", lambda l: l.MeanAbsolutePercentageError()), (3, "sigmoid", lambda l: l.MeanSquaredLogarithmicError()),
    (3, None, lambda l: l.Huber(.4)), (3, None, lambda l: l.LogCosh()), (3, "softmax", lambda l: l.KLDivergence()),
    (3, "softplus", lambda l: l.Poisson()), (3, None, lambda l: l.CosineSimilarity()),
    (3, "softmax", lambda l: l.CategoricalGeneralizedCrossEntropy(.7)),
    (3, "softmax", lambda l: l.CategoricalCrossentropy(reduction="sum")),
    (1, "sigmoid", lambda l: l.BinaryCrossentropy(reduction="mean_with_sample_weight")),
]


@pytest.mark.parametrize("i", range(len(LOSSES)), ids=lambda i: f"{i}_{type(LOSSES[i][2](keras.losses)).__name__}")
def test_every_loss_and_its_gradient(i, tmp_path):
    classes, activation, make = LOSSES[i]
    loss = make(keras.losses)
    m, (x, t) = network(classes, activation), data(classes=classes)
    rate = 1e-9 if "Percentage" in type(loss).__name__ else 1e-3 if loss.reduction == "sum" else .02
    m.compile(O.SGD(rate, momentum=.5), loss)
    m.save(tmp_path / "m.keras")
    if isinstance(loss, keras.losses.Huber):  # Keras forgets delta in its files
        (tmp_path / "m.keras").rename(tmp_path / "m0.keras")
        change_compile(tmp_path / "m0.keras", tmp_path / "m.keras", lambda c: c["loss"]["config"].update({"delta": .4}))
    weights = [1.5, .5, .8][:max(classes, 2)]
    ours = full_batch(tmp_path, tmp_path / "m.keras", x, t, class_weight=",".join(map(str, weights)))
    y, w = targets(t, classes, loss), np.asarray(weights, np.float32)[t]
    theirs = [float(m.train_on_batch(x, y, sample_weight=w)) for _ in range(STEPS)]
    scale = max(1, abs(theirs[0]))
    assert abs(theirs[0] - theirs[-1]) / scale > 1e-3
    assert abs(ours[0] - theirs[0]) / scale <= 1e-5 and worst([ours], [theirs]) / scale <= 1e-4


def test_another_loss_is_seen(tmp_path):
    m, (x, t) = network(), data()
    m.compile(O.SGD(.02), keras.losses.CategoricalCrossentropy(label_smoothing=.1))
    m.save(tmp_path / "m.keras")
    change_compile(tmp_path / "m.keras", tmp_path / "w.keras", lambda c: c["loss"]["config"].update({"label_smoothing": .11}))
    ours = full_batch(tmp_path, tmp_path / "w.keras", x, t)
    assert worst([ours], [[float(m.train_on_batch(x, targets(t, 3))) for _ in range(STEPS)]]) > 1e-4


def test_what_is_not_served_is_refused(tmp_path):
    m, (x, t) = network(), data()
    m.compile(O.Muon(exclude_layers=["out"]), "categorical_crossentropy")
    m.save(tmp_path / "m.keras")
    with pytest.raises(DriverError) as e:
        full_batch(tmp_path, tmp_path / "m.keras", x, t)
    assert "not supported yet: exclude_layers" in e.value.message
