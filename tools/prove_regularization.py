#!/usr/bin/env python3
"""Measures what regularization brings on few photos: the table of docs/TRAINING.md.

    tools/prove_regularization.py PHOTOS [OUTPUT]     four ways to train, five seeds each, 96 % of the photos validate
"""
import csv
import json
import math
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "build/release/topwork"
PLAIN = "gap, dense:4096:relu, dense:1024:relu"
DROPPED = "gap, dense:4096:relu, dropout:0.5, dense:1024:relu, dropout:0.5"
STOPPED = ["--head", DROPPED, "--l2", "1e-4", "--patience", "3"]
WAYS = {
    "plain": ["--head", PLAIN, "--patience", "0"],
    "`--augment-copies 4`": ["--head", PLAIN, "--patience", "0", "--augment-copies", "4"],
    "dropout, `--l2 1e-4`, early stopping": STOPPED,
    "both": STOPPED + ["--augment-copies", "4"],
}
SEEDS = range(1, 6)


def cross_entropy(run):
    """Of the model that was kept, on the validation photos, without penalties; and its accuracy."""
    with open(run / "predictions.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "val"]
    loss = -sum(math.log(max(float(row["p_" + row["label"]]), 1e-6)) for row in rows) / len(rows)
    return loss, sum(row["label"] == row["predicted"] for row in rows) / len(rows)


def measure(photos, run, flags, seed):
    if not (run / "results.json").exists():
        subprocess.run([PROGRAM, "train", photos, "--val-split", "0.96", "--epochs", "20", "--seed", str(seed), "--output-dir", run, "--force",
                        "--no-progress", "--quiet", *flags], check=True)
    with open(run / "history.csv") as file:
        last = list(csv.DictReader(file))
    results = json.loads((run / "results.json").read_text())
    penalty_free = float(last[-1]["val_loss"]) if "--l2" not in flags else math.nan
    overfits = "overfitting" in [one["rule"] for one in results["readings"]]
    return len(last), penalty_free, *cross_entropy(run), overfits


def main():
    photos, output = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "runs/regularization")
    output.mkdir(parents=True, exist_ok=True)
    print("| way | epochs | validation loss after the last epoch | … of the kept model | its accuracy | called overfitting |")
    print("|---|---|---|---|---|---|")
    for i, (name, flags) in enumerate(WAYS.items()):
        rows = [measure(photos, output / f"{i}-{seed}", flags, seed) for seed in SEEDS]
        epochs, last, kept, right = (sum(row[j] for row in rows) / len(rows) for j in range(4))
        print(f"| {name} | {epochs:.1f} | {'–' if math.isnan(last) else f'{last:.3f}'} | {kept:.3f} | {100 * right:.1f} % "
              f"| {sum(row[4] for row in rows)} of {len(rows)} |", flush=True)


if __name__ == "__main__":
    main()
