"""Every network of Keras Applications: layers, shapes, counts and numbers are those of real Keras."""
import io
import json
import os
import subprocess
import zipfile

import h5py
import jax
import keras
import numpy as np
import pytest

from oracle import EveryOutput, assert_layers_within, assert_lively, calibrate, driver, our_outputs, pictures

A = keras.applications


class Application:
    """One architecture: our name, Keras's constructor, and the pictures it is tried with. The smallest that leave something for
    the last statistics: over maps of one pixel those are noise, and each layer after them magnifies rounding (EfficientNetV2B1:
    fifty times less at 128 pixels than at 64, of Keras's own rounding too)."""

    def __init__(self, name, make, size, is_slow=False, **options):
        self.name, self.make, self.size, self.is_slow, self.options = name, make, size, is_slow, options

    def keras(self, **options):
        return self.make(weights=None, **self.options, **options)


def with_alphas(name, make, size, alphas):
    return [Application(f"{name}:{a:g}", make, size, True, alpha=a) for a in alphas]


# One of each family runs always, the others with the long tests.
ALL = [
    Application("xception", A.Xception, 71),
    Application("vgg16", A.VGG16, 32),
    Application("vgg19", A.VGG19, 32, True),
    Application("resnet50", A.ResNet50, 32),
    Application("resnet101", A.ResNet101, 64, True),
    Application("resnet152", A.ResNet152, 128, True),
    Application("resnet50_v2", A.ResNet50V2, 32),
    Application("resnet101_v2", A.ResNet101V2, 64, True),
    Application("resnet152_v2", A.ResNet152V2, 64, True),
    Application("inception_v3", A.InceptionV3, 75),
    Application("inception_resnet_v2", A.InceptionResNetV2, 75),
    Application("mobilenet", A.MobileNet, 32),
    *with_alphas("mobilenet", A.MobileNet, 32, [.75, .5, .25]),
    Application("mobilenet_v2", A.MobileNetV2, 32),
    *with_alphas("mobilenet_v2", A.MobileNetV2, 32, [.35, .5, .75, 1.3, 1.4]),
    Application("mobilenet_v3_small", A.MobileNetV3Small, 32),
    Application("mobilenet_v3_small:0.75", A.MobileNetV3Small, 32, True, alpha=.75),
    Application("mobilenet_v3_small_minimalistic", A.MobileNetV3Small, 32, True, minimalistic=True),
    Application("mobilenet_v3_large", A.MobileNetV3Large, 32, True),
    Application("mobilenet_v3_large:0.75", A.MobileNetV3Large, 32, True, alpha=.75),
    Application("mobilenet_v3_large_minimalistic", A.MobileNetV3Large, 32, True, minimalistic=True),
    Application("densenet121", A.DenseNet121, 32),
    Application("densenet169", A.DenseNet169, 32, True),
    Application("densenet201", A.DenseNet201, 32, True),
    Application("nasnet_mobile", A.NASNetMobile, 32),
    Application("nasnet_large", A.NASNetLarge, 32, True),
    Application("efficientnet_b0", A.EfficientNetB0, 96),
    *[Application(f"efficientnet_b{i}", getattr(A, f"EfficientNetB{i}"), 128 if i < 7 else 160, True) for i in range(1, 8)],
    Application("efficientnet_v2_b0", A.EfficientNetV2B0, 96),
    *[Application(f"efficientnet_v2_{v.lower()}", getattr(A, f"EfficientNetV2{v}"), 96 if v != "L" else 128, True)
      for v in ("B1", "B2", "B3", "S", "M", "L")],
    Application("convnext_tiny", A.ConvNeXtTiny, 32),
    *[Application(f"convnext_{v.lower()}", getattr(A, f"ConvNeXt{v}"), 32, True) for v in ("Small", "Base", "Large", "XLarge")],
]
# Compiling these takes longest.
HEAVY = ("inception_resnet_v2", "densenet121", "nasnet_mobile", "efficientnet_v2_b0")


def applications(*also_long):
    return [pytest.param(a, id=a.name, marks=[pytest.mark.long] if a.is_slow or a.name in also_long else []) for a in ALL]


