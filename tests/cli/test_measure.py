#!/usr/bin/env python3
"""Measuring from the command line: what is printed was measured, and says what it is."""
import json
import os
import tempfile
import unittest

from program import run


def result(*words):
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return done


class Measure(unittest.TestCase):
    def test_a_plan_tells_the_time_of_each_op_and_the_peak(self):
        plan = json.loads(result("plan", "mobilenet:0.25", "--measure", "--format", "json", "--threads", "1", "--cache", "off").stdout)
        self.assertTrue(all(op["seconds"] > 0 for op in plan["ops"]))
        self.assertGreater(plan["peak_macs_per_second"], 1e8)
        rates = [op["macs"] / op["seconds"] for op in plan["ops"] if op["algorithm"] != "winograd"]
        self.assertLessEqual(max(rates), 1.000001 * plan["peak_macs_per_second"])
        self.assertAlmostEqual(plan["totals"]["seconds"], sum(op["seconds"] for op in plan["ops"]), delta=1e-9)

    def test_a_plan_that_was_not_measured_tells_no_times(self):
        plan = json.loads(result("plan", "mobilenet:0.25", "--format", "json").stdout)
        self.assertTrue(all(op["seconds"] is None for op in plan["ops"]))
        self.assertNotIn("peak_macs_per_second", plan)
        self.assertNotIn("ms", result("plan", "mobilenet:0.25").stdout.splitlines()[1])

    def test_what_was_tried_is_shown_and_remembered(self):
        words = ("plan", "mobilenet:0.25", "--threads", "1", "--format", "json")
        with tempfile.TemporaryDirectory() as folder:
            first = json.loads(result(*words, "--cache", folder, "--measure").stdout)["ops"]
            self.assertEqual(len([f for f in os.listdir(folder) if f.startswith("kernels-")]), 1)
            again = json.loads(result(*words, "--cache", folder).stdout)["ops"]
            for op in first:
                tried = op.get("tried", [])
                self.assertNotEqual(len(tried), 1)
                self.assertTrue(all(way["seconds"] > 0 for way in tried))
                if tried:
                    self.assertIn(op["impl"], [way["impl"] for way in tried])
            self.assertEqual([(op["impl"], op["layout"], op.get("tried")) for op in first],
                             [(op["impl"], op["layout"], op.get("tried")) for op in again])
            self.assertEqual(result("cache", "clear", "--cache", folder).returncode, 0)
            self.assertFalse([f for f in os.listdir(folder) if f.startswith("kernels-")])

    def test_a_trace_has_the_ops_one_after_the_other(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.json")
            result("plan", "mobilenet:0.25", "--profile", path)
            with open(path) as file:
                events = json.load(file)["traceEvents"]
        self.assertIn("conv_dw_1", [e["name"] for e in events])
        for before, after in zip(events, events[1:]):
            self.assertAlmostEqual(after["ts"], before["ts"] + before["dur"], delta=1e-3)

    def test_a_trace_that_cannot_be_written_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("plan", "mobilenet:0.25", "--profile", os.path.join(folder, "none", "t.json"))
        self.assertEqual(done.returncode, 7)
        self.assertEqual(done.stdout, "")

    def test_networks_are_measured_where_asked(self):
        words = ("models", "--only", "mobilenet:0.25", "--format", "json", "--threads", "1")
        measured = json.loads(result(*words, "--measure").stdout)["models"]
        self.assertEqual([m["name"] for m in measured], ["mobilenet:0.25"])
        self.assertGreater(measured[0]["photos_per_second"], 0)
        self.assertNotIn("photos_per_second", json.loads(result(*words).stdout)["models"][0])

    def test_frozen_three_by_threes_go_by_winograd_unless_exact_is_asked(self):
        """Where there is such a kernel; at precision exact there never is one."""
        exact = result("plan", "vgg16", "--no-top", "--precision", "exact").stdout
        self.assertNotIn("inograd", exact)
        with open("/proc/cpuinfo") as file:
            has_avx2 = " avx2" in file.read()
        if has_avx2:
            self.assertIn("inograd", result("plan", "vgg16", "--no-top").stdout)


if __name__ == "__main__":
    unittest.main()
