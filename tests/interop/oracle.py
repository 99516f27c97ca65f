"""What the interop tests share: running the driver, calibrated weights, comparing."""
import json
import os
import subprocess

os.environ.setdefault("KERAS_BACKEND", "jax")
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


def expected(model, x):
    return [np.asarray(y) for y in as_list(model(x, training=False))]


def in_f64(model, x):
    """What the model gives when everything is computed in double precision: the truth that f32 rounds."""
    config = json.loads(json.dumps(model.get_config()).replace('"float32"', '"float64"'))
    keras.config.set_floatx("float64")
    try:
        twin = type(model).from_config(config)
        twin.set_weights([np.asarray(w, np.float64) for w in model.get_weights()])
        return as_list(np.asarray(twin(np.asarray(x, np.float64), training=False)))
    finally:
        keras.config.set_floatx("float32")


def spread(model, x):
    """How far the oracle itself is from the truth in f32: deep networks of random weights magnify rounding."""
    truth = in_f64(model, x)
    assert truth[0].dtype == np.float64
    return max(differs(expected(model, x), truth), differs(as_list(model.predict(x, verbose=0)), truth))


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
                v.assign(rng.normal(0, np.sqrt(2 / fan), shape))
            elif v.name == "gamma":
                v.assign(rng.uniform(.5, 1.5, shape))
            elif v.name in ("beta", "bias"):
                v.assign(rng.normal(0, .3, shape))
        if isinstance(layer, keras.layers.BatchNormalization):
            momenta[layer], layer.momentum = layer.momentum, 0.0
            flags[layer], layer.trainable = layer.trainable, True
    model(x if isinstance(x, list) else np.asarray(x), training=True)
    for layer, momentum in momenta.items():
        layer.momentum, layer.trainable = momentum, flags[layer]
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
