"""Files made by real Keras load here and predict the same."""
import json
import os
import subprocess
import zipfile

import h5py
import keras
import numpy as np
import pytest

import models
from oracle import DriverError, allowed, assert_lively, assert_same, differs, driver, expected, layers_of, pictures, predict


@pytest.fixture(params=models.ALL, ids=lambda f: f.__name__)
def case(request):
    # Keras itself cannot read the .h5 files it writes of models with bare operations.
    if request.param is models.arithmetic and ".h5" in request.node.name and ".weights.h5" not in request.node.name:
        pytest.skip("no such files")
    model, x = request.param()
    y = expected(model, x)
    assert_lively(y)
    return model, x, y


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_model_files_predict_as_in_keras(case, tmp_path, suffix):
    model, x, y = case
    file = tmp_path / f"m{suffix}"
    model.save(file)
    assert_same(predict(tmp_path, x, y, model=file), y)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_weights_load_into_a_model_of_another_freeze_state(case, tmp_path, suffix):
    model, x, y = case
    weights, fresh = tmp_path / f"w{suffix}", tmp_path / "fresh.keras"
    model.save_weights(weights) if suffix == ".weights.h5" else model.save(weights)
    models.fresh_like(model).save(fresh)
    assert differs(predict(tmp_path, x, y, model=fresh), y) > 1e-3
    assert_same(predict(tmp_path, x, y, model=fresh, weights=weights), y)


def test_shards_are_put_together(tmp_path):
    model, x = models.shared_layers()
    y = expected(model, x)
    model.save_weights(tmp_path / "w.weights.json", max_shard_size=1.5e-6)
    assert len(list(tmp_path.glob("w_*.weights.h5"))) > 1
    models.fresh_like(model).save(tmp_path / "fresh.keras")
    fresh = tmp_path / "fresh.keras"
    assert_same(predict(tmp_path, x, y, model=fresh, weights=tmp_path / "w.weights.json"), y)
    (tmp_path / "w_00001.weights.h5").unlink()
    with pytest.raises(DriverError) as e:
        driver("info", model=fresh, weights=tmp_path / "w.weights.json")
    assert "w_00001.weights.h5" in e.value.message


def test_a_network_of_keras_applications_loads(tmp_path):
    model, x = models.mobilenet()
    y = expected(model, x)
    assert_lively(y)
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    tolerance = allowed(model, x)
    assert_same(predict(tmp_path, x, y, model=tmp_path / "m.keras"), y, tolerance)
    # As published weights are: into the architecture, layer by layer in order.
    assert_same(predict(tmp_path, x, y, zoo="mobilenet_v2:0.35", top=1, input="64,64,3", classes=10, weights=tmp_path / "m.h5"), y,
                tolerance)


def test_a_swapped_channel_is_seen(tmp_path):
    model, x = models.functional()
    y = expected(model, x)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as f:
        kernel = f["model_weights/zz/zz/kernel"]
        kernel[...] = kernel[...][..., [1, 0, 2, 3, 4, 5]]
    assert differs(predict(tmp_path, x, y, model=tmp_path / "m.h5"), y) > 1e-4


def rewrite(source, target, change):
    """Copies a .keras file with its config changed."""
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(target, "w") as b:
        for name in a.namelist():
            data = a.read(name)
            if name == "config.json":
                config = json.loads(data)
                change(config)
                data = json.dumps(config).encode()
            b.writestr(name, data)


def layer_config(config, name):
    for layer in config["config"]["layers"]:
        if layer["config"].get("name") == name:
            return layer
        if "layers" in layer["config"] and (found := layer_config(layer, name)):
            return found
    return None


def test_a_changed_epsilon_is_seen(tmp_path):
    model, x = models.frozen_nest()
    y = expected(model, x)
    model.save(tmp_path / "m.keras")

    def change(config):
        layer_config(config, "dw_bn")["config"]["epsilon"] = .5
    rewrite(tmp_path / "m.keras", tmp_path / "n.keras", change)
    assert differs(predict(tmp_path, x, y, model=tmp_path / "n.keras"), y) > 1e-4


