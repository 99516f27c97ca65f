"""Event files of a run are read back by TensorBoard's own reader, and hold what history.csv and the model hold."""
import csv
import os
import struct
import subprocess

import pytest

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                  reason="no TensorBoard in the oracle Python (tools/oracle.sh installs it)")
PROGRAM = os.environ["TW_PROGRAM"]


def write_bmp(path, colour, seed, side=16):
    pixels = bytes(c + (i * 7 + seed * 13) % 61 - 30 for i in range(side * side) for c in colour)
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    path.write_bytes(head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + pixels)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("tensorboard")
    for name, colour in (("green", (90, 140, 90)), ("red", (90, 90, 140))):
        (root / "photos" / name).mkdir(parents=True)
        for i in range(12):
            write_bmp(root / "photos" / name / f"{i}.bmp", colour, i + 1)
    subprocess.run([PROGRAM, "train", root / "photos", "--model", "mobilenet:0.25", "--weights", "none", "--input-size", "32", "--cache", "off",
                    "--epochs", "3", "--fine-tune", "2", "--metrics", "auc", "--tensorboard", "--output-dir", root / "run", "--no-progress", "--patience", "0"],
                   check=True, capture_output=True)
    return root / "run"


def events(run):
    found = accumulator.EventAccumulator(str(run), size_guidance={accumulator.TENSORS: 0, accumulator.SCALARS: 0, accumulator.HISTOGRAMS: 0})
    found.Reload()
    return found


def scalars(found, tag):
    if tag in found.Tags()["scalars"]:
        return [(e.step, e.value) for e in found.Scalars(tag)]
    from tensorboard.util import tensor_util
    return [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in found.Tensors(tag)]


def test_scalars_are_those_of_the_history(run):
    found = events(run)
    with open(run / "history.csv") as file:
        history = list(csv.DictReader(file))
    assert len(history) == 5
    for column in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "auc", "val_auc"):
        values = scalars(found, "epoch_" + column)
        assert [step for step, _ in values] == list(range(5)), column
        assert [v for _, v in values] == pytest.approx([float(row[column]) for row in history], rel=1e-5), column


def test_histograms_show_the_trained_kernels(run):
    found = events(run)
    tags = found.Tags()
    kernel = next(t for t in tags["histograms"] + tags["tensors"] if t.endswith("dense/kernel"))
    if kernel in tags["histograms"]:
        counts = [sum(e.histogram_value.bucket) for e in found.Histograms(kernel)]
    else:
        from tensorboard.util import tensor_util
        counts = [tensor_util.make_ndarray(e.tensor_proto)[:, 2].sum() for e in found.Tensors(kernel)]
    assert counts == [256] * 5
