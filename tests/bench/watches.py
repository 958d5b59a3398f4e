"""Watches of one key: how long after a write they hear of it, and what that costs."""

from measure import fill, good_load, load, make, of_each, say, table, wanted, went_well

WATCHES = 1000
WRITERS = 8
WRITES_PER_SECOND = 100
# What is tried until it is not held any more. Held: every event comes, 99 of 100 within HELD_MS of
# the time at which their write was due.
STEPS = (200, 300, 400, 600, 800, 1200, 1600)
HELD_MS = 500
# By system: what the watches are spread over, and over how many of them.
WAYS = {
    "synod": [("event streams", WATCHES), ("WebSockets", 8)],
    "etcd": [("gRPC streams", 8)],
    "zookeeper": [("sessions, events without value", WATCHES)],
}


def options(connections, rate):
    return ("--rate", rate, "--watches", WATCHES, "--connections", connections)


def most_held(args, cluster, connections):
    held = WRITES_PER_SECOND
    for rate in STEPS if args.seconds > 1 else STEPS[:1]:
        result = load(args, cluster, "watch", WRITERS, seconds=args.seconds / 2, more=options(connections, rate))
        if not went_well(result) or result["due_p99_ms"] > HELD_MS:
            break
        held = rate
    return held


def measure(args):
    name = "watches"
    rows = []

    def of_cluster(cluster):
        fill(args, cluster, 1, 1)
        for kind, connections in WAYS[cluster.name]:
            if cluster.warm_up_s:
                load(args, cluster, "watch", WRITERS, seconds=cluster.warm_up_s / 3,
                     more=options(connections, WRITES_PER_SECOND))
            result = good_load(args, cluster, "watch", WRITERS, more=options(connections, WRITES_PER_SECOND))
            if not result:
                continue
            held = most_held(args, cluster, connections) * WATCHES
            rows.append([f"{cluster.name}, {connections} {kind}", f"{result['cpu_us_per_event']:.1f}",
                         *(f"{result[part]:.2f}" for part in
                           ("event_p50_ms", "event_p99_ms", "event_p999_ms", "due_p99_ms", "p99_ms")),
                         held])
            say(f"{name}: {rows[-1]}")

    def one(system):
        with make(args, system, args.nodes) as cluster:
            of_cluster(cluster)

    if wanted(args, name):
        of_each(args, one)
    return table([f"{WATCHES} watches of a key, {WRITES_PER_SECOND} writes/s", "CPU us/event",
                  "from acknowledgement p50, ms", "p99", "p99.9", "from due p99", "write p99",
                  "events/s held"], rows)
