"""Running the program in tests: into pipes, and on a terminal of a given size whose screen can be read."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

ROOT = Path(os.environ.get("TW_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("TW_BUILD_DIR", ROOT / "build/release"))
PROGRAM = BUILD / "topwork"
PLAY = BUILD / "tests/cli/topwork_play"


def environment(**more):
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    env.update(LC_ALL="C.UTF-8", TERM="xterm")
    env.update(more)
    return env


def run(*words, program=PROGRAM, **more):
    return subprocess.run([program, *words], capture_output=True, text=True, errors="replace", timeout=300,
                          env=environment(**more))


def size(fd, columns, rows=50):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def on_terminal(*words, columns=120, program=PLAY, act=None, **more):
    """Runs with standard error on a terminal. act(process, terminal) is called once, when something was drawn.
    Returns (exit code, bytes drawn, text on standard output)."""
    ours, theirs = pty.openpty()
    size(theirs, columns)
    process = subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=theirs, env=environment(**more))
    os.close(theirs)
    drawn, end = b"", time.time() + 60
    while time.time() < end:
        ready, _, _ = select.select([ours], [], [], 0.05)
        if ready:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            drawn += part
        if act and drawn:
            act(process, ours)
            act = None
    out = process.stdout.read().decode()
    process.stdout.close()
    code = process.wait(10)
    os.close(ours)
    return code, drawn.decode(errors="replace"), out


def screen(drawn, columns=120):
    """The lines a terminal shows after it was sent `drawn`."""
    rows, row, column = [[]], 0, 0
    for part in re.findall(r"\033\[[0-9;?]*[A-Za-z]|.|\n", drawn, re.S):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0  # the terminal's own \r comes before
        elif part.startswith("\033["):
            count = int(part[2:-1] or 1) if part[2:-1].isdigit() or part[2:-1] == "" else 1
            if part[-1] == "A":
                row = max(0, row - count)
            elif part[-1] == "J":
                rows[row] = rows[row][:column]
                del rows[row + 1:]
            elif part[-1] == "K":
                rows[row] = rows[row][:column]
            elif part[-1] != "m":
                raise ValueError(f"unknown escape {part!r}")
            continue
        else:
            if column == columns:
                row, column = row + 1, 0
            while len(rows) <= row:
                rows.append([])
            line = rows[row]
            line += " " * (column + 1 - len(line))
            line[column] = part
            column += 1
        while len(rows) <= row:
            rows.append([])
    return ["".join(line).rstrip() for line in rows]
