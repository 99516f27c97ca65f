#!/usr/bin/env python3
"""Full disks, missing permissions: exit 7 and a message, earlier files as they were, nothing half written, no litter."""
import concurrent.futures
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

from small import everything, is_root, litter, photos, run, train

DISK = os.environ["TW_FAULT_DISK"]
FULL = "No space left on device"


class Writing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.at = Path(cls.folder.name)
        cls.at.chmod(0o755)
        cls.photos = photos(cls.at / "photos")
        cls.good = cls.at / "good"
        result = train(cls.photos, cls.good, "--cache", "off")
        assert result.returncode == 0, result.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def refused(self, result, *parts):
        self.assertEqual(result.returncode, 7, result.stderr)
        last = [line for line in result.stderr.splitlines() if line.startswith("topwork: ")]
        self.assertEqual(len(last), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def whole(self, folder):
        """Whatever is there can be read to its end."""
        self.assertEqual(litter(folder), [])
        for name in everything(folder):
            path = Path(folder) / name
            if path.suffix == ".json":
                json.loads(path.read_text())
            if path.suffix == ".keras":
                self.assertIsNone(zipfile.ZipFile(path).testzip())
            if path.suffix == ".html":
                self.assertTrue(path.read_text().endswith("</html>\n"))

    # --------------------------------------------------------------------------------------------------------- disk full

    def moments(self, words):
        """When the disk may become full: the first and last time of each thing done to each file."""
        log = self.at / "log"
        self.assertEqual(run(*words, LD_PRELOAD=DISK, TW_FAULT_LOG=str(log)).returncode, 0)
        seen = {}  # the names without numbers
        for at, line in enumerate(log.read_text().splitlines(), 1):
            name = re.sub(r"\d+|[A-Za-z0-9]{6}( \(deleted\))?$", "", line)
            seen.setdefault(name, [at, at])[1] = at
        return sorted({at for both in seen.values() for at in both})

    def test_a_disk_may_become_full_at_any_moment_of_training(self):
        def words(name):
            return ["train", self.photos, "--model", "mobilenet_v2:0.35", "--weights", "none", "--input-size", "32",
                    "--epochs", "1", "--threads", "1", "--output-dir", self.at / name / "run", "--cache", self.at / name / "cache"]

        def once(at):
            (self.at / f"full{at}").mkdir()
            return at, run(*words(f"full{at}"), LD_PRELOAD=DISK, TW_FAULT_AT=str(at))

        (self.at / "logged").mkdir()
        moments = self.moments(words("logged"))
        self.assertGreater(len(moments), 30)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for at, result in pool.map(once, moments):
                with self.subTest(at=at):
                    self.refused(result, FULL)
                    self.whole(self.at / f"full{at}")
                shutil.rmtree(self.at / f"full{at}")

    def test_fine_tuning_that_finds_the_disk_full_keeps_the_heads_model(self):
        name = self.at / "tuned"
        words = ["train", self.photos, "--model", "mobilenet_v2:0.35", "--weights", "none", "--input-size", "32",
                 "--epochs", "1", "--fine-tune", "1", "--fine-tune-lr", "0.01", "--output-dir", name, "--cache", "off", "--force"]
        log = self.at / "log"
        self.assertEqual(run(*words, LD_PRELOAD=DISK, TW_FAULT_LOG=str(log)).returncode, 0)
        lines = log.read_text().splitlines()
        at = [i for i, line in enumerate(lines, 1) if "checkpoint-fine-tune" in line][0]
        self.refused(run(*words, LD_PRELOAD=DISK, TW_FAULT_AT=str(at)), FULL, "checkpoint-fine-tune.tw")
        self.whole(name)
        self.assertEqual(run("summary", name).returncode, 0)

    def test_a_small_disk_is_met_with_the_same_words(self):
        if not is_root():
            self.skipTest("mounting needs root")
        for size in ("16k", "256k", "1m"):
            with self.subTest(size=size):
                disk = self.at / f"disk{size}"
                disk.mkdir()
                mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], capture_output=True)
                if mounted.returncode:
                    self.skipTest("this system lets nobody mount")
                try:
                    self.refused(train(self.photos, disk / "run", "--cache", "off"), FULL)
                    self.whole(disk)
                    (disk / "fill").write_bytes(b"")
                    self.refused(train(self.photos, self.at / f"beside{size}", "--cache", disk / "cache",
                                       "--input-size", "96", "--head", "flatten") if size == "16k" else
                                 train(self.photos, disk / "again", "--cache", "off"), FULL)
                finally:
                    subprocess.run(["umount", disk], check=True)

    def test_a_limit_of_file_size_is_an_error_and_no_signal(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        from program import PROGRAM, environment
        result = subprocess.run([PROGRAM, "train", self.photos, "--model", "mobilenet_v2:0.35", "--weights", "none",
                                 "--input-size", "32", "--epochs", "1", "--cache", "off", "--output-dir",
                                 self.at / "limited"], capture_output=True, text=True, preexec_fn=limit,
                                env=environment())
        self.refused(result, "File too large")
        self.whole(self.at / "limited")

    def test_standard_output_that_cannot_be_written_is_exit_7(self):
        photo = self.photos / "a" / "0.png"
        for words in (["predict", self.good, photo], ["evaluate", self.good, self.photos], ["summary", self.good],
                      ["models"], ["plan", self.good], ["--version"], ["cache", "size"], ["report", self.good],
                      ["completion", "bash"], ["--help"], ["train", "--help"]):
            with self.subTest(words=words), open("/dev/full", "w") as full:
                self.refused(run(*words, stdout=full), "standard output", FULL)

    # ------------------------------------------------------------------------------------------------------ earlier files

    def test_a_report_that_cannot_be_written_leaves_the_earlier_one(self):
        own = self.at / "reported"
        shutil.copytree(self.good, own)
        moments = self.moments(["report", own])
        before = everything(own)
        for at in moments:
            self.refused(run("report", own, LD_PRELOAD=DISK, TW_FAULT_AT=str(at)), FULL, "report.html")
            self.assertEqual(everything(own), before)

    def test_force_removes_nothing_where_nothing_can_be_written(self):
        own = self.at / "forced"
        shutil.copytree(self.good, own)
        before = everything(own)
        self.refused(train(self.photos, own, "--force", "--cache", "off", LD_PRELOAD=DISK, TW_FAULT_AT="1"), FULL)
        self.assertEqual(everything(own), before)

    def test_an_earlier_run_is_never_overwritten_unasked(self):
        before = everything(self.good)
        result = train(self.photos, self.good, "--cache", "off")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(everything(self.good), before)

    # -------------------------------------------------------------------------------------------------------- permission

    def nobody(self, folder):
        """How to run as one who may not write into `folder`."""
        if not is_root():
            folder.chmod(0o555)
            self.addCleanup(folder.chmod, 0o755)
            return []
        if not shutil.which("setpriv"):
            self.skipTest("no setpriv")
        return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

    def test_folders_of_others_are_refused_with_their_name(self):
        locked = self.at / "locked"
        locked.mkdir()
        who = self.nobody(locked)
        self.refused(train(self.photos, locked / "run", "--cache", "off", before=who), "Permission denied", str(locked))
        self.refused(train(self.photos, locked, "--cache", "off", before=who), "Permission denied", str(locked))
        self.assertEqual(list(locked.iterdir()), [])

    def test_runs_of_others_stay_as_they_are(self):
        own = self.at / "others"
        shutil.copytree(self.good, own)
        before, who = everything(own), self.nobody(own)
        self.refused(train(self.photos, own, "--cache", "off", "--force", before=who), "Permission denied", str(own))
        self.refused(run("report", own, before=who), "Permission denied", "report.html")
        self.assertEqual(everything(own), before)

    def test_a_cache_that_cannot_be_written_is_refused_with_advice(self):
        locked = self.at / "locked-cache"
        locked.mkdir()
        who = self.nobody(locked)
        out = self.at / "open"
        out.mkdir()
        out.chmod(0o777)
        self.refused(train(self.photos, out / "run", "--cache", locked, before=who), "Permission denied", "--cache")
        self.refused(train(self.photos, out / "run2", TOPWORK_HOME=str(locked / "home"), before=who), "Permission denied",
                     "--cache")
        self.assertEqual(litter(out), [])
        self.assertEqual(train(self.photos, out / "run3", "--cache", "off", before=who).returncode, 0)

    def test_verbs_that_only_read_need_no_right_to_write(self):
        who = self.nobody(self.good)
        for words in (["predict", self.good, self.photos / "a" / "0.png"], ["evaluate", self.good, self.photos],
                      ["summary", self.good]):
            result = run(*words, before=who, HOME="/nonexistent", TMPDIR="/nonexistent")
            self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
