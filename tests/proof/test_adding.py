#!/usr/bin/env python3
"""What docs/ADDING.md promises: its examples are done to a copy of the repository, word for word, built, and run.

The page says what to do in four forms, each followed by a block of code where it needs one:
    New file `path`:                              the block is the file
    In `path`, before the line `text`:            the block goes there
    Line `text` in `path`                         into the sorted list
    a console block                               "$ command", and lines of which each must be in what it prints
The copy lies in <build>/adding and is kept, so that a second run compiles only what changed.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fault"))
from small import photos  # noqa: E402

ROOT = Path(os.environ["TW_SOURCE_DIR"])
WORK = Path(os.environ["TW_BUILD_DIR"]) / "adding"
COPY = WORK / "source"
PLACE = r"(?:New file `(?P<new>[^`]+)`:|[Ii]n `(?P<where>[^`]+)`, before the line `(?P<anchor>[^`]+)`:)"
STEP = re.compile(PLACE + r"\s+```c\n(?P<code>.*?)```|Line `(?P<line>[^`]+)` in `(?P<list>[^`]+)`|```console\n(?P<console>.*?)```",
                  re.S)
KINDS = {"loss", "optimizer", "layer", "architecture", "model file format", "verb"}


def put(files, path, text):
    if path in files:
        raise SystemExit(f"adding: {path} exists already: the example is no addition")
    files[path] = text


def insert_sorted(text, line):
    """The line among those of the same macro, in their order."""
    lines, macro = text.splitlines(), line.split("(")[0]
    rows = [i for i, row in enumerate(lines) if row.startswith(macro + "(")]
    at = next((i for i in rows if lines[i] > line), rows[-1] + 1)
    return "\n".join(lines[:at] + [line] + lines[at:]) + "\n"


def replay(page, files):
    """Does the page's steps to files {path: text}. Returns its console blocks."""
    consoles = []
    for step in STEP.finditer(page):
        if step["new"]:
            put(files, step["new"], step["code"])
        elif step["where"]:
            text, anchor = files[step["where"]], "\n" + step["anchor"] + "\n"
            if text.count(anchor) != 1:
                raise SystemExit(f"adding: {step['where']} has not exactly one line '{step['anchor']}'")
            files[step["where"]] = text.replace(anchor, "\n" + step["code"].rstrip("\n") + "\n" + ("\n" if
                                                step["code"].endswith("\n\n") else "") + anchor[1:])
        elif step["line"]:
            files[step["list"]] = insert_sorted(files[step["list"]], step["line"])
        else:
            consoles.append(step["console"])
    return consoles


def write_changed(files):
    for path, text in files.items():
        target = COPY / path
        data = text if isinstance(text, bytes) else text.encode()
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    for old in [p for p in COPY.rglob("*") if p.is_file() and str(p.relative_to(COPY)) not in files]:
        old.unlink()


def repository():
    """The files a build needs, as text."""
    files = {}
    for folder in ("src", "include", "cmake", "tools"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[str(path.relative_to(ROOT))] = path.read_text()
    files["CMakeLists.txt"] = (ROOT / "CMakeLists.txt").read_text()
    return files


def build():
    def run(*words):
        result = subprocess.run(words, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"adding: {' '.join(words)} failed:\n{result.stdout[-6000:]}{result.stderr[-3000:]}")

    run("cmake", "-G", "Ninja", "-S", str(COPY), "-B", str(WORK / "build"), "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_C_FLAGS_DEBUG=-O0")
    run("cmake", "--build", str(WORK / "build"), "--target", "generate")
    run("cmake", "--build", str(WORK / "build"), "--target", "topwork_program")


def check(console, folder):
    """Runs a block's commands. Returns what was promised and did not come."""
    missing = []
    env = dict(os.environ, PATH=f"{WORK / 'build'}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
    for part in re.findall(r"^\$ (.*?)$(.*?)(?=^\$ |\Z)", console, re.S | re.M):
        result = subprocess.run(part[0], shell=True, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
        said = result.stdout + result.stderr
        missing += [f"$ {part[0]}\nshould say: {line}\nsays: {said}" for line in part[1].splitlines()
                    if line and line not in said]
    return missing


def main():
    page = (ROOT / "docs/ADDING.md").read_text()
    kinds = {title.removeprefix("An ").removeprefix("A ") for title in re.findall(r"^### (.*)$", page, re.M)}
    if kinds != KINDS:
        raise SystemExit(f"adding: the page has examples of {sorted(kinds)}, expected {sorted(KINDS)}")
    files = repository()
    consoles = replay(page, files)
    # The generator's own output is not undone by the next copy: it would be compiled twice.
    for path in ("include/topwork_layers.h", "src/api/layer_options.c"):
        if (COPY / path).exists():
            files[path] = (COPY / path).read_text()
    write_changed(files)
    build()
    folder = WORK / "run"
    shutil.rmtree(folder, ignore_errors=True)
    photos(folder / "photos")
    (folder / "include").symlink_to(COPY / "include")
    missing = [m for console in consoles for m in check(console, folder)]
    print("\n".join(missing) or f"{len(kinds)} examples: added, built, run")
    sys.exit(1 if missing or not consoles else 0)


main()
