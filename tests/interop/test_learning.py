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
    assert len(lines) == steps + 1
    return [line["loss"] for line in lines[:-1]]


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
    m.optimizer.finalize_variable_values(m.trainable_weights)  # what fit does at its end: averages become the weights
    m.set_weights([w.copy() for w in m.get_weights()])  # not the averages' own memory, which JAX gives away in a step
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
    change_config(source, target, lambda c: change(c["compile_config"]))


def change_config(source, target, change):
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(target, "w") as b:
        for name in a.namelist():
            content = a.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
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


SCHEDULES = {
    "exponential": lambda s: s.ExponentialDecay(.05, 4, .5), "staircase": lambda s: s.ExponentialDecay(.05, 4, .5, staircase=True),
    "piecewise": lambda s: s.PiecewiseConstantDecay([3, 8], [.05, .02, .1]), "polynomial": lambda s: s.PolynomialDecay(.08, 7, .01, power=2.),
    "cycle": lambda s: s.PolynomialDecay(.08, 5, .01, cycle=True), "inverse": lambda s: s.InverseTimeDecay(.08, 3, .7),
    "inverse_staircase": lambda s: s.InverseTimeDecay(.08, 3, .7, staircase=True), "cosine": lambda s: s.CosineDecay(.08, 12, alpha=.1),
    "warmup": lambda s: s.CosineDecay(.01, 10, warmup_target=.09, warmup_steps=5),
    "restarts": lambda s: s.CosineDecayRestarts(.08, 3, t_mul=2., m_mul=.8, alpha=.05),
    "restarts_equal": lambda s: s.CosineDecayRestarts(.08, 4, t_mul=1.),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_gives_keras_s_rate_in_every_step(name, tmp_path):
    m, (x, t) = network(), data()
    schedule = SCHEDULES[name](O.schedules)
    m.compile(O.SGD(schedule, momentum=.5), "categorical_crossentropy")
    m.save(tmp_path / "m.keras")
    lines = fit(tmp_path, tmp_path / "m.keras", x, t, epochs=STEPS, batch=len(x), save=tmp_path / "ours.keras")[:-1]
    np.testing.assert_allclose([line["learning_rate"] for line in lines], [float(schedule(i)) for i in range(STEPS)], rtol=1e-5, atol=1e-8)
    theirs = [float(m.train_on_batch(x, targets(t, 3))) for _ in range(STEPS)]
    assert worst([[line["loss"] for line in lines]], [theirs]) <= 1e-4
    back = keras.models.load_model(tmp_path / "ours.keras")
    assert back.optimizer._learning_rate.get_config() == schedule.get_config()
    assert worst(back.optimizer.variables, m.optimizer.variables) <= 1e-4
    more = [float(back.train_on_batch(x, targets(t, 3))) for _ in range(3)]
    assert worst([more], [[float(m.train_on_batch(x, targets(t, 3))) for _ in range(3)]]) <= 1e-4


def history_of(lines):
    return {k: [line[k] for line in lines[:-1]] for k in lines[0]}


def compare_fit(tmp_path, m, train, val, callbacks=(), ours=None, sample_weight=None, epochs=6, batch=8, **options):
    """Both sides fit; every value of every epoch agrees."""
    (x, t), (vx, vt) = train, val
    classes = m.output_shape[-1]
    m.save(tmp_path / "m.keras")
    if sample_weight is not None:
        options["sample_weight"] = write(tmp_path / "w.f32", sample_weight)
    lines = driver("fit", model=tmp_path / "m.keras", epochs=epochs, batch=batch, val_x=write(tmp_path / "vx.f32", vx),
                   val_t=write(tmp_path / "vt.f32", vt), save=tmp_path / "ours.keras", callbacks=ours or "", **files(tmp_path, x, t), **options)
    weights = dict(enumerate(map(float, options["class_weight"].split(",")))) if "class_weight" in options else None
    h = m.fit(x, targets(t, classes), batch, epochs, 0, validation_data=(vx, targets(vt, classes)), shuffle=False, class_weight=weights,
              sample_weight=sample_weight, callbacks=list(callbacks)).history
    mine = history_of(lines)
    for key, values in h.items():
        assert len(mine[key]) == len(values), f"{key}: {len(mine[key])} epochs, Keras has {len(values)}"
        np.testing.assert_allclose(np.ravel(mine[key]), np.ravel(values), atol=1e-4, rtol=1e-4, err_msg=key)
    return h, lines


def cnn(classes=3, regularizer=None, metrics=("accuracy",), optimizer=None):
    i = keras.Input((8, 8, 3), name="photo")
    x = L.Conv2D(6, 3, name="c1", activation="relu", kernel_regularizer=regularizer)(i)
    x = L.BatchNormalization(name="b1", momentum=.8)(x)
    x = L.MaxPooling2D(name="p")(x)
    x = L.Flatten(name="f")(x)
    x = L.Dense(8, activation="relu", name="d", kernel_regularizer=regularizer, bias_regularizer="l2")(x)
    m = keras.Model(i, L.Dense(classes, activation="sigmoid" if classes == 1 else "softmax", name="out")(x), name="cnn")
    rng = np.random.default_rng(2)
    for v in m.trainable_weights:
        if "kernel" in v.name:
            v.assign(rng.normal(0, .2, tuple(v.shape)))
    m.compile(optimizer or O.Adam(3e-3), "binary_crossentropy" if classes == 1 else "categorical_crossentropy", metrics=list(metrics))
    return m


def photos(n, classes, seed):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, max(classes, 2), n)
    return (rng.normal(0, 1, (n, 8, 8, 3)) + .4 * t[:, None, None, None]).astype(np.float32), t


