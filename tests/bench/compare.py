#!/usr/bin/env python3
"""Loads Synod, and etcd and ZooKeeper where they are installed, in the same way one after the other.

One table, CPU seconds of all nodes for 1000 requests first, since they depend least on what else the
machine does. Needs synodd and load (./dev bench builds them). Peers come from Debian's packages
etcd-server and zookeeper; etcd is asked by gRPC, ZooKeeper in its own protocol, and its
linearizable read is a sync and a get. The load runs on the same processors as the nodes.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

from clusters import Etcd, Synod, ZooKeeper, eventually

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Name, operation, clients, at the leader only.
LOADS = [
    ("write, 1 client at the leader", "put", 1, True),
    ("write, 64 clients", "put", 64, False),
    ("write, 256 clients", "put", 256, False),
    ("linearizable read, 64 clients", "get", 64, False),
    ("linearizable read, 256 clients", "get", 256, False),
    ("sequential (local) read, 64 clients", "local", 64, False),
    ("90/10 mix, 256 clients (ZooKeeper's reads are local)", "mix", 256, False),
    ("lease grants, 256 clients", "grant", 256, False),
    ("compare-and-swap of 8 keys, 64 clients", "cas", 64, False),
    ("lock and release, 64 clients", "lock", 64, False),
    ("lease renewals, 64 clients", "keepalive", 64, False),
    ("list of 100, 64 clients", "list", 64, False),
]
OF_PEERS = {"put", "get", "local", "mix"}


def clusters(args, nodes):
    made = {"synod": lambda: Synod(nodes, args.scratch, os.path.join(args.bin, "synodd"))}
    for peer in (Etcd, ZooKeeper):
        if peer.installed:
            made[peer.name] = lambda peer=peer: peer(nodes, args.scratch)
    return {name: made[name] for name in args.systems.split(",") if name in made}


def load(args, cluster, operation, clients, endpoints=None, more=()):
    cluster.check()
    command = [os.path.join(args.bin, "load"), operation, endpoints or cluster.endpoints(),
               "--server", cluster.name, "--clients", str(clients), "--seconds", str(args.seconds),
               "--pids", ",".join(map(str, cluster.pids())), *more]
    result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if not (result["errors"] or result["lost"] or result["unanswered"]) and result["requests"]:
        return result
    print(f"{cluster.name} {operation}, left out: {result}", file=sys.stderr)
    if cluster.name == "synod":
        args.failed.add(cluster.name)
    return None


def wanted(args, name):
    return not args.only or any(part in name for part in args.only.split(","))


def of_each(args, nodes, measure):
    """measure(cluster) of one system after the other; who fails is left out, and remembered."""
    for system, make in clusters(args, nodes).items():
        try:
            with make() as cluster:
                measure(cluster)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{system}: {error}", file=sys.stderr)
            args.failed.add(system)


def measure_loads(args, table):
    rows = [row for row in LOADS if wanted(args, row[0])]

    def measure(cluster):
        leader = f"127.0.0.1:{cluster.port(cluster.leader())}"
        load(args, cluster, "fill", 64)
        for operation in ("put", "get"):  # for those that compile while they run
            load(args, cluster, operation, 64)
        for name, operation, clients, at_leader in rows:
            peers_too = operation in OF_PEERS or (operation == "grant" and cluster.name == "etcd")
            if cluster.name != "synod" and not peers_too:
                continue
            result = load(args, cluster, operation, clients, leader if at_leader else None)
            if result is None:
                continue
            table.setdefault(name, {})[cluster.name] = result
            print(f"{cluster.name:10} {name:52} {result['per_second']:7} /s  p50 {result['p50_ms']:7.2f}  "
                  f"p99 {result['p99_ms']:7.2f}  p99.9 {result['p999_ms']:7.2f} ms  "
                  f"{result['cpu_s_per_1000']:.4f} CPU-s/1000", flush=True)
    if rows:
        of_each(args, args.nodes, measure)


def failover(cluster):
    """ms from kill -9 of the leader to the next write that somebody acknowledges."""
    dead = cluster.leader()
    others = [i for i in range(cluster.nodes) if i != dead]
    eventually("a write", lambda: cluster.write(others[0]))
    start = time.monotonic()
    cluster.kill(dead)
    eventually("a write after the leader's end", lambda: any(tries(cluster, i) for i in others))
    took = (time.monotonic() - start) * 1000
    cluster.start(dead)
    cluster.wait_for(dead)
    return took


def tries(cluster, i):
    try:
        return cluster.write(i)
    except (OSError, ValueError):
        return False


def measure_failover(args, table):
    name = "leader killed"

    def measure(cluster):
        took = [failover(cluster) for _ in range(args.kills)]
        table.setdefault(name, {})[cluster.name] = took
        print(f"{cluster.name:10} leader killed, to the next write: median {statistics.median(took):.0f}, "
              f"{', '.join(f'{ms:.0f}' for ms in sorted(took))} ms", flush=True)
    if args.nodes > 1 and wanted(args, name):
        of_each(args, args.nodes, measure)


def measure_restart(args, table):
    name = "restart"

    def measure(cluster):
        load(args, cluster, "fill", 256, more=("--keys", str(args.restart_keys)))
        before = cluster.resident_mib(0)
        cluster.compact()
        time.sleep(5)  # What it writes behind its answers is part of the load, not of the restart.
        cluster.kill(0)
        start = time.monotonic()
        cluster.start(0)
        cluster.wait_for(0)
        row = {"s": time.monotonic() - start, "mib": cluster.resident_mib(0)}
        table.setdefault(name, {})[cluster.name] = row
        print(f"{cluster.name:10} restart with {args.restart_keys} keys: {row['s']:.2f} s, "
              f"{row['mib']} MiB (before {before})", flush=True)
    if wanted(args, name):
        of_each(args, 1, measure)


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs else "-"


def render(args, table):
    systems = ["synod", "etcd", "zookeeper"]
    lines = ["| work | " + " | ".join(f"{s}: CPU-s/1000; /s; p50, p99, p99.9 ms" for s in systems) +
             " | CPU, against the best | rate, against the best |", "| --- |" + " --- |" * 5]
    for name, *_ in LOADS:
        row = table.get(name, {})
        if "synod" not in row:
            continue
        cells = [f"{r['cpu_s_per_1000']:.4f}; {r['per_second']}; {r['p50_ms']:.2f}, {r['p99_ms']:.2f}, "
                 f"{r['p999_ms']:.2f}" if (r := row.get(s)) else "-" for s in systems]
        peers = [row[s] for s in systems[1:] if s in row]
        cpu = min((p["cpu_s_per_1000"] for p in peers), default=0)
        rate = max((p["per_second"] for p in peers), default=0)
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio(row['synod']['cpu_s_per_1000'], cpu)} | "
                     f"{ratio(row['synod']['per_second'], rate)} |")
    for name, show in (("leader killed", lambda r: f"median {statistics.median(r):.0f} ms, "
                        f"{min(r):.0f} to {max(r):.0f}"),
                       ("restart", lambda r: f"{r['s']:.2f} s, {r['mib']} MiB")):
        if name in table:
            cells = [show(table[name][s]) if s in table[name] else "-" for s in systems]
            what = f"{name}, {args.restart_keys} keys" if name == "restart" else f"{name}, to the next write"
            lines.append(f"| {what} | {' | '.join(cells)} | - | - |")
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "?")
    with open("/proc/meminfo", encoding="utf-8") as info:
        memory = int(info.readline().split()[1]) >> 20
    return f"{os.cpu_count()} x {model}, {memory} GiB, Linux {platform.release()}"


def write(args, table):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], check=True,
                            capture_output=True, text=True).stdout.strip()
    begin, end = "<!-- measured -->", "<!-- end -->"
    with open(args.write, encoding="utf-8") as page:
        before, _, rest = page.read().partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise SystemExit(f"{args.write} has no place for the table: {begin} ... {end}")
    with open(args.write, "w", encoding="utf-8") as page:
        page.write(f"{before}{begin}\n{datetime.date.today()}, commit {commit}, {machine()}.\n"
                   f"Command: `./dev bench {' '.join(sys.argv[1:])}`\n\n{render(args, table)}\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=3, choices=(1, 3, 5, 7), help="default 3")
    parser.add_argument("--seconds", type=int, default=8, help="of each load (default 8)")
    parser.add_argument("--kills", type=int, default=5, help="of leaders (default 5)")
    parser.add_argument("--restart-keys", type=int, default=1_000_000, help="default 1000000")
    parser.add_argument("--systems", default="synod,etcd,zookeeper", help="default synod,etcd,zookeeper")
    parser.add_argument("--only", default="", help="rows with one of these words, comma between them")
    parser.add_argument("--write", metavar="FILE", help="puts the table between FILE's marks")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="of synodd and load")
    parser.add_argument("--scratch", default="/var/tmp", help="a directory on a real disk (default /var/tmp)")
    args = parser.parse_args()
    if args.write and args.only:
        parser.error("--write takes the whole table: not with --only")
    args.failed = set()
    # Whoever ends it wants the clusters ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    table = {}
    measure_loads(args, table)
    measure_failover(args, table)
    measure_restart(args, table)
    print("\n" + render(args, table))
    if args.failed:
        sys.exit(f"requests of {', '.join(sorted(args.failed))} failed, see above; nothing is written")
    if args.write:
        write(args, table)


if __name__ == "__main__":
    main()
