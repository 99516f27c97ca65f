#!/usr/bin/env python3
"""Structure tests. Each check prints what is wrong, file by file, and exits 1; `check.py NAME` runs one of them."""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ.get("TW_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("TW_BUILD_DIR", ROOT / "build/release"))

# A file may include its own room and rooms of a lower number. Rooms of equal number never include each other.
ROOMS = {"base": 0, "tensor": 1, "op": 2, "codec": 3, "graph": 4, "layer": 5, "zoo": 6, "format": 7, "engine": 8,
         "data": 8, "train": 9, "insight": 10, "report": 11, "serve": 12, "job": 12, "api": 13, "cli": 14}

# Lists: folder, list file, row macro, how a row's file is named. One kind = one file + one line.
LISTS = [
    ("op", "list.inc", "TW_OP", "op_{}.c"),
    ("codec", "picture_list.inc", None, "{}.c"),
    ("layer", "list.inc", "TW_LAYER", "{}.c"),
    ("zoo", "list.inc", "TW_FAMILY", "{}.c"),
    ("format", "list.inc", None, "{}.c"),
    ("data", "source_list.inc", None, "{}.c"),
    ("data", "augment_list.inc", None, "augment_{}.c"),
    ("train", "loss_list.inc", None, "loss_{}.c"),
    ("train", "optimizer_list.inc", None, "optimizer_{}.c"),
    ("train", "callback_list.inc", None, "callback_{}.c"),
    ("train", "schedule_list.inc", None, "schedule_{}.c"),
    ("train", "metric_list.inc", None, "{}.c"),
    ("report", "diagnose_list.inc", None, "diagnose_{}.c"),
    ("cli", "list.inc", "CLI_VERB", "cmd_{}.c"),
]


def sources(*suffixes):
    return sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in suffixes)


def rows_of(path):
    return re.findall(r"^\s*[A-Z_]+\((\w+)", path.read_text(), re.M)


def check_rooms():
    """Layering: includes go down, never up or sideways; only op/onednn sees oneDNN; the program sees topwork.h only."""
    wrong = []
    for path in sources(".c", ".h", ".inc"):
        room = path.relative_to(ROOT / "src").parts[0]
        if room not in ROOMS:
            wrong.append(f"{path.relative_to(ROOT)}: room '{room}' is not in the list of rooms")
            continue
        for include in re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', path.read_text(), re.M):
            other = include.split("/")[0]
            if other in ROOMS and "/" in include:
                if other != room and ROOMS[other] >= ROOMS[room]:
                    wrong.append(f"{path.relative_to(ROOT)}: includes {include}, which is not a lower room")
                if room == "cli" and other != "cli":
                    wrong.append(f"{path.relative_to(ROOT)}: the program includes topwork.h only, not {include}")
            if "dnnl" in include and "/" in include and not include.startswith("op/") and "op/onednn" not in str(path):
                wrong.append(f"{path.relative_to(ROOT)}: only op/onednn includes the oneDNN header")
    return wrong


def check_lists():
    """Every row has its file, every file its row, lists are sorted."""
    wrong = []
    for room, name, macro, pattern in LISTS:
        path = ROOT / "src" / room / name
        if not path.exists():
            continue
        rows = rows_of(path)
        if not rows:
            wrong.append(f"{path.relative_to(ROOT)}: has no rows")
        if rows != sorted(rows) and name != "diagnose_list.inc":  # these stand by weight
            wrong.append(f"{path.relative_to(ROOT)}: rows are not sorted")
        if len(set(rows)) != len(rows):
            wrong.append(f"{path.relative_to(ROOT)}: a row appears twice")
        if pattern == "{}.c":
            defined = "\n".join(p.read_text() for p in (ROOT / "src" / room).glob("*.c"))
            for row in rows:
                if not re.search(rf"^(const [\w ]+ twi_\w*{row} = \{{|[A-Z_]+\({row},)", defined, re.M):
                    wrong.append(f"{path.relative_to(ROOT)}: row '{row}' is defined in no file of src/{room}")
            for row in re.findall(r"^const tw_layer_kind twi_layer_(\w+) = \{", defined, re.M):
                if room == "layer" and row not in rows:
                    wrong.append(f"src/{room}: kind '{row}' has no line in {name}")
            continue
        prefix, suffix = pattern.split("{}")
        files = {p.name[len(prefix):-len(suffix)] for p in (ROOT / "src" / room).glob(f"{prefix}*{suffix}")}
        wrong += [f"src/{room}: row '{row}' has no file {pattern.format(row)}" for row in rows if row not in files]
        wrong += [f"src/{room}/{pattern.format(f)}: no line in {name}" for f in sorted(files - set(rows))]
    return wrong


BANNED = {"exit", "_exit", "printf", "puts", "putchar", "vprintf", "abort", "__assert_fail", "strcpy", "strcat",
          "sprintf", "vsprintf", "gets", "strtok", "rand", "srand", "atoi", "atof", "system", "popen", "perror"}