@pytest.mark.parametrize("regularizer", [None, "l1", "l2", keras.regularizers.L1L2(1e-3, 2e-3)], ids=["none", "l1", "l2", "l1l2"])
def test_fit_of_a_small_network_is_keras_s(regularizer, tmp_path):
    # 29 samples in batches of 8: the last batch has 5.
    m = cnn(3, regularizer)
    h, _ = compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), class_weight="2,.5,1")
    assert h["loss"][0] != h["loss"][-1]
    back = keras.models.load_model(tmp_path / "ours.keras")
    assert worst(back.get_weights(), m.get_weights()) <= 1e-4


def split_fit(tmp_path, keep=None, **options):
    """validation_split is the end of the samples; ours trains on the first `keep` of the others. Returns both histories."""
    m = cnn(3, "l2", optimizer=options.pop("optimizer", None))
    m.save(tmp_path / "m.keras")
    x, t = photos(41, 3, 1)
    n = int(41 * (1 - .3))
    lines = driver("fit", model=tmp_path / "m.keras", epochs=5, batch=8, val_x=write(tmp_path / "vx.f32", x[n:]),
                   val_t=write(tmp_path / "vt.f32", t[n:]), class_weight="2,.5,1", **files(tmp_path, x[:keep or n], t[:keep or n]))
    h = m.fit(x, targets(t, 3), 8, 5, 0, validation_split=.3, shuffle=False, class_weight={0: 2., 1: .5, 2: 1.}).history
    return history_of(lines), h


def far(ours, theirs):
    return max(np.abs(np.ravel(ours[k]) - np.ravel(v)).max() for k, v in theirs.items())


def test_validation_split(tmp_path):
    # 28 samples to train on: three batches of 8 and one of 4.
    assert far(*split_fit(tmp_path)) <= 1e-4


def test_a_last_batch_that_is_dropped_is_seen(tmp_path):
    assert far(*split_fit(tmp_path, keep=24)) > 1e-2


