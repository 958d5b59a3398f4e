"""Every recipe of docs/recipes/synod.py against a cluster; prints the name of each that holds."""

import http.server
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../docs/recipes"))
from synod import (Answer, Barrier, Cache, Client, Counter, DoubleBarrier, Election, Error, Group,  # noqa: E402
                   Lease, Lock, MultiLock, Queue, RwLock, Semaphore, now, safe_until)

ENDPOINTS = os.environ["SYNOD_ENDPOINTS"].split(",")
# For machines that are busy with other tests, too.
LONG_S = 60
client = Client(ENDPOINTS, LONG_S)
other = Client(ENDPOINTS[::-1], LONG_S)


class Late(Client):
    """Every acquire's answer comes when the lease is over; nothing is renewed or revoked."""

    def call(self, method, target, body=None, **options):
        if target.endswith("/keepalive"):
            raise Error("internal", "unknown")
        answer = super().call(method, target, body, **options)
        while target.endswith("/acquire") and self._leases:
            time.sleep(0.01)
        return answer

    def send(self, method, *arguments, **options):
        if method == "DELETE":
            raise Error("internal", "unknown")
        return super().send(method, *arguments, **options)


class Scripted(Client):
    """Its nodes answer as the script says: an outcome is no answer, else (status, code, replayed)."""

    def __init__(self, *script):
        super().__init__(["http://nobody:1"], 1.0)
        self._script = list(script)

    def _exchange(self, endpoint, method, target, *_):
        if target == "/v1/settings":
            self._learn(Answer(200, {"Synod-Time": "1000"}, b"{}", now()))
            return None
        step = self._script.pop(0)
        if isinstance(step, str):
            raise Error("internal", step)
        status, code, *replayed = step
        body = json.dumps({"code": code, "outcome": "not_applied"}).encode() if code else b"<html>"
        return Answer(status, {"Synod-Replayed": "true"} if replayed else {}, body, now())


