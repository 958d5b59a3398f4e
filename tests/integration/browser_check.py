#!/usr/bin/env python3
"""A page in a real browser, of another origin than the node: it watches by EventSource, which resumes by
itself when the node dies and returns, and writes by fetch with a header of its own. Part of no test
that has to work without a browser:

    apt-get install chromium
    tests/integration/browser_check.py build/release/bin
"""

import http.server
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

SECONDS = 60

PAGE = """<!doctype html><title>browser check</title><script>
const node = "NODE";
let told = Promise.resolve();  // one after the other, so that they come in order
const report = (what, value) => {
  told = told.then(() => fetch("/report", {method: "POST", body: JSON.stringify([what, value])}));
};
const watch = new EventSource(node + "/v1/watch/app?scope=subtree");
watch.addEventListener("created", e => report("created", JSON.parse(e.data).revision));
watch.addEventListener("change", e => {
  const change = JSON.parse(e.data);
  report("change", [Number(e.lastEventId), change.revision, change.events.map(x => x.path)]);
});
watch.onerror = () => report("error", watch.readyState);
watch.addEventListener("created", async () => {
  if (window.wrote) return;
  window.wrote = true;
  const answer = await fetch(node + "/v1/kv/app/by-fetch", {method: "PUT", body: "x",
    headers: {"Idempotency-Key": "browser-1", "If-None-Match": "*",
              "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  report("wrote", [answer.status, answer.headers.get("ETag"), answer.headers.get("Synod-Revision")]);
});
</script>"""

FOREIGN = """<!doctype html><title>browser check</title><script>
const report = (what, value) => fetch("/report", {method: "POST", body: JSON.stringify([what, value])});
fetch("NODE/v1/kv/app/stolen", {method: "PUT", body: "x"}).then(a => report("let in", a.status),
                                                               () => report("kept out", 0));
</script>"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Site:
    """A page, and what it reports."""

    def __init__(self):
        self.page = ""
        self.reports = queue.Queue()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(site.page.encode() if self.path == "/" else b"", "text/html")

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                site.reports.put(json.loads(self.rfile.read(length)))
                self.answer(b"", "text/plain")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, what):
        """The value of the next report of that kind; others before it are given back as they came."""
        before = []
        while True:
            try:
                kind, value = self.reports.get(timeout=SECONDS)
            except queue.Empty:
                raise SystemExit(f"nothing of {what} within {SECONDS} s, only {before}") from None
            if kind == what:
                return value, before
            before.append((kind, value))


class Node:
    def __init__(self, programs, directory, origins):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = f"{directory}/synod.yaml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"http.allowed_origins: {json.dumps(origins)}\n")
        self.log = f"{directory}/log"
        self.command = [f"{programs}/synodd", "--config", config, "--data-dir", f"{directory}/data",
                        "--client", f"127.0.0.1:{self.port}", "--peer", f"127.0.0.1:{free_port()}"]
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return urllib.request.urlopen(f"{self.url}/readyz", timeout=2).read()
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def put(self, path):
        request = urllib.request.Request(f"{self.url}/v1/kv{path}", data=b"y", method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["mod_revision"]


def browse(directory, url):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise SystemExit("there is no chromium here")
    return subprocess.Popen(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", f"--user-data-dir={directory}", url],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def expect(what, got, wanted):
    if got != wanted:
        raise SystemExit(f"{what}: {got} and not {wanted}")
    print(f"{what}: {got}")


def check_watch(site, node):
    site.next("created")
    (status, tag, revision), _ = site.next("wrote")
    expect("a preflighted write of another origin", status, 201)
    expect("its ETag can be read", tag, f'"{revision}"')
    (event_id, of, paths), _ = site.next("change")
    expect("the watch has it", (event_id, of, paths), (int(revision), int(revision), ["/app", "/app/by-fetch"]))
    missed = [node.put("/app/before-the-end")]
    expect("and the next", site.next("change")[0][1], missed[0])
    node.kill()
    site.next("error")
    node.start()
    # Before the browser comes back: it resumes behind what it has seen.
    missed = [node.put("/app/while-away"), node.put("/app/while-away")]
    seen = [site.next("change")[0][1] for _ in missed]
    expect("after the node's death, with nothing missing or twice", seen, missed)
    last = node.put("/app/after")
    expect("and it goes on", site.next("change")[0][1], last)


def main():
    programs = os.path.abspath(sys.argv[1])
    directory = tempfile.mkdtemp(prefix="synod-browser-")
    site, foreign, node, browsers = Site(), Site(), None, []
    try:
        node = Node(programs, directory, [site.origin])
        site.page = PAGE.replace("NODE", node.url)
        foreign.page = FOREIGN.replace("NODE", node.url)
        browsers.append(browse(f"{directory}/browser-1", site.origin))
        check_watch(site, node)
        browsers.append(browse(f"{directory}/browser-2", foreign.origin))
        kind, _ = foreign.reports.get(timeout=SECONDS)
        expect("a page of an origin that is not allowed is", kind, "kept out")
        print("the browser is content")
    finally:
        for browser in browsers:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
        if node is not None:
            node.kill()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
