#!/usr/bin/env python3
"""Usage: what the program says to right and wrong command lines, by exit code and words."""
import json
import os
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from program import BUILD, PLAY, PROGRAM, ROOT, environment, run

VERBS = re.findall(r"CLI_VERB\((\w+)\)", (ROOT / "src/cli/list.inc").read_text())
LATER = "advise check explain serve".split()
# A word that each verb takes where something must stand.
ARGUMENTS = {"cache": ["ls"], "completion": ["bash"], "convert": ["m", "o.keras"],
             "evaluate": ["m", "p"], "fetch": ["nothing"], "models": [], "plan": ["m"],
             "predict": ["m", "p"], "report": ["r"], "summary": ["m"], "sweep": ["p", "--grid=l2=0"],
             "train": ["p"]}


def rows(verb):
    """(key, is later) of every option row in the verb's table, as the source has them."""
    path = ROOT / f"src/api/options_{verb}.c"
    if not path.exists():
        return []
    text = path.read_text()
    shared = (ROOT / "src/api/options.h").read_text()
    found = re.findall(r'\{TWI_\w+\(\s*"(\w+)"(.*?)(?=\n\s*\{|\n\s*TWI_OPTION)', text, re.S)
    keys = [(key, "TW_FIELD_LATER" in rest) for key, rest in found if "TW_FIELD_ARGUMENT" not in rest]
    for name in re.findall(r"TWI_OPTION_(\w+)\(", text):
        keys.append((re.search(rf'TWI_OPTION_{name}\(s\).*?"(\w+)"', shared, re.S).group(1), False))
    return keys


