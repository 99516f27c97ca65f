#!/usr/bin/env python3
"""Predicting from the command line: which names the classes get, and networks by name."""
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import PROGRAM, run

NETWORK = "mobilenet_v2:0.35"


def write_bmp(path, size=32):
    rows = b"".join(bytes((x * 7 % 256, y * 5 % 256, (x * y) % 256)) for y in range(size) for x in range(size))
    path.write_bytes(b"BM" + struct.pack("<IIIIiiHHIIiiII", 54 + len(rows), 0, 54, 40, size, size, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows)


class Predict(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.photo = cls.folder / "photo.bmp"
        write_bmp(cls.photo)
        cls.model = cls.folder / "whole.keras"
        cls.few = cls.folder / "few.keras"
        for path, more in ((cls.model, []), (cls.few, ["--classes", "3"])):
            made = run("convert", NETWORK, path, "--weights", "none", "--input-size", "32", *more)
            assert made.returncode == 0, made.stderr

    def predict(self, model, *more, home="empty", exit=0):
        done = run("predict", model, self.photo, "--format", "json", *more, TOPWORK_HOME=str(self.folder / home),
                   XDG_CACHE_HOME=str(self.folder / "empty"), HOME=str(self.folder / "empty"), KERAS_HOME=str(self.folder / "empty"))
        self.assertEqual(done.returncode, exit, done.stderr)
        return done

    def write_index(self, home, index):
        (self.folder / home / "weights").mkdir(parents=True, exist_ok=True)
        (self.folder / home / "weights" / "imagenet_class_index.json").write_text(json.dumps(index))

    def test_classes_of_imagenet_are_named_where_the_names_are_here(self):
        without = self.predict(self.model, "--topk", "2")
        self.assertIn("topwork fetch imagenet-classes", without.stderr)
        numbers = [t["label"] for t in json.loads(without.stdout)["top"]]
        self.write_index("home", {str(i): [f"n{i:08d}", f"thing {i}"] for i in range(1000)})
        names = [t["label"] for t in json.loads(self.predict(self.model, "--topk", "2", home="home").stdout)["top"]]
        self.assertEqual(names, [n.replace("class", "thing") for n in numbers])
        self.assertIn("class ", self.predict(self.few, home="home").stdout)

    def test_fewer_photos_at_once_take_less_memory_for_the_same_answers(self):
        wide = self.folder / "wide.keras"
        self.assertEqual(run("convert", NETWORK, wide, "--weights", "none", "--input-size", "512", "--classes", "3").returncode, 0)
        photos = []
        for i in range(9):
            photos.append(self.folder / f"p{i}.bmp")
            write_bmp(photos[-1], 32 + 4 * i)  # rows are whole words
        answers, most = {}, {}
        for n in (1, 3, 32):
            done = subprocess.Popen([PROGRAM, "predict", wide, *photos, "--threads", "2", "--batch-size", str(n), "--format", "csv"],
                                    stdout=subprocess.PIPE, text=True)
            answers[n] = done.stdout.read()
            done.stdout.close()
            _, status, used = os.wait4(done.pid, 0)
            done.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(done.returncode, 0)
            most[n] = used.ru_maxrss
        self.assertEqual(len(answers[1].splitlines()), 10)
        self.assertEqual(answers[1], answers[32])
        self.assertEqual(answers[3], answers[32])
        self.assertLess(most[1] + 30_000, most[32], most)  # kilobytes

    def test_a_broken_list_of_names_is_refused(self):
        self.write_index("broken", {"0": ["n00000000", "one thing"]})
        self.assertIn("no name of class 1", self.predict(self.model, home="broken", exit=5).stderr)

    def test_names_come_from_a_file_where_one_is_given(self):
        names = self.folder / "names.txt"
        names.write_text("0 cat\n1 dog\n2 bird\n")
        answer = json.loads(self.predict(self.few, "--labels", names, "--topk", "3").stdout)
        self.assertEqual({t["label"] for t in answer["top"]}, {"cat", "dog", "bird"})
        names.write_text("cat\ndog\n")
        self.assertIn("names 2 classes", self.predict(self.few, "--labels", names, exit=3).stderr)

    def test_a_network_answers_by_its_name(self):
        named = json.loads(self.predict(NETWORK, "--weights", "none", "--input-size", "32").stdout)["top"]
        saved = json.loads(self.predict(self.model).stdout)["top"]
        self.assertEqual(named, saved)
        self.assertIn("no ImageNet weights", self.predict(NETWORK, exit=3).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
