"""What the interop tests share: running the driver, calibrated weights, comparing."""
import functools
import json
import os
import subprocess

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax
import keras
import numpy as np

DRIVER = os.environ["TW_DRIVER"]


class DriverError(Exception):
    """The driver refused: its exit status and message."""

    def __init__(self, status, message):
        super().__init__(f"exit {status}: {message}")
        self.status, self.message = status, message


def driver(command, **options):
    """Runs `driver command key=value …`; returns its JSON lines."""
    words = [DRIVER, command] + [f"{k}={v}" for k, v in options.items()]
    run = subprocess.run(words, capture_output=True, text=True)
    if run.returncode:
        raise DriverError(run.returncode, run.stderr.strip())
    return [json.loads(line) for line in run.stdout.splitlines() if line]


def write(path, array):
    np.asarray(array, np.float32).tofile(path)
    return path


def read(path, shape):
    return np.fromfile(path, np.float32).reshape(shape)


def predict(folder, x, like, **options):
    """Predictions of our side, one array for each of `like`."""
    xs, likes = as_list(x), as_list(like)
    inputs = [write(folder / f"x{i}.f32", a) for i, a in enumerate(xs)]
    outputs = [folder / f"y{i}.f32" for i in range(len(likes))]
    driver("predict", kernels=os.environ.get("TW_KERNELS", "exact"), x=",".join(map(str, inputs)), y=",".join(map(str, outputs)), **options)
    return [read(path, a.shape) for path, a in zip(outputs, likes)]


