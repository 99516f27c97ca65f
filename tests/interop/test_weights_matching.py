"""Weights of another model: what Keras takes with by_name and skip_mismatch is taken here, what it refuses is refused."""
import keras
import pytest

from oracle import DriverError, assert_lively, assert_same, calibrate, differs, driver, expected, pictures, predict


def network(classes, names=("conv", "bn", "dense", "answer"), filters=6, seed=1):
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(filters, 3, name=names[0])(x)
    x = keras.layers.BatchNormalization(name=names[1])(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(5, "relu", name=names[2])(x)
    model = keras.Model(inputs, keras.layers.Dense(classes, name=names[3])(x))
    calibrate(model, pictures(8, 8, 8, 3), seed)
    return model


def taken_by_both(tmp_path, file, model, **how):
    """Loads the file into the model here and there; what both answer is the same, and no longer what it was."""
    x = pictures(4, 8, 8, 3)
    model.save(tmp_path / "own.keras")
    before = expected(model, x)
    model.load_weights(file, **how)
    y = expected(model, x)
    assert_lively(y)
    flags = {key: 1 for key, value in how.items() if value}
    ours = predict(tmp_path, x, y, model=tmp_path / "own.keras", weights=file, **flags)
    assert_same(ours, y)
    assert differs(ours, before) > 1e-3


def refused_by_both(tmp_path, file, model, *parts, **how):
    model.save(tmp_path / "own.keras")
    with pytest.raises(ValueError):
        model.load_weights(file, **how)
    with pytest.raises(DriverError) as e:
        driver("info", model=tmp_path / "own.keras", weights=file, **{key: 1 for key, value in how.items() if value})
    assert e.value.status == 3
    for part in parts:
        assert part in e.value.message, e.value.message


@pytest.fixture(params=[".weights.h5", ".h5"])
def file(request, tmp_path):
    """Weights of a model with three classes."""
    model, path = network(3, seed=2), tmp_path / f"three{request.param}"
    model.save_weights(path) if request.param == ".weights.h5" else model.save(path)
    return path


def test_another_number_of_classes_is_refused_with_layer_and_shapes(file, tmp_path):
    refused_by_both(tmp_path, file, network(2), "dense 'answer'", "(5, 3)", "(5, 2)", file.name)


def test_skip_mismatch_leaves_the_arrays_of_another_shape(file, tmp_path):
    taken_by_both(tmp_path, file, network(2), skip_mismatch=True)


def test_by_name_takes_what_has_the_same_name(tmp_path):
    path = tmp_path / "three.h5"
    network(3, seed=2).save(path)
    taken_by_both(tmp_path, path, network(3, ("conv", "other_bn", "dense", "other")), by_name=True)


def test_by_name_of_another_shape_is_refused_unless_skipped(tmp_path):
    path = tmp_path / "three.h5"
    network(3, seed=2).save(path)
    refused_by_both(tmp_path, path, network(2), "'answer'", "(5, 2)", by_name=True)
    taken_by_both(tmp_path, path, network(2), by_name=True, skip_mismatch=True)


def test_missing_and_surplus_layers_are_refused_without_by_name(tmp_path):
    path = tmp_path / "three.h5"
    network(3, seed=2).save(path)
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, name="conv")(x)
    fewer = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(x))
    calibrate(fewer, pictures(8, 8, 8, 3))
    refused_by_both(tmp_path, path, fewer, "three.h5: holds weights of 4 layers", "has 1")
    taken_by_both(tmp_path, path, fewer, by_name=True)
    # The same names and one more layer.
    base = network(3)
    more = keras.Model(base.input, keras.layers.Dense(4, name="more")(base.output))
    calibrate(more, pictures(8, 8, 8, 3))
    refused_by_both(tmp_path, path, more, "three.h5: holds weights of 4 layers", "has 5")
    taken_by_both(tmp_path, path, more, by_name=True)
