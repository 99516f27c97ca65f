#!/usr/bin/env python3
"""What makes topwork quick changes no answers: the usual way against exact kernels and exact decoding, photo by photo.

  test_same_answers.py [--photos FOLDER] [--seeds 5]

A head is trained for each seed, both ways, and the answers for its validation photos are compared. Skipped (77) without the
photos (../shared/data/cats-dogs, or $TW_SHARED) or EfficientNet-Lite0's weights."""
import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(os.environ.get("TW_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("TW_BUILD_DIR", ROOT / "build/release"))
SHARED = Path(os.environ.get("TW_SHARED", ROOT / "../shared"))
ALLOWED = 2 / 1000  # of the answers
WAYS = {"usual": [], "exact": ["--precision", "exact", "--exact-decode"]}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def answers(path):
    """{photo: (answer, its probability, whether it is right)} of the validation photos."""
    with open(path, newline="") as file:
        return {row["path"]: (row["predicted"], float(row["probability"]), row["predicted"] == row["label"])
                for row in csv.DictReader(file) if row["part"] == "val"}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=Path, default=SHARED / "data/cats-dogs")
    p.add_argument("--seeds", type=int, default=5)
    o = p.parse_args()
    if not o.photos.is_dir():
        skip(f"no photos in {o.photos}")
    total = changed = right = 0
    largest = 0.0
    with tempfile.TemporaryDirectory(prefix="topwork-answers-") as folder:
        for seed in range(1, o.seeds + 1):
            given = {}
            for way, flags in WAYS.items():
                out = Path(folder, f"{way}-{seed}")
                done = subprocess.run([BUILD / "topwork", "train", o.photos, "--model", "efficientnet-lite0", "--seed", str(seed),
                                       "--cache", Path(folder, "cache"), "--output-dir", out, "--quiet", *flags],
                                      capture_output=True, text=True)
                if done.returncode == 3 and "weights" in done.stderr:
                    skip("no weights of EfficientNet-Lite0: tools/assets.sh weights")
                if done.returncode:
                    sys.exit(f"{way}, seed {seed}: exit {done.returncode}\n{done.stderr}")
                given[way] = answers(out / "predictions.csv")
            usual, exact = given["usual"], given["exact"]
            if usual.keys() != exact.keys() or not usual:
                sys.exit(f"seed {seed}: the two ways answered for different photos")
            others = [photo for photo in usual if usual[photo][0] != exact[photo][0]]
            total, changed = total + len(usual), changed + len(others)
            right += sum(exact[photo][2] for photo in exact)
            largest = max([largest] + [abs(usual[f][1] - exact[f][1]) for f in usual if f not in others])
            print(f"seed {seed}: {len(others)} of {len(usual)} answers differ {' '.join(others)}", flush=True)
    print(f"{changed} of {total} answers differ; {100 * right / total:.1f} % are right; probabilities move by {largest:.4f} at most")
    sys.exit(1 if changed > ALLOWED * total else 0)


if __name__ == "__main__":
    main()
