"""Models written as ONNX are valid, and ONNX Runtime answers as Keras does."""
import json

import keras
import numpy as np
import pytest
from keras import layers as L

import models
from everything import everything
from oracle import allowed, as_list, assert_lively, assert_same, calibrate, differs, driver, expected, pictures

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def mobilenet_classifier():
    m = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=.35, weights=None, classes=7)
    x = pictures(3, 96, 96, 3) / 127.5 - 1
    return calibrate(m, x), x


def vgg_like():
    m = keras.Sequential([keras.Input((24, 32, 3)), L.Conv2D(8, 3, padding="same", activation="relu"),
                          L.Conv2D(8, 3, padding="same", activation="relu"), L.MaxPooling2D(2, 2), L.Flatten(),
                          L.Dense(32, activation="relu"), L.Dropout(.5), L.Dense(3, activation="softmax")], name="vgg_like")
    x = pictures(4, 24, 32, 3) / 127.5 - 1
    return calibrate(m, x), x


def efficientnet_like():
    """Swish and squeeze-and-excite, as in EfficientNet."""
    i = keras.Input((33, 32, 3))
    x = L.Rescaling(1 / 255.)(i)
    x = L.Normalization(mean=[.485, .456, .406], variance=[.229, .224, .225])(x)
    x = L.Activation("swish")(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    for strides in (1, 2):
        y = L.ZeroPadding2D(((0, 1), (1, 1)))(L.Activation("swish")(L.BatchNormalization()(L.Conv2D(24, 1, use_bias=False)(x))))
        y = L.DepthwiseConv2D(5, strides=strides, padding="same", use_bias=False)(y)
        y = L.Activation("swish")(L.BatchNormalization()(y))
        s = L.Reshape((1, 1, 24))(L.GlobalAveragePooling2D()(y))
        s = L.Conv2D(24, 1, activation="sigmoid")(L.Conv2D(4, 1, activation="swish")(s))
        y = L.BatchNormalization()(L.Conv2D(8, 1, use_bias=False)(L.Multiply()([y, s])))
        x = y if strides == 2 else L.Add()([L.Cropping2D(((0, 1), (0, 2)))(y), x])
    x = L.GlobalAveragePooling2D()(x)
    m = keras.Model(i, L.Dense(5, activation="softmax")(x), name="efficientnet_like")
    x = pictures(4, 33, 32, 3)
    return calibrate(m, x), x


def written(model, tmp_path):
    model.save(tmp_path / "m.keras")
    driver("save", model=tmp_path / "m.keras", to=tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(proto, full_check=True)
    return proto


def answers(proto, x):
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: a for i, a in zip(session.get_inputs(), as_list(x))})


@pytest.mark.parametrize("make", [everything, mobilenet_classifier, vgg_like, efficientnet_like, models.frozen_nest,
                                  models.shared_layers, models.arithmetic, models.tangle], ids=lambda f: f.__name__)
def test_onnx_runtime_answers_as_keras(make, tmp_path):
    model, x = make()
    y = expected(model, x)
    assert_lively(y)
    ours = answers(written(model, tmp_path), x)
    assert_same(ours, y, allowed(model, x, differs(ours, y)))


def test_inputs_and_outputs_are_as_in_keras_with_an_open_batch(tmp_path):
    model, x = everything()
    proto = written(model, tmp_path)
    sizes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
             for v in [*proto.graph.input, *proto.graph.output]}
    assert sizes == {"photo": ["batch", 12, 10, 3], "more": ["batch", 5], "kind": ["batch", 4], "map": ["batch", 12, 10, 2]}
    one = [a[:1] for a in x]
    assert_same(answers(proto, one), expected(model, one), 1e-5)


def test_little_is_left_of_a_mobilenet(tmp_path):
    model, _ = mobilenet_classifier()
    kinds = [n.op_type for n in written(model, tmp_path).graph.node]
    assert "BatchNormalization" not in kinds and kinds.count("Conv") == 52
    assert kinds.count("Transpose") == 1  # the pictures, once
    assert set(kinds) == {"Transpose", "Conv", "Clip", "Pad", "Add", "GlobalAveragePool", "Flatten", "Gemm", "Softmax", "Identity"}


def test_a_changed_weight_changes_the_answer(tmp_path):
    model, x = vgg_like()
    proto = written(model, tmp_path)
    tensor = next(t for t in proto.graph.initializer if len(t.dims) == 4)
    numbers = np.frombuffer(tensor.raw_data, np.float32).copy()
    numbers[:9] = numbers[9:18]
    tensor.raw_data = numbers.tobytes()
    with pytest.raises(AssertionError):
        assert_same(answers(proto, x), expected(model, x), 1e-5)


def test_labels_and_pixels_are_told(tmp_path, shared):
    driver("save", model=shared / "data/user-models/teachable-machine-cat-dog/keras_model.h5", to=tmp_path / "m.onnx")
    told = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(told["labels"]) == ["Class 1", "Class 2"]
    assert told["pixels"].startswith("x / 127.5 - 1")