def test_a_penalty_left_out_of_the_validation_loss_is_seen(tmp_path):
    m = cnn(3, "l2")
    h, lines = compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2))
    assert h["val_loss"][0] - sum(float(l) for l in m.losses) < lines[0]["val_loss"] - 1e-2


def test_sample_weights(tmp_path):
    w = np.random.default_rng(3).uniform(.2, 2, 29).astype(np.float32)
    compare_fit(tmp_path, cnn(), photos(29, 3, 1), photos(13, 3, 2), sample_weight=w)


def test_every_metric(tmp_path):
    M = keras.metrics
    one = [M.AUC(), M.Precision(), M.Recall(thresholds=.4), M.BinaryAccuracy(threshold=.3), M.F1Score(threshold=.5, average="macro"),
           M.MeanSquaredError(), M.MeanAbsoluteError(), M.BinaryCrossentropy()]
    compare_fit(tmp_path, cnn(1, metrics=one, optimizer=O.Adam(2e-3)), photos(40, 1, 1), photos(23, 1, 2), epochs=3)
    three = [M.AUC(curve="PR", num_thresholds=50, name="auc"), M.Precision(top_k=2, name="precision"), M.Recall(class_id=1, name="recall"),
             M.CategoricalAccuracy(),
             M.TopKCategoricalAccuracy(2), M.F1Score(average="weighted", name="f1_score"), M.CategoricalCrossentropy()]
    compare_fit(tmp_path, cnn(3, metrics=three), photos(40, 3, 1), photos(23, 3, 2), epochs=3)
    rest = [M.AUC(summation_method="minoring", name="auc"), M.F1Score(average="micro", name="f1_score")]
    compare_fit(tmp_path, cnn(3, metrics=rest), photos(40, 3, 1), photos(23, 3, 2), epochs=2)


K = keras.callbacks
STOPPING = [
    (dict(patience=1), "patience=1"), (dict(monitor="val_accuracy", patience=2), "monitor=val_accuracy:patience=2"),
    (dict(patience=0, start_from_epoch=3), "patience=0:start_from_epoch=3"),
    (dict(monitor="loss", patience=1, min_delta=.2), "monitor=loss:patience=1:min_delta=0.2"),
    (dict(patience=3, baseline=.2), "patience=3:baseline=0.2"),
    (dict(monitor="accuracy", mode="min", patience=1), "monitor=accuracy:mode=min:patience=1"),
]


@pytest.mark.parametrize("i", range(len(STOPPING)))
def test_early_stopping(i, tmp_path):
    theirs, ours = STOPPING[i]
    stop = K.EarlyStopping(restore_best_weights=True, **theirs)
    m = cnn(3, optimizer=O.Adam(.02))
    h, lines = compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), [stop], f"early_stopping:{ours}", epochs=12, keep="best")
    assert len(h["loss"]) < 12 and lines[-1]["stopped"] and lines[-1]["best"] == stop.best_epoch
    assert worst(keras.models.load_model(tmp_path / "ours.keras").get_weights(), m.get_weights()) <= 1e-3


def test_reduce_lr_on_plateau(tmp_path):
    m = cnn(3, optimizer=O.SGD(.3))
    theirs = K.ReduceLROnPlateau(factor=.5, patience=1, min_delta=.01, cooldown=1, min_lr=.02)
    h, _ = compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), [theirs],
                       "reduce_lr_on_plateau:factor=0.5:patience=1:min_delta=0.01:cooldown=1:min_lr=0.02", epochs=12)
    assert h["learning_rate"][-1] < h["learning_rate"][0]


def test_averaged_weights_in_validation(tmp_path):
    m = cnn(3, optimizer=O.SGD(.05, use_ema=True, ema_momentum=.9))
    compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), [K.SwapEMAWeights()], "swap_ema_weights", epochs=5)


