"""safetensors written here are read by its own package, and the other way round."""
import keras
import numpy as np
import pytest

import models
from oracle import DriverError, assert_lively, assert_same, driver, expected, predict

safetensors = pytest.importorskip("safetensors.numpy")
from safetensors import safe_open


def named(model, prefix=""):
    """Weights by the names of the layers they are in: "trunk/stem/kernel"."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= named(layer, f"{prefix}{layer.name}/")
        else:
            found |= {f"{prefix}{layer.name}/{w.name}": np.asarray(w) for w in layer.weights if w.name != "seed_generator_state"}
    return found


@pytest.mark.parametrize("make", [models.sequential, models.frozen_nest, models.shared_layers, models.mobilenet],
                         ids=lambda f: f.__name__)
def test_the_package_reads_what_is_written_here(make, tmp_path):
    model, x = make()
    assert_lively(expected(model, x))
    model.save(tmp_path / "m.keras")
    driver("save_weights", model=tmp_path / "m.keras", to=tmp_path / "m.safetensors")
    got, want = safetensors.load_file(tmp_path / "m.safetensors"), named(model)
    assert set(got) == set(want)
    for name, array in got.items():
        assert array.dtype == np.float32 and np.array_equal(array, want[name]), name
    with safe_open(tmp_path / "m.safetensors", "numpy") as f:
        assert f.metadata()["format"] == "keras"


def test_what_the_package_writes_is_read_here(tmp_path):
    model, x = models.functional()
    y = expected(model, x)
    model.save(tmp_path / "m.keras")
    driver("save_weights", model=tmp_path / "m.keras", to=tmp_path / "names.safetensors")
    arrays = safetensors.load_file(tmp_path / "names.safetensors")
    other = models.fresh_like(model)
    other.save(tmp_path / "other.keras")
    # Half precision and another order: only names count.
    shuffled = {name: arrays[name] for name in sorted(arrays, reverse=True)}
    safetensors.save_file(shuffled, tmp_path / "p.safetensors", {"format": "keras"})
    assert_same(predict(tmp_path, x, y, model=tmp_path / "other.keras", weights=tmp_path / "p.safetensors"), y)
    safetensors.save_file({k: v.astype(np.float16) for k, v in arrays.items()}, tmp_path / "h.safetensors", {"format": "keras"})
    halves = predict(tmp_path, x, y, model=tmp_path / "other.keras", weights=tmp_path / "h.safetensors")
    assert_same(halves, y, 5e-2)
    arrays.popitem()
    safetensors.save_file(arrays, tmp_path / "less.safetensors", {"format": "keras"})
    with pytest.raises(DriverError, match="has no tensor"):
        predict(tmp_path, x, y, model=tmp_path / "other.keras", weights=tmp_path / "less.safetensors")
