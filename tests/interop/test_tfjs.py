"""TensorFlow.js layers models, as its converter writes them, answer as the Keras model they come from."""
import json

import keras
import numpy as np
import pytest

import models
from oracle import DriverError, assert_lively, assert_same, differs, driver, expected, predict, spread


def keras2(object):
    """A Keras 3 object as Keras 2 wrote it: no modules, positions in place of keyword arguments."""
    if isinstance(object, list):
        return [keras2(o) for o in object]
    if not isinstance(object, dict):
        return object
    if object.get("class_name") == "__keras_tensor__":
        return object["config"]["keras_history"] + [{}]
    out = {k: keras2(v) for k, v in object.items() if k not in ("module", "registered_name", "build_config", "compile_config")}
    if "batch_shape" in out:
        out["batch_input_shape"] = out.pop("batch_shape")
    if "inbound_nodes" in out:
        nodes = []
        for node in out["inbound_nodes"]:
            args = node["args"][0]
            nodes.append(args if isinstance(args[0], list) else [args])
        out["inbound_nodes"] = nodes
    return out


def named(model):
    """Weights in the converter's order: layer by layer, under Keras 2's names."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from named(layer)
        else:
            for w in layer.weights:
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and w.name == "kernel"
                yield f"{layer.name}/{'depthwise_kernel' if depthwise else w.name}", np.asarray(w)


def stored(array, dtype):
    """Bytes of an array, and what the manifest says of them."""
    if dtype is None:
        return array.astype("<f4").tobytes(), None
    if dtype == "float16":
        return array.astype("<f2").tobytes(), {"dtype": "float16", "original_dtype": "float32"}
    steps = {"uint8": 255, "uint16": 65535}[dtype]
    low, scale = float(array.min()), float((array.max() - array.min()) / steps) or 1.0
    q = np.round((array.astype(np.float64) - low) / scale)
    return q.astype({"uint8": "<u1", "uint16": "<u2"}[dtype]).tobytes(), \
        {"dtype": dtype, "min": low, "scale": scale, "original_dtype": "float32"}


def write(folder, model, dtype=None, shard=10007, javascript=False):
    folder.mkdir(exist_ok=True)
    weights, data = [], b""
    for name, array in named(model):
        bytes_, quantization = stored(array, dtype)
        weights.append({"name": name, "shape": list(array.shape), "dtype": "float32"})
        if quantization:
            weights[-1]["quantization"] = quantization
        data += bytes_
    shards = [data[i:i + shard] for i in range(0, len(data), shard)]
    paths = [f"group1-shard{i + 1}of{len(shards)}.bin" for i in range(len(shards))]
    for path, bytes_ in zip(paths, shards):
        (folder / path).write_bytes(bytes_)
    config = keras2(json.loads(json.dumps({"class_name": type(model).__name__, "config": model.get_config()})))
    config = json.loads(json.dumps(config).replace('"Functional"', '"Model"'))
    if javascript:  # what its own save() makes of it
        topology = config | {"keras_version": "tfjs-layers 1.3.1", "backend": "tensor_flow.js"}
        paths = ["./" + p for p in paths]
    else:
        topology = {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": config}
    (folder / "model.json").write_text(json.dumps({
        "format": "layers-model", "generatedBy": "keras v2.4.0", "convertedBy": "TensorFlow.js Converter v3.18.0",
        "modelTopology": topology, "weightsManifest": [{"paths": paths, "weights": weights}]}))
    return folder / "model.json"


@pytest.mark.parametrize("javascript", [False, True], ids=["converter", "javascript"])
@pytest.mark.parametrize("make", [models.sequential, models.functional, models.frozen_nest, models.mobilenet],
                         ids=lambda f: f.__name__)
def test_layers_models_answer_as_keras(make, javascript, tmp_path):
    model, x = make()
    y = expected(model, x)
    assert_lively(y)
    file = write(tmp_path / "web", model, javascript=javascript)
    tolerance = max(1e-5, 3 * spread(model, x)) if make is models.mobilenet else 1e-5
    assert tolerance < 1e-4
    assert_same(predict(tmp_path, x, y, model=file), y, tolerance)
    assert_same(predict(tmp_path, x, y, model=tmp_path / "web"), y, tolerance)


@pytest.mark.parametrize("dtype,near", [("float16", 2e-2), ("uint16", 1e-3), ("uint8", .3)])
def test_quantized_weights_are_what_their_numbers_say(dtype, near, tmp_path):
    model, x = models.frozen_nest()
    plain = expected(model, x)
    file = write(tmp_path / "web", model, dtype)
    for layer in [layer for layer in model.layers] + list(model.layers[1].layers):
        if not isinstance(layer, keras.Model):
            for w in layer.weights:
                bytes_, q = stored(np.asarray(w), dtype)
                numbers = np.frombuffer(bytes_, "<f2" if dtype == "float16" else dtype).astype(np.float64).reshape(w.shape)
                w.assign((numbers * q.get("scale", 1) + q.get("min", 0)).astype(np.float32))
    y = expected(model, x)
    assert 0 < differs(y, plain) < near
    assert_same(predict(tmp_path, x, y, model=file), y, 1e-5)


def test_two_swapped_weights_are_noticed(tmp_path):
    model, x = models.functional()
    file = write(tmp_path / "web", model)
    index = json.loads(file.read_text())
    weights = index["weightsManifest"][0]["weights"]
    names = [w["name"] for w in weights]
    a, b = names.index("zz/bias"), names.index("bb/bias")
    weights[a]["name"], weights[b]["name"] = names[b], names[a]
    file.write_text(json.dumps(index))
    assert differs(predict(tmp_path, x, expected(model, x), model=file), expected(model, x)) > 1e-4


def test_labels_and_pixels_of_teachable_machine(tmp_path):
    model, _ = models.sequential()
    file = write(tmp_path / "web", model, javascript=True)
    (tmp_path / "web/metadata.json").write_text(json.dumps({
        "tfjsVersion": "1.3.1", "tmVersion": "2.4.7", "packageName": "@teachablemachine/image", "packageVersion": "0.8.4",
        "userMetadata": {}, "modelName": "tm-my-image-model", "labels": ["hén", "cock", "chick"], "imageSize": 16}))
    info = driver("info", model=file)[0]
    assert info["labels"] == ["hén", "cock", "chick"]
    assert (info["preprocessing"]["mode"], info["preprocessing"]["resize"]) == ("tf", "crop")


@pytest.mark.parametrize("change,status,words", [
    (lambda m: m["weightsManifest"][0]["paths"].pop(), 5, "shards end before weight"),
    (lambda m: m["weightsManifest"][0]["paths"].append("../secret.bin"), 5, "must be a file beside it"),
    (lambda m: m["weightsManifest"][0]["paths"].append("/etc/passwd"), 5, "must be a file beside it"),
    (lambda m: m["weightsManifest"][0]["paths"].append("gone.bin"), 3, "gone.bin"),
    (lambda m: m["weightsManifest"][0]["weights"].pop(), 3, "is not in model.json"),
    (lambda m: m["weightsManifest"][0]["weights"][0].update(shape=[1, 2]), 3, "has shape"),
    (lambda m: m["weightsManifest"][0]["weights"][0].update(shape=[2**40, 2**40]), 5, "impossible shape"),
    (lambda m: m["weightsManifest"][0]["weights"][0].update(shape="x"), 5, "without name and shape"),
    (lambda m: m["weightsManifest"][0]["weights"][0].update(dtype="complex64"), 2, "complex64"),
    (lambda m: m["weightsManifest"][0]["weights"][0].update(quantization={"dtype": "int4"}), 2, "int4"),
    (lambda m: m.pop("weightsManifest"), 5, "weightsManifest"),
    (lambda m: m.update(format="graph-model"), 2, "graph model"),
    (lambda m: m.pop("modelTopology"), 3, "weights only"),
])
def test_what_is_wrong_is_said(change, status, words, tmp_path):
    model, x = models.sequential()
    file = write(tmp_path / "web", model)
    index = json.loads(file.read_text())
    change(index)
    file.write_text(json.dumps(index))
    with pytest.raises(DriverError, match=words) as refused:
        driver("info", model=file)
    assert refused.value.status == status
