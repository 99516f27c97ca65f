"""What topwork train makes of real photos opens in real Keras and answers the same there, photo by photo."""
import json
import os
import subprocess
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from oracle import allowed, assert_lively, assert_same, calibrate, differs, driver, expected, predict, read

PROGRAM = os.environ["TW_PROGRAM"]
WEIGHTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "topwork/weights"


def topwork(*words):
    run = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def some_photos(shared, n):
    """n photos of each class, cats first."""
    return [p for kind in ("cats", "dogs") for p in sorted((shared / "data/cats-dogs" / kind).glob("*.jpg"))[:n]]


def plain_pixels(photos, size):
    return np.stack([np.asarray(Image.open(p).convert("RGB").resize((size, size)), np.float32) for p in photos])


def lite(photos, size, tmp_path):
    """The weights that topwork fetches, where they are; else the architecture calibrated in Keras."""
    if next(WEIGHTS.glob("efficientnet-lite0-*.pth"), None):
        return "imagenet"
    driver("save", zoo="efficientnet-lite0", input=f"{size},{size},3", to=tmp_path / "lite.keras")
    model = keras.models.load_model(tmp_path / "lite.keras")
    return saved(model, (plain_pixels(photos, size) - 127) / 128, tmp_path)


def mobilenet_v2(photos, size, tmp_path):
    model = keras.applications.MobileNetV2(input_shape=(size, size, 3), include_top=False, weights=None)
    return saved(model, plain_pixels(photos, size) / 127.5 - 1, tmp_path)


def vgg16(photos, size, tmp_path):
    model = keras.applications.VGG16(input_shape=(size, size, 3), include_top=False, weights=None)
    # Its pixels are about 60 times as large as those of the others: the first kernel takes that back, as trained ones do.
    return saved(model, keras.applications.vgg16.preprocess_input(plain_pixels(photos, size)), tmp_path, 1 / 60)


def saved(model, x, tmp_path, first=1):
    calibrate(model, x)
    model.weights[0].assign(model.weights[0].value * first)
    model.save_weights(tmp_path / "trunk.weights.h5")
    return tmp_path / "trunk.weights.h5"


def trained(shared, tmp_path, name, weights, size):
    """A run directory's model, the photos and their pixels as the model's recipe says."""
    photos = some_photos(shared, 10)
    for p in photos:
        folder = tmp_path / "photos" / p.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / p.name).symlink_to(p)
    topwork("train", tmp_path / "photos", "--model", name, "--weights", weights(photos, size, tmp_path), "--input-size", size,
            "--head", "gap", "--precision", "exact", "--epochs", 8, "--lr", .01, "--val-split", .2, "--cache", "off",
            "--patience", 0, "--output-dir", tmp_path / "run", "--quiet")
    file = tmp_path / "run/model.keras"
    driver("pixels", model=file, photos=",".join(map(str, photos)), y=tmp_path / "pixels.f32")
    return file, photos, read(tmp_path / "pixels.f32", (len(photos), size, size, 3))


def answers(file, photos):
    """Probability of the class dogs for each photo, as the program prints it."""
    lines = topwork("predict", file, *photos, "--precision", "exact", "--format", "json", "--topk", 2).splitlines()
    lines = [json.loads(line) for line in lines]
    assert [line["path"] for line in lines] == list(map(str, photos))
    return np.array([[t["probability"] for t in line["top"] if t["label"] == "dogs"] for line in lines], np.float32)


def rewrite_labels(source, target):
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(target, "w") as b:
        for name in a.namelist():
            data = a.read(name)
            if name.endswith("model.json"):
                info = json.loads(data)
                info["labels"].reverse()
                data = json.dumps(info).encode()
            b.writestr(name, data)


CASES = [pytest.param("efficientnet-lite0", lite, 224, id="efficientnet-lite0"),
         pytest.param("mobilenet_v2", mobilenet_v2, 96, id="mobilenet_v2"),
         pytest.param("vgg16", vgg16, 64, id="vgg16"),
         pytest.param("mobilenet_v2", mobilenet_v2, 224, id="mobilenet_v2-224", marks=pytest.mark.long),
         pytest.param("vgg16", vgg16, 224, id="vgg16-224", marks=pytest.mark.long)]


@pytest.mark.parametrize("name,weights,size", CASES)
def test_a_classifier_made_here_answers_the_same_in_keras(shared, tmp_path, name, weights, size):
    file, photos, x = trained(shared, tmp_path, name, weights, size)
    model = keras.models.load_model(file)
    assert model.input_shape == (None, size, size, 3) and len(photos) == 20
    y = expected(model, x)
    assert_lively(y)
    ours = answers(file, photos)
    tolerance = allowed(model, x, differs([ours], y))
    print(f"{name} {size}: distance {differs([ours], y):.3g}, allowed {tolerance:.3g}")
    assert_same([ours], y, tolerance)
    assert_same(predict(tmp_path, x, y, model=file), y, tolerance)
    # The comparison notices blue for red, and labels the other way round.
    assert differs([ours], expected(model, x[..., ::-1])) > 10 * tolerance
    rewrite_labels(file, tmp_path / "reversed.keras")
    assert differs([answers(tmp_path / "reversed.keras", photos)], y) > 10 * tolerance


