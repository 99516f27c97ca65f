#!/usr/bin/env python3
"""topwork models --html: every network in the chart and in the table, nothing from elsewhere."""
import json
import re
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

from program import run


class Page(HTMLParser):
    """Circles' tips by chart, names drawn, and rows of the table."""

    def __init__(self, text):
        super().__init__()
        self.charts, self.names, self.rows, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "figure":
            self.charts.append([])
        if tag == "tr":
            self.rows.append([])
        if tag == "title" or tag == "td" or tag == "text" and "name" in attributes.get("class", ""):
            self.inside = tag

    def handle_data(self, data):
        if self.inside == "title" and self.charts:
            self.charts[-1].append(data)
        elif self.inside == "text":
            self.names.append(data)
        elif self.inside == "td":
            self.rows[-1].append(data)
        self.inside = None


class Models(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "models.html"

    def page(self, *words):
        result = run("models", "--html", str(self.file), "--format", "json", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.models = {model["name"]: model for model in json.loads(result.stdout)["models"]}
        self.text = self.file.read_text()
        return Page(self.text)

    def test_every_network_is_a_point_of_each_chart_and_a_row(self):
        page = self.page()
        rated = {name for name, model in self.models.items() if "top1" in model}
        self.assertGreater(len(rated), 50)
        self.assertEqual(len(page.charts), 2)
        for chart in page.charts:
            self.assertEqual({tip.split(": ")[0] for tip in chart}, rated)
            self.assertEqual(len(chart), len(rated))
        self.assertEqual([row[0] for row in page.rows if row], list(self.models))
        row = next(row for row in page.rows if row and row[0] == "vgg16")
        self.assertEqual(row[1:7], ["71.3 %", "138,357,544", "14,714,688", "15.47", "553", "224"])

    def test_most_networks_are_named_beside_their_points(self):
        page = self.page()
        self.assertGreater(len(page.names), 2 * 0.75 * len(self.models))
        # In a typeface wider than the one they were placed by, names keep their width and stay off their points.
        self.assertEqual(len(re.findall(r'<text class="name[^>]* textLength="\d', self.text)), len(page.names))

    def test_what_was_measured_comes_first(self):
        page = self.page("--only", "mobilenet_v3_small", "--measure")
        self.assertEqual(len(page.charts), 3)
        self.assertTrue(all("milliseconds a photo" in tip for tip in page.charts[0]))
        rate = self.models["mobilenet_v3_small"]["photos_per_second"]
        self.assertIn(f"{1000 / rate:.3g} milliseconds", next(tip for tip in page.charts[0] if ":0.75" not in tip
                                                              and "minimal" not in tip))
        self.assertIn(f"{rate:.1f}", next(row for row in page.rows if row and row[0] == "mobilenet_v3_small"))

    def test_the_file_needs_nothing_from_elsewhere_and_is_the_same_each_time(self):
        self.page()
        self.assertIsNone(re.search(r"<script|https?://|src=|@import", self.text))
        first = self.text
        self.page()
        self.assertEqual(self.text, first)

    def test_a_chart_of_nothing_or_of_one_is_a_page(self):
        self.assertEqual(self.page("--only", "nothing-like-it").charts, [])
        self.assertEqual([len(chart) for chart in self.page("--only", "xception").charts], [1, 1])
        self.assertNotIn("nan", self.text)
        self.assertNotIn("inf", self.text)

    def test_a_file_that_cannot_be_written_is_exit_7(self):
        result = run("models", "--html", "/nowhere/at/all.html")
        self.assertEqual((result.returncode, result.stdout), (7, ""))


if __name__ == "__main__":
    unittest.main()
