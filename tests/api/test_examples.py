"""The examples: each runs on tiny generated photos and says what it promises."""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(os.environ.get("TW_BUILD_DIR", Path(__file__).resolve().parents[2] / "build/release"))


def write_bmp(path, red, green, blue, seed):
    """24 x 24 pixels around one colour."""
    side = 24
    pixels = bytes(min(255, c + (i * seed) % 30) for i in range(side * side) for c in (blue, green, red))
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    path.write_bytes(head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + pixels)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="topwork-examples-"))
        cls.photos = cls.root / "photos"
        for name, colour in (("green", (30, 200, 30)), ("red", (200, 30, 30))):
            (cls.photos / name).mkdir(parents=True)
            for i in range(8):
                write_bmp(cls.photos / name / f"{i}.bmp", *colour, i + 1)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def run_example(self, name, *args, code=0):
        # No weights and no cache but its own.
        env = dict(os.environ, HOME=str(self.root), TOPWORK_HOME=str(self.root / "home"), XDG_CACHE_HOME="", KERAS_HOME="")
        done = subprocess.run([BUILD / "examples" / name, *map(str, args)], capture_output=True, text=True, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def test_transfer_learning_prints_the_counts_of_the_lesson(self):
        out = self.run_example("transfer_learning")
        self.assertIn("no ImageNet weights for vgg16", out)
        self.assertIn("going on with random weights", out)
        self.assertIn("Total params: 138,357,544", out)
        lines = [re.sub(r" +", " ", line) for line in out.splitlines()]
        for line in ("vgg16 138,357,544 parameters: 138,357,544 trainable, 0 not",
                     "all layers train 32 weights: 32 trainable, 0 not",
                     "layers 2 and 13 frozen 32 weights: 28 trainable, 4 not",
                     "all layers frozen 32 weights: 0 trainable, 32 not",
                     "frozen vgg16, new top 121,675,585 parameters: 106,960,897 trainable, 14,714,688 not",
                     "the same on 128 x 128 52,469,569 parameters: 37,754,881 trainable, 14,714,688 not"):
            self.assertIn(line, lines)

    def test_train_folder_learns_and_predict_photo_answers(self):
        model = self.root / "colours.keras"
        out = self.run_example("train_folder", self.photos, model, "mobilenet:0.25", "none")
        self.assertRegex(out, r"epoch 1: loss")
        self.assertRegex(out, r"best epoch \d+: [\d.]+ % of 4 validation photos right|best epoch \d+: [\d.]+ % of 2")
        self.assertTrue(model.exists())
        bad = self.root / "no-photo.jpg"
        bad.write_text("no photo")
        out = self.run_example("predict_photo", model, self.photos / "red/3.bmp", bad)
        self.assertRegex(out, r"red/3\.bmp: (red|green) [\d.]+ %")
        self.assertRegex(out, r"no-photo\.jpg: .*no picture")

    def test_errors_end_with_their_exit_code_and_one_message(self):
        err = self.run_example("predict_photo", self.root / "none.keras", "x.jpg", code=3)
        self.assertEqual(err.count("predict_photo:"), 1)
        self.assertIn("none.keras", err)
        err = self.run_example("train_folder", self.root / "nowhere", "x.keras", code=3)
        self.assertIn("nowhere", err)
        self.assertFalse((self.root / "x.keras").exists())

    def test_functional_learns_with_a_shared_layer(self):
        out = self.run_example("functional")
        self.assertEqual(out.count("look (Conv2D)"), 1)
        self.assertGreater(float(re.search(r"accuracy ([\d.]+)", out).group(1)), 0.9)

    def shown(self, out):
        """Each run's last and best validation loss, and its shares of zeros and small weights."""
        pattern = r"^(.+?) +val loss ([\d.]+) \(best ([\d.]+), .*zero +([\d.]+) %, \|w\| < 0.001 +([\d.]+) %"
        return {m[1]: tuple(map(float, m.groups()[1:])) for m in re.finditer(pattern, out, re.M)}

    def test_regularization_shows_what_each_penalty_does(self):
        page = self.root / "page.html"
        fashion = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "topwork/photos/fashion-mnist"
        if not fashion.exists():
            print("only made-up pictures: Fashion-MNIST is not there (tools/assets.sh fashion-mnist)")
        self.run_example("regularization", self.root / "absent", page, code=3)
        sources = [None] + [fashion] * fashion.exists()
        for source in sources:
            self.check_pictures(self.shown(self.run_example("regularization", source or "", page)), page.read_text())

    def check_pictures(self, runs, text):
        self.assertEqual(list(runs), ["none", "L1", "L1, proximal", "L2", "dropout 0.5"])
        last, best, zero, small = zip(*runs.values())
        self.assertEqual((zero[0], zero[1], zero[3]), (0, 0, 0))
        self.assertGreater(zero[2], 5)  # only proximal steps give true zeros
        self.assertGreater(small[1], 10 * small[0])  # L1 gathers weights near zero, L2 shrinks them
        self.assertGreater(small[1], 3 * small[3])
        self.assertTrue(all(l >= b for l, b in zip(last, best)))
        self.assertLess(min(last[1:]), last[0])
        for words in ("early stopping keeps this", "L1 against L2", "exactly zero", "step 2:", "cosine decay"):
            self.assertIn(words, text)
        self.assertEqual(text.count(">epoch 40<"), 6)  # five runs and the rate
        self.assertEqual(text.count("and above<"), 5)

    def test_verbs_takes_options_as_text(self):
        run = self.root / "run"
        out = self.run_example("verbs", self.photos, run, "model=mobilenet:0.25", "weights=none", "epochs=2")
        self.assertIn("head 2/2", out)
        self.assertTrue((run / "model.keras").exists())
        err = self.run_example("verbs", self.photos, run, "epoch=2", code=2)
        self.assertIn("did you mean 'epochs'", err)
        err = self.run_example("verbs", self.photos, run, "epochs=many", code=2)
        self.assertIn("many", err)


if __name__ == "__main__":
    sys.exit(unittest.main())
