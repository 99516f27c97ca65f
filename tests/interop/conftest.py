import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # double precision where a test asks for it; f32 stays the default
# Compiling takes most of the time of these tests, and each graph runs once; without any optimization double precision crawls.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")
if "TW_BUILD_DIR" in os.environ:
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(os.environ["TW_BUILD_DIR"], "oracle-cache"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: minutes of work; ctest runs these as interop/X_long")


@pytest.fixture
def shared():
    """The folder of real material: TW_SHARED, else `shared` beside the repository."""
    root = Path(os.environ.get("TW_SHARED") or Path(os.environ.get("TW_SOURCE_DIR", ".")).resolve().parent / "shared")
    if not (root / "data").is_dir():
        pytest.skip(f"no real material in {root}")
    return root


@pytest.fixture(scope="session", autouse=True)
def first_values():
    """Keras's first values are drawn by NumPy: JAX would compile a program for every shape, and tests overwrite them anyway."""
    import keras
    import numpy as np
    rng = np.random.default_rng(1)
    drawn = keras.src.backend.random

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return rng.normal(mean, stddev, shape).astype(dtype or "float32")

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return rng.uniform(minval, maxval, shape).astype(dtype or "float32")
    drawn.normal = drawn.truncated_normal = normal
    drawn.uniform = uniform


@pytest.fixture(autouse=True)
def fresh_names():
    """Automatic layer names count from the start in every test."""
    import keras
    keras.utils.clear_session()