def test_a_loss_that_is_no_number(tmp_path):
    m = cnn(3, optimizer=O.SGD(.01))
    m.save(tmp_path / "m.keras")
    x, t = photos(29, 3, 1)
    train = files(tmp_path, x * np.float32(3e38), t)
    with pytest.raises(DriverError) as e:
        driver("fit", model=tmp_path / "m.keras", epochs=5, batch=8, **train)
    assert e.value.status == 4 and "sample 0 holds numbers that are NaN or infinite" in e.value.message
    assert driver("fit", model=tmp_path / "m.keras", epochs=5, batch=8, callbacks="terminate_on_nan", **train)[-1]["stopped"]


def active(regularizer, final=None):
    """Regularizers on what layers give: a picture, a matrix and, with `final`, the answer itself."""
    R = keras.regularizers
    i = keras.Input((8, 8, 3), name="photo")
    x = L.Conv2D(6, 3, name="c1", activation="relu", activity_regularizer=R.L1L2(1e-3, 2e-3))(i)
    x = L.SeparableConv2D(5, 2, name="s", activity_regularizer=R.L2(1e-3))(x)
    x = L.ActivityRegularization(1e-3, 1e-3, name="a")(x)
    x = L.Flatten(name="f")(L.Dropout(0., name="o")(x))
    x = L.Dense(8, activation="tanh", name="d", activity_regularizer=regularizer, kernel_regularizer="l2")(x)
    m = keras.Model(i, L.Dense(3, activation="softmax", name="out", activity_regularizer=final)(x), name="active")
    rng = np.random.default_rng(2)
    for v in m.trainable_weights:
        if "kernel" in v.name:
            v.assign(rng.normal(0, .2, tuple(v.shape)))
    m.compile(O.SGD(.02, momentum=.5), "categorical_crossentropy", metrics=["accuracy"])
    return m


ACTIVITIES = {"l1": keras.regularizers.L1(.01), "l2": keras.regularizers.L2(.02), "l1l2": keras.regularizers.L1L2(.01, .02),
              "rows": keras.regularizers.OrthogonalRegularizer(.3), "columns": keras.regularizers.OrthogonalRegularizer(.3, "columns")}


@pytest.mark.parametrize("final", [None, "l2"], ids=["inside", "answer-too"])
@pytest.mark.parametrize("name", ACTIVITIES)
def test_activity_regularizers(name, final, tmp_path):
    # 29 samples in batches of 8: four steps an epoch, the last of 5; 13 to validate on: 8 and 5.
    m = active(ACTIVITIES[name], final)
    compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), epochs=6)
    back = keras.models.load_model(tmp_path / "ours.keras")
    assert worst(back.get_weights(), m.get_weights()) <= 1e-4
    assert back.get_layer("d").get_config() == m.get_layer("d").get_config()


def test_every_call_of_a_layer_counts(tmp_path):
    # Against Keras called eagerly: compiled with JAX, Keras 3.15 loses all but the last call of a shared layer.
    i = keras.Input((8, 8, 3), name="photo")
    shared = L.Dense(8, activation="tanh", name="shared", activity_regularizer="l1")
    m = keras.Model(i, L.Dense(3, activation="softmax", name="out")(shared(shared(L.Dense(8, name="d")(L.Flatten()(i))))))
    m.compile("sgd", "categorical_crossentropy")
    m.save(tmp_path / "m.keras")
    x, t = photos(8, 3, 1)
    p = np.asarray(m(x))
    expected = -np.log(p[np.arange(8), t]).mean() + sum(float(l) for l in m.losses)
    assert len(m.losses) == 2 and abs(full_batch(tmp_path, tmp_path / "m.keras", x, t, 1)[0] - expected) <= 1e-5


def test_activities_of_frozen_layers_count(tmp_path):
    m = active("l1")
    for name in ("c1", "s", "d"):
        m.get_layer(name).trainable = False
    compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), epochs=5)


