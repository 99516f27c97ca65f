"""Models written as C answer as Keras does, and compile alone without a warning."""
import ctypes
import shutil
import subprocess

import keras
import numpy as np
import pytest

import models
from everything import everything
from oracle import allowed, as_list, assert_lively, assert_same, calibrate, differs, driver, expected, pictures

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def compiled(tmp_path, name="net"):
    """The file's predict function: one picture's floats in, floats out."""
    lib = tmp_path / f"{name}.so"
    subprocess.run(["gcc", "-O2", *WARNINGS, "-shared", "-fPIC", tmp_path / f"{name}.c", "-o", lib, "-lm"], check=True)
    function = ctypes.CDLL(str(lib))[f"{name}_predict"]

    def predict(x, n):
        x, y = np.ascontiguousarray(x, np.float32), np.empty(n, np.float32)
        pointer = ctypes.POINTER(ctypes.c_float)
        assert function(x.ctypes.data_as(pointer), y.ctypes.data_as(pointer)) == 0
        return y

    return predict


def answers(predict, x, like):
    xs, outs = as_list(x), [np.empty_like(y) for y in like]
    for k in range(len(xs[0])):
        y = predict(np.concatenate([a[k].ravel() for a in xs]), sum(o[k].size for o in outs))
        for o in outs:
            o[k] = y[:o[k].size].reshape(o[k].shape)
            y = y[o[k].size:]
    return outs


def mobilenet_classifier():
    m = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=.35, weights=None, classes=7)
    x = pictures(3, 96, 96, 3) / 127.5 - 1
    return calibrate(m, x), x


@pytest.mark.parametrize("make", [everything, mobilenet_classifier, models.frozen_nest, models.shared_layers,
                                  models.arithmetic], ids=lambda f: f.__name__)
def test_c_answers_as_keras(make, tmp_path):
    model, x = make()
    y = expected(model, x)
    assert_lively(y)
    model.save(tmp_path / "m.keras")
    driver("save", model=tmp_path / "m.keras", to=tmp_path / "net.c")
    ours = answers(compiled(tmp_path), x, y)
    assert_same(ours, y, allowed(model, x, differs(ours, y)))


def test_the_file_finds_a_changed_weight_itself(tmp_path):
    model, _ = models.functional()
    model.save(tmp_path / "m.keras")
    driver("save", model=tmp_path / "m.keras", to=tmp_path / "net.c")

    def checks(name):
        subprocess.run(["gcc", *WARNINGS, "-DNET_TEST", tmp_path / name, "-o", tmp_path / "a", "-lm"], check=True)
        return subprocess.run([tmp_path / "a"], stdout=subprocess.DEVNULL).returncode == 0

    assert checks("net.c")
    text = (tmp_path / "net.c").read_text()
    head, body = text.split("w_zz_kernel[] = {", 1)
    first, rest = body.split(",", 1)
    (tmp_path / "other.c").write_text(f"{head}w_zz_kernel[] = {{ {float(first.strip()[:-1]) + .5}f,{rest}")
    assert not checks("other.c")


@pytest.mark.skipif(not shutil.which("clang"), reason="no clang")
def test_clang_has_nothing_to_say_either(tmp_path):
    model, _ = everything()
    model.save(tmp_path / "m.keras")
    driver("save", model=tmp_path / "m.keras", to=tmp_path / "net.c")
    subprocess.run(["clang", *WARNINGS, "-fsanitize=undefined,address", "-fno-sanitize-recover=all", "-g", "-DNET_TEST",
                    tmp_path / "net.c", "-o", tmp_path / "a", "-lm"], check=True)
    subprocess.run([tmp_path / "a"], check=True, stdout=subprocess.DEVNULL)
