#!/usr/bin/env python3
"""Measures Synod, and etcd and ZooKeeper where they are installed, in the same way: each row of loads on
all of them in turn, all else one system after the other.

Loads of requests with their CPU time, watches, leaders that are killed, stopped and cut off, restarts;
and of Synod alone its growth, and its distance from what the machine takes for less. Half an hour, of
Synod alone 12 minutes; with `--seconds 5 --restart-keys 200000` 22 minutes. Rows by word:
`--only write,watches,leader,restart,growth,floors`. Needs synodd, load, lease_load, wal_bench and floor
(./dev bench builds them). Peers come from Debian's packages etcd-server and zookeeper; etcd is asked by
gRPC, ZooKeeper in its own protocol, and its linearizable read is a sync and a get. The load runs on the
same processors as the nodes.
"""

import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys

import floors
import growth
import loads
import recovery
import watches
from measure import ROOT

SECTIONS = (loads, watches, recovery, growth, floors)


def first_line(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return "?"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "?")
    memory = int(first_line("/proc/meminfo").split()[1]) >> 20
    return (f"{os.cpu_count()} x {model}, {memory} GiB, Linux {platform.release()}, TCP "
            f"{first_line('/proc/sys/net/ipv4/tcp_congestion_control')}, scheduler's autogroups "
            f"{first_line('/proc/sys/kernel/sched_autogroup_enabled')}")


def write(args, tables):
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
                   f"Command: `./dev bench {' '.join(sys.argv[1:])}`\n\n{tables}\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=3, choices=(1, 3, 5, 7), help="default 3")
    parser.add_argument("--seconds", type=float, default=8, help="of each load (default 8)")
    parser.add_argument("--warm-up-ms", type=int, default=1000, help="before each load (default 1000)")
    parser.add_argument("--kills", type=int, default=5, help="of leaders, in each way (default 5)")
    parser.add_argument("--restart-keys", type=int, default=1_000_000, help="default 1000000")
    parser.add_argument("--growth", type=float, default=1, help="part of a million keys and so on (default 1)")
    parser.add_argument("--systems", default="synod,etcd,zookeeper", help="default synod,etcd,zookeeper")
    parser.add_argument("--only", default="", help="rows with one of these words, comma between them")
    parser.add_argument("--write", metavar="FILE", help="puts the table between FILE's marks")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="of the programs")
    parser.add_argument("--scratch", default="/var/tmp", help="a directory on a real disk (default /var/tmp)")
    args = parser.parse_args()
    if args.write and args.only:
        parser.error("--write takes the whole table: not with --only")
    args.failed = set()
    # Whoever ends it wants the clusters ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tables = "\n\n".join(filter(None, (section.measure(args) for section in SECTIONS)))
    print("\n" + tables)
    if args.failed:
        sys.exit(f"requests of {', '.join(sorted(args.failed))} failed, see above; nothing is written")
    if args.write:
        write(args, tables)


if __name__ == "__main__":
    main()