def test_activity_penalties_left_out_are_seen(tmp_path):
    m = active(keras.regularizers.L2(.2))
    m.save(tmp_path / "m.keras")

    def without(config):
        for layer in config["config"]["layers"]:
            if layer["name"] == "d":
                layer["config"]["activity_regularizer"] = None
    change_config(tmp_path / "m.keras", tmp_path / "wrong.keras", without)
    train, val = photos(29, 3, 1), photos(13, 3, 2)
    right, wrong = (history_of(driver("fit", model=tmp_path / name, epochs=6, batch=8, val_x=write(tmp_path / "vx.f32", val[0]),
                                      val_t=write(tmp_path / "vt.f32", val[1]), **files(tmp_path, *train)))
                    for name in ("m.keras", "wrong.keras"))
    assert abs(right["loss"][0] - wrong["loss"][0]) > 1e-2 and abs(right["val_loss"][0] - wrong["val_loss"][0]) > 1e-2
    # Not only what is told, also what is learned: the way back knows it.
    assert abs(right["accuracy"][-1] - wrong["accuracy"][-1]) > 0 or abs(right["val_loss"][-1] - wrong["val_loss"][-1]) > 1e-2


def test_an_orthogonal_regularizer_of_pictures_is_refused(tmp_path):
    R = keras.regularizers
    i = keras.Input((8, 8, 3), name="photo")
    for layer, key in ((L.Conv2D(3, 3, kernel_regularizer=R.OrthogonalRegularizer()), "kernel"),
                       (L.Conv2D(3, 3, activity_regularizer=R.OrthogonalRegularizer()), "activity_regularizer")):
        config = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(3, 3, name="c"), L.Flatten(), L.Dense(3, activation="softmax")])
        config.compile("sgd", "categorical_crossentropy")
        config.save(tmp_path / "plain.keras")
        wanted = layer.get_config()
        def put(c, wanted=wanted):
            for one in c["config"]["layers"]:
                if one["config"]["name"] == "c":
                    for k in ("kernel_regularizer", "activity_regularizer"):
                        one["config"][k] = wanted[k]
        change_config(tmp_path / "plain.keras", tmp_path / "m.keras", put)
        with pytest.raises(DriverError) as e:
            driver("fit", model=tmp_path / "m.keras", epochs=1, batch=8, **files(tmp_path, *photos(29, 3, 1)))
        assert f"{key}: orthogonal_regularizer takes what has two axes" in e.value.message


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_regularizer(mode, tmp_path):
    i = keras.Input((8, 8, 3), name="photo")
    x = L.Dense(6, activation="tanh", name="d", kernel_regularizer=keras.regularizers.OrthogonalRegularizer(.3, mode))(L.Flatten(name="f")(i))
    m = keras.Model(i, L.Dense(3, activation="softmax", name="out")(x))
    m.compile(O.SGD(.02), "categorical_crossentropy", metrics=["accuracy"])
    compare_fit(tmp_path, m, photos(29, 3, 1), photos(13, 3, 2), epochs=4)


def test_proximal_steps_give_true_zeros(tmp_path):
    m = cnn(3, keras.regularizers.L1(.02), optimizer=O.SGD(.05))
    m.save(tmp_path / "m.keras")
    train = files(tmp_path, *photos(29, 3, 1))
    for proximal in (0, 1):
        driver("fit", model=tmp_path / "m.keras", epochs=30, batch=8, proximal=proximal, save=tmp_path / f"{proximal}.keras", **train)
    plain, exact = (keras.models.load_model(tmp_path / f"{p}.keras") for p in (0, 1))
    kernels = [np.ravel(m.get_layer("d").kernel) for m in (plain, exact)]
    assert (kernels[0] == 0).mean() < .01 and (kernels[1] == 0).mean() > .3
    # The two minimise the same sum: losses are close.
    assert abs(plain.evaluate(*photos(29, 3, 1)[:1], targets(photos(29, 3, 1)[1], 3), verbose=0)[0] -
               exact.evaluate(*photos(29, 3, 1)[:1], targets(photos(29, 3, 1)[1], 3), verbose=0)[0]) < .1


