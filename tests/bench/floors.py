"""How far Synod is from what the same machine takes for less: requests that mean nothing, and bare syncs."""

import os
import re
import subprocess

from clusters import Synod
from measure import fill, good_load, make, of_each, say, table, wanted

CLIENTS = (64, 256)
APPENDS = 5000


class Floor(Synod):
    """A process that answers a GET as Synod does, with fixed bytes."""
    base = 24601

    def __init__(self, args, kind):
        super().__init__(1, args.scratch, os.path.join(args.bin, "floor"))
        self.kind = kind

    def command(self, i, directory):
        return [self.synodd, self.kind, str(self.port(i))]


def reads(args, cluster):
    """CPU microseconds of a read, by the number of clients."""
    results = {clients: good_load(args, cluster, "local", clients) for clients in CLIENTS}
    if not all(results.values()):
        raise RuntimeError("a load of the floors failed")
    return {clients: result["cpu_s_per_1000"] * 1000 for clients, result in results.items()}


def syncs(args, scratch):
    """The median microseconds of an append, by what wal_bench calls it."""
    appends = APPENDS if args.seconds > 1 else 100
    out = subprocess.run([os.path.join(args.bin, "wal_bench"), scratch, str(appends)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return {name.strip(): float(p50) for name, p50 in re.findall(r"^(.*?) +\d+/s +p50 +(\d+)", out, re.MULTILINE)}


def measure(args):
    name = "floors"
    rows = []

    def add(what, floor, ours):
        rows.append([what, f"{floor:.1f}", f"{ours:.1f}", f"{ours / floor:.2f}"])
        say(f"{name}: {rows[-1]}")

    def one(system):
        with make(args, system, 1) as cluster:
            fill(args, cluster)
            ours = reads(args, cluster)
            write = good_load(args, cluster, "put", 1)
            log = syncs(args, os.path.join(cluster.root, "log"))
        for kind, words in (("epoll", "a loop of epoll, recv and send"), ("beast", "a minimal server of Boost.Beast")):
            with Floor(args, kind) as cluster:
                for clients, floor in reads(args, cluster).items():
                    add(f"CPU us of a request, {clients} clients: {words}; a sequential read", floor, ours[clients])
        bare = log["bare, written before"]
        add("median us: fdatasync of 4 KiB that were written before; an append to the log", bare, log["acceptor log"])
        if write:
            add("median us: the same; a write of a single client", bare, write["p50_ms"] * 1000)

    if wanted(args, name):
        of_each(args, one, ["synod"])
    return table(["one node of Synod, and the floor under it", "floor", "Synod", "distance"], rows)
