"""Loads of requests: rates, latencies, and CPU time for each."""

import contextlib

from measure import SYSTEMS, fill, good_load, load, make, of_each, say, table, wanted

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


def served(system, operation):
    return system == "synod" or operation in OF_PEERS or (operation == "grant" and system == "etcd")


def ratio(row, peers, field, best):
    theirs = best((row[peer][field] for peer in peers), default=0)
    return f"{row['synod'][field] / theirs:.2f}" if theirs else "-"


def cell(result):
    if not result:
        return "-"
    return (f"{result['cpu_s_per_1000']:.4f}; {result['per_second']}; {result['p50_ms']:.2f}, "
            f"{result['p99_ms']:.2f}, {result['p999_ms']:.2f}")


def measure(args):
    loads = [row for row in LOADS if wanted(args, row[0])]
    results = {name: {} for name, *_ in loads}

    clusters = {}
    with contextlib.ExitStack() as stack:
        def start(system):
            cluster = stack.enter_context(make(args, system, args.nodes))
            fill(args, cluster)
            if cluster.warm_up_s:
                load(args, cluster, "put", 256, seconds=cluster.warm_up_s)
                load(args, cluster, "get", 256, seconds=cluster.warm_up_s / 3)
            clusters[system] = cluster

        def measure_row(system, name, operation, clients, at_leader):
            cluster = clusters.get(system)
            if cluster is None or not served(system, operation):
                return
            endpoints = cluster.address(cluster.leader()) if at_leader else None
            result = good_load(args, cluster, operation, clients, endpoints=endpoints)
            if result:
                results[name][system] = result
                say(f"{system:10} {name:52} {cell(result)}")

        if loads:
            of_each(args, start)
        # All of one row in the same minute: what else the machine does changes from minute to minute.
        for row in loads:
            of_each(args, lambda system, row=row: measure_row(system, *row))
    rows = []
    for name, row in results.items():
        if "synod" in row:
            peers = [system for system in row if system != "synod"]
            rows.append([name, *(cell(row.get(system)) for system in SYSTEMS),
                         ratio(row, peers, "cpu_s_per_1000", min), ratio(row, peers, "per_second", max)])
    return table(["work"] + [f"{system}: CPU-s/1000; /s; p50, p99, p99.9 ms" for system in SYSTEMS] +
                 ["CPU, against the best", "rate, against the best"], rows)
