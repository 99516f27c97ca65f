"""Every network of Keras Applications: layers, shapes, counts and numbers are those of real Keras."""
import json
import os
import subprocess

import keras
import numpy as np
import pytest

from oracle import EveryOutput, assert_layers_within, assert_lively, calibrate, our_outputs, pictures

A = keras.applications


class Application:
    """One architecture: our name, Keras's constructor, and the smallest pictures it is tried with."""

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
    Application("resnet101", A.ResNet101, 32, True),
    Application("resnet152", A.ResNet152, 32, True),
    Application("resnet50_v2", A.ResNet50V2, 32),
    Application("resnet101_v2", A.ResNet101V2, 32, True),
    Application("resnet152_v2", A.ResNet152V2, 32, True),
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
    Application("efficientnet_b0", A.EfficientNetB0, 64),
    *[Application(f"efficientnet_b{i}", getattr(A, f"EfficientNetB{i}"), 64, True) for i in range(1, 8)],
    Application("efficientnet_v2_b0", A.EfficientNetV2B0, 64),
    *[Application(f"efficientnet_v2_{v.lower()}", getattr(A, f"EfficientNetV2{v}"), 64, True) for v in ("B1", "B2", "B3", "S", "M", "L")],
    Application("convnext_tiny", A.ConvNeXtTiny, 32),
    *[Application(f"convnext_{v.lower()}", getattr(A, f"ConvNeXt{v}"), 32, True) for v in ("Small", "Base", "Large", "XLarge")],
]
# Compiling these takes longest.
HEAVY = ("inception_resnet_v2", "densenet121", "nasnet_mobile")


def applications(*also_long):
    return [pytest.param(a, id=a.name, marks=[pytest.mark.long] if a.is_slow or a.name in also_long else []) for a in ALL]


def summary(name, *options):
    run = subprocess.run([os.environ["TW_PROGRAM"], "summary", name, "--weights", "none", "--format", "json", *options],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("top", [True, False], ids=["top", "no-top"])
@pytest.mark.parametrize("app", applications())
def test_layers_shapes_and_counts_are_those_of_keras(app, top, monkeypatch):
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


def tried(app, tmp_path):
    """A network of Keras with calibrated weights, pictures, what each of its layers gives, and how far that moves with rounding."""
    model = app.keras(input_shape=(app.size, app.size, 3), classes=10)
    # Statistics over four small maps would be nearly those of noise, which magnifies rounding.
    x = pictures(16, app.size, app.size, 3)
    if model.layers[1].__class__.__name__ not in ("Rescaling", "Normalization"):
        x = x / 127.5 - 1
    calibrate(model, x)
    outputs = EveryOutput(model)
    # Probabilities that tell pictures apart.
    logits = np.log(np.maximum(list(outputs(x).values())[-1], 1e-30))
    last = [l for l in model.layers if hasattr(l, "kernel")][-1]
    last.kernel.assign(last.kernel.value * np.float32(1.5 / np.std(logits - logits.mean(0))))
    y = outputs(x)
    assert_lively([list(y.values())[-1]])
    model.save_weights(tmp_path / "w.weights.h5")
    return model, x, y, outputs(x, ROUNDING)


# Some roundings of a weight.
ROUNDING = 4e-7


@pytest.mark.parametrize("app", applications(*HEAVY))
def test_every_layer_computes_what_keras_computes(app, tmp_path):
    model, x, y, moved = tried(app, tmp_path)
    ours = our_outputs(tmp_path, x, zoo=app.name, top=1, input=f"{app.size},{app.size},3", classes=10, random=1,
                       weights=tmp_path / "w.weights.h5")
    print(f"{app.name}: {len(y)} layers, {assert_layers_within(ours, y, moved)}")
