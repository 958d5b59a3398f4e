"""What every measurement of compare.py needs: clusters, loads of them, and tables."""

import json
import os
import subprocess
import sys

from clusters import Etcd, Synod, ZooKeeper

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYSTEMS = ["synod", "etcd", "zookeeper"]


def wanted(args, name):
    return not args.only or any(part in name for part in args.only.split(","))


def systems(args):
    """Those that are asked for and installed."""
    installed = {"synod": True, "etcd": Etcd.installed, "zookeeper": ZooKeeper.installed}
    return [system for system in SYSTEMS if system in args.systems.split(",") and installed[system]]


def make(args, system, nodes, **where):
    """A cluster, to be entered."""
    if system == "synod":
        return Synod(nodes, args.scratch, os.path.join(args.bin, "synodd"), **where)
    return {"etcd": Etcd, "zookeeper": ZooKeeper}[system](nodes, args.scratch, **where)


def of_each(args, measure, among=SYSTEMS):
    """measure(system) of one after the other; who fails is left out, and remembered."""
    for system in systems(args):
        if system not in among:
            continue
        try:
            measure(system)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{system}: {error}", file=sys.stderr)
            args.failed.add(system)


def load(args, cluster, operation, clients, endpoints=None, seconds=None, more=()):
    """What `load` says, whether it went well or not."""
    cluster.check()
    command = [os.path.join(args.bin, "load"), operation, endpoints or cluster.endpoints(),
               "--server", cluster.name, "--clients", str(clients), "--seconds", str(seconds or args.seconds),
               "--warm-up-ms", str(args.warm_up_ms), "--pids", ",".join(map(str, cluster.pids())),
               *map(str, more)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def went_well(result):
    return result["requests"] and not any(result.get(bad) for bad in ("errors", "lost", "unanswered", "missing"))


def good_load(args, cluster, operation, clients, **more):
    """None if any request failed; of Synod that is remembered."""
    result = load(args, cluster, operation, clients, **more)
    if went_well(result):
        return result
    print(f"{cluster.name} {operation}, left out: {result}", file=sys.stderr)
    if cluster.name == "synod":
        args.failed.add(cluster.name)
    return None


def fill(args, cluster, clients=64, keys=None):
    """What checkpoints and compactions then do is not part of what is measured next."""
    load(args, cluster, "fill", clients, more=("--keys", keys) if keys else ())
    cluster.rest()


def say(text):
    print(text, flush=True)


def table(columns, rows):
    """Nothing without rows."""
    if not rows:
        return ""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
