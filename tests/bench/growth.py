"""What more keys, idle connections, leases and nodes do to the same 64 clients of Synod."""

import os
import statistics
import subprocess
from contextlib import contextmanager

from measure import fill, good_load, make, of_each, say, table, wanted

CLIENTS = 64
RUNS = 3
KEYS = 1_000_000
IDLE = (1000, 5000)
LEASES = 100_000
NODES = (3, 5, 7)
LEASE_TTL_MS = 60_001  # Above a minute lease_load does not wait for their end.
OPERATIONS = {"get": "linearizable reads", "put": "writes"}


def typical(args, cluster, operation, more=()):
    """(CPU us of a request, rate): medians of some runs."""
    runs = [good_load(args, cluster, operation, CLIENTS, seconds=args.seconds / 2, more=more)
            for _ in range(RUNS if args.seconds > 1 else 1)]
    if not all(runs):
        raise RuntimeError(f"{operation} of {CLIENTS} clients failed")
    return [statistics.median(run[part] for run in runs) for part in ("cpu_s_per_1000", "per_second")]


@contextmanager
def renewed_leases(args, cluster, leases):
    """Meanwhile so many leases live, and are renewed 100 at a time."""
    ports = ",".join(str(cluster.port(i)) for i in range(cluster.nodes))
    with subprocess.Popen([os.path.join(args.bin, "lease_load"), cluster.hosts[0], ports, str(leases),
                           str(LEASE_TTL_MS), "3600"], stdout=subprocess.PIPE, text=True) as renewing:
        try:
            if not renewing.stdout.readline().startswith("granting"):
                raise RuntimeError("leases were not granted")
            yield
            if renewing.poll() is not None:
                raise RuntimeError("leases were not renewed")
        finally:
            renewing.kill()


class Rows:
    """Each beside the first of its kind."""

    def __init__(self):
        self.rows = []
        self.first = {}

    def add(self, kind, what, cpu_s, rate):
        first_cpu_s, first_rate = self.first.setdefault(kind, (cpu_s, rate))
        self.rows.append([f"{kind}, {what}", f"{cpu_s:.4f}", f"{rate:.0f}", f"{cpu_s / first_cpu_s:.2f}",
                          f"{rate / first_rate:.2f}"])
        say(f"growth: {self.rows[-1]}")


def of_keys(args, rows):
    with make(args, "synod", args.nodes) as cluster:
        for keys in (1000, int(KEYS * args.growth)):
            fill(args, cluster, keys=keys)
            rows.add("linearizable reads", f"{keys} keys", *typical(args, cluster, "get", ("--keys", keys)))


def of_idle_and_leases(args, rows):
    with make(args, "synod", args.nodes) as cluster:
        fill(args, cluster)
        for idle in (10, *(int(idle * args.growth) for idle in IDLE)):
            for operation, kind in OPERATIONS.items():
                rows.add(f"{kind} beside idle connections", idle, *typical(args, cluster, operation, ("--idle", idle)))
        for leases in (0, int(LEASES * args.growth)):
            for operation, kind in OPERATIONS.items():
                kind = f"{kind} beside leases that are renewed (theirs is in the CPU time)"
                if leases == 0:
                    rows.add(kind, leases, *typical(args, cluster, operation))
                else:
                    with renewed_leases(args, cluster, leases):
                        rows.add(kind, leases, *typical(args, cluster, operation))


def of_nodes(args, rows):
    for nodes in NODES:
        with make(args, "synod", nodes) as cluster:
            fill(args, cluster)
            for operation, kind in OPERATIONS.items():
                rows.add(f"{kind} of a cluster", f"{nodes} nodes", *typical(args, cluster, operation))


def measure(args):
    rows = Rows()

    def all_of_it(_):
        for of in (of_keys, of_idle_and_leases, of_nodes):
            of(args, rows)

    if wanted(args, "growth"):
        of_each(args, all_of_it, ["synod"])
    return table([f"Synod's growth, {CLIENTS} clients", "CPU-s/1000", "/s", "CPU, against the first",
                  "rate, against the first"], rows.rows)
