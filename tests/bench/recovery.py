"""How long nobody acknowledges a write when something happens to the leader, and how long a restart takes.

As a program, inside a network namespace, it is the part of that which cuts links: each node has a namespace
of its own there. It prints the times in ms.
"""

import argparse
import http.client
import json
import os
import statistics
import struct
import subprocess
import sys
import threading
import time

from clusters import WAIT_S, eventually
from measure import SYSTEMS, fill, make, of_each, say, table, wanted

ATTEMPT_EVERY_S = 0.01
NETWORK = "10.77.0"  # of the namespaces alone


def first_write(cluster, nodes):
    """Seconds until one of the nodes acknowledges a write; attempts do not wait for each other."""
    start = time.monotonic()
    done = threading.Event()
    took = []

    def attempt(node):
        try:
            if cluster.write(node):
                took.append(time.monotonic() - start)
                done.set()
        except (OSError, ValueError, http.client.HTTPException, struct.error):
            pass  # It is tried again.

    while not done.is_set():
        if time.monotonic() - start > WAIT_S:
            raise TimeoutError(f"{cluster.name}: no write within {WAIT_S} s")
        for node in nodes:
            threading.Thread(target=attempt, args=(node,), daemon=True).start()
        done.wait(ATTEMPT_EVERY_S)
    return took[0]


def outages(args, cluster, inflict, mend):
    """ms from what happens to the leader to the next write that another node acknowledges."""
    all_ms = []
    for _ in range(args.kills):
        leader = cluster.leader()
        others = [i for i in range(cluster.nodes) if i != leader]
        eventually("a write", lambda: cluster.write(others[0]))
        inflict(leader)
        all_ms.append(first_write(cluster, others) * 1000)
        mend(leader)
        cluster.wait_for(leader)
    return all_ms


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Namespaces:
    """A namespace for each node, joined by a bridge; they end with this process."""

    def __init__(self, nodes):
        self.hosts = [f"{NETWORK}.{i + 1}" for i in range(nodes)]
        self.holders = []
        run("ip", "link", "add", "hub", "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.254/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        for i, host in enumerate(self.hosts):
            # It waits for the end of its input, which is ours.
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            holder.stdout.readline()
            self.holders.append(holder)
            run("ip", "link", "add", f"node{i}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            inside = self.prefix(i)
            run(*inside, "ip", "address", "add", f"{host}/24", "dev", "eth0")
            run(*inside, "ip", "link", "set", "eth0", "up")
            run(*inside, "ip", "link", "set", "lo", "up")
            run("ip", "link", "set", f"node{i}", "master", "hub", "up")

    def prefix(self, i):
        return ["nsenter", f"--net=/proc/{self.holders[i].pid}/ns/net"]

    # Packets are lost; no end of the link sees anything.
    def cut(self, i):
        run("ip", "link", "set", f"node{i}", "nomaster")

    def mend(self, i):
        run("ip", "link", "set", f"node{i}", "master", "hub")


IN_NAMESPACES = ["unshare", "--user", "--map-root-user", "--net"]


def has_namespaces():
    try:
        run(*IN_NAMESPACES, "ip", "link", "add", "hub", "type", "bridge")
        return True
    except (OSError, subprocess.CalledProcessError):
        return False


def killed(args, system):
    with make(args, system, args.nodes) as cluster:
        return outages(args, cluster, cluster.kill, cluster.start)


def stopped(args, system):
    with make(args, system, args.nodes) as cluster:
        return outages(args, cluster, cluster.pause, cluster.resume)


def cut_off(args, system):
    command = [sys.executable, os.path.abspath(__file__), system, str(args.nodes), str(args.kills), args.bin,
               args.scratch]
    return json.loads(subprocess.run(IN_NAMESPACES + command, check=True, stdout=subprocess.PIPE).stdout)


def restarted(args, system):
    with make(args, system, 1) as cluster:
        fill(args, cluster, 256, args.restart_keys)
        cluster.compact()
        cluster.rest()
        cluster.kill(0)
        start = time.monotonic()
        cluster.start(0)
        cluster.wait_for(0)
        return f"{time.monotonic() - start:.2f} s, {cluster.resident_mib(0)} MiB"


def outage_row(of):
    def cell(args, system):
        all_ms = of(args, system)
        return f"median {statistics.median(all_ms):.0f} ms, {min(all_ms):.0f} to {max(all_ms):.0f}"
    return cell


def measure(args):
    wished = [("leader killed (SIGKILL), to the next write", outage_row(killed)),
              ("leader stopped (SIGSTOP), to the next write", outage_row(stopped)),
              ("leader cut off from all, to the next write", outage_row(cut_off)),
              (f"restart, {args.restart_keys} keys", restarted)]
    rows = []
    for name, of in wished:
        cells = {}

        def one(system):
            cells[system] = of(args, system)
            say(f"{system:10} {name}: {cells[system]}")

        if not wanted(args, name) or (args.nodes == 1 and of is not restarted):
            continue
        if "cut off" in name and not has_namespaces():
            say(f"{name}: left out, since network namespaces cannot be made here")
            continue
        of_each(args, one)
        if "synod" in cells:
            rows.append([name, *(cells.get(system, "-") for system in SYSTEMS)])
    return table(["", *SYSTEMS], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("system", str), ("nodes", int), ("kills", int), ("bin", str), ("scratch", str)):
        parser.add_argument(name, type=kind)
    args = parser.parse_args()
    network = Namespaces(args.nodes)
    where = {"hosts": network.hosts, "prefixes": [network.prefix(i) for i in range(args.nodes)]}
    with make(args, args.system, args.nodes, **where) as cluster:
        print(json.dumps(outages(args, cluster, network.cut, network.mend)))


if __name__ == "__main__":
    main()