def refused(tmp_path, change, status, *parts):
    model, _ = models.frozen_nest()
    model.save(tmp_path / "m.keras")
    rewrite(tmp_path / "m.keras", tmp_path / "n.keras", change)
    with pytest.raises(DriverError) as e:
        driver("info", model=tmp_path / "n.keras")
    assert e.value.status == status, e.value
    for part in parts:
        assert part in e.value.message


def test_a_lambda_is_refused_by_name(tmp_path):
    def change(config):
        layer_config(config, "dropout").update(class_name="Lambda")
    refused(tmp_path, change, 5, "Lambda", "dropout", "refused")


def test_an_unknown_class_is_refused_by_name(tmp_path):
    def change(config):
        layer_config(config, "dropout").update(class_name="Popen", module="subprocess")
    refused(tmp_path, change, 5, "Popen", "dropout")


def test_a_class_of_a_foreign_module_is_refused(tmp_path):
    def change(config):
        layer_config(config, "dropout").update(module="evil.layers")
    refused(tmp_path, change, 5, "Dropout", "not known")


def test_a_config_that_does_not_fit_the_weights_names_layer_and_shapes(tmp_path):
    def change(config):
        layer_config(config, "dense")["config"]["units"] = 2
    refused(tmp_path, change, 3, "dense 'dense'", "kernel", "(8, 1) in n.keras", "expected (8, 2)", "bias")


def layer_names(model):
    for layer in model.layers:
        yield layer.name
        if isinstance(layer, keras.Model):
            yield from layer_names(layer)


@pytest.mark.parametrize("make", models.ALL + [models.mobilenet], ids=lambda f: f.__name__)
def test_layers_stand_in_the_order_of_keras(make, tmp_path):
    model, _ = make()
    model.save(tmp_path / "m.keras")
    assert [line["layer"] for line in driver("order", model=tmp_path / "m.keras")] == list(layer_names(model))


def test_a_number_in_a_graph_is_seen(tmp_path):
    model, x = models.arithmetic()
    y = expected(model, x)
    model.save(tmp_path / "m.keras")

    def change(config):
        node = next(l for l in config["config"]["layers"] if l["class_name"] == "TrueDivide")["inbound_nodes"][0]
        assert node["args"][1] == 127.5
        node["args"][1] = 100.0
    rewrite(tmp_path / "m.keras", tmp_path / "n.keras", change)
    assert differs(predict(tmp_path, x, y, model=tmp_path / "n.keras"), y) > 1e-4


def test_arithmetic_on_the_input_counts_as_preprocessing_inside(tmp_path):
    model, _ = models.arithmetic()
    model.save(tmp_path / "m.keras")
    info, = driver("info", model=tmp_path / "m.keras")
    assert info["preprocessing"] == {"mode": "raw", "inside": True}