class Usage(unittest.TestCase):
    def expect(self, words, code, *parts, stream="err", program=PROGRAM):
        result = run(*words, program=program)
        text = result.stderr if stream == "err" else result.stdout
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        for part in parts:
            self.assertIn(part, text, words)
        return result

    def refuses(self, words, *parts):
        result = self.expect(words, 2, *parts)
        self.assertEqual(result.stdout, "", words)
        self.assertTrue(result.stderr.startswith("topwork: "), result.stderr)

    def given(self, words, *parts):
        """What the command line comes to."""
        self.expect(["train", *words], 0, *parts, stream="out", program=PLAY)

    def test_flags_are_read_in_every_form(self):
        self.given(["options"], "epochs 10 top 0 no_top 0 force 0 val_split 0.2 bn 0 head gap, dropout:0.2")
        self.given(["--epochs", "3", "options", "--val-split=0.5", "--force"], "epochs 3 ", "val_split 0.5", "force 1")
        self.given(["options", "--val_split", "0.5"], "val_split 0.5")
        self.given(["options", "--force", "--no-force"], "force 0")
        self.given(["options", "--force=false"], "force 0")
        self.given(["options", "--head", "flatten, dense:8:relu"], "head flatten, dense:8:relu")
        self.given(["options", "--epochs", "3", "--epochs", "4"], "epochs 4 ")
        self.given(["--", "options"], "epochs 10 ")

    def test_last_of_two_opposite_flags_wins(self):
        self.given(["options", "--no-top", "--top"], "top 1 no_top 0")
        self.given(["options", "--top", "--no-top"], "top 0 no_top 1")

    def test_misspelt_flag_names_the_nearest(self):
        self.refuses(["train", "p", "--epocs", "3"], "unknown flag '--epocs'; did you mean '--epochs'?")
        self.refuses(["train", "p", "--val-spilt=0.1"], "unknown flag '--val-spilt'; did you mean '--val-split'?")
        self.refuses(["train", "p", "--quite"], "did you mean '--quiet'?")
        self.refuses(["train", "p", "-x"], "unknown flag '-x'")

    def test_flag_far_from_all_others_points_to_help(self):
        self.refuses(["train", "p", "--zzzzzzzzzzzz"], "unknown flag '--zzzzzzzzzzzz'", "topwork train --help")

    def test_unknown_verb_names_the_nearest(self):
        self.refuses(["trian", "p"], "unknown verb 'trian'; did you mean 'train'?")

    def test_a_folder_in_place_of_a_verb_gets_the_line_to_type(self):
        with tempfile.TemporaryDirectory() as folder:
            self.refuses([folder], f"topwork train {folder}")

    def test_planned_verbs_are_refused_and_listed(self):
        overview = run("--help").stdout
        for verb in LATER:
            self.refuses([verb, "photos"], f"not supported yet: {verb}")
            self.assertIn(f"  {verb} ", overview)

    def test_flags_not_served_are_refused_with_and_without_value(self):
        for verb in VERBS:
            for key, is_later in rows(verb):
                flag = "--" + key.replace("_", "-")
                if is_later:
                    self.refuses([verb, *ARGUMENTS[verb], flag], f"not supported yet: {flag}")
                    self.refuses([verb, *ARGUMENTS[verb], flag + "=1"], f"not supported yet: {flag}")

    def test_missing_argument_is_named_with_an_example(self):
        self.refuses(["train"], "PHOTOS is missing", "topwork train photos/")
        self.refuses(["predict", "m"], "PHOTO is missing")
        self.refuses(["evaluate", "m"], "PHOTOS is missing")

    def test_argument_too_many_is_named(self):
        self.refuses(["train", "a", "b"], "unexpected argument 'b'")

    def test_flag_without_its_value(self):
        self.refuses(["train", "p", "--epochs"], "flag '--epochs' needs a value")
        self.refuses(["train", "p", "--epochs", "--force"], "flag '--epochs' needs a value")

    def test_wrong_values_say_flag_expected_and_received(self):
        self.refuses(["train", "p", "--epochs", "many"], "--epochs must be a number, received 'many'")
        self.refuses(["train", "p", "--epochs", "-3"], "--epochs must be 0 or more, received -3")
        self.refuses(["train", "p", "--epochs", "1.5"], "--epochs must be a whole number, received 1.5")
        self.refuses(["train", "p", "--val-split=2"], "--val-split must be in 0..0.99, received 2")
        self.refuses(["train", "p", "--l2", "nan"], "--l2 must be")
        self.refuses(["train", "p", "--bn", "maybe"], "--bn must be auto, freeze or train, received 'maybe'")
        self.refuses(["train", "p", "--preprocess", "x"], "--preprocess must be raw, tf, torch, caffe, lite or unit")
        self.refuses(["cache", "burn"], "must be ls, size or clear, received 'burn'")
        self.refuses(["train", "p", "--no-force=yes"], "flag '--no-force' takes no value")

    def test_every_flag_survives_odd_values(self):
        # A folder that is not there: whatever passes the command line ends there, or was refused before.
        for verb in VERBS:
            for key, _ in rows(verb):
                for value in ("", "-1", "nan", "1e400", "9" * 400, "%s%n", "\xff", "a" * 5000):
                    result = run(verb, *(["/nowhere"] * len(ARGUMENTS[verb]) if verb not in ("cache", "completion") else
                                         ["size"]), f"--{key.replace('_', '-')}={value}", program=PLAY)
                    self.assertIn(result.returncode, (0, 1, 2, 3, 5), f"{verb} --{key}={value[:20]}: {result.stderr[:200]}")

    def test_help_mentions_every_row(self):
        self.assertGreater(len(rows("train")), 40)
        for verb in VERBS:
            text = self.expect([verb, "--help"], 0, stream="out").stdout
            for key, is_later in rows(verb):
                line = re.search(rf"^  --{key.replace('_', '-')}( |$)(.*\n(?:      .*\n)*)", text, re.M)
                self.assertIsNotNone(line, f"{verb}: --{key}")
                words = " ".join(line.group(2).split())
                self.assertEqual(is_later, words.endswith("(not supported yet)"), f"{verb}: --{key}: {words}")

    def test_help_is_asked_in_every_way(self):
        page = run("train", "--help").stdout
        self.assertEqual(page, run("help", "train").stdout)
        self.assertEqual(page, run("train", "-h").stdout)
        self.assertEqual(page, run("--help", "train").stdout)
        self.assertEqual(page, run("train", "--epocs", "--help").stdout)
        self.assertIn("[efficientnet-lite0]", page)

    def test_help_lists_every_verb(self):
        text = self.expect(["--help"], 0, stream="out").stdout
        for verb in VERBS:
            self.assertRegex(text, rf"(?m)^  {verb}\b")

    def test_help_fits_the_width(self):
        for columns in (60, 80, 100):
            text = run("train", "--help", COLUMNS=str(columns)).stdout
            body = text[text.index("\narguments"):]  # examples are lines to copy: never broken
            self.assertLessEqual(max(len(line) for line in body.splitlines()), columns)

    def test_no_verb_is_a_wrong_call_that_gets_the_overview(self):
        result = self.expect([], 2, "topwork train photos/")
        self.assertEqual(result.stdout, "")

    def test_version_is_quick_and_on_standard_output(self):
        version = re.findall(r"#define TW_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", (ROOT / "include/topwork.h").read_text())
        result = self.expect(["--version"], 0, "topwork " + ".".join(version), "oneDNN", "zlib", stream="out")
        self.assertEqual(result.stderr, "")
        if "san" in BUILD.name or "coverage" in BUILD.name:
            return
        best = 1.0
        for _ in range(10):
            start = time.perf_counter()
            subprocess.run([PROGRAM, "--version"], stdout=subprocess.DEVNULL, env=environment())
            best = min(best, time.perf_counter() - start)
        self.assertLess(best, 0.05)

    def test_double_dash_ends_flags(self):
        self.refuses(["train", "--", "--epochs", "3"], "unexpected argument '3'")

    def test_config_file_is_read_and_flags_win(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "args.json"

            def config(value):
                file.write_text(value if isinstance(value, str) else json.dumps(value))

            config({"photos": "options", "epochs": 3, "cut": None, "memory": None, "bn": "train"})
            self.given(["--config", str(file)], "epochs 3 ", "bn 2")
            self.given(["--epochs", "5", "--config", str(file)], "epochs 5 ", "bn 2")
            self.given([f"--config={file}", "--epochs=5", "--bn", "freeze"], "epochs 5 ", "bn 1")
            config({"photos": "nothing"})
            self.given(["options", "--config", str(file)], "epochs 10 ")
            config({"epocs": 3})
            self.refuses(["train", "p", "--config", str(file)], "unknown key 'epocs'; did you mean 'epochs'?")
            config({"epochs": "many"})
            self.refuses(["train", "p", "--config", str(file)], "epochs must be a number")
            config({"plan": "p.json"})
            self.refuses(["train", "p", "--config", str(file)], "not supported yet: plan")
            config('{"epochs": ')
            self.expect(["train", "p", "--config", str(file)], 5, "args.json")
            self.expect(["train", "p", "--config", folder + "/none.json"], 3, "none.json")

    def test_completion_is_a_script_bash_takes(self):
        script = self.expect(["completion", "bash"], 0, stream="out").stdout
        ask = script + '\nCOMP_WORDS=(topwork train --bn "")\nCOMP_CWORD=3\n_topwork\necho "${COMPREPLY[@]}"'
        self.assertEqual(subprocess.run(["bash", "-c", ask], capture_output=True, text=True).stdout, "auto freeze train\n")
        ask = script + '\nCOMP_WORDS=(topwork train --fine)\nCOMP_CWORD=2\n_topwork\necho "${COMPREPLY[@]}"'
        self.assertEqual(subprocess.run(["bash", "-c", ask], capture_output=True, text=True).stdout,
                         "--fine-tune --fine-tune-from --fine-tune-lr\n")

    def test_full_disk_under_standard_output_is_exit_7(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 7)
        self.assertIn("cannot write to standard output", result.stderr)


if __name__ == "__main__":
    unittest.main()
