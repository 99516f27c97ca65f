#!/usr/bin/env python3
"""How cost grows with photos, picture size, classes and cores: runs topwork, prints the numbers, draws docs/growth.svg.

  measure_growth.py [--build build/release] [--photos FOLDER] [--rounds 2] [--svg docs/growth.svg] [--from numbers.json]

Counted are processor seconds of all threads together, which neighbours on a busy machine hardly change. Where they are the same
with more threads, so many cores are so many times as quick.
Each point is the least of the rounds, which go through all points in turn. The head's cost is that of a run that finds its
features in the cache, the features' what a run without them takes more. --from draws numbers that were printed before."""
import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PHOTOS = [125, 250, 500, 1000]
SIZES = [96, 128, 160, 192, 224, 256]
CLASSES = [2, 5, 10, 20, 50]


class Bench:
    def __init__(self, o):
        self.program = Path(o.build, "topwork").resolve()
        self.scratch = Path(tempfile.mkdtemp(prefix="topwork-growth-"))
        classes = [sorted(d.iterdir()) for d in sorted(o.photos.iterdir()) if d.is_dir()]
        self.photos = [photo for pair in zip(*classes) for photo in pair]  # a class after the other, so that any part is even
        self.n_classes = len(classes)
        self.runs = 0

    def folder(self, n, classes=None):
        """n photos, in as many classes as there are or dealt out to so many."""
        where = self.scratch / f"photos-{n}-{classes}"
        if not where.exists():
            for i, photo in enumerate(self.photos[:n]):
                name = f"class{i % classes:03d}" if classes else photo.parent.name
                (where / name).mkdir(parents=True, exist_ok=True)
                (where / name / f"{i}-{photo.name}").symlink_to(photo.resolve())
        return where

    def train(self, photos, *flags, cache=None):
        """Processor seconds of a run with ten epochs."""
        self.runs += 1
        out = self.scratch / f"run-{self.runs}"
        command = [self.program, "train", photos, "--model", "efficientnet-lite0", "--patience", "0", "--epochs", "10", "--cache",
                   cache or self.scratch / f"cache-{self.runs}", "--output-dir", out, "--quiet", *map(str, flags)]
        process = subprocess.Popen(command, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: exit {process.returncode}")
        return usage.ru_utime + usage.ru_stime

    def twice(self, photos, *flags):
        """Processor seconds of the features, and of a run that finds them."""
        cache = self.scratch / f"twice-{self.runs}"
        first, again = (self.train(photos, *flags, cache=cache) for _ in range(2))
        return first - again, again


def measure(o):
    b = Bench(o)
    cores = [n for n in (1, 2, 4, 8, 16, 32) if n <= (os.cpu_count() or 1)]
    kept = b.scratch / "kept"
    b.train(b.folder(500, 2), cache=kept)  # what heads of more classes find there
    points = {"photos": [], "head": [], "size": [], "classes": [], "cores": []}
    for _ in range(o.rounds):
        now = {key: [] for key in points}
        for n in PHOTOS:
            features, head = b.twice(b.folder(n))
            now["photos"].append((n, features))
            now["head"].append((n, head))
        for size in SIZES:
            now["size"].append((size, b.twice(b.folder(125), "--input-size", size)[0]))
        for n in CLASSES:
            now["classes"].append((n, b.train(b.folder(500, n), cache=kept)))
        for n in cores:
            now["cores"].append((n, b.twice(b.folder(125), "--threads", n)[0]))
        for key, pairs in now.items():
            before = dict(points[key])
            points[key] = [(x, round(min(y, before.get(x, y)), 3)) for x, y in pairs]
    subprocess.run(["rm", "-rf", b.scratch], check=True)
    return points


# ------------------------------------------------------------------------------------------------------------------ drawing

W, H, LEFT, TOP, RIGHT, BOTTOM = 400, 250, 52, 40, 18, 42


def ticks(most):
    step = 10 ** len(str(int(most))) / 10 if most >= 1 else 0.1
    for factor in (0.1, 0.2, 0.5, 1, 2, 5):
        if most / (step * factor) <= 5:
            step *= factor
            break
    return [i * step for i in range(int(most / step) + 1)]


def panel(out, at, title, unit_x, lines, note, area=False):
    """lines: [(name, [(x, seconds)])]. area: the axis is of x², so that what grows with the area is a line."""
    left, top = at[0] + LEFT, at[1] + TOP
    width, height = W - LEFT - RIGHT, H - TOP - BOTTOM
    scale = (lambda x: x * x) if area else (lambda x: x)
    most_x = scale(max(x for _, p in lines for x, _ in p)) * 1.05
    most_y = max(y for _, p in lines for _, y in p) * 1.1

    def place(x, y):
        return left + width * scale(x) / most_x, top + height - height * y / most_y

    out.append(f'<text x="{at[0] + LEFT}" y="{at[1] + 18}" class="t">{title}</text>'
               f'<text x="{at[0] + LEFT}" y="{at[1] + 32}" class="s">{note}</text>')
    for y in ticks(most_y):
        _, py = place(0, y)
        out.append(f'<path d="M{left} {py:.1f}h{width}" class="g"/><text x="{left - 6}" y="{py + 4:.1f}" class="e">{y:g} s</text>')
    for x, _ in lines[0][1]:
        px, _ = place(x, 0)
        out.append(f'<text x="{px:.1f}" y="{top + height + 16}" class="m">{x:g}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 34}" class="m">{unit_x}</text>')
    for i, (name, pairs) in enumerate(lines):
        xy = [place(x, y) for x, y in pairs]
        out.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in xy)}" class="l{i}"/>')
        out.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="d{i}"><title>{px:g}: {py:.2f} s</title></circle>'
                   for (x, y), (px, py) in zip(xy, pairs))
        if len(lines) > 1:
            x, y = xy[-1]
            out.append(f'<text x="{x - 8:.1f}" y="{y - 9:.1f}" class="e">{name}</text>')


