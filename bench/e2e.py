#!/usr/bin/env python3
"""The program as a user runs it: the main job, a second run with another head, memory, cold start.

  e2e.py [--build build/release] [--photos FOLDER] [--model efficientnet-lite0] [--weights imagenet]

Runs in a feature cache of its own, so nothing is found there at first. JSON lines, and the promises they are held to."""
import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(*command):
    """Seconds and peak memory in MB of a command that must succeed."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{said.read().decode()}")
    return seconds, usage.ru_maxrss / 1024


def say(case, value, unit, promise=None, kept=None):
    line = {"bench": "e2e", "case": case, "value": round(value, 3), "unit": unit}
    if promise:
        line.update(promise=promise, kept=bool(kept))
    print(json.dumps(line), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    p.add_argument("--photos", default=os.path.join(os.environ.get("TW_SHARED", os.path.join(ROOT, "../shared")), "data/cats-dogs"))
    p.add_argument("--model", default="efficientnet-lite0")
    p.add_argument("--weights", default="imagenet")
    o = p.parse_args()
    if not os.path.isdir(o.photos):
        raise SystemExit(f"e2e: no photos in {o.photos}: --photos FOLDER")
    topwork = os.path.join(o.build, "topwork")
    scratch = tempfile.mkdtemp(prefix="topwork-bench-")
    try:
        def train(name, *flags):
            out = os.path.join(scratch, name)
            seconds, peak = run(topwork, "train", o.photos, "--model", o.model, "--weights", o.weights, "--epochs", "10",
                                     "--patience", "0", "--cache", os.path.join(scratch, "cache"), "--output-dir", out, *flags)
            with open(os.path.join(out, "results.json")) as f:
                return seconds, peak, json.load(f)
        first, peak, results = train("first")
        timing = results["seconds"]
        features = timing["features"]
        say("train: seconds", first, "s")
        say("train: features", features, "s")
        say("train: photos/s", results["photos"]["decoded"] / features, "photos/s")
        say("train: whole over features", first / features, "ratio", "<= 1.2", first / features <= 1.2)
        second, second_peak, again = train("second", "--head", "gap, dropout:0.5")
        if again["photos"]["decoded"]:
            raise SystemExit("e2e: the second run decoded photos")
        head = sum(again["seconds"].get(k, 0) for k in ("head",))
        say("second run: seconds", second, "s", "<= 5 % of the first, or 0.5 s + head",
            second <= 0.05 * first or second <= 0.5 + head)
        say("head phase: peak memory", second_peak, "MB", "<= 700", second_peak <= 700)
        say("first run: peak memory", peak, "MB")
        version = min(run(topwork, "--version")[0] for _ in range(20))
        say("--version", version * 1e3, "ms", "<= 10", version <= 0.010)
        model = os.path.join(scratch, "first", "model.keras")
        photo = next(os.path.join(d, f) for d, _, files in os.walk(o.photos) for f in sorted(files) if f.endswith(".jpg"))
        cold = min(run(topwork, "predict", model, photo)[0] for _ in range(5))
        say("predict one photo, cold", cold * 1e3, "ms")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
