import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")


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