def draw(points, path):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * W} {2 * H}" role="img" '
           'aria-label="Cost of a training by photos, picture size, classes and cores">',
           "<style>text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:14px}.s{fill:#666;font-size:11px}"
           ".m{text-anchor:middle}.e{text-anchor:end}.g{stroke:#ddd}polyline{fill:none;stroke-width:2}"
           ".l0{stroke:#2b6cb0}.d0{fill:#2b6cb0}.l1{stroke:#c05621}.d1{fill:#c05621}</style>",
           f'<rect width="{2 * W}" height="{2 * H}" fill="#fff"/>']
    panel(out, (0, 0), "Photos", "photos", [("features", points["photos"]), ("head and the rest", points["head"])],
          "processor seconds: features once, then a run that finds them")
    panel(out, (W, 0), "Picture size", "pixels a side, drawn by area", [("features", points["size"])], "processor seconds: features of 125 photos",
          area=True)
    panel(out, (0, H), "Classes", "classes", [("head", points["classes"])], "processor seconds: a run on 500 photos that finds its features")
    panel(out, (W, H), "Cores", "threads", [("features", points["cores"])], "processor seconds of all threads: features of 125 photos")
    out.append("</svg>\n")
    Path(path).write_text("\n".join(out))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=ROOT / "build/release")
    p.add_argument("--photos", type=Path, default=Path(os.environ.get("TW_SHARED", ROOT / "../shared"), "data/cats-dogs"))
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--svg", default=ROOT / "docs/growth.svg")
    p.add_argument("--from", dest="numbers", help="draw these instead of measuring")
    o = p.parse_args()
    if o.numbers:
        points = json.loads(Path(o.numbers).read_text())
    elif o.photos.is_dir():
        points = measure(o)
    else:
        raise SystemExit(f"measure_growth: no photos in {o.photos}: --photos FOLDER")
    print(json.dumps(points))
    draw(points, o.svg)


if __name__ == "__main__":
    main()
