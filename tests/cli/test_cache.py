#!/usr/bin/env python3
"""The feature cache as the program keeps it: what train leaves in it, and topwork cache."""
import json
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import PROGRAM, environment, run

TRAIN = ["--model", "mobilenet_v2:0.35", "--weights", "none", "--input-size", "32", "--epochs", "1", "--val-split", "0.25"]


def picture(path, tone):
    side = 32
    pixels = bytes((tone + 7 * k) % 256 for k in range(side * side * 3))
    path.write_bytes(struct.pack("<2sIII", b"BM", 54 + len(pixels), 0, 54) +
                     struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels)


class Cache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.at = Path(cls.folder.name)
        for name, tone in (("blue", 0), ("red", 128)):
            (cls.at / "photos" / name).mkdir(parents=True)
            for i in range(8):
                picture(cls.at / "photos" / name / f"{i}.bmp", tone + 5 * i)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.home = self.at / self.id().rsplit(".", 1)[1]

    def train(self, *words, **more):
        result = run("train", str(self.at / "photos"), *TRAIN, "--output-dir", str(self.home / "run"), "--force", *words,
                     TOPWORK_HOME=str(self.home), OMP_WAIT_POLICY="passive", **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        results = json.loads((self.home / "run/results.json").read_text())
        return results["photos"]["decoded"], result.stderr

    def cache(self, *words, code=0):
        result = run("cache", *words, TOPWORK_HOME=str(self.home))
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr if code else result.stdout

    def listed(self):
        return json.loads(self.cache("ls", "--format", "json"))

    def test_a_second_run_decodes_nothing_and_says_so(self):
        self.assertEqual(self.train()[0], 16)
        decoded, said = self.train("--epochs", "2")
        self.assertEqual(decoded, 0)
        self.assertIn("all found in the cache", said)

    def test_other_seeds_and_heads_share_rows_but_other_precisions_do_not(self):
        self.train()
        self.assertEqual(self.train("--seed", "5", "--head", "gap, dense:4")[0], 16)  # the weights are drawn from the seed
        self.assertEqual(self.train("--head", "gap, dense:4")[0], 0)
        self.assertEqual(self.train("--precision", "exact")[0], 16)
        self.assertEqual(self.train("--precision", "exact")[0], 0)
        self.assertEqual(len(self.listed()["files"]), 3)

    def test_ls_size_and_clear_tell_and_empty(self):
        self.assertIn("0.0 MB in 0 files", self.cache("size"))
        self.train()
        (self.home / "weights").mkdir()
        (self.home / "weights/own.h5").write_bytes(bytes(1000))
        one = self.listed()
        self.assertEqual([f["rows"] for f in one["files"]], [16])
        self.assertEqual(one["bytes"], os.path.getsize(one["files"][0]["file"]))
        self.assertEqual([(Path(f["file"]).name, f["bytes"]) for f in one["weights"]["files"]], [("own.h5", 1000)])
        self.assertTrue(0 < one["limit"] <= 10**10)
        text = self.cache("ls")
        self.assertIn("16 photos", text)
        self.assertIn("own.h5", text)
        self.assertTrue((self.home / "features/CACHEDIR.TAG").exists())
        self.assertIn("freed", self.cache("clear"))
        self.assertEqual(self.listed()["files"], [])
        self.assertTrue((self.home / "weights/own.h5").exists())

    def test_the_limit_makes_room_by_last_use(self):
        self.train()
        first = {f["file"] for f in self.listed()["files"]}
        self.train("--precision", "exact")
        size = self.listed()["bytes"]
        self.train("--seed", "9", "--cache-limit", str(size))
        left = {f["file"] for f in self.listed()["files"]}
        self.assertEqual(len(left), 2)
        self.assertFalse(first & left)
        self.cache("clear", "--limit", str(size // 2))
        self.assertEqual(len(self.listed()["files"]), 1)
        decoded, said = self.train("--seed", "9", "--cache-limit", "1k")
        self.assertEqual(decoded, 0)
        self.assertEqual(self.listed()["files"], [])
        self.assertIn("not kept: more than the cache may hold", self.train("--cache-limit", "1k")[1])

    def test_limits_that_mean_nothing_are_refused(self):
        self.assertIn("--cache-limit", run("train", str(self.at / "photos"), "--cache-limit", "much").stderr)
        self.assertIn("--limit goes with clear", self.cache("size", "--limit", "1G", code=2))
        self.assertIn("--limit", self.cache("clear", "--limit", "some", code=2))

    def test_runs_at_the_same_time_share_one_file(self):
        words = [PROGRAM, "train", str(self.at / "photos"), *TRAIN]
        env = environment(TOPWORK_HOME=str(self.home), OMP_WAIT_POLICY="passive")
        runs = [subprocess.Popen([*words, "--output-dir", str(self.home / f"run{i}"), "--quiet"], env=env) for i in range(4)]
        self.assertEqual([process.wait(300) for process in runs], [0] * 4)
        self.assertEqual(len(self.listed()["files"]), 1)
        predictions = {(self.home / f"run{i}/predictions.csv").read_text() for i in range(4)}
        self.assertEqual(len(predictions), 1)
        self.assertEqual(self.train()[0], 0)


if __name__ == "__main__":
    unittest.main()