def turned(layer, x, u):
    f = layer.factor
    angle = np.float32((f[0] + u[0] * (f[1] - f[0])) * 360)
    z = np.zeros(len(x), np.float32)
    m = layer._compute_affine_matrix(center_x=.5, center_y=.5, angle=keras.ops.convert_to_tensor(np.full(len(x), angle)), translate_x=z,
                                     translate_y=z, scale=z + 1, shear_x=z, shear_y=z, height=x.shape[1], width=x.shape[2])
    return {"angle": angle, "rotation_matrix": m, "image_height": x.shape[1], "image_width": x.shape[2], "batch_size": len(x)}


def column(x, value):
    return np.full((len(x), 1), value, np.float32)


def block(x, value):
    return np.full((len(x), 1, 1, 1), value)


def mid(low, high, u):
    return low + u * (high - low)


CHANGES = [
    ("random_flip:horizontal", [.4], lambda: L.RandomFlip("horizontal"), lambda l, x, u: {"flips": block(x, u[0] <= .5)}),
    ("flip:horizontal", [.6], lambda: L.RandomFlip("horizontal"), lambda l, x, u: {"flips": block(x, u[0] <= .5)}),
    ("flip:horizontal_and_vertical", [.2], lambda: L.RandomFlip(), lambda l, x, u: {"flips": block(x, True)}),
    ("rotation:0.2", [.7], lambda: L.RandomRotation(.2), turned),
    ("rotation:-0.1:0.3:fill_mode=constant:fill_value=9", [.9], lambda: L.RandomRotation((-.1, .3), fill_mode="constant", fill_value=9.), turned),
    ("rotation:0.3:fill_mode=wrap", [.1], lambda: L.RandomRotation(.3, fill_mode="wrap"), turned),
    ("rotation:0.3:fill_mode=nearest:interpolation=nearest", [.83], lambda: L.RandomRotation(.3, fill_mode="nearest", interpolation="nearest"), turned),
    ("zoom:0.4", [.1, .5], lambda: L.RandomZoom(.4), lambda l, x, u: {"height_zoom": column(x, mid(.6, 1.4, u[0])), "width_zoom": column(x, mid(.6, 1.4, u[0]))}),
    ("zoom:0.4:0.2", [.9, .3], lambda: L.RandomZoom(.4, .2), lambda l, x, u: {"height_zoom": column(x, mid(.6, 1.4, u[0])), "width_zoom": column(x, mid(.8, 1.2, u[1]))}),
    ("translation:0.3:0.2", [.8, .1], lambda: L.RandomTranslation(.3, .2), lambda l, x, u: {"translations": keras.ops.convert_to_tensor(np.concatenate(
        [column(x, mid(-.2, .2, u[1]) * x.shape[2]), column(x, mid(-.3, .3, u[0]) * x.shape[1])], 1))}),
    ("shear:0.3:0.2", [.8, .4, .6], lambda: L.RandomShear(.3, .2), lambda l, x, u: {"shear_factor": keras.ops.convert_to_tensor(
        -np.concatenate([column(x, .3 * u[2]), column(x, .2 * u[1])], 1))}),
    ("contrast:0.5:0.4", [.9], lambda: L.RandomContrast((.4, .5)), lambda l, x, u: {"contrast_factor": block(x, np.float32(mid(.6, 1.5, u[0])))}),
    ("contrast:0.5", [.5], lambda: L.RandomContrast(.5), lambda l, x, u: {"contrast_factor": block(x, np.float32(mid(1 - l.factor[0], 1.5, u[0])))}),
    ("brightness:0.4", [.8], lambda: L.RandomBrightness(.4), lambda l, x, u: {"rgb_delta": block(x, np.float32(mid(-.4, .4, u[0]) * 255))}),
    ("hue:0.5", [.3, .8], lambda: L.RandomHue(.5), lambda l, x, u: {"factor": keras.ops.convert_to_tensor(np.full(len(x), .5 * .5 * u[1], np.float32))}),
    ("invert:0.7", [.6], lambda: L.RandomInvert(.7), lambda l, x, u: {"apply_inversion": np.full(len(x), True)}),
    ("grayscale:0.7", [.6], lambda: L.RandomGrayscale(.7), lambda l, x, u: block(x, True)),
    ("posterization:3", [], lambda: L.RandomPosterization(3), lambda l, x, u: {"shift_factor": keras.ops.convert_to_tensor(np.full(len(x), 5, np.uint8))}),
    ("solarization:0.3:0.8", [.5, .6], lambda: L.Solarization(.3, .8), lambda l, x, u: {"additions": block(x, np.float32(.3 * 255 * u[0])),
                                                                                       "thresholds": block(x, np.float32(.8 * 255 * u[1]))}),
    ("color_degeneration:0.8", [.9], lambda: L.RandomColorDegeneration(.8), lambda l, x, u: {"factor": block(x, np.float32(mid(-.8, .8, u[0])))}),
    ("sharpness:0.2", [.4], lambda: L.RandomSharpness(.2), lambda l, x, u: {"factor": keras.ops.convert_to_tensor(np.full(len(x), .2 * u[0], np.float32))}),
    ("sharpness:0.8:1", [.9], lambda: L.RandomSharpness((.8, 1.)), lambda l, x, u: {"factor": keras.ops.convert_to_tensor(np.full(len(x), mid(.8, 1, u[0]), np.float32))}),
    ("auto_contrast", [], lambda: L.AutoContrast(), lambda l, x, u: None),
    ("equalization", [], lambda: L.Equalization(bins=256), lambda l, x, u: None),
    ("equalization:16", [], lambda: L.Equalization(bins=16), lambda l, x, u: None),
]


