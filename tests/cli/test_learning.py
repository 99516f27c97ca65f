#!/usr/bin/env python3
"""Training from the command line: what is chosen by measuring, what fine-tuning is kept from, and what the report shows."""
import csv
import json
import shlex
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
import zipfile
from pathlib import Path

from program import PROGRAM, run


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

    def test_the_loss_is_told_with_and_without_penalties(self):
        said = self.train("--epochs", "1", "--l2", "1e-2")
        val = self.results()["val"]
        self.assertIn(f"loss {val['loss']:.4f} ({val['data_loss']:.4f} of the photos, {val['penalty']:.4f} of regularizers)", said)
        self.assertIn("loss of the photos alone", (self.root / "run/report.html").read_text())
        said = self.train("--epochs", "1")
        self.assertEqual(self.results()["val"]["penalty"], 0)
        self.assertNotIn("of regularizers", said)
        self.assertNotIn("of the photos alone", (self.root / "run/report.html").read_text())

    def test_the_rate_is_the_optimizer_s_own_unless_it_is_given_once(self):
        for words, rate in ((["--optimizer", "sgd"], .01), ([], 1e-3), (["--optimizer", "sgd:learning_rate=0.2"], .2),
                            (["--optimizer", "sgd", "--lr", "0.3"], .3)):
            self.train("--epochs", "1", *words)
            self.assertEqual(float(self.history()[0]["learning_rate"]), rate, words)
        self.assertIn("given twice", self.train("--optimizer", "sgd:learning_rate=0.2", "--lr", "0.3", code=2))
        for rate in ("inf", "1e400", "1001", "0", "-1", "nan", "fast"):
            self.assertIn("--lr must be a number above 0, at most 1000, or auto", self.train("--lr", rate, code=2))

    def test_what_is_needed_cannot_be_none(self):
        for flag in ("--optimizer", "--loss"):
            for word in ("none", ""):
                self.assertIn(f"{flag} is needed", self.train(flag, word, code=2))
        self.assertIn("only one of clipnorm and clipvalue", self.train("--optimizer", "adam:clipnorm=1:clipvalue=1", code=2))
        self.assertIn("it would always be 0", self.train("--loss", "categorical_crossentropy", code=3))

    def test_a_head_with_an_output_of_its_own_gets_no_other(self):
        for head, extra, described in (("gap, dense:1:sigmoid", [], "gap → dense 1:"), ("gap, dense:2:softmax", [], "gap → dense 2:"),
                                       ("gap, dense:1:sigmoid", ["--dropout", "0.3"], "gap → dropout 0.3 → dense 1:"),
                                       ("gap, dense:1:relu", [], "gap → dense 1 → dense 1:"), ("gap, dense:2", [], "gap → dense 2 → dense 1:")):
            said = self.train("--epochs", "1", "--head", head, *extra)
            self.assertIn(f"new head {described}", said)
            done = run("evaluate", str(self.root / "run"), str(self.root / "photos"), "--format", "json")
            self.assertEqual(json.loads(done.stdout)["photos"], 96, done.stderr)
        # Two softmax units have the loss of one a class.
        self.train("--epochs", "1", "--head", "gap, dense:2:softmax", "--patience", "0")
        own = self.history()[0]["loss"]
        self.train("--epochs", "1", "--head", "gap, dense:2:softmax", "--patience", "0", "--loss", "categorical_crossentropy")
        self.assertEqual(self.history()[0]["loss"], own)

    def test_cutmix_cuts_photos_not_features(self):
        said = self.train("--epochs", "1", "--cutmix", "1")
        self.assertIn("the frozen part runs again for all of them: 76 photos an epoch", said)
        self.assertIn("try  --mixup instead of --cutmix", said)
        self.assertIn("cutmix needs pictures", self.train("--epochs", "1", "--cutmix", "1", "--augment", "flip", "--augment-copies", "1", code=3))
        self.assertNotIn("runs again", self.train("--epochs", "1", "--mixup", "0.2"))

    def test_options_without_effect_are_said(self):
        for words, said in ((["--fine-tune-lr", "1e-4"], "--fine-tune-lr has no effect without --fine-tune EPOCHS"),
                            (["--fine-tune-from", "conv1"], "--fine-tune-from has no effect"), (["--unfreeze-every", "2"], "--unfreeze-every"),
                            (["--fine-tune-warmup", "5"], "--fine-tune-warmup"), (["--fine-tune-stem", "0.1"], "--fine-tune-stem"),
                            (["--proximal"], "--proximal has no effect without an L1 penalty (--l1)")):
            self.assertIn(said, self.train("--epochs", "1", *words))
        self.assertNotIn("no effect", self.train("--epochs", "1", "--proximal", "--l1", "1e-3"))

    def test_early_stopping_has_the_patience_of_the_run_and_a_metric_that_is_measured(self):
        said = self.train("--epochs", "40", "--patience", "2", "--lr", "0.3", "--callbacks", "early_stopping:monitor=accuracy")
        self.assertIn("accuracy has not improved for 2 epochs", said)
        self.assertTrue(self.results()["phases"][0]["stopped_early"])
        self.assertIn("monitors val_auc, which is not measured", self.train("--callbacks", "early_stopping:monitor=val_auc", code=2))

    def test_advice_is_this_run_s_command_with_one_change(self):
        words = ["--head", "gap, dense:8:relu", "--epochs", "3", "--lr", "1e-6", "--augment", "flip", "--augment-copies", "1", "--patience", "0"]
        self.train(*words)
        advice = [one["try"] for one in self.results()["readings"] if one["try"]]
        self.assertTrue(advice, self.results()["readings"])
        for one in advice:
            given = shlex.split(one)
            self.assertEqual(given[:3], ["topwork", "train", str(self.root / "photos")])
            for flag, value in (("--input-size", "32"), ("--model", "mobilenet:0.25"), ("--weights", "none"), ("--head", "gap, dense:8:relu"),
                                ("--augment", "flip"), ("--augment-copies", "1"), ("--patience", "0")):
                self.assertEqual(given[given.index(flag) + 1], value, one)
            self.assertEqual(len([w for w in given if w.startswith("--")]), len({w for w in given if w.startswith("--")}), one)
            done = run(*given[1:], "--output-dir", str(self.root / "advised"), "--force", "--epochs", "1", "--cache", "off")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_fine_tuning_is_kept_by_what_is_monitored(self):
        # Higher accuracy is better: compared as if it were a loss, the head would always be kept here.
        self.train("--epochs", "1", "--lr", "1e-5", "--fine-tune", "4", "--fine-tune-lr", "1e-3", "--bn", "train", "--callbacks",
                   "early_stopping:monitor=accuracy", "--patience", "0")
        head, tuned = self.results()["phases"]
        rows = [float(row["accuracy"]) for row in self.history()]
        self.assertGreater(max(rows[1:]), rows[0])
        self.assertEqual((head["kept"], tuned["kept"]), (False, True))

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
        self.assertEqual([r["val_data_loss"] for r in runs], sorted(r["val_data_loss"] for r in runs))
        for r in runs:
            self.assertAlmostEqual(r["val_loss"], r["val_data_loss"] + r["val_penalty"], 9)
            self.assertEqual(r["val_penalty"] > 0, r["settings"]["l2"] != "0")
        self.assertEqual(len(list(cache.glob("*.features"))), 1)
        kept = {r["run"]: (Path(r["run"]) / "results.json").stat().st_mtime_ns for r in runs}
        lost = Path(runs[-1]["run"])
        shutil.rmtree(lost)
        again = sweep()
        self.assertEqual([r["val_loss"] for r in again], [r["val_loss"] for r in runs])
        for path, changed in kept.items():
            self.assertEqual((Path(path) / "results.json").stat().st_mtime_ns == changed, Path(path) != lost)

        report = (out / "report.html").read_text()
        for text in (f"<h1>Best: dropout = {runs[0]['settings']['dropout']}", "<figcaption>dropout", "<figcaption>l2", "001/report.html"):
            self.assertIn(text, report)
        self.assertNotIn("<figcaption>input_size", report)  # it has one value
        (out / "report.html").unlink()
        self.assertEqual(run("report", str(out)).stdout, f"{out}/report.html\n")
        self.assertEqual((out / "report.html").read_text(), report)

    def sweep(self, *words, code=0, cwd=None):
        done = run("sweep", str(self.root / "photos"), *words, cwd=cwd or self.root)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_a_sweep_takes_the_args_of_a_run_and_says_what_it_leaves_out(self):
        self.train("--epochs", "2", "--l2", "1e-3", name="one")
        args = self.root / "one/args.json"
        with tempfile.TemporaryDirectory() as place:
            done = run("sweep", "--config", str(args), "--grid", "dropout=0,0.5", cwd=place)
            self.assertEqual(done.returncode, 0, done.stderr)
            for key in ("force", "output_dir"):
                self.assertIn(f"{key} of {args} is left out", done.stderr)
            run_args = json.loads((Path(place) / "runs/sweep/002/args.json").read_text())
            self.assertEqual((run_args["input_size"], run_args["l2"], run_args["epochs"], run_args["dropout"]), (32, 1e-3, 2, .5))
            # Another grid is another sweep; flags win over the file.
            again = run("sweep", "--config", str(args), "--grid", "dropout=0.1", "--epochs", "1", cwd=place)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(json.loads((Path(place) / "runs/sweep-2/001/args.json").read_text())["epochs"], 1)
        self.assertIn("holds a run of train", self.sweep("--output-dir", str(self.root / "one"), "--grid", "l2=0", code=2).stderr)

    def test_what_makes_no_sense_for_a_sweep_is_refused_before_it_begins(self):
        wrong = self.root / "wrong.json"
        for config, said in (({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'?"), ({"dropout": 2}, "dropout must be in -1..0.99")):
            wrong.write_text(json.dumps(config))
            self.assertIn(said, self.sweep("--config", str(wrong), "--grid", "l2=0", code=2).stderr)
        for grid, said in (("output_dir=a,b", "'output_dir' of train cannot vary in a sweep"), ("resume=true", "'resume' of train cannot vary"),
                           ("dropot=0", "did you mean 'dropout'?"), ("l2=0,1e-3 dropout=0,1", "--grid: dropout must be in -1..0.99, received 1"),
                           ("l2=0 l2=1", "stands there twice")):
            self.assertIn(said, self.sweep("--grid", grid, "--output-dir", "never", code=2).stderr)
        self.assertFalse((self.root / "never").exists())

    def small(self, out, *words):
        config = self.root / "small.json"
        config.write_text(json.dumps({"model": "mobilenet:0.25", "weights": "none", "input_size": 32, "epochs": 2}))
        return ["sweep", str(self.root / "photos"), "--config", str(config), "--output-dir", str(self.root / out), *words]

    def test_a_run_that_cannot_be_done_is_a_line_of_the_table(self):
        done = run(*self.small("lines", "--cache", "off", "--grid", "optimizer=adam,adan lr=1e-3"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("1 of 2 runs could not be done; the first is 002: --optimizer: optimizer 'adan' is not known", done.stderr)
        rows = json.loads((self.root / "lines/sweep.json").read_text())["runs"]
        self.assertEqual([("error" in row, row["settings"]["optimizer"]) for row in rows], [(False, "adam"), (True, "adan")])
        self.assertIn("did you mean", done.stdout)
        done = run(*self.small("none", "--cache", "off", "--grid", "optimizer=adan"))
        self.assertEqual(done.returncode, 2, done.stderr)
        # What diverged is told again by a sweep that finds it finished.
        for _ in range(2):
            done = run(*self.small("far", "--cache", "off", "--grid", "lr=1e-3,1e6 optimizer=sgd head='gap,dense:8'"))
            rows = json.loads((self.root / "far/sweep.json").read_text())["runs"]
            self.assertIn("error", rows[1], done.stdout)

    def test_a_sweep_that_was_killed_goes_on_to_the_same_numbers(self):
        words = ["--grid", "dropout=0,0.3,0.5 l2=0,1e-3,1e-2 lr=1e-3,1e-2", "--threads", "2", "--cache", str(self.root / "killed_cache")]
        process = subprocess.Popen([PROGRAM, *self.small("killed", *words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 60
        while len(list((self.root / "killed").glob("*/results.json"))) < 4 and time.time() < end:
            time.sleep(.01)
        process.kill()
        process.wait()
        done = list((self.root / "killed").glob("*/results.json"))
        self.assertTrue(4 <= len(done) < 18)
        self.assertFalse((self.root / "killed/sweep.json").exists())
        kept = {path: path.stat().st_mtime_ns for path in done}
        rows = []
        for out in ("killed", "whole"):
            self.assertEqual(run(*self.small(out, *words)).returncode, 0)
            rows.append([{**row, "run": Path(row["run"]).name, "seconds": 0} for row in json.loads((self.root / out / "sweep.json").read_text())["runs"]])
        self.assertEqual(*rows)
        for path, changed in kept.items():
            self.assertEqual(path.stat().st_mtime_ns, changed)

    def test_a_sweep_keeps_its_features_within_the_limit_of_the_cache(self):
        for limit, kept in (("1k", 0), ("1G", 1)):
            cache = self.root / f"cache_{limit}"
            done = run(*self.small(f"limit_{limit}", "--grid", "l2=0", "--cache", str(cache), "--cache-limit", limit))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(list(cache.glob("*.features"))), kept)

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
        said = self.train("--epochs", "3", "--lr", "1000", "--optimizer", "sgd", "--loss", "mean_squared_error", "--l2", "1000", code=4)
        self.assertIn("try  a smaller --lr", said)
        done = run("evaluate", str(self.root / "run/model.keras"), str(self.root / "photos"), "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("NaN", done.stdout)


if __name__ == "__main__":
    unittest.main()