def as_list(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


def run(model, x, training=False):
    """Outputs and the state afterwards. As one compiled call: op by op, JAX would compile for every shape."""
    weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
    y, state = jax.jit(lambda a, b, x: model.stateless_call(a, b, x, training=training))(*weights, x)
    return [np.asarray(a) for a in as_list(y)], [np.asarray(v) for v in state]


def expected(model, x):
    return run(model, x)[0]


def twin_in_f64(model):
    """The model in double precision: the truth that f32 rounds."""
    config = json.loads(json.dumps(model.get_config()).replace('"float32"', '"float64"'))
    keras.config.set_floatx("float64")
    try:
        twin = type(model).from_config(config)
        twin.set_weights([np.asarray(w, np.float64) for w in model.get_weights()])
    finally:
        keras.config.set_floatx("float32")
    return twin


def in_f64(model, x):
    return expected(twin_in_f64(model), np.asarray(x, np.float64))


def spread(model, x):
    """How far the oracle itself is from the truth in f32: deep networks of random weights magnify rounding."""
    truth = in_f64(model, x)
    assert truth[0].dtype == np.float64
    return max(differs(expected(model, x), truth), differs([np.asarray(y) for y in as_list(model(x, training=False))], truth))


def allowed(model, x, distance=np.inf):
    """How far our probabilities may be: 1e-5, or three times what the oracle itself rounds away (worked out where needed)."""
    if distance <= 1e-5:
        return 1e-5
    tolerance = max(1e-5, 3 * spread(model, x))
    assert tolerance < 1e-4
    return tolerance


def layers_with_outputs(model):
    return [l for l in model.layers if not isinstance(l, keras.layers.InputLayer)]


def every_output(model, x):
    """What each layer of the model gives, by name; in one call."""
    layers = layers_with_outputs(model)
    return dict(zip((l.name for l in layers), expected(keras.Model(model.inputs, [l.output for l in layers]), x)))


class EveryOutput:
    """The same again and again at other weights, compiled once."""

    def __init__(self, model):
        self.names = [l.name for l in layers_with_outputs(model)]
        self.model = keras.Model(model.inputs, [l.output for l in layers_with_outputs(model)])
        self.call = jax.jit(lambda a, b, x: self.model.stateless_call(a, b, x, training=False)[0])

    def __call__(self, x, moved_by=0):
        rng = np.random.default_rng(0)
        trained = [v.value for v in self.model.trainable_variables]
        if moved_by:
            trained = [(np.asarray(w) * (1 + moved_by * rng.standard_normal(w.shape))).astype(np.float32) for w in trained]
        y = self.call(trained, [v.value for v in self.model.non_trainable_variables], x)
        return dict(zip(self.names, (np.asarray(a) for a in as_list(y))))


def our_outputs(folder, x, **options):
    """The same of our side: each operation by name, all from one run."""
    file = folder / "outputs.f32"
    lines = driver("outputs", x=write(folder / "x.f32", x), y=file, **options)
    values = np.split(np.fromfile(file, np.float32), np.cumsum([np.prod(line["shape"]) for line in lines]))
    return {line["layer"]: a.reshape(line["shape"]) for line, a in zip(lines, values)}


def cut_outputs(folder, x, like, **options):
    """The same from a model cut at each layer, planned and fused as a user's would be."""
    folder = folder / "layers"
    folder.mkdir(exist_ok=True)
    names = [line["layer"] for line in driver("layers", x=write(folder / "x.f32", x), y=folder, **options)]
    return {name: read(folder / f"{name}.f32", like[name].shape) for name in names if name in like}


def assert_layers_same(ours, theirs, truth=None):
    """Every layer within 1e-4 of its own standard deviation, or three times as far as the oracle has been from the truth up to
    there; names the first that is not, in the order of the model."""
    assert set(theirs) <= set(ours), f"missing: {set(theirs) - set(ours)}"
    worst, where, lost = 0, None, 0
    for name, y in theirs.items():
        assert ours[name].shape == y.shape, f"{name}: shape {ours[name].shape}, expected {y.shape}"
        scale = max(float(np.std(y)), 1e-30)
        distance = np.abs(ours[name] - y).max() / scale
        if distance > 1e-4 and truth:
            lost = max(lost, np.abs(y - truth()[name]).max() / scale)
        tolerance = max(1e-4, 3 * lost)
        assert distance <= tolerance < 3e-3, f"{name}: {distance:g} of its standard deviation, allowed {tolerance:g}"
        if distance > worst:
            worst, where = distance, name
    return f"{worst:.2g} at {where}"


def assert_layers_within(ours, theirs, moved):
    """Every layer within 1e-4 of its own standard deviation, or three times as far as the oracle itself goes up to there when
    its weights move by some roundings: that shows how a deep network magnifies them, without another network in double
    precision. A mistake is seen from its layer on, where it is hundreds of times that."""
    worst, where, bound, gone = 0, None, 0, 0
    for name, y in theirs.items():
        assert ours[name].shape == y.shape, f"{name}: shape {ours[name].shape}, expected {y.shape}"
        scale = max(float(np.std(y)), 1e-30)
        distance = np.abs(ours[name] - y).max() / scale
        gone = max(gone, np.abs(y - moved[name]).max() / scale)
        tolerance = min(max(1e-4, 3 * gone), 2e-2)
        assert distance <= tolerance, f"{name}: {distance:g} of its standard deviation, allowed {tolerance:g}"
        if distance > worst:
            worst, where, bound = distance, name, tolerance
    return f"{worst:.2g} at {where}, allowed {bound:.2g}"


def truth_of_layers(model, x):
    """Every layer's output in double precision, worked out when it is asked for."""
    return functools.cache(lambda: every_output(twin_in_f64(model), np.asarray(x, np.float64)))


def layers_of(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def calibrate(model, x, seed=7):
    """Weights at which a wrong network cannot pass: He-scaled kernels, uneven gamma and beta, statistics of real activations."""
    rng = np.random.default_rng(seed)
    momenta = {}
    flags = {}
    for layer in layers_of(model):
        for v in layer.weights:
            shape = tuple(v.shape)
            if "kernel" in v.name:
                # a depthwise kernel is (h, w, in, 1): its fan is the window alone
                window = np.prod(shape[:2]) if len(shape) == 4 else 1
                fan = window if len(shape) == 4 and shape[3] == 1 else window * shape[-2] if len(shape) > 1 else 1
                value = rng.normal(0, np.sqrt(2 / fan), shape)
            elif v.name == "gamma" or layer.__class__.__name__ == "LayerScale":  # whose weight has no name
                value = rng.uniform(.5, 1.5, shape)
            elif v.name in ("beta", "bias"):
                value = rng.normal(0, .3, shape)
            else:
                continue
            v.assign(value.astype(np.float32))
        if isinstance(layer, keras.layers.BatchNormalization):
            momenta[layer], layer.momentum = layer.momentum, 0.0
            flags[layer], layer.trainable = layer.trainable, True
    for v, value in zip(model.non_trainable_variables, run(model, x, training=True)[1]):
        v.assign(value)
    for layer, momentum in momenta.items():
        layer.momentum, layer.trainable = momentum, flags[layer]
    return model


def sharpen(model, x):
    """Scales the last kernel so that the probabilities tell pictures apart clearly."""
    last = [l for l in layers_of(model) if hasattr(l, "kernel")][-1]
    z = np.log(np.maximum(expected(model, x)[0], 1e-30))
    last.kernel.assign(last.kernel.value * np.float32(1.5 / np.std(z - z.mean(0))))
    return model


def assert_lively(outputs):
    """The oracle itself must tell pictures apart, or equal predictions would say nothing."""
    for y in outputs:
        assert np.std(y) >= .02, f"outputs hardly vary: std {np.std(y)}"
        assert np.abs(y - y[:1]).max() >= 1e-2, "different pictures give the same output"


def assert_same(ours, theirs, tolerance=1e-5):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        scale = max(1.0, np.std(b))
        worst = np.abs(a - b).max() / scale
        assert worst <= tolerance, f"output {i}: largest difference {worst:g}, allowed {tolerance:g}"


def differs(ours, theirs):
    return max(np.abs(a - b).max() / max(1.0, np.std(b)) for a, b in zip(ours, theirs))


def pictures(n, h, w, c, seed=3):
    """Pictures that differ in colour, shading and grain, as photos do: plain noise looks all alike after pooling."""
    rng = np.random.default_rng(seed)
    colour, slope = rng.uniform(40, 215, (n, 1, 1, c)), rng.uniform(-80, 80, (n, 2, c))
    y, x = np.linspace(-.5, .5, h)[None, :, None, None], np.linspace(-.5, .5, w)[None, None, :, None]
    shade = y * slope[:, 0][:, None, None, :] + x * slope[:, 1][:, None, None, :]
    grain = rng.normal(0, 1, (n, h, w, c)) * rng.uniform(2, 60, (n, 1, 1, 1))
    return np.clip(colour + shade + grain, 0, 255).astype(np.float32)