def penalized(orthogonal):
    """A small classifier with penalties of weights, of activities, and of a frozen layer's weights, which do not count."""
    regularizers, layers = keras.regularizers, keras.layers
    rows = regularizers.OrthogonalRegularizer(.3) if orthogonal else regularizers.L1(1e-2)
    frozen = layers.Dense(6, "tanh", kernel_regularizer="l2")
    frozen.trainable = False
    model = keras.Sequential([keras.Input((24, 24, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, 2, activation="relu"),
                              layers.GlobalAveragePooling2D(), frozen,
                              layers.Dense(8, "tanh", kernel_regularizer=regularizers.L1L2(1e-3, 1e-2), activity_regularizer=rows),
                              layers.Dense(2, "softmax", bias_regularizer="l1", activity_regularizer=regularizers.L2(1e-2))])
    model.compile("adam", keras.losses.CategoricalCrossentropy(label_smoothing=.2), metrics=["accuracy"])
    return model


@pytest.mark.parametrize("orthogonal", [False, True])
def test_evaluate_tells_the_loss_that_keras_evaluate_tells(shared, tmp_path, orthogonal):
    photos = some_photos(shared, 8)[:-3]  # 13: the last batch is smaller
    for p in photos:
        (tmp_path / "photos" / p.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / p.parent.name / p.name).symlink_to(p)
    model = penalized(orthogonal)
    model.save(tmp_path / "model.keras")
    driver("pixels", model=tmp_path / "model.keras", photos=",".join(map(str, photos)), y=tmp_path / "pixels.f32")
    x, y = read(tmp_path / "pixels.f32", (len(photos), 24, 24, 3)), np.eye(2)[[0] * 8 + [1] * 5]
    losses = []
    for batch in (5, 13):
        loss, accuracy = model.evaluate(x, y, batch_size=batch, verbose=0)
        bare = float(model.loss(y, model.predict(x, verbose=0)))
        told = json.loads(topwork("evaluate", tmp_path / "model.keras", tmp_path / "photos", "--batch-size", batch, "--format", "json"))
        assert told["loss"] == pytest.approx(loss, abs=1e-5)
        assert told["data_loss"] == pytest.approx(bare, abs=1e-5)
        assert told["penalty"] == pytest.approx(loss - bare, abs=1e-5)
        assert told["accuracy"] == pytest.approx(accuracy)
        losses.append(told["loss"])
    assert (abs(losses[0] - losses[1]) > 1e-3) == orthogonal
    text = topwork("evaluate", tmp_path / "model.keras", tmp_path / "photos", "--batch-size", 13)
    assert f"loss {told['loss']:.4f} ({told['data_loss']:.4f} of the photos, {told['penalty']:.4f} of regularizers)" in text


def test_a_file_whose_weights_are_no_numbers_is_refused(shared, tmp_path):
    """Behind a ReLU a NaN may look like 0: nobody would see it in the answers."""
    for p in some_photos(shared, 6):
        (tmp_path / "photos" / p.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / p.parent.name / p.name).symlink_to(p)
    layers = keras.layers
    model = keras.Sequential([keras.Input((24, 24, 3)), layers.Conv2D(4, 3, 2, activation="relu", name="first"),
                              layers.Conv2D(4, 3, 2, activation="relu", name="second"), layers.GlobalAveragePooling2D(),
                              layers.Dense(2, "softmax")])
    for value in (np.nan, np.inf):
        kernel, bias = model.get_layer("second").get_weights()
        kernel[1, 1, 0, 0] = value
        model.get_layer("second").set_weights([kernel, bias])
        model.save(tmp_path / "model.keras")
        for words, code in ((["train", tmp_path / "photos", "--model", tmp_path / "model.keras", "--preprocess", "raw", "--cache", "off",
                              "--output-dir", tmp_path / "run"], 4), (["evaluate", tmp_path / "model.keras", tmp_path / "photos", "--preprocess", "raw"], 3),
                            (["predict", tmp_path / "model.keras", tmp_path / "photos/cats", "--preprocess", "raw"], 3)):
            run = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
            assert run.returncode == code, (words, run.returncode, run.stderr)
            assert "second/kernel' in model" in run.stderr and "are NaN or infinite before anything was computed" in run.stderr
        assert not (tmp_path / "run").exists()


def test_evaluate_measures_the_loss_of_the_training(shared, tmp_path):
    for p in some_photos(shared, 6):
        (tmp_path / "photos" / p.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / p.parent.name / p.name).symlink_to(p)
    topwork("train", tmp_path / "photos", "--val", tmp_path / "photos", "--model", "mobilenet:0.25", "--weights", "none", "--input-size", 32,
            "--head", "gap, dense:8:relu", "--l2", .01, "--loss", "binary_focal_crossentropy:gamma=1", "--precision", "exact",
            "--epochs", 2, "--lr", .01, "--cache", "off", "--output-dir", tmp_path / "run", "--quiet")
    val = json.loads((tmp_path / "run/results.json").read_text())["val"]
    told = json.loads(topwork("evaluate", tmp_path / "run", tmp_path / "photos", "--precision", "exact", "--format", "json"))
    for key in ("loss", "data_loss", "penalty", "accuracy"):
        assert told[key] == pytest.approx(val[key], abs=1e-5), key
    assert told["penalty"] > 1e-3