@pytest.mark.parametrize("i", range(len(CHANGES)), ids=lambda i: CHANGES[i][0].split(":")[0])
def test_changed_photos_are_keras_s(i, tmp_path):
    from oracle import pictures, read
    spec, draws, make, transformation = CHANGES[i]
    n = 1 if "equalization" in spec else 3  # Keras counts levels over the batch, where the change of a photo is its own here
    x = pictures(n, 13, 10, 3) * (.5 if "contrast" in spec else 1)  # something to stretch
    layer = make()
    layer.build(x.shape)
    theirs = np.asarray(layer.transform_images(keras.ops.convert_to_tensor(x), transformation(layer, x, draws), training=True))
    driver("augment", spec=spec, size="13,10", draws=",".join(map(str, draws)), x=write(tmp_path / "x.f32", x), y=tmp_path / "y.f32")
    ours = read(tmp_path / "y.f32", x.shape)
    assert np.abs(theirs - x).max() > 1 or (spec.startswith("flip:horizontal") and draws[0] > .5)
    assert np.abs(ours - theirs).max() <= (.02 if "hue" in spec or "rotation" in spec or "zoom" in spec else 2e-3)


def test_saturation_works_on_a_unit_range(tmp_path):
    """Keras's layer leaves the range alone, so pictures in 0 … 1 are what it means; ours scale."""
    from oracle import pictures, read
    x = pictures(3, 13, 10, 3)
    layer = L.RandomSaturation((.3, .7), value_range=(0, 1))
    f = mid(.3, .7, .9)
    theirs = np.asarray(layer.transform_images(keras.ops.convert_to_tensor(x / 255), {"factor": np.full(3, f / (1 - f + 1e-7), np.float32)}))
    driver("augment", spec="saturation:0.7:0.3", size="13,10", draws=.9, x=write(tmp_path / "x.f32", x), y=tmp_path / "y.f32")
    assert np.abs(read(tmp_path / "y.f32", x.shape) - theirs * 255).max() <= .02