class Node:
    """Stands for a node: `script` has what it answers to each of some targets, one after the other,
    the last for ever: (status, body) or (status, body, headers). `asked` has what it was asked."""

    def __init__(self, script, tls=None):
        self.asked = queue.Queue()
        script = {"/v1/settings": [(200, {})], "/v1/leases/7": [(200, {})],
                  "/v1/leases": [(201, {"id": 7, "ttl_ms": 6000, "remaining_ms": 6000})],
                  "/v1/leases/keepalive": [(200, RENEWED)], **script}
        lock, node = threading.Lock(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                target = self.path.split("?")[0]
                node.asked.put((self.command, target, self.headers.get("Authorization"), now()))
                with lock:
                    steps = script[target]
                    status, body, *headers = steps.pop(0) if len(steps) > 1 else steps[0]
                if callable(body):
                    return body(self)
                body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Synod-Time": "1000", **dict(*headers)}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def await_asked(self, target):
        """When the next of these requests came."""
        while True:
            _, asked, _, when = self.asked.get(timeout=LONG_S)
            if asked == target:
                return when


RENEWED = {"leases": [{"id": 7, "ttl_ms": 6000, "remaining_ms": 6000}], "not_found": []}
HELD = {"lock": "/a", "token": 12, "lease": 7}


def error_of(act, *arguments, **options):
    try:
        act(*arguments, **options)
    except Error as error:
        return error
    raise AssertionError("no Error")


def refused(code, act, *arguments, **options):
    error = error_of(act, *arguments, **options)
    assert error.code == code, error


def fails(outcome, act, *arguments, **options):
    error = error_of(act, *arguments, **options)
    assert error.outcome == outcome, error


def in_thread(act, *arguments):
    results = queue.Queue()
    threading.Thread(target=lambda: results.put(act(*arguments)), daemon=True).start()
    return results


def outcomes():
    # What an attempt that got no answer has left unknown, only the record of its key decides.
    lost = "unknown"
    for outcome, *script in [
            ("not_applied", (413, "too_large")),
            ("unknown", lost, (413, "too_large")),
            ("unknown", lost, (404, "not_found")),
            ("unknown", lost, (404, None)),
            ("unknown", lost, (302, None)),
            ("unknown", lost, (403, "permission_denied")),
            ("unknown", lost, (503, "storage_full")),
            ("unknown", (502, None), (404, None)),
            ("unknown", (501, None)),
            ("not_applied", (501, "not_implemented")),
            ("not_applied", lost, (412, "precondition_failed")),
            ("not_applied", lost, (404, "not_found", True))]:
        try:
            Scripted(*script).put("/a", b"x")
        except Error as error:
            assert error.outcome == outcome, (script, error)
            continue
        raise AssertionError(f"not refused: {script}")
    Scripted(lost, (201, "none")).put("/a", b"x")


def a_node_that_goes():
    """Each of its answers has Connection: close; the next request takes another connection."""
    close = {"Connection": "close"}
    node = Node({"/v1/kv/a": [(200, {"path": "/a"}, close)],
                 "/v1/leases/keepalive": [(200, RENEWED, close)]})
    mine = Client([node.url], LONG_S)
    for _ in range(3):
        mine.put("/a", b"x")
    lost = threading.Event()
    lease = Lease(mine, 6, on_lost=lost.set)
    for _ in range(2):
        node.await_asked("/v1/leases/keepalive")
    assert lease.alive and not lost.is_set()


def strange_answers():
    """A proxy answers, as if it were a node."""
    html = (200, "<html>")
    node = Node({"/v1/kv/a": [html], "/v1/kv/b": [(404, "<html>")], "/v1/kv/c": [(403, "[]")],
                 "/v1/kv/d": [(200, {"value": "many", "mod_revision": 2})], "/v1/leases/8": [html],
                 "/v1/kv/e": [(429, "", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
                              (200, {"path": "/e"}, {"Synod-Time": "noon"})],
                 "/v1/leases/keepalive": [html, (200, "[]"), (200, {"leases": [{}]}),
                                          (200, RENEWED), html]})
    mine = Client([node.url], LONG_S)
    lost = threading.Event()
    lease = Lease(mine, 6, on_lost=lost.set)
    fails("unknown", mine.put, "/a", b"x")
    fails("not_applied", mine.get, "/a")
    refused("internal", mine.get, "/b")
    refused("internal", mine.list, "/b")
    refused("internal", Barrier(mine, "/b").remove)
    refused("internal", mine.put, "/c", b"x")
    refused("internal", lambda: next(mine.watch("/b", target="/v1/kv/b")))
    refused("precondition_failed", Counter(mine, "/d").get)
    mine.put("/e", b"x")
    for _ in range(5):
        node.await_asked("/v1/leases/keepalive")
    assert lease.alive and not lost.is_set()
    # Renewed by one of five only; and by none from here on.
    assert lost.wait(LONG_S) and not lease.alive


def claims():
    acquire = "/v1/locks/a/acquire"
    # What passes is asked again, when the node says; the place is kept by the lease.
    for trouble in [(429, {"code": "rate_limited"}, {"Retry-After": "4"}),
                    (429, {"code": "overloaded"}, {"Retry-After": "4"})]:
        node = Node({acquire: [trouble, (200, HELD)]})
        with Lock(Client([node.url], LONG_S), "/a", ttl=6).acquire(LONG_S) as hold:
            assert hold.token == 12
        first = node.await_asked(acquire)
        assert node.await_asked(acquire) - first >= 4
    # All else ends the wait, at once.
    for code, *answer in [("storage_full", 503, {"code": "storage_full"}),
                          ("not_implemented", 501, {"code": "not_implemented"}),
                          ("internal", 302, ""), ("internal", 404, "<html>"),
                          ("internal", 200, "<html>")]:
        node = Node({acquire: [tuple(answer)]})
        refused(code, Lock(Client([node.url], LONG_S), "/a", ttl=6).acquire, LONG_S)
        asked = [target for _, target, *_ in node.asked.queue]
        assert asked.count(acquire) == 1 and asked[-1] == "/v1/leases/7", asked


def endpoints():
    for urls in (["localhost:7301"], ["127.0.0.1:7301"], ["ftp://localhost:7301"], ["http://"],
                 ["http://localhost:many"], ["http://localhost:7301/v1"], [],
                 ["http://localhost:7301", "https://localhost:7311"]):
        refused("invalid_request", Client, urls)
    # Who takes it for http hears no token.
    listener = socket.create_server(("127.0.0.1", 0))
    heard = in_thread(lambda: listener.accept()[0].recv(4096))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    fails("not_applied", Client([url], 1, token="secret").put, "/a", b"x")
    assert heard.get(timeout=LONG_S).startswith(b"\x16\x03")  # a TLS handshake
    listener.close()


def tls():
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(os.environ["SYNOD_TEST_CERT"], os.environ["SYNOD_TEST_KEY"])
    change = (200, lambda handler: stream(handler, {"type": "change", "revision": 3, "events": []}))
    node = Node({"/v1/kv/a": [(200, {"path": "/a"})], "/v1/watch/a": [change]}, own)
    believing = ssl.create_default_context(cafile=os.environ["SYNOD_TEST_CA"])
    mine = Client([node.url], LONG_S, token="secret", ssl_context=believing)
    mine.put("/a", b"x")
    assert next(mine.watch("/a"))["revision"] == 3
    assert {token for _, _, token, _ in node.asked.queue} == {"Bearer secret"}
    # Not one of the system's authorities signed it.
    seen = node.asked.qsize()
    fails("not_applied", Client([node.url], 1, token="secret").put, "/a", b"x")
    assert node.asked.qsize() == seen


def stream(handler, *messages, until=lambda: True):
    """All at once, and the last again and again until then."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for message in messages:
        handler.wfile.write(json.dumps(message).encode() + b"\n")
    while not until():
        time.sleep(0.05)
        handler.wfile.write(json.dumps(messages[-1]).encode() + b"\n")


def compacted():
    """The history is gone while somebody waits: looks again."""
    gone = (200, lambda handler: stream(handler, {"type": "compacted", "compact_revision": 9}))
    absent = (404, {"code": "not_found"})
    none, one = {"nodes": [], "revision": 2}, {"path": "/q/1", "value": "x", "mod_revision": 11}
    waits = {"succeeded": False, "revision": 2, "results": [{"get": None}]}
    entered = [{"succeeded": True, "revision": 2, "results": [{"create": {"path": "/d/members/m-1"}}]},
               waits, {**waits, "results": [{"get": {}}]}, {"succeeded": True}]
    node = Node({"/v1/kv/b": [(200, {"value": "", "mod_revision": 2}), absent],
                 "/v1/watch/b": [gone], "/v1/watch/q": [gone], "/v1/watch/d/ready": [gone],
                 "/v1/watch/d/members": [gone],
                 "/v1/kv/q": [(200, none), (200, {"nodes": [one], "revision": 11})],
                 "/v1/kv/q/1": [(200, {"deleted": 1})],
                 "/v1/txn": [(200, answer) for answer in entered],
                 "/v1/kv/d/members": [(200, {"nodes": [one], "revision": 2}), (200, none)]})
    mine = Client([node.url], LONG_S)
    Barrier(mine, "/b").wait(LONG_S)
    assert Queue(mine, "/q").take(LONG_S) == b"x"
    together = DoubleBarrier(mine, "/d", 2, ttl=6)
    together.enter(LONG_S)
    together.leave(LONG_S)


def watch_deadline():
    """Signs of life do not put it off."""
    over = threading.Event()
    progress = (200, lambda handler: stream(handler, {"type": "progress", "revision": 3},
                                            until=over.is_set))
    node = Node({"/v1/watch/a": [progress]})
    watching = in_thread(lambda: list(Client([node.url]).watch("/a", deadline=now() + 0.3)))
    assert watching.get(timeout=LONG_S) == []
    over.set()


def a_cache_of_much_trouble():
    """It outlives what its user's function raises, and tells what ended it."""
    nodes = {"nodes": [{"path": "/a/b", "value": "x", "mod_revision": 2}], "revision": 2}
    put = {"type": "change", "revision": 3, "events": [{"type": "delete", "path": "/a/b"}]}
    denied = {"type": "denied"}
    node = Node({"/v1/kv/a": [(501, "<html>"), (200, "[]"), (200, {"nodes": [{}]}), (200, nodes)],
                 "/v1/watch/a": [(200, lambda handler: stream(handler, put)),
                                 (200, lambda handler: stream(handler, denied))]})
    told = queue.Queue()

    def on_event(*event):
        told.put(event)
        raise SystemExit("a bug of the user's")

    cache = Cache(Client([node.url], LONG_S), "/a", on_event)
    assert told.get(timeout=LONG_S) == ("delete", "/a/b", None)
    refused("permission_denied", cache.reach, 4, LONG_S)
    assert cache.all() == {}


def lock():
    with Lock(client, "/py/lock", value="me").acquire(LONG_S) as hold:
        assert hold.held
        client.put("/py/data", b"x", fences=hold.fences)
        refused("lock_unavailable", Lock(other, "/py/lock").acquire)
        waiting = in_thread(Lock(other, "/py/lock").acquire, LONG_S)
        stale = hold.fences
    second = waiting.get(timeout=LONG_S)
    assert second.token > stale[0][1] and not hold.held
    refused("fenced", client.put, "/py/data", b"late", fences=stale)
    assert client.raise_fence("/py/bucket", second.token) == second.token
    refused("fenced", other.raise_fence, "/py/bucket", stale[0][1])
    second.release()


def rw_lock():
    rw = RwLock(client, "/py/rw")
    first, second = rw.read.acquire(LONG_S), rw.read.acquire(LONG_S)
    refused("lock_unavailable", rw.write.acquire)
    first.release()
    second.release()
    rw.write.acquire(LONG_S).release()


def semaphore():
    licences = Semaphore(client, "/py/licences", 2)
    first, second = licences.acquire(), licences.acquire()
    refused("lock_unavailable", licences.acquire)
    first.release()
    licences.acquire(LONG_S).release()
    second.release()


def multi_lock():
    with Lock(other, "/py/b").acquire(LONG_S):
        refused("lock_unavailable", MultiLock(client, ["/py/a", "/py/b"]).acquire)
    with MultiLock(client, ["/py/a", "/py/b"]).acquire(LONG_S) as hold:
        assert len(hold.fences) == 2
        client.put("/py/data", b"both", fences=hold.fences)


def election():
    seen = queue.Queue()

    def observe():
        for leader in Election(other, "/py/leader").observe():
            seen.put(leader and leader["value"])

    threading.Thread(target=observe, daemon=True).start()
    assert seen.get(timeout=LONG_S) is None
    mine = Election(client, "/py/leader", "a")
    leadership = mine.campaign(LONG_S)
    mine.proclaim(leadership, "a again")
    waiting = in_thread(Election(other, "/py/leader", "b").campaign, LONG_S)
    assert [seen.get(timeout=LONG_S) for _ in range(2)] == ["a", "a again"]
    leadership.release()
    following = waiting.get(timeout=LONG_S)
    refused("fenced", mine.proclaim, leadership, "late")
    assert mine.leader()["token"] == following.token
    following.release()


def barrier():
    sign = Barrier(client, "/py/sign")
    sign.set()
    refused("deadline_exceeded", Barrier(other, "/py/sign").wait, 0.3)
    waiting = in_thread(Barrier(other, "/py/sign").wait, LONG_S)
    sign.remove()
    assert waiting.get(timeout=LONG_S) is None
    sign.wait(LONG_S)


def double_barrier():
    here, there = DoubleBarrier(client, "/py/both", 2), DoubleBarrier(other, "/py/both", 2)
    for _ in range(2):  # it can be used again
        entering = in_thread(there.enter, LONG_S)
        here.enter(LONG_S)
        assert entering.get(timeout=LONG_S) is None
        leaving = in_thread(there.leave, LONG_S)
        here.leave(LONG_S)
        assert leaving.get(timeout=LONG_S) is None
    refused("deadline_exceeded", here.enter, 0.3)
    # Nor is that hidden by a lease that cannot be revoked.
    refused("deadline_exceeded", DoubleBarrier(Late(ENDPOINTS, LONG_S), "/py/alone", 2).enter, 0.3)


def counter():
    adding = [in_thread(lambda c: [Counter(c, "/py/n").add(1) for _ in range(20)], c)
              for c in (client, other)]
    for one in adding:
        assert len(one.get(timeout=120)) == 20
    assert Counter(client, "/py/n").get() == 40


def work_queue():
    jobs = Queue(client, "/py/jobs")
    first = in_thread(Queue(other, "/py/jobs").take, LONG_S)
    for item in (b"a", b"b", b"\xff\x00"):
        jobs.put(item)
    assert first.get(timeout=LONG_S) == b"a"
    assert [jobs.take(LONG_S), jobs.take(LONG_S)] == [b"b", b"\xff\x00"]
    refused("deadline_exceeded", jobs.take, 0.3)


def group_and_cache():
    events = queue.Queue()
    group = Group(client, "/py/group")
    cache = Cache(other, "/py/group", lambda kind, path, node: events.put((kind, path)))
    assert cache.reach(1, LONG_S)
    one = group.join("one", b"10.0.0.1")
    group.join("two", b"10.0.0.2")
    assert group.members() == {"one": b"10.0.0.1", "two": b"10.0.0.2"}
    one.revoke()
    expected = [("put", "/py/group/one"), ("put", "/py/group/two"), ("delete", "/py/group/one")]
    assert [events.get(timeout=LONG_S) for _ in range(3)] == expected
    assert cache.all() == {"/py/group/two": b"10.0.0.2"}, cache.all()


def late_grant():
    """What was lost before its grant was heard of is no hold, and nobody is told of its loss."""
    told = []
    lost = Lock(Late(ENDPOINTS, LONG_S), "/py/late", ttl=1, on_lost=lambda: told.append("lost"))
    refused("lease_not_found", lost.acquire)
    assert not told


def loss():
    """A holder that is stopped longer than its TTL claims nothing when it goes on."""
    holder = subprocess.Popen([sys.executable, __file__, "hold"], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        hold = Lock(client, "/py/stopped").acquire(LONG_S)
        holder.send_signal(signal.SIGCONT)
        told = {holder.stdout.readline(), holder.stdout.readline()}
        assert told == {"lost\n", "doubts\n"}, told
        assert hold.held
        hold.release()
    finally:
        holder.kill()


def say(what):
    """One write: the line of one thread must not be cut in two by that of another."""
    os.write(1, f"{what}\n".encode())


def hold_for_ever():
    lock = Lock(client, "/py/stopped", ttl=5, on_lost=lambda: say("lost"))
    hold = lock.acquire(LONG_S)
    say("held")
    while hold.held:
        pass
    say("doubts")
    threading.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["hold"]:
        hold_for_ever()
    assert safe_until(100, 10_000, 10) == 100 + 9.9 - 0.5 and now() > 0
    for check in (outcomes, a_node_that_goes, strange_answers, claims, endpoints, tls,
                  compacted, watch_deadline, a_cache_of_much_trouble,
                  lock, rw_lock, semaphore, multi_lock, election, barrier, double_barrier, counter,
                  work_queue, group_and_cache, late_grant, loss):
        if len(sys.argv) > 1 and check.__name__ not in sys.argv[1:]:
            continue
        check()
        print(check.__name__, flush=True)
