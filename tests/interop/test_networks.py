"""VGG16, MobileNet and MobileNetV2 from Keras's own files: every layer gives what Keras gives."""
import keras
import numpy as np
import pytest

from oracle import (allowed, assert_layers_same, assert_lively, assert_same, calibrate, cut_outputs, differs, every_output, expected,
                    our_outputs, pictures, predict, sharpen, truth_of_layers)


def vgg16():
    return keras.applications.VGG16(input_shape=(48, 48, 3), weights=None, classes=10)


def mobilenet():
    return keras.applications.MobileNet(input_shape=(64, 64, 3), alpha=.5, weights=None, classes=10)


def mobilenet_v2():
    return keras.applications.MobileNetV2(input_shape=(64, 64, 3), alpha=.35, weights=None, classes=10)


@pytest.fixture(params=[vgg16, mobilenet, mobilenet_v2], ids=lambda f: f.__name__)
def case(request):
    model = request.param()
    x = pictures(6, *model.input_shape[1:]) / 127.5 - 1
    sharpen(calibrate(model, x), x)
    y = every_output(model, x)
    assert all(np.std(a) >= .1 for a in y.values()), "outputs hardly vary"
    assert_lively([list(y.values())[-1]])
    return model, x, y


def test_every_layer_and_the_probabilities_are_those_of_keras(case, tmp_path):
    model, x, y = case
    file = tmp_path / "m.keras"
    model.save(file)
    truth = truth_of_layers(model, x)
    alone = assert_layers_same(our_outputs(tmp_path, x, model=file), y, truth)
    fused = assert_layers_same(cut_outputs(tmp_path, x, y, model=file), y, truth)
    probabilities = expected(model, x)
    ours = predict(tmp_path, x, probabilities, model=file)
    print(f"{model.name}: layers {alone}, fused {fused}, probabilities {differs(ours, probabilities):.3g}")
    assert_same(ours, probabilities, allowed(model, x, differs(ours, probabilities)))


def swap_channels(kernel):
    kernel[..., [0, 1], :] = kernel[..., [1, 0], :]


def swap_filters(kernel):
    kernel[..., [0, 1]] = kernel[..., [1, 0]]


@pytest.mark.parametrize("change", [swap_channels, swap_filters], ids=lambda f: f.__name__)
def test_swapped_channels_are_seen_from_their_layer_on(change, tmp_path):
    model = mobilenet_v2()
    x = pictures(4, *model.input_shape[1:]) / 127.5 - 1
    calibrate(model, x)
    y = every_output(model, x)
    layer = model.get_layer("block_6_expand")
    kernel = np.array(layer.kernel.value)
    change(kernel)
    layer.kernel.assign(kernel)
    model.save(tmp_path / "m.keras")
    ours = our_outputs(tmp_path, x, model=tmp_path / "m.keras")
    names = list(y)
    before, after = names[:names.index(layer.name)], names[names.index(layer.name):]
    assert_layers_same(ours, {n: y[n] for n in before})
    for name in (after[0], after[3], after[-1]):
        with pytest.raises(AssertionError, match=name):
            assert_layers_same(ours, {name: y[name]})


def test_a_batch_normalization_left_out_is_seen(tmp_path):
    model = mobilenet_v2()
    x = pictures(4, *model.input_shape[1:]) / 127.5 - 1
    calibrate(model, x)
    y = every_output(model, x)
    norm = model.get_layer("block_12_depthwise_BN")
    norm.set_weights([np.ones_like(w) if i in (0, 3) else np.zeros_like(w) for i, w in enumerate(norm.get_weights())])
    model.save(tmp_path / "m.keras")
    with pytest.raises(AssertionError, match=norm.name):
        assert_layers_same(our_outputs(tmp_path, x, model=tmp_path / "m.keras"), y)
