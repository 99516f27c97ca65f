#!/usr/bin/env python3
"""topwork summary --svg: the drawing shows every layer once, tints what is frozen, and is the same each time."""
import json
import re
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from program import run

SVG = "{http://www.w3.org/2000/svg}"
NETWORKS = ["vgg16", "resnet50", "inception_v3", "mobilenet_v2", "densenet121", "efficientnet_b0", "xception", "resnet50_v2",
            "inception_resnet_v2", "nasnet_mobile", "convnext_tiny", "mobilenet_v3_small"]


class Drawing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "network.svg"

    def draw(self, *words, code=0):
        result = run("summary", *words, "--svg", str(self.file))
        self.assertEqual(result.returncode, code, result.stderr)
        return ElementTree.parse(self.file).getroot()

    def lines(self, root):
        """(name, frozen, class says frozen) of every layer the drawing names."""
        found = []
        for g in root.iter(SVG + "g"):
            classes = g.get("class", "").split()
            if "layer" in classes:
                for line in g.find(SVG + "title").text.split("\n"):
                    found.append((line.split(" (")[0], line.endswith("· frozen"), "frozen" in classes))
        return found

    def layers(self, *words):
        result = run("summary", *words, "--format", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_every_layer_is_named_once_whatever_the_network(self):
        for network in NETWORKS:
            with self.subTest(network):
                drawn = [name for name, _, _ in self.lines(self.draw(network))]
                if network == "convnext_tiny":  # whose four inner models have inputs of one name
                    self.assertEqual(drawn.count("input_layer"), 5)
                    drawn = [name for name in drawn if name != "input_layer"] + ["input_layer"]
                self.assertEqual(len(drawn), len(set(drawn)))
                layers = {layer["name"] for layer in self.layers(network)["layers"] if layer["class"] != "Sequential"}
                self.assertLessEqual(layers, set(drawn))
                nested = run("summary", network, "--expand-nested").stdout
                self.assertTrue(all(name[:12] in nested for name in set(drawn) - layers))

    def test_what_is_tinted_is_what_the_summary_calls_frozen(self):
        for words in (["vgg16", "--freeze", "first:8"], ["resnet50", "--freeze", "until:conv4_block3_out"],
                      ["inception_v3", "--freeze", "all"], ["vgg16"]):
            with self.subTest(words):
                lines = self.lines(self.draw(*words))
                frozen = {layer["name"] for layer in self.layers(*words)["layers"] if not layer["trainable"]}
                self.assertEqual({name for name, is_frozen, _ in lines if is_frozen}, frozen)
                self.assertTrue(all(is_frozen == is_tinted for _, is_frozen, is_tinted in lines))

    def test_blocks_in_a_row_are_drawn_once(self):
        text = ElementTree.tostring(self.draw("resnet50"), encoding="unicode")
        self.assertEqual(re.findall(r">×(\d+)<", text), ["2", "3", "5", "2"])
        self.assertEqual(text.count('class="skip"'), 4 + 1)  # and the legend's
        text = ElementTree.tostring(self.draw("inception_v3"), encoding="unicode")
        self.assertEqual(re.findall(r">×(\d+)<", text), ["2", "2", "2"])
        self.assertEqual(text.count(">concat<"), 10)

    def test_boxes_neither_overlap_nor_leave_the_page(self):
        for network in NETWORKS:
            with self.subTest(network):
                root = self.draw(network)
                width, height = (float(root.get(key)) for key in ("width", "height"))
                boxes = [tuple(float(r.get(key)) for key in ("x", "y", "width", "height"))
                         for r in root.iter(SVG + "rect") if r.get("class") == "box"]
                for i, (x, y, w, h) in enumerate(boxes):
                    self.assertTrue(0 <= x and 0 <= y and x + w <= width and y + h <= height)
                    for x2, y2, w2, h2 in boxes[:i]:
                        self.assertFalse(x < x2 + w2 - .1 and x2 < x + w - .1 and y < y2 + h2 - .1 and y2 < y + h - .1)

    def test_words_beside_each_other_have_a_width_in_every_typeface_and_do_not_touch(self):
        """Places are laid out by Helvetica's widths; textLength makes a wider face (DejaVu Sans) keep to them."""
        for network in ["vgg16", "resnet50", "inception_v3", "mobilenet_v2", "efficientnet_b0", "densenet121"]:
            with self.subTest(network):
                spans = []
                for text in self.draw(network, "--top", "--freeze", "first:10").iter(SVG + "text"):
                    classes = text.get("class").split()
                    if "title" in classes or "facts" in classes or len(text.text or "") < 3:
                        continue
                    x, y, w = float(text.get("x")), float(text.get("y")), float(text.get("textLength"))
                    self.assertEqual(text.get("lengthAdjust"), "spacingAndGlyphs")
                    x -= w if "end" in classes else w / 2 if "mid" in classes else 0
                    spans.append((y, x, x + w, text.text))
                self.assertGreater(len(spans), 50)
                for i, (y, left, right, words) in enumerate(spans):
                    for y2, left2, right2, words2 in spans[:i]:
                        self.assertFalse(abs(y - y2) < 9 and left < right2 + 1 and left2 < right + 1, (words, words2))

    def test_the_same_network_gives_the_same_bytes(self):
        self.draw("inception_v3", "--freeze", "first:100")
        first = self.file.read_bytes()
        self.draw("inception_v3", "--freeze", "first:100")
        self.assertEqual(self.file.read_bytes(), first)

    def test_a_cut_is_marked_and_says_what_was_left_out(self):
        text = ElementTree.tostring(self.draw("vgg16", "--cut", "block4_pool"), encoding="unicode")
        self.assertIn("cut after block4_pool: 8 layers left out", text)

    def test_the_table_is_printed_as_without(self):
        self.assertEqual(run("summary", "vgg16", "--svg", str(self.file)).stdout, run("summary", "vgg16").stdout)

    def test_a_drawing_that_cannot_be_written_is_exit_7(self):
        result = run("summary", "vgg16", "--svg", "/nowhere/at/all.svg")
        self.assertEqual((result.returncode, result.stdout), (7, ""))
        self.assertIn("/nowhere/at/all.svg", result.stderr)


if __name__ == "__main__":
    unittest.main()