def test_a_trunk_of_the_zoo_tells_its_preprocessing(tmp_path):
    trunk = keras.applications.MobileNetV2(input_shape=(64, 64, 3), alpha=.35, include_top=False, weights=None)
    model = keras.Sequential([trunk, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    info, = driver("info", model=tmp_path / "m.keras")
    assert info["preprocessing"] == {"mode": "tf", "inside": False} and info["trunk"] == "mobilenet_v2:0.35"
    trunk = models.small_trunk()
    keras.Sequential([trunk, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]).save(tmp_path / "n.keras")
    info, = driver("info", model=tmp_path / "n.keras")
    assert "preprocessing" not in info


def test_teachable_machine_reads_labels_and_preprocessing(shared):
    folder = shared / "data/user-models/teachable-machine-cat-dog"
    info, = driver("info", model=folder / "keras_model.h5")
    assert info["labels"] == ["Class 1", "Class 2"]
    assert info["preprocessing"] == {"mode": "tf", "inside": False, "resize": "crop"}


def test_teachable_machine_predicts_as_its_network_built_in_keras(shared, tmp_path):
    file = shared / "data/user-models/teachable-machine-cat-dog/keras_model.h5"
    trunk = keras.applications.MobileNetV2(input_shape=(224, 224, 3), alpha=.35, include_top=False, weights=None)
    model = keras.Sequential([trunk, keras.layers.GlobalAveragePooling2D(),
                              keras.layers.Dense(100, activation="relu", name="dense_Dense1"),
                              keras.layers.Dense(2, activation="softmax", use_bias=False, name="dense_Dense2")])
    with h5py.File(file) as f:
        for layer in layers_of(model):
            for v in layer.weights:
                group = "sequential_3" if "dense" in layer.name else "sequential_1"
                kind = "depthwise_kernel" if isinstance(layer, keras.layers.DepthwiseConv2D) else v.name
                v.assign(f[f"model_weights/{group}/{layer.name}/{kind}:0"][...])
    x = pictures(2, 224, 224, 3) / 127.5 - 1
    y = expected(model, x)
    ours = predict(tmp_path, x, y, model=file)
    assert_same(ours, y, allowed(model, x, differs(ours, y)))


def test_published_weights_load_into_the_architecture(shared, tmp_path):
    file = shared / "data/weights/mobilenet_2_5_224_tf_no_top.h5"
    model = keras.applications.MobileNet(input_shape=(96, 96, 3), alpha=.25, include_top=False, weights=None)
    model.load_weights(file)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    y = expected(model, x)
    assert_same(predict(tmp_path, x, y, zoo="mobilenet:0.25", input="96,96,3", weights=file), y, 1e-4)


@pytest.mark.parametrize("first,second", [(".keras", ".keras"), (".h5", ".keras"), (".keras", ".h5")])
def test_optimizer_state_survives_a_round_trip(tmp_path, first, second):
    model, x = models.frozen_nest()
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, np.array([0, 1, 0, 1]), verbose=0)
    model.save(tmp_path / f"m{first}")
    driver("save", model=tmp_path / f"m{first}", to=tmp_path / f"n{second}")
    # Keras itself does not restore the optimizer from .h5 files: go on to where it does.
    driver("save", model=tmp_path / f"n{second}", to=tmp_path / "o.keras")
    again = keras.models.load_model(tmp_path / "o.keras")
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    for a, b in zip(again.optimizer.variables, model.optimizer.variables):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("path", [(".h5", ".keras"), (".keras", ".h5", ".keras")], ids="→".join)
def test_losses_metrics_and_schedules_given_as_objects_survive_the_legacy_format(path, tmp_path):
    model, x = models.frozen_nest()
    rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 100, .9)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.), keras.losses.BinaryCrossentropy(label_smoothing=.1),
                  metrics=["accuracy", keras.metrics.AUC(name="area"), keras.metrics.Precision(thresholds=.7)])
    model.fit(x, np.array([0, 1, 0, 1]), verbose=0)
    model.save(tmp_path / f"0{path[0]}")
    for i, suffix in enumerate(path[1:]):
        driver("save", model=tmp_path / f"{i}{path[i]}", to=tmp_path / f"{i + 1}{suffix}")
    again = keras.models.load_model(tmp_path / f"{len(path) - 1}.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.loss.get_config() == model.loss.get_config()
    ours, theirs = (m._compile_metrics._user_metrics for m in (again, model))
    assert ours[0] == theirs[0] and [m.get_config() for m in ours[1:]] == [m.get_config() for m in theirs[1:]]
    again.fit(x, np.array([0, 1, 0, 1]), verbose=0)


def test_a_compiled_file_is_summarised_with_its_optimizer(tmp_path):
    model, x = models.frozen_nest()
    model.compile("adam", "binary_crossentropy")
    model.fit(x, np.array([0, 1, 0, 1]), verbose=0)
    model.save(tmp_path / "m.keras")
    text = []
    model.summary(print_fn=lambda line, **_: text.append(line))
    run = subprocess.run([os.environ["TW_PROGRAM"], "summary", tmp_path / "m.keras"], capture_output=True, text=True, check=True)
    # The step counter is an int64 in files, and an int32 with this back end: sizes may differ by its 4 bytes.
    counts = [[line.split(" (")[0] for line in t.split("\n") if " params: " in line] for t in (run.stdout, text[0])]
    assert counts[0] == counts[1] and len(counts[0]) == 4
