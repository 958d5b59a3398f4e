"""Every recipe of docs/recipes/synod.py against a cluster; prints the name of each that holds."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../docs/recipes"))
from synod import (Answer, Barrier, Cache, Client, Counter, DoubleBarrier, Election, Error, Group,  # noqa: E402
                   Lock, MultiLock, Queue, RwLock, Semaphore, now, safe_until)

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


def refused(code, act, *arguments, **options):
    try:
        act(*arguments, **options)
    except Error as error:
        assert error.code == code, error
        return
    raise AssertionError(f"not refused with {code}")


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
    for check in (outcomes, lock, rw_lock, semaphore, multi_lock, election, barrier,
                  double_barrier, counter, work_queue, group_and_cache, late_grant, loss):
        if len(sys.argv) > 1 and check.__name__ not in sys.argv[1:]:
            continue
        check()
        print(check.__name__, flush=True)
