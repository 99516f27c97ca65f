import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # double precision where a test asks for it; f32 stays the default
# Compiling takes most of the time of these tests, and each graph runs once.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")


@pytest.fixture
def shared():
    """The folder of real material: TW_SHARED, else `shared` beside the repository."""
    root = Path(os.environ.get("TW_SHARED") or Path(os.environ.get("TW_SOURCE_DIR", ".")).resolve().parent / "shared")
    if not (root / "data").is_dir():
        pytest.skip(f"no real material in {root}")
    return root


@pytest.fixture(autouse=True)
def fresh_names():
    """Automatic layer names count from the start in every test."""
    import keras
    keras.utils.clear_session()
