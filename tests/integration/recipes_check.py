"""Every recipe of docs/recipes/synod.py against a cluster; prints the name of each that holds."""

import os
import queue
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../docs/recipes"))
from synod import (Barrier, Cache, Client, Counter, DoubleBarrier, Election, Error, Group,  # noqa: E402
                   Lock, MultiLock, Queue, RwLock, Semaphore, now, safe_until)

ENDPOINTS = os.environ["SYNOD_ENDPOINTS"].split(",")
client = Client(ENDPOINTS)
other = Client(ENDPOINTS[::-1])


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


def lock():
    with Lock(client, "/py/lock", value="me").acquire(10) as hold:
        assert hold.held
        client.put("/py/data", b"x", fences=hold.fences)
        refused("lock_unavailable", Lock(other, "/py/lock").acquire)
        waiting = in_thread(Lock(other, "/py/lock").acquire, 30)
        stale = hold.fences
    second = waiting.get(timeout=60)
    assert second.token > stale[0][1] and not hold.held
    refused("fenced", client.put, "/py/data", b"late", fences=stale)
    assert client.raise_fence("/py/bucket", second.token) == second.token
    refused("fenced", other.raise_fence, "/py/bucket", stale[0][1])
    second.release()


def rw_lock():
    rw = RwLock(client, "/py/rw")
    first, second = rw.read.acquire(10), rw.read.acquire(10)
    refused("lock_unavailable", rw.write.acquire)
    first.release()
    second.release()
    rw.write.acquire(10).release()


def semaphore():
    licences = Semaphore(client, "/py/licences", 2)
    first, second = licences.acquire(), licences.acquire()
    refused("lock_unavailable", licences.acquire)
    first.release()
    licences.acquire(10).release()
    second.release()


def multi_lock():
    with Lock(other, "/py/b").acquire(10):
        refused("lock_unavailable", MultiLock(client, ["/py/a", "/py/b"]).acquire)
    with MultiLock(client, ["/py/a", "/py/b"]).acquire(10) as hold:
        assert len(hold.fences) == 2
        client.put("/py/data", b"both", fences=hold.fences)


def election():
    seen = queue.Queue()

    def observe():
        for leader in Election(other, "/py/leader").observe():
            seen.put(leader and leader["value"])

    threading.Thread(target=observe, daemon=True).start()
    assert seen.get(timeout=30) is None
    mine = Election(client, "/py/leader", "a")
    leadership = mine.campaign(10)
    mine.proclaim(leadership, "a again")
    waiting = in_thread(Election(other, "/py/leader", "b").campaign, 30)
    assert [seen.get(timeout=30) for _ in range(2)] == ["a", "a again"]
    leadership.release()
    following = waiting.get(timeout=60)
    refused("fenced", mine.proclaim, leadership, "late")
    assert mine.leader()["token"] == following.token
    following.release()


def barrier():
    sign = Barrier(client, "/py/sign")
    sign.set()
    refused("deadline_exceeded", Barrier(other, "/py/sign").wait, 0.3)
    waiting = in_thread(Barrier(other, "/py/sign").wait, 30)
    sign.remove()
    assert waiting.get(timeout=60) is None
    sign.wait(1)


def double_barrier():
    here, there = DoubleBarrier(client, "/py/both", 2), DoubleBarrier(other, "/py/both", 2)
    for _ in range(2):  # it can be used again
        entering = in_thread(there.enter, 30)
        here.enter(30)
        assert entering.get(timeout=60) is None
        leaving = in_thread(there.leave, 30)
        here.leave(30)
        assert leaving.get(timeout=60) is None
    refused("deadline_exceeded", here.enter, 0.3)


def counter():
    adding = [in_thread(lambda c: [Counter(c, "/py/n").add(1) for _ in range(20)], c)
              for c in (client, other)]
    for one in adding:
        assert len(one.get(timeout=120)) == 20
    assert Counter(client, "/py/n").get() == 40


def work_queue():
    jobs = Queue(client, "/py/jobs")
    first = in_thread(Queue(other, "/py/jobs").take, 30)
    for item in (b"a", b"b", b"\xff\x00"):
        jobs.put(item)
    assert first.get(timeout=60) == b"a"
    assert [jobs.take(10), jobs.take(10)] == [b"b", b"\xff\x00"]
    refused("deadline_exceeded", jobs.take, 0.3)


def group_and_cache():
    events = queue.Queue()
    group = Group(client, "/py/group")
    cache = Cache(other, "/py/group", lambda kind, path, node: events.put((kind, path)))
    assert cache.reach(1, 30)
    one = group.join("one", b"10.0.0.1")
    group.join("two", b"10.0.0.2")
    assert group.members() == {"one": b"10.0.0.1", "two": b"10.0.0.2"}
    one.revoke()
    expected = [("put", "/py/group/one"), ("put", "/py/group/two"), ("delete", "/py/group/one")]
    assert [events.get(timeout=30) for _ in range(3)] == expected
    assert cache.all() == {"/py/group/two": b"10.0.0.2"}, cache.all()


def loss():
    """A holder that is stopped longer than its TTL claims nothing when it goes on."""
    holder = subprocess.Popen([sys.executable, __file__, "hold"], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        hold = Lock(client, "/py/stopped").acquire(60)
        holder.send_signal(signal.SIGCONT)
        told = {holder.stdout.readline(), holder.stdout.readline()}
        assert told == {"lost\n", "doubts\n"}, told
        assert hold.held
        hold.release()
    finally:
        holder.kill()


def hold_for_ever():
    hold = Lock(client, "/py/stopped", ttl=2, on_lost=lambda: print("lost", flush=True)).acquire(30)
    print("held", flush=True)
    while hold.held:
        pass
    print("doubts", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["hold"]:
        hold_for_ever()
    assert safe_until(100, 10_000, 10) == 100 + 9.9 - 0.5 and now() > 0
    for check in (lock, rw_lock, semaphore, multi_lock, election, barrier, double_barrier, counter,
                  work_queue, group_and_cache, loss):
        if len(sys.argv) > 1 and check.__name__ not in sys.argv[1:]:
            continue
        check()
        print(check.__name__, flush=True)
