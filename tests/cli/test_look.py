#!/usr/bin/env python3
"""Look: how events are shown on a terminal, in a log and as JSON, and how the program stops."""
import json
import signal
import subprocess
import time
import unittest

from program import PLAY, environment, on_terminal, run, screen, size

BAR = "█" * 24
BEFORE = ["photos    1,000 in 2 classes: cats 500 · dogs 500",
          "model     efficientnet-lite0, ImageNet weights",
          "          trunk 3,371,024 parameters frozen",
          "note      something in between"]


def epoch(n, best=False):
    return (f"head      epoch {n:2}/10  loss 0.0412  accuracy 0.9888   val loss 0.0391  val accuracy 0.9900"
            + ("   best" if best else ""))


class Look(unittest.TestCase):
    def test_terminal_keeps_two_columns_one_bar_and_the_best_epoch(self):
        code, drawn, out = on_terminal("train", "run")
        self.assertEqual(code, 0)
        self.assertEqual(out, "")
        self.assertEqual(screen(drawn), BEFORE + [
            f"features  {BAR}  1,000/1,000   417 photos/s   2.4 s   kept for the next run",
            epoch(7, best=True),
            "          stopped after epoch 10",
            "warning   few photos", ""])

    def test_bar_grows_with_rate_and_time_left(self):
        _, drawn, _ = on_terminal("train", "run")
        self.assertIn("██████······", drawn)
        self.assertRegex(drawn, r"  500/1,000   417 photos/s   1\.2 s left")

    def test_log_has_no_bars_no_colours_and_every_epoch(self):
        result = run("train", "run", program=PLAY)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.splitlines(), BEFORE + [
            "features  1,000/1,000   417 photos/s   2.4 s   kept for the next run",
            *[epoch(n, best=n in (1, 7)) for n in range(1, 11)],
            "          stopped after epoch 10",
            "warning   few photos"])

    def test_no_progress_takes_the_bar_away(self):
        _, drawn, _ = on_terminal("train", "run", "--no-progress", NO_COLOR="1")
        self.assertNotIn("█", drawn)
        self.assertNotIn("\033", drawn)
        self.assertIn("features  1,000/1,000", drawn)

    def test_colours_are_emphasis_and_can_be_refused(self):
        _, drawn, _ = on_terminal("train", "run")
        self.assertIn("\033[1mphotos\033[0m", drawn)
        _, plain, _ = on_terminal("train", "run", NO_COLOR="1")
        self.assertNotRegex(plain, r"\033\[[0-9;]*m")
        self.assertEqual(screen(drawn), screen(plain))
        _, dumb, _ = on_terminal("train", "run", TERM="dumb")
        self.assertNotIn("\033", dumb)

    def test_other_charset_gets_another_bar(self):
        _, drawn, _ = on_terminal("train", "run", LC_ALL="de_DE.ISO-8859-1")
        self.assertNotIn("█", drawn)
        self.assertIn("######......", drawn)

    def test_long_epochs_keep_a_line_each(self):
        _, drawn, _ = on_terminal("train", "epochs")
        self.assertEqual(screen(drawn), [epoch(1, best=True), epoch(2), epoch(3), ""])

    def test_phases_that_do_not_say_where_they_begin_are_told_apart(self):
        _, drawn, _ = on_terminal("train", "phases")
        self.assertEqual(screen(drawn), [epoch(2, best=True), "          epoch 2 was the best and is restored",
                                         "fine-tune epoch 1/1  loss 0.5000  accuracy 0.7500", ""])

    def test_narrow_terminal_wraps_words_and_never_the_live_line(self):
        for columns in (20, 40, 60):
            _, drawn, _ = on_terminal("train", "run", columns=columns, NO_COLOR="1")
            shown = screen(drawn, columns)
            self.assertEqual("".join("".join(shown).split()).count("cats500"), 1, shown)
            self.assertEqual("".join(shown).count("1,000/1,000"), 1, shown)
            self.assertTrue(all(len(line) <= columns for line in shown), shown)

    def test_window_made_narrower_leaves_no_rest_of_the_bar(self):
        def act(process, terminal):
            time.sleep(0.3)
            size(terminal, 50)
        _, drawn, _ = on_terminal("train", "run", columns=120, act=act, NO_COLOR="1")
        self.assertIn("\033[1A", drawn)

    def test_quiet_shows_errors_only(self):
        result = run("train", "run", "--quiet", program=PLAY)
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        result = run("train", "odd", "-q", program=PLAY)
        self.assertEqual(result.stderr, "topwork: no weights\n  looked in  here\n  get them   there\n")

    def test_error_has_its_exit_code_and_indented_advice(self):
        result = run("train", "odd", program=PLAY)
        self.assertEqual(result.returncode, 3)
        self.assertTrue(result.stderr.endswith("topwork: no weights\n  looked in  here\n  get them   there\n"))

    def test_escapes_in_names_do_not_reach_the_terminal(self):
        _, drawn, _ = on_terminal("train", "odd", NO_COLOR="1")
        self.assertNotIn("\033", drawn)
        self.assertEqual(screen(drawn)[:2], ['photos    a "quoted" \\ name?and \ufffd ?[2Jbyte', "          line two"])

    def test_json_gives_one_event_a_line_and_nothing_on_standard_error(self):
        result = run("train", "run", "--format", "json", program=PLAY)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(result.stderr, "")
        self.assertEqual(events[0], {"event": "stage", "stage": "photos", "text": BEFORE[0][10:]})
        epochs = [e for e in events if e["event"] == "epoch"]
        self.assertEqual([e["epoch"] for e in epochs], list(range(1, 11)))
        self.assertEqual(epochs[6]["best"], True)
        self.assertEqual(epochs[0]["val_loss"], 0.0391)
        ends = [e for e in events if e["event"] == "end"]
        self.assertEqual(ends[0]["done"], 1000)
        self.assertEqual(ends[0]["unit"], "photos")

    def test_json_of_odd_texts_and_errors_is_json(self):
        result = run("train", "odd", "--format=json", program=PLAY)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(events[0]["text"], 'a "quoted" \\ name\tand \ufffd \033[2Jbyte\nline two\n')
        self.assertEqual(events[-1], {"event": "error", "status": "unusable data or model", "exit": 3,
                                      "text": "no weights\nlooked in  here\nget them   there"})
        self.assertEqual(result.returncode, 3)


class Stopping(unittest.TestCase):
    def stopped_by(self, number, code):
        got, drawn, _ = on_terminal("train", "work", act=lambda p, _: p.send_signal(number))
        self.assertEqual(got, code)
        lines = screen(drawn)
        self.assertIn("stopping  as soon as it is safe; once more stops at once", lines)
        self.assertEqual(lines[-3:], ["topwork: cancelled", "  kept      runs/x-1/model.keras", ""])

    def test_interrupt_ends_cleanly_with_130(self):
        self.stopped_by(signal.SIGINT, 130)

    def test_terminate_ends_cleanly_with_143(self):
        self.stopped_by(signal.SIGTERM, 143)

    def test_second_interrupt_ends_at_once(self):
        def act(process, _):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        start = time.time()
        code, _, _ = on_terminal("train", "deaf", act=act)
        self.assertEqual(code, 130)
        self.assertLess(time.time() - start, 10)

    def test_reader_that_leaves_ends_the_work_in_silence(self):
        process = subprocess.Popen([PLAY, "train", "flood"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        self.assertEqual(process.stdout.readline(), b"line 0\n")
        process.stdout.close()
        self.assertEqual(process.wait(20), 128 + signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