def summary(name, *options):
    run = subprocess.run([os.environ["TW_PROGRAM"], "summary", name, "--weights", "none", "--format", "json", *options],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def plainly(key, value):
    """A setting of a config in one of the ways it may be written."""
    if key.endswith("_initializer"):
        if isinstance(value, str):
            value = {"class_name": "".join(word.title() for word in value.split("_")), "config": {}}
        return value["class_name"], {k: v for k, v in value["config"].items() if k != "seed" and v is not None}
    if key == "axis":
        return "last" if value in (-1, 3, [-1], [3]) else value
    return value


def called_with(layer):
    """The layers whose results a layer is called with, call by call."""
    found = []

    def walk(item):
        if isinstance(item, dict) and "keras_history" in item.get("config", {}):
            found[-1].append(item["config"]["keras_history"])
        for part in item.values() if isinstance(item, dict) else item if isinstance(item, list) else []:
            walk(part)
    for node in layer.get("inbound_nodes", []):
        found.append([])
        walk(node.get("args", []))
    return found


def assert_settings_same(ours, theirs):
    """Every layer of two configs has the same settings and is called with the same layers. What only Keras writes is at its
    default, which is nothing."""
    for a, b in zip(ours["layers"], theirs["layers"], strict=True):
        where = b["config"]["name"]
        assert called_with(a) == called_with(b), where
        if "layers" in b["config"]:
            assert_settings_same(a["config"], b["config"])
            continue
        for key in b["config"].keys() | a["config"].keys():
            if key in ("dtype", "renorm_momentum") or (key == "name" and b["class_name"] == "InputLayer"):
                continue
            if key not in a["config"]:
                assert not b["config"][key], f"{where}: {key} is {b['config'][key]}, and missing here"
            else:
                x, y = plainly(key, a["config"][key]), plainly(key, b["config"].get(key))
                assert x == y, f"{where}: {key} is {x}, expected {y}"


@pytest.mark.parametrize("top", [True, False], ids=["top", "no-top"])
@pytest.mark.parametrize("app", applications())
def test_layers_shapes_counts_and_settings_are_those_of_keras(app, top, monkeypatch):
    # The values do not matter here: zeros are made faster.
    for draw in ("normal", "truncated_normal", "uniform"):
        monkeypatch.setattr(keras.src.backend.random, draw, lambda shape, *a, dtype=None, **k: np.zeros(shape, dtype or "float32"))
    ours = summary(app.name, "--top" if top else "--no-top")
    # Keras leaves the size open where nothing needs it; here it is the published one.
    model = app.keras(include_top=top, input_shape=tuple(ours["layers"][0]["output_shape"][1:]))
    rows = [(l["name"], l["class"], tuple(l["output_shape"]), l["params"]) for l in ours["layers"]]
    theirs = [(l.name, l.__class__.__name__, tuple(l.output.shape), l.count_params()) for l in model.layers]
    for a, b in zip(rows, theirs):
        assert a == b
    assert len(rows) == len(theirs)
    count = lambda variables: sum(int(np.prod(v.shape)) for v in variables)  # noqa: E731
    assert ours["params"] == {"total": model.count_params(), "trainable": count(model.trainable_weights),
                              "non_trainable": count(model.non_trainable_weights)}
    size = ",".join(map(str, ours["layers"][0]["output_shape"][1:]))
    config, = driver("config", zoo=app.name, top=int(top), input=size, random=1)
    assert_settings_same(config["config"], json.loads(model.to_json())["config"])


def spread_of(answers):
    logits = np.log(np.maximum(answers, 1e-30))
    return logits - logits.mean(0)


# Some roundings of a weight.
ROUNDING = 4e-7


class Trial:
    """A network of Keras with calibrated weights, pictures, what each of its layers gives, and how far that moves with rounding."""

    def __init__(self, app, folder):
        self.app, self.folder = app, folder
        self.model = model = app.keras(input_shape=(app.size, app.size, 3), classes=10)
        # Statistics over four small maps would be nearly those of noise, which magnifies rounding.
        x = pictures(16, app.size, app.size, 3)
        if model.layers[1].__class__.__name__ not in ("Rescaling", "Normalization"):
            x = x / 127.5 - 1
        calibrate(model, x)
        outputs = EveryOutput(model)
        # Probabilities that tell pictures apart.
        answers = list(outputs(x).values())[-1]
        last = [l for l in model.layers if hasattr(l, "kernel")][-1]
        scale = np.float32(1.5 / np.std(spread_of(answers)))
        last.kernel.assign(last.kernel.value * scale)
        if np.abs(np.diff(list(outputs(x).values())[-1], axis=0)).max() < 1e-2:
            # One class wins for all (VGG19): what the pictures have in common goes into the bias, measured at a kernel so small
            # that no probability is 0.
            kernel, bias = last.kernel.value, np.asarray(last.bias.value)
            last.kernel.assign(kernel * np.float32(2**-10 / scale))
            logits = np.log(list(outputs(x).values())[-1])
            common, scale = logits.mean(0) - bias, np.float32(1.5 / np.std(logits - logits.mean(0)))
            last.kernel.assign(last.kernel.value * scale)
            last.bias.assign(bias - scale * common)
        self.x, self.y, self.moved = x, outputs(x), outputs(x, ROUNDING)
        assert_lively([list(self.y.values())[-1]])

    def compare(self, **options):
        return assert_layers_within(our_outputs(self.folder, self.x, **options), self.y, self.moved)


@pytest.fixture(scope="module")
def trial(request, tmp_path_factory):
    keras.utils.clear_session()
    yield Trial(request.param, tmp_path_factory.mktemp("trial"))
    jax.clear_caches()  # the largest are gigabytes


@pytest.mark.parametrize("trial", applications(*HEAVY), indirect=True)
def test_every_layer_computes_what_keras_computes(trial):
    app, weights = trial.app, trial.folder / "w.weights.h5"
    trial.model.save_weights(weights)
    worst = trial.compare(zoo=app.name, top=1, input=f"{app.size},{app.size},3", classes=10, random=1, weights=weights)
    print(f"{app.name}: {len(trial.y)} layers, {worst}")


# Mistakes that a port of a network makes. Each changes a layer's config or its weights, the first where it can be made, and
# returns that layer's name, or None where the network has no such layer.

def first(layers, *classes, having=lambda config: True):
    return next((l["config"] for l in layers if l["class_name"] in classes and having(l["config"])), None)


def another_epsilon(layers, weights):
    config = first(layers, "BatchNormalization", "LayerNormalization")
    if config:
        config["epsilon"] = 1e-2 if config["epsilon"] < 1e-4 else 1e-5
        return config["name"]


def the_other_side_padded(layers, weights):
    config = first(layers, "ZeroPadding2D", having=lambda c: c["padding"][0][0] != c["padding"][0][1])
    if config:
        config["padding"] = [side[::-1] for side in config["padding"]]
        return config["name"]


def no_padding_asked(layers, weights):
    """Pooling that should lose its border keeps it: the counts stay, the numbers do not."""
    config = first(layers, "AveragePooling2D", having=lambda c: c["padding"] == "same" and c["strides"] == [1, 1])
    if config:
        config["pool_size"] = [5, 5]
        return config["name"]


def another_activation(layers, weights):
    config = first(layers, "Activation", "Conv2D", having=lambda c: c["activation"] not in ("linear", "softmax"))
    relu = first(layers, "ReLU")
    if config:
        config["activation"] = "leaky_relu" if config["activation"] != "leaky_relu" else "relu"
    elif relu:
        relu["negative_slope"] = .1
    return (config or relu or {}).get("name")


def no_scale(layers, weights):
    for config in (first(layers, c) for c in ("LayerScale", "BatchNormalization")):
        if config:
            weights(config["name"])["0"][...] = 1
            return config["name"]
    config = first(layers, "Rescaling")
    if config:
        config["scale"] = 1.
        return config["name"]


def transposed_kernel(layers, weights):
    config = first(layers, "Conv2D", having=lambda c: c["kernel_size"][0] == c["kernel_size"][1] > 1)
    kernel = weights(config["name"])["0"]
    kernel[...] = kernel[()].swapaxes(0, 1)
    return config["name"]


MISTAKES = [another_epsilon, the_other_side_padded, no_padding_asked, another_activation, no_scale, transposed_kernel]


def mistaken(right, wrong, mistake):
    """A copy of a .keras file with a mistake in it; the name of its layer, or None."""
    with zipfile.ZipFile(right) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config, buffer = json.loads(members["config.json"]), io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        groups = {}
        file.visititems(lambda _, item: groups.setdefault(item.attrs.get("name"), item) and None)
        where = mistake(config["config"]["layers"], groups.__getitem__)
    members |= {"config.json": json.dumps(config), "model.weights.h5": buffer.getvalue()}
    with zipfile.ZipFile(wrong, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return where


@pytest.mark.parametrize("trial", applications(*HEAVY), indirect=True)
def test_a_mistake_in_it_is_seen(trial):
    right, wrong = trial.folder / "m.keras", trial.folder / "wrong.keras"
    trial.model.save(right)
    trial.compare(model=right)
    names, seen = list(trial.y), []
    for mistake in MISTAKES:
        where = mistaken(right, wrong, mistake)
        if where:
            with pytest.raises(AssertionError, match="of its standard deviation") as found:
                trial.compare(model=wrong)
            assert names.index(str(found.value).split(":")[0]) == names.index(where), f"{mistake.__name__}: {found.value}"
            seen.append(mistake.__name__)
    assert len(seen) >= 2
    print(f"{trial.app.name}: {', '.join(seen)}")