# Handles made once per process (oneDNN's engine, the HEIF and HDF5 libraries) and the guards of their making.
GLOBALS_ALLOWED = re.compile(r"^(dnnl_handle|heif_handle|\w+_once|\w+_lock)(\.\d+)?$")


def check_symbols():
    """The library calls nothing that exits, prints or aborts, and has no writable globals."""
    if "asan" in str(BUILD) or "tsan" in str(BUILD) or "coverage" in str(BUILD):
        print("skipped: sanitizers add symbols of their own")
        return []
    wrong = []
    archive = BUILD / "libtopwork_static.a"
    text = subprocess.run(["objdump", "-t", str(archive)], capture_output=True, text=True, check=True).stdout
    member = ""
    for line in text.splitlines():
        if match := re.match(r"(\S+\.o):\s+file format", line):
            member = match.group(1)
        elif match := re.match(r"[0-9a-f]{16} (.{7}) (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", line):
            flags, section, name = match.groups()
            if section == "*UND*" and name in BANNED and not (name == "abort" and member == "error.c.o"):
                wrong.append(f"{member}: calls {name}")
            # .data.rel.ro is made read-only once the loader has filled in addresses
            writable = re.match(r"\.(data|bss|tdata|tbss)(?!\.rel\.ro)", section) or section == "*COM*"
            if "O" in flags and writable and not GLOBALS_ALLOWED.match(name):
                wrong.append(f"{member}: writable global '{name}'")
    return wrong


def functions(text):
    """(name, first line, lines) of each function, by column-0 braces."""
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield lines[start - 1].strip(), start, number - start
            start = None


def check_style():
    """File and function length, banned habits, no paths of one machine."""
    wrong = []
    for path in sources(".c", ".h") + sorted((ROOT / "include").glob("*.h")):
        text, name = path.read_text(), path.relative_to(ROOT)
        n = text.count("\n")
        if n > 800 and path.name not in ("topwork.h", "topwork_layers.h"):
            wrong.append(f"{name}: {n} lines, at most 800")
        if not text.startswith("//"):
            wrong.append(f"{name}: no file head")
        for what, start, length in functions(text):
            if length > 100:
                wrong.append(f"{name}:{start}: function of {length} lines, at most 100: {what}")
        if path.name != "mem.c" and re.search(r"\b(malloc|calloc|realloc)\s*\(", text):
            wrong.append(f"{name}: allocates around base/mem.h")
        for left in re.findall(r"\b(TODO|FIXME|XXX)\b", text):
            wrong.append(f"{name}: {left}")
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True).stdout.split()
    for file in listed:
        path = ROOT / file
        if path.is_file() and path.stat().st_size > 1 << 20:
            wrong.append(f"{file}: over 1 MiB")
        if path.suffix in (".c", ".h", ".md", ".sh", ".py", ".cmake") and path.is_file() and "structure/check.py" not in file:
            if re.search(r"/(work|root|opt|farm)/\w", path.read_text(errors="replace")):
                wrong.append(f"{file}: names a path of one machine")
    return wrong


def check_docs():
    """docs/TOUR.md names only functions and files that exist; every room has its paragraph."""
    tour = ROOT / "docs/TOUR.md"
    if not tour.exists():
        return ["docs/TOUR.md is missing"]
    text, wrong = tour.read_text(), []
    code = "\n".join(p.read_text() for p in sources(".c", ".h")) + (ROOT / "include/topwork.h").read_text()
    for name in sorted(set(re.findall(r"`((?:tw|twi|cli)_\w+)(?:\(\))?`", text))):
        if name not in code:
            wrong.append(f"docs/TOUR.md: no {name} in the code")
    for file in sorted(set(re.findall(r"`((?:src|tests|include|docs|tools|examples|bench|fuzz)/[\w./-]+\.\w+)`", text))):
        if not (ROOT / file).exists():
            wrong.append(f"docs/TOUR.md: no file {file}")
    for room in sorted(p.name for p in (ROOT / "src").iterdir() if p.is_dir() and any(p.glob("*.c"))):
        if f"`src/{room}/`" not in text:
            wrong.append(f"docs/TOUR.md: no paragraph on `src/{room}/`")
    return wrong


def check_generated():
    """Files written from the library's tables are as the tables are now."""
    wrong = []
    for what, file in (("header", "include/topwork_layers.h"), ("source", "src/api/layer_options.c")):
        fresh = BUILD / f"generated-{what}"
        subprocess.run([str(BUILD / "generate_layers"), what, str(fresh)], check=True)
        if fresh.read_bytes() != (ROOT / file).read_bytes():
            wrong.append(f"{file}: out of date; write it anew with  cmake --build build/{BUILD.name} --target generate")
    return wrong


def main():
    names = sys.argv[1:] or ["rooms", "lists", "symbols", "style", "docs", "generated"]
    failed = 0
    for name in names:
        wrong = globals()["check_" + name]()
        for line in wrong:
            print(line)
        print(f"{name}: {'ok' if not wrong else f'{len(wrong)} found'}")
        failed += bool(wrong)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
