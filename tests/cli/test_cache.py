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

    def plan(self, change=None, name="p.json"):
        plan = json.loads((self.home / "run/plan.json").read_text())
        if change:
            change(plan)
        file = self.home / name
        file.write_text(json.dumps(plan))
        return str(file)

    def refused(self, code, part, *words):
        result = run("train", str(self.at / "photos"), *TRAIN, "--output-dir", str(self.home / "never"), "--force", *words,
                     TOPWORK_HOME=str(self.home), OMP_WAIT_POLICY="passive")
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(part, result.stderr)

    def test_a_plan_is_written_and_used_again(self):
        words = ["--precision", "exact", "--fine-tune", "1", "--fine-tune-from", "block_16_project"]
        self.train(*words)
        plan = self.plan()
        features = json.loads(Path(plan).read_text())["features"]
        self.assertEqual(set(features), {"head", "fine_tune"})
        self.assertLess(len(features["fine_tune"]["ops"]), len(features["head"]["ops"]))
        first = (self.home / "run/predictions.csv").read_text()
        # No --precision: the file says it. The rows are the ones of the first run.
        self.assertEqual(self.train("--plan", plan, *words[2:])[0], 0)
        self.assertEqual((self.home / "run/predictions.csv").read_text(), first)
        self.assertEqual(json.loads((self.home / "run/results.json").read_text())["precision"], "exact")

    def test_another_plan_has_rows_of_its_own(self):
        self.train()

        def slower(plan):
            op = next(op for op in plan["features"]["head"]["ops"] if op["op"] == "conv")
            op.update(algorithm="reference", impl="reference")

        self.assertEqual(self.train("--plan", self.plan())[0], 0)
        self.assertEqual(self.train("--plan", self.plan(slower))[0], 16)

    def test_plans_that_do_not_fit_are_refused(self):
        self.train("--precision", "exact")
        plan = self.plan()

        def elsewhere(plan):
            for op in plan["features"]["head"]["ops"]:
                op["impl"] = "dnnl jit:of_tomorrow"

        self.refused(3, "of_tomorrow", "--plan", self.plan(elsewhere, "elsewhere.json"))
        self.refused(3, "it was made for another network", "--plan", plan, "--model", "mobilenet:0.25")
        self.refused(2, "--precision f32 does not go with", "--plan", plan, "--precision", "f32")
        self.refused(5, "has no 'features'", "--plan", self.plan(lambda plan: plan.pop("features"), "whole.json"))
        self.refused(3, "has a plan for the features of phase 'head'", "--plan", plan, "--freeze", "none")
        self.refused(3, "has no plan for the features of phase 'fine_tune'", "--plan", plan, "--fine-tune", "1",
                     "--fine-tune-from", "block_16_project")
        self.refused(3, "none.json", "--plan", str(self.home / "none.json"))
        (self.home / "torn.json").write_text(Path(plan).read_text()[:-30])
        self.refused(5, "torn.json", "--plan", str(self.home / "torn.json"))

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
