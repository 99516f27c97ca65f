#!/usr/bin/env python3
"""topwork convert: every format that can be written, from what can be read, and what it refuses."""
import json
import os
import re
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

from program import run

SMALL = ["mobilenet_v2:0.35", "--weights", "none", "--input-size", "32", "--classes", "5"]


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return str(Path(self.folder.name) / name)

    def gives(self, words, code=0):
        result = run("convert", *words)
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        return result

    def small(self):
        self.gives([SMALL[0], self.path("small.keras"), *SMALL[1:]])
        return self.path("small.keras")

    def test_whole_models_come_back_the_same_in_every_format(self):
        start = self.small()
        for name in ("again.keras", "old.h5"):
            out = json.loads(self.gives([start, self.path(name), "--verify", "--format", "json"]).stdout)
            self.assertEqual(out["verify"]["largest_difference"], 0, name)
            self.assertEqual((out["holds"], out["verify"]["read_again"]), ("model", True))
            self.assertEqual(out["bytes"], os.path.getsize(self.path(name)))
            start = self.path(name)

    def test_a_folder_is_an_archive_unzipped(self):
        out = json.loads(self.gives([self.small(), self.path("folder") + "/", "--verify", "--format", "json"]).stdout)
        self.assertEqual((out["holds"], out["verify"]["largest_difference"]), ("model", 0))
        self.assertGreater(out["bytes"], 1e6)
        self.gives([self.path("small.keras"), self.path("again.keras")])
        with zipfile.ZipFile(self.path("again.keras")) as archive:
            for member in archive.namelist():
                self.assertEqual((Path(self.path("folder")) / member).read_bytes(), archive.read(member), member)
        # What else a folder holds is somebody's: none is written over, not even with --force.
        self.assertIn("is there already", self.gives([self.path("small.keras"), self.path("folder") + "/", "--force"], 2).stderr)
        self.gives([self.path("small.keras"), self.path("no/such/folder") + "/"], 7)
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["again.keras", "folder", "small.keras"])

    def test_shards_are_as_small_as_asked_for(self):
        start = self.small()
        text = self.gives([start, self.path("s.weights.json"), "--shard-size", "600k", "--verify"]).stdout
        self.assertIn("read again: largest difference 0", text)
        index = json.loads(Path(self.path("s.weights.json")).read_text())
        shards = sorted(f for f in os.listdir(self.folder.name) if f.startswith("s_"))
        self.assertEqual(shards, [f"s_{i:05}.weights.h5" for i in range(len(shards))])
        self.assertGreater(len(shards), 2)
        named = [n for v in index["weight_map"].values() for n in (v if isinstance(v, list) else [v])]
        self.assertEqual(sorted(set(named)), shards)
        for name in shards:
            self.assertLess(os.path.getsize(self.path(name)), 900e3)  # and HDF5's own
        self.assertIn("more than the 1000 of a shard", self.gives([start, self.path("t.weights.json"), "--shard-size", "1k"], 2).stderr)
        self.assertIn("is for weights in .weights.json", self.gives([start, self.path("t.keras"), "--shard-size", "1M"], 2).stderr)
        self.assertFalse([f for f in os.listdir(self.folder.name) if f.startswith("t")])
        # A shard is a file of somebody's too.
        os.remove(self.path("s.weights.json"))
        self.assertIn("s_00000.weights.h5' is there already", self.gives([start, self.path("s.weights.json")], 2).stderr)

    def test_weights_alone_come_back_the_same(self):
        start = self.small()
        for name in ("small.weights.h5", "small.safetensors", "small.weights.json", "small.pth"):
            out = json.loads(self.gives([start, self.path(name), "--verify", "--format", "json"]).stdout)
            self.assertEqual((out["holds"], out["verify"]["largest_difference"]), ("weights", 0), name)
            # Weights need the network they belong to, by name or as a file.
            self.assertIn("--model NAME", self.gives([self.path(name), self.path("no.keras")], 3).stderr)
            self.gives([self.path(name), self.path(f"{name}.keras"), "--model", start, "--verify"])
        self.gives([self.path("small.weights.h5"), self.path("named.keras"), "--model", SMALL[0], *SMALL[3:], "--verify"])

    def test_weights_alone_are_listed_by_summary(self):
        start = self.small()
        for name, array in (("w.weights.h5", "layers/conv2d/vars/0"), ("w.safetensors", "Conv1/kernel"), ("w.pth", "Conv1.weight")):
            self.gives([start, self.path(name)])
            result = run("summary", self.path(name))
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("weights only: ", result.stdout)
            shape = r"\(16, 3, 3, 3\)" if name.endswith("pth") else r"\(3, 3, 3, 16\)"
            self.assertRegex(result.stdout, rf"(?m)^{re.escape(array)} +{shape}$")
            self.assertIn("--model NAME", result.stderr)
            listed = json.loads(run("summary", self.path(name), "--format", "json").stdout)
            whole = json.loads(run("summary", start, "--format", "json").stdout)
            self.assertEqual((listed["holds"], listed["params"]["total"]), ("weights", whole["params"]["total"]))
            # What needs layers is refused as before.
            self.assertEqual(run("summary", self.path(name), "--svg", self.path("x.svg")).returncode, 3)
        Path(self.path("cut.pth")).write_bytes(Path(self.path("w.pth")).read_bytes()[:5000])
        self.assertEqual(run("summary", self.path("cut.pth")).returncode, 5)

    def test_weights_of_a_network_that_takes_pixels_are_compared_on_pixels(self):
        for name in ("pixels.weights.h5", "pixels.safetensors"):
            words = ["efficientnet_b0", self.path(name), "--weights", "none", "--input-size", "32", "--classes", "3"]
            self.assertIn("read again: largest difference 0 over", self.gives([*words, "--verify"]).stdout)

    def test_what_did_not_meet_is_told_and_loaded_as_asked(self):
        start = self.small()
        self.gives([SMALL[0], self.path("other.h5"), *SMALL[1:-1], "7"])
        words = [self.path("other.h5"), self.path("out.keras"), "--model", start, "--force"]
        self.assertIn("predictions': kernel has shape (1280, 7)", self.gives(words, 3).stderr)
        self.assertFalse(os.path.exists(self.path("out.keras")))
        self.assertIn("not loaded from " + words[0] + ": predictions/kernel", self.gives([*words, "--skip-mismatch"]).stderr)
        self.gives([SMALL[0], self.path("trunk.h5"), *SMALL[1:-2], "--no-top"])
        words[0] = self.path("trunk.h5")
        self.assertIn("try  --by-name", self.gives(words, 3).stderr)
        self.assertIn("not loaded from " + words[0] + ": predictions", self.gives([*words, "--by-name"]).stderr)
        words = [start, self.path("lower.keras"), "--model", words[0]]
        self.assertIn("left over in " + start + ": predictions", self.gives([*words, "--by-name"]).stderr)
        self.assertIn("is for weights", self.gives([start, self.path("x.keras"), "--by-name"], 2).stderr)

    def test_c_compiles_without_a_warning_and_checks_itself(self):
        start = self.small()
        out = json.loads(self.gives([start, self.path("2 nets-a.c"), "--verify", "--format", "json"]).stdout)
        self.assertEqual((out["holds"], out["verify"]["read_again"]), ("model", False))
        self.assertLess(out["verify"]["largest_difference"], 1e-6)
        build = ["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", self.path("2 nets-a.c"), "-o", self.path("a")]
        subprocess.run([*build, "-DM2_NETS_A_TEST", "-lm"], check=True)
        subprocess.run([self.path("a")], check=True, stdout=subprocess.DEVNULL)
        header = Path(self.path("2 nets-a.h")).read_text()
        self.assertIn("#define M2_NETS_A_OUTPUT_SIZE 5", header)
        self.assertIn("int m2_nets_a_predict(const float *input, float *output);", header)
        # The header is a file of somebody's too.
        Path(self.path("b.h")).write_text("mine")
        self.assertIn("b.h' is there already", self.gives([start, self.path("b.c")], 2).stderr)
        self.assertFalse(os.path.exists(self.path("b.c")))

    def test_onnx_is_computed_as_it_was_written(self):
        text = self.gives([self.small(), self.path("small.onnx"), "--verify"]).stdout
        self.assertIn("small.onnx: ONNX, model and weights", text)
        self.assertIn("not read again: largest difference", text)
        self.assertTrue(Path(self.path("small.onnx")).read_bytes().startswith(b"\x08\x08\x12\x07topwork"))
        # Nothing here reads it.
        self.assertIn("is no model file", self.gives([self.path("small.onnx"), self.path("x.keras")], 5).stderr)

    def test_a_run_directory_is_a_model(self):
        os.mkdir(self.path("run"))
        os.rename(self.small(), self.path("run/model.keras"))
        self.gives([self.path("run"), self.path("out.h5"), "--verify"])

    def test_nothing_is_written_over_unasked(self):
        start = self.small()
        self.assertIn("written over itself", self.gives([start, start, "--force"], 2).stderr)
        os.link(start, self.path("twin.keras"))
        self.assertIn("written over itself", self.gives([start, self.path("twin.keras"), "--force"], 2).stderr)
        Path(self.path("there.keras")).write_text("mine")
        self.assertIn("--force", self.gives([start, self.path("there.keras")], 2).stderr)
        self.assertEqual(Path(self.path("there.keras")).read_text(), "mine")
        self.gives([start, self.path("there.keras"), "--force", "--verify"])
        self.assertIn("is a folder", self.gives([start, self.folder.name], 2).stderr)

    def test_endings_and_places_that_cannot_be_written(self):
        start = self.small()
        self.assertIn("ends in one of", self.gives([start, self.path("model.zip")], 2).stderr)
        self.gives([start, self.path("no/such/folder.keras")], 7)
        self.gives([self.path("none.keras"), self.path("out.keras")], 3)
        Path(self.path("text.h5")).write_text("no model at all")
        self.assertIn("is no model file", self.gives([self.path("text.h5"), self.path("out.keras")], 5).stderr)
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["small.keras", "text.h5"])


if __name__ == "__main__":
    unittest.main()
