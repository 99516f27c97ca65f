#!/usr/bin/env python3
"""Memory: what a job needs is said before it begins, right enough to rely on; what does not fit is exit 6 and no signal."""
import json
import re
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from small import MODEL, PROGRAM, environment, photos, run, train

MB = 1_000_000


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.at = Path(cls.folder.name)
        cls.photos = photos(cls.at / "photos")
        cls.good = cls.at / "good"
        result = train(cls.photos, cls.good, "--cache", "off")
        assert result.returncode == 0, result.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def large(self, name, *more):
        """A job of hundreds of megabytes."""
        return ["train", self.photos, "--model", "mobilenet_v2:0.35", "--weights", "none", "--epochs", "1", "--cache", "off",
                "--output-dir", self.at / name, *more]

    def limited(self, limit, *words):
        """With an address space of so many bytes."""
        return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=120, env=environment(),
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))

    def refused(self, result, *parts):
        self.assertEqual(result.returncode, 6, result.stderr)
        errors = [line for line in result.stderr.splitlines() if line.startswith("topwork: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        for part in parts:
            self.assertRegex(result.stderr, part)

    # ---------------------------------------------------------------------------------------------------- the estimate

    def test_the_estimate_is_within_a_quarter_of_the_peak(self):
        # A network's features and a small head; fine-tuning; a head of 33 million weights.
        for name, more in (("head", ["--input-size", "224"]), ("tune", ["--input-size", "160", "--fine-tune", "1"]),
                           ("wide", ["--input-size", "160", "--head", "flatten, dense:1024:relu"])):
            result = run(*self.large(name, *more))
            self.assertEqual(result.returncode, 0, result.stderr)
            results = json.loads((self.at / name / "results.json").read_text())
            ratio = results["memory_estimate_bytes"] / results["peak_rss_bytes"]
            with self.subTest(name=name, peak=results["peak_rss_bytes"] // MB):
                self.assertTrue(0.75 < ratio < 1.25, ratio)

    # ---------------------------------------------------------------------------------------------------------- --memory

    def test_a_limit_refuses_before_anything_is_written(self):
        result = run(*self.large("never", "--input-size", "160", "--fine-tune", "1", "--batch-size", "16", "--memory", "120M"))
        self.refused(result, r"fine-tuning with --batch-size 16 needs about \d+ MB of memory; --memory allows 120 MB",
                     r"try  --batch-size [1-8] \(about \d+ MB\)")
        self.assertFalse((self.at / "never").exists())
        self.assertNotIn("epoch", result.stderr)

    def test_the_batch_that_is_advised_fits(self):
        words = ["--input-size", "160", "--fine-tune", "1", "--memory"]
        result = run(*self.large("advised", "--batch-size", "16", *words, "50M"))
        limit = 0.7 * MB * int(re.search(r"needs about (\d+) MB", result.stderr).group(1))
        words += [str(limit)]
        result = run(*self.large("advised", "--batch-size", "16", *words))
        self.refused(result, "try  --batch-size")
        batch = re.search(r"try  --batch-size (\d+)", result.stderr).group(1)
        result = run(*self.large("advised", "--batch-size", batch, *words))
        self.assertEqual(result.returncode, 0, result.stderr)
        peak = json.loads((self.at / "advised" / "results.json").read_text())["peak_rss_bytes"]
        self.assertLess(peak, 1.25 * limit)

    def test_activations_are_recomputed_before_a_smaller_batch_is_advised(self):
        # The same answers to the last bit, in less memory; the run says so, and so do its files.
        words = ["--input-size", "160", "--fine-tune", "1", "--batch-size", "16", "--bn", "train"]
        whole = run(*self.large("whole", *words))
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertNotIn("recomputed", whole.stderr)
        peak = json.loads((self.at / "whole" / "results.json").read_text())["peak_rss_bytes"]
        limit = int(0.75 * peak)
        less = run(*self.large("less", *words, "--memory", str(limit)))
        self.assertEqual(less.returncode, 0, less.stderr)
        self.assertRegex(less.stderr, r"fine-tuning keeps a part of its activations.*recomputed.*--memory.*about \d+ % more time")
        results = json.loads((self.at / "less" / "results.json").read_text())
        tuning = results["phases"][1]
        self.assertGreater(tuning["recomputed"]["ops"], 0)
        self.assertTrue(0 < tuning["recomputed"]["more_time"] < 0.6)
        self.assertLess(results["peak_rss_bytes"], 1.1 * limit)
        plan = json.loads((self.at / "less" / "plan.json").read_text())
        self.assertEqual(plan["recomputed"]["fine_tune"]["ops"], tuning["recomputed"]["ops"])
        for file in ("predictions.csv", "history.csv", "model.keras"):
            self.assertEqual((self.at / "whole" / file).read_bytes(), (self.at / "less" / file).read_bytes(), file)

    def test_workers_are_fewer_where_not_all_fit_and_the_answers_are_the_same(self):
        answers = []
        for name, more in (("many", []), ("few", ["--memory", "120M"])):
            result = run(*self.large(name, "--input-size", "224", "--threads", "16", *more))
            self.assertEqual(result.returncode, 0, result.stderr)
            results = json.loads((self.at / name / "results.json").read_text())
            answers.append((self.at / name / "predictions.csv").read_text())
            if more:
                self.assertLess(results["peak_rss_bytes"], 1.25 * 120 * MB)
        self.assertEqual(answers[0], answers[1])

    def test_a_limit_that_is_no_size_is_a_wrong_call(self):
        result = run(*self.large("never", "--memory", "much"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("--memory expects a size such as 2G", result.stderr)

    # ----------------------------------------------------------------------------------------------------- address space

    def test_no_limit_of_address_space_ends_the_program_by_a_signal(self):
        # Where memory is out depends on the limit: in a library's start, in a thread's stack, in generated code. So each verb
        # meets far too little, plenty, and many limits around the least that is enough.
        verbs = [self.large("limited", "--input-size", "160", "--fine-tune", "1", "--force"),
                 ["predict", self.good, self.photos / "a" / "0.png"], ["evaluate", self.good, self.photos], ["summary", self.good]]
        for words in verbs:
            seen = {}

            def works(megabytes):
                if megabytes not in seen:
                    result = self.limited(megabytes * MB, *words)
                    with self.subTest(megabytes=megabytes, verb=words[0], says=result.stderr[-300:]):
                        self.assertIn(result.returncode, (0, 6))
                    seen[megabytes] = result.returncode
                return seen[megabytes] == 0

            low, high = 60, 2000  # below, the system does not even start it
            self.assertTrue(works(high))
            while high - low > 2:
                middle = (low + high) // 2
                low, high = (low, middle) if works(middle) else (middle, high)
            for megabytes in (75, 110, 160, *range(max(low, high - 48), high + 24, 6)):
                works(megabytes)
            self.assertTrue(6 in seen.values() or words[0] != "train", seen)

    def test_a_model_that_is_too_large_is_refused_before_it_is_read(self):
        result = self.limited(100 * MB, "train", self.photos, "--model", "convnext_large", "--weights", "none", "--cache", "off",
                              "--output-dir", self.at / "never")
        self.refused(result, "convnext_large' alone needs about .* of memory; the limit of address space")

    def peak(self, *words):
        """(exit code, messages, most memory in bytes) of the program, measured by a process of its own."""
        measure = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:], capture_output=True, text=True);"
                   "print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, r.stderr)")
        result = subprocess.run([sys.executable, "-c", measure, str(PROGRAM), *map(str, words)], capture_output=True, text=True)
        code, most, says = result.stdout.split(" ", 2)
        return int(code), says, int(most)

    def test_loading_takes_what_the_network_needs_and_little_more(self):
        # The promise is 64 MB beside the weights; that files are not read whole shows in less.
        network, more = ["vgg16", "--no-top"], 24 * MB
        _, _, empty = self.peak("summary", *network)
        for ending in (".weights.h5", ".h5", ".keras", ".safetensors"):
            file = self.at / f"large{ending}"
            run("convert", network[0], file, "--weights", "none", "--no-top")
            with self.subTest(ending):
                code, says, most = self.peak("summary", *network, "--weights", file)
                self.assertEqual(code, 0, says)
                self.assertLess(most, empty + 14714688 * 4 + more)
                # A network of 2 MB that a file of 59 MB does not fit.
                code, says, most = self.peak("summary", "mobilenet_v2:0.35", "--no-top", "--weights", file)
                self.assertEqual(code, 3, says)
                self.assertLess(most, empty + more)
            file.unlink()


if __name__ == "__main__":
    unittest.main()
