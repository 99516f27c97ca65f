"""`make install` into an empty folder: an example is built outside the tree with pkg-config (shared and archive) and with
CMake's find_package, and runs."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("TW_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("TW_BUILD_DIR", ROOT / "build/release"))

PROJECT = """cmake_minimum_required(VERSION 3.20)
project(user LANGUAGES C)
set(CMAKE_C_STANDARD 11)
find_package(topwork 0.1 REQUIRED)
add_executable(user functional.c)
target_link_libraries(user PRIVATE topwork::topwork)
"""


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="topwork-install-"))
        run("cmake", "--install", BUILD, "--prefix", cls.root / "first")
        # Moved after installing: nothing in it may know where it was.
        cls.prefix = cls.root / "moved here"
        (cls.root / "first").rename(cls.prefix)
        cls.pc = next(cls.prefix.rglob("topwork.pc"))
        cls.lib = cls.pc.parents[1]
        cls.user = cls.root / "user"
        cls.user.mkdir()
        shutil.copy(ROOT / "examples/functional.c", cls.user)
        cls.env = dict(os.environ, PKG_CONFIG_PATH=str(cls.pc.parent), LD_LIBRARY_PATH=str(cls.lib))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def flags(self, *what):
        # Blanks in the path come back with a backslash before them.
        text = run("pkg-config", *what, "topwork", env=self.env)
        return [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|\S)+", text)]

    def check(self, program):
        self.assertIn("accuracy", run(program, env=self.env))

    def test_headers_library_and_program_are_there(self):
        for file in ("include/topwork.h", "include/topwork_layers.h", "bin/topwork"):
            self.assertTrue((self.prefix / file).exists(), file)
        dynamic = run("readelf", "-d", self.lib / "libtopwork.so")
        self.assertRegex(dynamic, r"SONAME.*libtopwork\.so\.0\b")
        self.assertTrue((self.lib / "libtopwork.so.0").is_symlink())
        self.assertIn("topwork", run(self.prefix / "bin/topwork", "--version"))

    def test_only_public_names_are_exported(self):
        names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", self.lib / "libtopwork.so").splitlines()]
        self.assertIn("tw_fit_", names)
        self.assertEqual([n for n in names if not n.startswith("tw_")], [])

    def test_pkg_config_builds_with_the_shared_library(self):
        run("cc", "-std=c11", "functional.c", "-o", "shared", *self.flags("--cflags", "--libs"), cwd=self.user)
        self.check(self.user / "shared")

    def test_pkg_config_static_names_everything_the_archive_needs(self):
        flags = [f for f in self.flags("--static", "--cflags", "--libs") if f != "-ltopwork"]
        run("cc", "-std=c11", "functional.c", self.lib / "libtopwork.a", "-o", "archive", *flags, cwd=self.user)
        self.assertNotIn("libtopwork", run("readelf", "-d", self.user / "archive"))
        self.check(self.user / "archive")

    def test_cmake_finds_the_package(self):
        (self.user / "CMakeLists.txt").write_text(PROJECT)
        run("cmake", "-S", self.user, "-B", self.user / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", self.user / "build")
        self.check(self.user / "build/user")


if __name__ == "__main__":
    sys.exit(unittest.main())
