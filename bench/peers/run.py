#!/usr/bin/env python3
"""The same work in topwork and its peers, interleaved in one run: ratios to take home.

  run.py [--build build/release] [--photos FOLDER] [--rounds 3] [--only TASK,…] [--quick]

For each task every side does one round in turn, `rounds` times; the best round of each counts. Where two sides compute the
same numbers they are compared before a time is printed. JSON lines with versions go to standard output, a table to
standard error."""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

from sides import photo_paths

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# glibc gives memory back to the system after each step unless told otherwise: up to half of PyTorch's time.
PEER_ENVIRONMENT = dict(os.environ, MALLOC_MMAP_THRESHOLD_=str(1 << 30), MALLOC_TRIM_THRESHOLD_=str(1 << 30),
                        TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
TORCH_NAMES = {"vgg16": "vgg16", "resnet50": "resnet50", "mobilenet_v2": "mobilenet_v2", "efficientnet_b0": "efficientnet_b0",
               "efficientnet-lite0": "efficientnet-lite0"}


class Peer:
    """A process that works when it is told to."""

    def __init__(self, name, *command):
        self.name, self.best, self.version = name, 0, ""
        self.process = subprocess.Popen([sys.executable, *map(str, command)], cwd=HERE, env=PEER_ENVIRONMENT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = json.loads(self.process.stdout.readline() or "{}").get("version")
        if self.version is None:
            raise SystemExit(f"{name} did not start")

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.best = max(self.best, json.loads(self.process.stdout.readline())["value"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Own:
    """A program of bench/, run anew each round; it verifies itself against the reference kernels."""
    version = "this tree"

    def __init__(self, name, *command):
        self.name, self.best, self.command = name, 0, [str(c) for c in command]

    def round(self):
        line = subprocess.run(self.command, check=True, capture_output=True, text=True).stdout
        self.best = max(self.best, json.loads(line)["value"])

    def close(self):
        pass


class Cold:
    """A program started anew for each round: starts a second."""

    def __init__(self, name, version, *command):
        self.name, self.version, self.best, self.command, self.said = name, version, 0, [str(c) for c in command], ""

    def round(self):
        start = time.perf_counter()
        run = subprocess.run(self.command, capture_output=True, text=True, cwd=HERE, env=PEER_ENVIRONMENT)
        self.best = max(self.best, 1 / (time.perf_counter() - start))
        if run.returncode:
            raise SystemExit(f"{self.name}: {run.stderr[-500:]}")
        self.said = run.stdout

    def close(self):
        pass


def some_photos(o, most):
    """A folder of links to so many of the photos."""
    some = os.path.join(o.scratch, f"{most}-photos")
    shutil.rmtree(some, ignore_errors=True)
    paths = photo_paths(o.photos)
    for path in paths[::max(1, len(paths) // most)]:
        link = os.path.join(some, os.path.relpath(path, o.photos))
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(os.path.abspath(path), link)
    return some


def decode(o):
    """Photos on disk → 224×224 pixels."""
    if not os.path.isdir(o.photos):
        return None, "needs photos (--photos)"
    ours, theirs = (os.path.join(o.scratch, f"means-{side}.f32") for side in ("topwork", "keras"))
    some = some_photos(o, 400)
    sides = [Own("topwork", o.bench("decode"), some, f"--means={ours}"), Peer("tf.data", "keras_side.py", "decode", some, theirs)]

    def verify():
        import numpy as np
        a, b = (np.fromfile(f, "<f4").reshape(-1, 3) for f in (ours, theirs))
        # Another decoder and another filter: the same picture, not the same pixels.
        return len(a) == len(b) and np.abs(a - b).mean() < 1 and np.abs(a - b).max() < 10
    return sides, verify


def cold(o):
    """One photo through a MobileNetV2 classifier, the program started anew: starts a second."""
    if not os.path.isdir(o.photos):
        return None, "needs photos (--photos)"
    some, out = some_photos(o, 20), os.path.join(o.scratch, "cold")
    topwork = os.path.join(o.build, "topwork")
    subprocess.run([topwork, "train", some, "--model", "mobilenet_v2", "--weights", "none", "--epochs", "1", "--output-dir", out,
                    "--force", "--quiet"], check=True)
    model, photo = os.path.join(out, "model.keras"), photo_paths(some)[0]
    sides = [Cold("topwork", "this tree", topwork, "predict", model, photo, "--format", "csv", "--topk", "2"),
             Cold("keras", "with TensorFlow", sys.executable, "keras_predict.py", model, photo)]

    def verify():
        ours = sorted(float(x) for x in re.findall(r"\b[01]\.\d+", sides[0].said))
        theirs = [float(x) for x in sides[1].said.split()]
        theirs = sorted(theirs + [1 - theirs[0]] if len(theirs) == 1 else theirs)
        # Not the same resize.
        return len(ours) >= 1 and abs(ours[-1] - theirs[-1]) < 0.05
    return sides, verify


def photos(o):
    """Photos on disk → Lite0 features."""
    weights = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                           "topwork/weights/efficientnet-lite0-57934424.pth")
    if not os.path.exists(weights) or not os.path.isdir(o.photos):
        return None, "needs photos (--photos) and the demo's weights (make assets)"
    some = some_photos(o, 400)
    ours, theirs = (os.path.join(o.scratch, f"{side}.f32") for side in ("topwork", "torch"))
    sides = [Own("topwork", o.bench("photos"), some, f"--features={ours}"),
             Peer("torch threads", "torch_side.py", "photos", some, weights, theirs, "threads"),
             Peer("torch workers", "torch_side.py", "photos", some, weights, theirs, "workers")]

    def verify():
        import numpy as np
        a, b = (np.fromfile(f, "<f4").reshape(-1, 1280) for f in (ours, theirs))
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        # Not the same resize, so not the same numbers: the same direction.
        return len(a) == len(b) and cosine.mean() > 0.995 and cosine.min() > 0.95
    return sides, verify


def trunk(name):
    def task(o):
        net = TORCH_NAMES[name]
        sides = [Own("topwork", o.bench("trunk"), name, f"--batch={4 if name.startswith(('mobile', 'eff')) else 2}", "--seconds=3")]
        batches = {"vgg16": (1,), "resnet50": (1, 4)}.get(name, (1, 4))
        sides += [Peer(f"openvino f32 batch {b}", "openvino_side.py", "trunk", net, b, "f32") for b in batches]
        if not o.quick:
            sides += [Peer(f"torch {mode} batch 32", "torch_side.py", "trunk", net, 32 if name != "vgg16" else 8, mode)
                      for mode in ("eager", "jit")]
        return sides, None
    task.__doc__ = f"{name}: pixels → features, f32."
    return task


def step(name, norms):
    def task(o):
        return [Own("topwork", o.bench("step"), name, "--batch=32", "--steps=3", f"--bn={norms}"),
                Peer("torch", "torch_side.py", "step", TORCH_NAMES[name], 32, norms)], None
    task.__doc__ = f"{name}: full fine-tuning step, batch 32, " + \
        ("batch normalisation trains." if norms == "train" else "batch normalisation frozen (the default of train --fine-tune).")
    return task


def head(size, units):
    def task(o):
        return [Own("topwork", o.bench("head"), f"--in={size}", f"--units={units}"),
                Peer("keras", "keras_side.py", "head", size, units, 32),
                Peer("torch", "torch_side.py", "head", size, units, 32)], None
    task.__doc__ = f"Adam's step of a head on {size} features with {units} units, batch 32."
    return task


def exercise(name, keras_head, head, n_photos, epochs):
    def task(o):
        if not os.path.isdir(o.photos):
            return None, "needs photos (--photos)"
        some, topwork = some_photos(o, n_photos), os.path.join(o.build, "topwork")
        out, trunk = os.path.join(o.scratch, "exercise"), os.path.join(o.scratch, f"{name}.keras")
        subprocess.run([topwork, "convert", name, trunk, "--weights", "none", "--no-top", "--force", "--quiet"], check=True)
        models = {mode: os.path.join(o.scratch, f"exercise-{mode}.keras") for mode in ("script", "features")}
        sides = [Cold("topwork", "this tree", topwork, "train", some, "--model", trunk, "--head", head, "--epochs", epochs,
                      "--patience", "0", "--cache", "off", "--output-dir", out, "--force", "--quiet")]
        sides += [Cold(f"keras {mode}", "with TensorFlow", sys.executable, "keras_exercise.py", trunk, some, epochs, keras_head,
                       mode, models[mode]) for mode in models]

        def verify():
            # The same network came out on all sides, its trunk as it went in. (A random trunk teaches its head little.)
            code = ("import sys, keras, numpy as np\n"
                    "flat = lambda m: [l for x in m.layers for l in (flat(x) if hasattr(x, 'layers') else [x])]\n"
                    "loads = lambda p: [(w.shape, w.numpy()) for l in flat(keras.saving.load_model(p, compile=False)) "
                    "for w in l.weights]\n"
                    "trunk, *models = map(loads, sys.argv[1:])\n"
                    "n = len(trunk)\n"
                    "for m in models:\n"
                    "    assert [s for s, _ in m] == [s for s, _ in models[0]] and len(m) > n\n"
                    "    assert all((a == b).all() for (_, a), (_, b) in zip(trunk, m))\n")
            done = subprocess.run([sys.executable, "-c", code, trunk, os.path.join(out, "model.keras"), *models.values()],
                                  capture_output=True, text=True, env=PEER_ENVIRONMENT)
            print(done.stderr[-300:] if done.returncode else "", end="", file=sys.stderr)
            return done.returncode == 0
        return sides, verify
    task.__doc__ = f"{name} frozen, head {keras_head} + 1, {n_photos} photos, {epochs} epochs, model saved: whole runs a second."
    return task


TASKS = {"photos": photos, "decode": decode, "cold": cold, "head-lesson": head(25088, "4096,1024,1"), "head-small": head(1280, "256,1")}
TASKS["exercise-mobilenet_v2"] = exercise("mobilenet_v2", "average", "gap", 500, 10)
TASKS["exercise-vgg16"] = exercise("vgg16", "flatten,4096,1024", "flatten, dense:4096:relu, dense:1024:relu", 60, 5)
# The same at its full size: half an hour, so only when it is asked for.
TASKS["exercise-vgg16-full"] = exercise("vgg16", "flatten,4096,1024", "flatten, dense:4096:relu, dense:1024:relu", 500, 10)
TASKS.update({f"trunk-{n}": trunk(n) for n in ("efficientnet-lite0", "mobilenet_v2", "efficientnet_b0", "resnet50", "vgg16")})
TASKS.update({f"step-{norms}-{n}": step(n, norms) for norms in ("frozen", "train")
              for n in ("efficientnet-lite0", "mobilenet_v2", "efficientnet_b0", "resnet50")})


def cpu():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.processor())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    p.add_argument("--photos", default=os.path.join(os.environ.get("TW_SHARED", os.path.join(ROOT, "../shared")), "data/cats-dogs"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", default=",".join(name for name in TASKS if not name.endswith("-full")))
    p.add_argument("--quick", action="store_true", help="the strongest peers only")
    o = p.parse_args()
    o.bench = lambda name: os.path.join(o.build, "bench", name)
    o.scratch = os.path.join(o.build, "bench")
    table = []
    for name in o.only.split(","):
        sides, verify = TASKS[name](o)
        if sides is None:
            print(f"{name}: skipped: {verify}", file=sys.stderr)
            continue
        print(f"{name}: {TASKS[name].__doc__}", file=sys.stderr)
        for _ in range(o.rounds):
            for side in sides:
                side.round()
        if verify and not verify():
            raise SystemExit(f"{name}: the sides do not compute the same: no time is printed")
        for side in sides:
            side.close()
            print(json.dumps({"task": name, "side": side.name, "version": side.version, "value": round(side.best, 4), "cpu": cpu(),
                              "cores": len(os.sched_getaffinity(0))}), flush=True)
        best = max(sides[1:], key=lambda s: s.best)
        table.append((name, sides[0].best, best.best, best.name, sides[0].best / best.best))
        print("  %.3g against %.3g (%s): %.2f" % table[-1][1:], file=sys.stderr)
    print("\n%-28s %10s %10s  %-24s %s" % ("task", "topwork", "best peer", "which", "ratio"), file=sys.stderr)
    for row in table:
        print("%-28s %10.4g %10.4g  %-24s %.2f" % row, file=sys.stderr)


if __name__ == "__main__":
    main()
