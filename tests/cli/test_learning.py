#!/usr/bin/env python3
"""Training from the command line: what is chosen by measuring, what fine-tuning is kept from, and what the report shows."""
import csv
import json
import shutil
import struct
import tempfile
import unittest
import zipfile
from pathlib import Path

from program import run


def write_bmp(path, colour, seed, side=32):
    pixels = bytes(c + (i * 7 + seed * 13) % 61 - 30 for i in range(side * side) for c in colour)
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    path.write_bytes(head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + pixels)


class Learning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.root = Path(cls.kept.name)
        for name, colour in (("green", (90, 140, 90)), ("red", (90, 90, 140))):
            (cls.root / "photos" / name).mkdir(parents=True)
            for i in range(48):
                write_bmp(cls.root / "photos" / name / f"{i}.bmp", colour, i + 1)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def train(self, *words, name="run", code=0):
        done = run("train", str(self.root / "photos"), "--model", "mobilenet:0.25", "--weights", "none", "--input-size", "32", "--cache", "off",
                   "--output-dir", str(self.root / name), "--force", "--no-progress", "--threads", "1", *words)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def results(self, name="run"):
        return json.loads((self.root / name / "results.json").read_text())

    def history(self, name="run"):
        with open(self.root / name / "history.csv") as file:
            return list(csv.DictReader(file))

    def test_a_rate_that_is_found_is_used_and_drawn(self):
        said = self.train("--lr", "auto", "--epochs", "2")
        found = self.results()["learning_rates"]
        self.assertIn(f"learning rate {found['chosen']:g}, from", said)
        self.assertEqual(len(found["rate"]), len(found["loss"]))
        self.assertEqual({float(row["learning_rate"]) for row in self.history()}, {found["chosen"]})
        report = (self.root / "run/report.html").read_text()
        self.assertIn("rate of the step", report)
        self.train("--lr", "1e-3", "--epochs", "1")
        self.assertNotIn("rate of the step", (self.root / "run/report.html").read_text())

    def test_a_batch_size_is_measured_said_and_kept_for_resuming(self):
        said = self.train("--batch-size", "auto", "--epochs", "2")
        phase = self.results()["phases"][0]
        self.assertIn(f"batch size {phase['batch_size']}, measured", said)
        self.assertIn(phase["batch_size"], [one["size"] for one in phase["batch_sizes"]])
        self.assertEqual(json.loads((self.root / "run/args.json").read_text())["batch_size"], "auto")
        self.assertEqual(json.loads((self.root / "run/choices.json").read_text())["batch_size"], {"head": phase["batch_size"]})
        self.train("--batch-size", "16", "--epochs", "1")
        self.assertEqual(self.results()["phases"][0]["batch_size"], 16)
        self.assertFalse((self.root / "run/choices.json").exists())
        self.assertIn("must be in 1..65536", self.train("--batch-size", "0", code=2))
        self.assertIn("batch-size", self.train("--batch-size", "automatic", code=2))

    def test_the_report_draws_schedule_weights_and_dropout(self):
        self.train("--head", "gap, dense:16:relu, dropout:0.25", "--schedule", "cosine_decay", "--epochs", "4", "--l1", "2", "--proximal",
                   "--lr", "1e-2")
        results = self.results()
        rates = results["schedule"][0]["rate"]
        self.assertEqual(rates[0], 1e-2)
        self.assertLess(rates[-1], 1e-3)
        kernels = {one["weight"]: one for one in results["sparsity"]}
        self.assertEqual(set(kernels), {"dense/kernel", "dense_1/kernel"})
        for one in kernels.values():
            self.assertEqual(sum(one["histogram"]["count"]), one["values"])
            self.assertGreaterEqual(one["small"], one["zero"])
        self.assertGreater(kernels["dense/kernel"]["zero"], 0.3)  # proximal L1
        dropout = results["dropout"][0]
        self.assertEqual((dropout["rate"], dropout["units"], len(dropout["steps"])), (0.25, 16, 2))
        self.assertNotEqual(*dropout["steps"])
        report = (self.root / "run/report.html").read_text()
        for text in ("learning rate of each step", "dense/kernel", "are zero", "step 2:"):
            self.assertIn(text, report)
        self.assertGreater(results["phases"][0]["step_seconds"], 0)

    def test_a_head_s_regularizers_take_numbers_and_count(self):
        head = "gap, dense:8:relu, dense:1:sigmoid{}"
        losses = []
        for extra in ("", ":activity_regularizer=l2(1)", ":kernel_regularizer=l1l2(l1=1e-2:l2=1e-1)"):
            self.train("--head", head.format(extra), "--epochs", "1")
            losses.append(self.results()["val"]["loss"])
        self.assertGreater(losses[1], losses[0] + 5e-2)
        self.assertGreater(losses[2], losses[0] + 1e-1)
        with zipfile.ZipFile(self.root / "run/model.keras") as archive:
            config = archive.read("config.json").decode()
        self.assertIn('"l2": 0.1', config)
        self.assertIn("did you mean 'l1'?", self.train("--head", "gap, dense:8:activity_regularizer=l7(1)", code=2))

    def test_why_photos_are_decoded_again_is_said(self):
        said = self.train("--freeze", "none", "--epochs", "1")
        self.assertIn("no frozen layers come before 'conv1': photos are decoded again in each epoch", said)
        said = self.train("--freeze", "first:4", "--epochs", "1", "--input-size", "512")
        self.assertRegex(said, r"what the frozen layers before '\w+' make of a photo, \d+\.\d MB, is too much to keep")
        self.assertNotIn("decoded again", self.train("--freeze", "all", "--epochs", "1"))

    def test_a_sweep_is_one_table_and_goes_on_where_it_stopped(self):
        out, cache = self.root / "sweep", self.root / "sweep_cache"

        def sweep(*words):
            done = run("sweep", str(self.root / "photos"), "--model", "mobilenet:0.25", "--weights", "none", "--epochs", "2", "--grid",
                       "dropout=0,0.5 l2=0,1e-2 input_size=32", "--output-dir", str(out), "--cache", str(cache), *words)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads((out / "sweep.json").read_text())["runs"]

        runs = sweep()
        self.assertEqual(len(runs), 4)
        self.assertEqual(sorted((r["settings"]["dropout"], r["settings"]["l2"]) for r in runs),
                         [("0", "0"), ("0", "1e-2"), ("0.5", "0"), ("0.5", "1e-2")])
        self.assertEqual([r["val_loss"] for r in runs], sorted(r["val_loss"] for r in runs))
        self.assertEqual(len(list(cache.glob("*.features"))), 1)
        kept = {r["run"]: (Path(r["run"]) / "results.json").stat().st_mtime_ns for r in runs}
        lost = Path(runs[-1]["run"])
        shutil.rmtree(lost)
        again = sweep()
        self.assertEqual([r["val_loss"] for r in again], [r["val_loss"] for r in runs])
        for path, changed in kept.items():
            self.assertEqual((Path(path) / "results.json").stat().st_mtime_ns == changed, Path(path) != lost)

    def test_early_stopping_is_marked(self):
        self.train("--epochs", "30", "--patience", "1", "--lr", "0.3")
        phase = self.results()["phases"][0]
        self.assertTrue(phase["stopped_early"])
        report = (self.root / "run/report.html").read_text()
        self.assertIn(f"stopped early after {phase['epochs']} epochs, epoch {phase['best_epoch']} kept", report)

    def test_fine_tuning_begins_at_a_hundredth_of_the_rate(self):
        self.train("--epochs", "1", "--lr", "1e-2", "--fine-tune", "1")
        self.assertEqual([float(row["learning_rate"]) for row in self.history()], [1e-2, 1e-4])

    def test_a_rate_that_destroys_is_stopped_and_the_head_is_kept(self):
        said = self.train("--epochs", "4", "--lr", "1e-2", "--batch-size", "8", "--fine-tune", "8", "--fine-tune-lr", "1")
        self.assertIn("the learning rate 1 destroys what the network knew", said)
        self.assertIn("try  --fine-tune-lr 0.1", said)
        self.assertIn("the head's model is kept", said)
        head, tuned = self.results()["phases"]
        self.assertLess(tuned["epochs"], 8)
        best = float(self.history()[head["best_epoch"] - 1]["val_loss"])
        self.assertAlmostEqual(self.results()["val"]["loss"], best, places=4)
        said = self.train("--epochs", "4", "--lr", "1e-2", "--batch-size", "8", "--fine-tune", "3", "--fine-tune-lr", "1e-5")
        self.assertNotIn("destroys", said)

    def test_layers_are_freed_part_by_part(self):
        said = self.train("--epochs", "1", "--fine-tune", "4", "--unfreeze-every", "2", "--fine-tune-lr", "1e-4", "--patience", "0")
        self.assertIn("from epoch 1 on: 27 of 54 layers learn", said)
        self.assertIn("from epoch 3 on: 54 of 54 layers learn", said)
        self.assertEqual(len(self.history()), 5)

    def test_warm_up_and_a_schedule_do_not_mix(self):
        said = self.train("--epochs", "1", "--fine-tune", "1", "--fine-tune-warmup", "5", "--schedule", "cosine_decay", code=2)
        self.assertIn("both decide the rate", said)
        self.train("--epochs", "1", "--fine-tune", "2", "--fine-tune-warmup", "40", "--fine-tune-lr", "1e-4", "--batch-size", "8")
        rates = [float(row["learning_rate"]) for row in self.history()[1:]]
        self.assertLess(rates[1], 1e-4)

    def test_the_first_layers_may_learn_less(self):
        models = []
        for stem in ("1", "1e-6"):
            self.train("--epochs", "1", "--fine-tune", "1", "--fine-tune-lr", "1e-3", "--fine-tune-stem", stem, name="run" + stem)
            models.append(self.history("run" + stem)[-1]["loss"])
        self.assertNotEqual(*models)

    def test_divergence_is_exit_4_and_leaves_a_model_that_answers(self):
        said = self.train("--epochs", "3", "--lr", "1e30", "--optimizer", "sgd", "--loss", "mean_squared_error", "--l2", "1", code=4)
        self.assertIn("try  a smaller --lr", said)
        done = run("evaluate", str(self.root / "run/model.keras"), str(self.root / "photos"), "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("NaN", done.stdout)


if __name__ == "__main__":
    unittest.main()
