#!/usr/bin/env python3
"""A run that is killed goes on where it was: resumed, it ends with the bytes of one that nobody disturbed."""
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

from small import MODEL, PROGRAM, environment, photos, run

JOB = [*MODEL, "--epochs", "3", "--fine-tune", "6", "--patience", "0", "--cache", "off", "--no-progress"]


def weights(folder):
    return zipfile.ZipFile(folder / "model.keras").read("model.weights.h5")


class Killing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.at = Path(cls.folder.name)
        cls.photos = photos(cls.at / "photos")
        result = run("train", cls.photos, *JOB, "--output-dir", cls.at / "whole")
        assert result.returncode == 0, result.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def kill_after(self, out, phase, epochs):
        """Starts the job and kills it when it has told of so many epochs of a phase; whether it was still at work."""
        job = subprocess.Popen([PROGRAM, "train", self.photos, *JOB, "--output-dir", out], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=environment())
        told = 0
        for line in job.stdout:
            told += line.startswith(f"{phase} ") and "epoch" in line
            if told == epochs:
                break
        job.kill()
        job.stdout.close()
        return job.wait() == -9

    def check(self, phase, epochs):
        out = self.at / f"{phase}-{epochs}"
        self.assertTrue(self.kill_after(out, phase, epochs), "it was over before it was killed")
        result = run("train", self.photos, *JOB, "--output-dir", out, "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(weights(out), weights(self.at / "whole"))

    def test_killed_while_the_head_learns(self):
        self.check("head", 1)

    def test_killed_while_it_is_fine_tuned(self):
        self.check("fine-tune", 3)

    def test_another_seed_ends_with_other_bytes(self):
        result = run("train", self.photos, *JOB, "--output-dir", self.at / "other", "--seed", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotEqual(weights(self.at / "other"), weights(self.at / "whole"))


if __name__ == "__main__":
    unittest.main(verbosity=0)
