"""A small job for fault tests: sixteen drawn photos, a small network, and running the program on them."""
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from program import PROGRAM, environment  # noqa: E402

MODEL = ["--model", "mobilenet_v2:0.35", "--weights", "none", "--input-size", "32"]


def png(path, seed, width=40, height=30):
    draw = random.Random(seed)
    base = [draw.randrange(256) for _ in range(3)]
    rows = b"".join(b"\0" + bytes((base[c] + x * 3 * (seed % 2) + y * 2) % 256 for x in range(width) for c in range(3))
                    for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def photos(folder):
    for i in range(16):
        (folder / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        png(folder / "ab"[i % 2] / f"{i}.png", i)
    return folder


def run(*words, before=(), stdout=subprocess.PIPE, **env):
    result = subprocess.run([*before, PROGRAM, *map(str, words)], stdout=stdout, stderr=subprocess.PIPE, text=True,
                            errors="replace", timeout=120, env=environment(**env))
    return result


def train(pictures, out, *more, **options):
    return run("train", pictures, *MODEL, "--epochs", "1", "--output-dir", out, *more, **options)


def everything(folder):
    """Name → content of all files below."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def litter(folder):
    return [name for name in everything(folder) if ".part" in name or "XXXXXX" in name]


def is_root():
    return os.geteuid() == 0
