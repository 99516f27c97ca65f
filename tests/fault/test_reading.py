#!/usr/bin/env python3
"""Damaged, cut and hostile files: the program says exit 5 (or 3 for what is no model at all) and why; it never falls."""
import ctypes
import io
import os
import pickle
import random
import tempfile
import unittest
import zipfile
from pathlib import Path

from small import MODEL, photos, run, train

ROOT = Path(os.environ["TW_SOURCE_DIR"])


class Global:
    """Pickled as a call of a function of one's choice: what a hostile .pth does."""

    def __reduce__(self):
        return os.system, ("touch gotcha",)


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.at = Path(cls.folder.name)
        cls.photos = photos(cls.at / "photos")
        cls.photo = cls.photos / "a" / "0.png"
        result = train(cls.photos, cls.at / "run", "--cache", "off")
        assert result.returncode == 0, result.stderr
        cls.keras = (cls.at / "run" / "model.keras").read_bytes()
        library = ctypes.CDLL(os.environ["TW_LIBRARY"])
        for name in ("tw_open", "tw_model_load"):
            getattr(library, name).restype = ctypes.c_void_p
        context = ctypes.c_void_p(library.tw_open(None, None))
        model = ctypes.c_void_p(library.tw_model_load(context, str(cls.at / "run" / "model.keras").encode(), None))
        for name in ("model.h5", "net.weights.h5"):
            save = library.tw_model_save if name == "model.h5" else library.tw_weights_save
            assert save(model, str(cls.at / name).encode(), None) == 0
        library.tw_model_free(model)
        library.tw_close(context)
        cls.h5 = (cls.at / "model.h5").read_bytes()
        cls.weights = (cls.at / "net.weights.h5").read_bytes()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def refused(self, result, codes, *parts):
        self.assertIn(result.returncode, codes, result.stderr)
        self.assertEqual(result.stdout, "")
        errors = [line for line in result.stderr.splitlines() if line.startswith("topwork: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        for part in parts:
            self.assertIn(part, errors[0])

    def predict(self, name, data, codes=(5,), *parts):
        path = self.at / name
        path.write_bytes(data)
        self.refused(run("predict", path, self.photo), codes, *parts)

    def test_the_files_are_right_before_they_are_damaged(self):
        for path in ("run/model.keras", "model.h5"):
            result = run("predict", self.at / path, self.photo)
            self.assertEqual(result.returncode, 0, result.stderr)

    def cuts(self, data):
        """Lengths at which a download may have stopped."""
        draw = random.Random(len(data))
        return [12, 40, 600] + [draw.randrange(1000, len(data) - 1) for _ in range(5)] + [len(data) - 1]

    def test_cut_models_are_refused(self):
        for name, data in (("cut.keras", self.keras), ("cut.h5", self.h5)):
            for n in self.cuts(data):
                with self.subTest(name=name, n=n):
                    self.predict(name, data[:n], (5,), name)

    def test_an_empty_file_or_another_kind_of_file_is_no_model(self):
        for data in (b"", b"\n", b"<html>404</html>" * 9, self.photo.read_bytes(), b"PK\5\6" + bytes(18), os.urandom(4096)):
            with self.subTest(data=data[:8]):
                self.predict("other.keras", data, (5,), "other.keras")

    def test_a_changed_byte_in_an_archive_is_seen(self):
        draw = random.Random(2)
        for _ in range(6):
            at = draw.randrange(len(self.keras) // 4, len(self.keras) // 2)  # in the weights: checksums cover them
            data = bytearray(self.keras)
            data[at] ^= 1 << draw.randrange(8)
            with self.subTest(at=at):
                self.predict("changed.keras", bytes(data), (5,), "changed.keras")

    def archive(self, **changes):
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.keras)) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                data = changes.get(name.split(".")[0].replace("/", "_"), old.read(name))
                if data is not None:
                    new.writestr(name, data)
        return out.getvalue()

    def test_archives_with_wrong_members_are_refused(self):
        config = zipfile.ZipFile(io.BytesIO(self.keras)).read("config.json")
        for what, data in (("no config", self.archive(config=None)), ("no weights", self.archive(model=None)),
                           ("no JSON", self.archive(config=b"{")), ("JSON cut", self.archive(config=config[:len(config) // 2])),
                           ("deep JSON", self.archive(config=b"[" * 100000)),
                           ("weights cut", self.archive(model=self.weights[:len(self.weights) // 2])),
                           ("weights of nothing", self.archive(model=b""))):
            with self.subTest(what=what):
                self.predict("wrong.keras", data, (5,), "wrong.keras")

    def test_an_archive_that_unpacks_to_more_than_it_may_is_refused(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            with z.open("config.json", "w", force_zip64=True) as member:
                for _ in range(300):
                    member.write(b" " * (1 << 20))
        self.predict("bomb.keras", out.getvalue(), (5,), "bomb.keras")

    def test_random_damage_of_headers_never_ends_by_a_signal(self):
        draw = random.Random(3)
        for name, data in (("hurt.keras", self.keras), ("hurt.h5", self.h5)):
            for _ in range(12):
                hurt = bytearray(data)
                for _ in range(8):
                    hurt[draw.randrange(3000)] = draw.randrange(256)
                with self.subTest(name=name):
                    path = self.at / name
                    path.write_bytes(hurt)
                    self.assertIn(run("predict", path, self.photo).returncode, (0, 2, 3, 5))

    # ------------------------------------------------------------------------------------------------- weights for train

    def weigh(self, name, data, codes, *parts):
        path = self.at / name
        path.write_bytes(data)
        result = run("train", self.photos, "--model", "efficientnet-lite0", "--input-size", "32", "--weights", path,
                     "--output-dir", self.at / "never", "--cache", "off")
        self.refused(result, codes, *parts)
        self.assertFalse((self.at / "never").exists())  # a run directory is not made for what cannot begin

    def test_cut_weights_are_refused(self):
        for n in self.cuts(self.weights):
            with self.subTest(n=n):
                self.weigh("cut.weights.h5", self.weights[:n], (5,), "cut.weights.h5")

    def pth(self, value, storages=()):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as z:
            z.writestr("archive/data.pkl", value if isinstance(value, bytes) else pickle.dumps(value, 2))
            for i, data in enumerate(storages):
                z.writestr(f"archive/data/{i}", data)
        return out.getvalue()

    def test_torch_files_call_nothing(self):
        for what, data in (("archive", self.pth({"w": Global()})), ("old", pickle.dumps({"w": Global()}, 2))):
            with self.subTest(what=what):
                self.weigh("hostile.pth", data, (5,))
        self.assertFalse(Path("gotcha").exists())

    def test_hostile_torch_files_of_the_corpus_are_refused(self):
        for path in sorted((ROOT / "fuzz/corpus/fuzz_pickle").glob("hostile_*.pth")):
            with self.subTest(path=path.name):
                self.weigh("corpus.pth", path.read_bytes(), (3, 5))

    def test_hostile_hdf5_files_of_the_corpus_are_refused(self):
        for path in sorted((ROOT / "fuzz/corpus/fuzz_hdf5").glob("hostile_*.h5")):
            with self.subTest(path=path.name):
                self.weigh("corpus.h5", path.read_bytes(), (3, 5))

    def test_cut_torch_weights_are_refused(self):
        home = os.environ.get("TOPWORK_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or
                                                              os.path.expanduser("~/.cache"), "topwork")
        path = Path(home, "weights", "efficientnet-lite0-57934424.pth")
        if not path.exists():
            self.skipTest("no EfficientNet-Lite0 weights (tools/assets.sh weights)")
        data = path.read_bytes()
        for n in self.cuts(data):
            with self.subTest(n=n):
                self.weigh("cut.pth", data[:n], (5,), "cut.pth")

    # ------------------------------------------------------------------------------------------------------- runs, photos

    def test_a_damaged_run_is_refused_by_report(self):
        own = self.at / "damaged"
        own.mkdir()
        for file in (self.at / "run").iterdir():
            (own / file.name).write_bytes(b"{" if file.name == "results.json" else file.read_bytes())
        self.refused(run("report", own), (5,), "results.json")

    def test_a_damaged_checkpoint_is_refused_by_resume(self):
        own = self.at / "half"
        words = ["train", self.photos, *MODEL, "--cache", "off", "--epochs", "40", "--patience", "0", "--output-dir", own]
        self.assertEqual(run(*words).returncode, 0)
        (own / "results.json").unlink()
        for data in (b"", b"TOPWORK", os.urandom(5000)):
            (own / "checkpoint.tw").write_bytes(data)
            with self.subTest(data=data[:7]):
                self.refused(run(*words, "--resume"), (5,), "checkpoint.tw")

    def test_damaged_photos_are_skipped_and_named(self):
        mixed = photos(self.at / "mixed")
        (mixed / "a" / "cut.png").write_bytes(self.photo.read_bytes()[:60])
        (mixed / "b" / "page.jpg").write_bytes(b"<html>")
        result = train(mixed, self.at / "mixed-run", "--cache", "off")
        self.assertEqual(result.returncode, 0, result.stderr)
        skipped = (self.at / "mixed-run" / "skipped.csv").read_text()
        self.assertIn("cut.png", skipped)
        self.assertIn("page.jpg", skipped)


if __name__ == "__main__":
    unittest.main()
