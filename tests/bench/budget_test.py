#!/usr/bin/env python3
"""Instructions that one request takes from its bytes parsed to its answer's bytes, against a budget.

budget_test.py REQUEST_COST [--show]: counted by callgrind, as the difference between many requests and
few, so that they repeat within a fraction of a percent on any machine with the same compiler. A budget
may be raised with a reason in the commit that does it; it should be lowered when a request became cheaper.
"""

import concurrent.futures
import re
import subprocess
import sys
import tempfile

# Instructions for one request (of a lock: for acquiring and releasing it).
BUDGETS = {
    "put": 48_200,
    "get": 24_300,
    "local": 23_600,
    "list": 443_800,
    "txn": 76_300,
    "lock": 138_400,
}
FEW, MANY = 100, 600
SLACK = 1.02  # what a C library of another patch level may differ by
CHEAPER = 0.95  # below which a budget has to follow


def instructions(program, kind, count):
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                              program, kind, str(count)], capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not collected:
        raise SystemExit(f"{kind}: callgrind ended with {run.returncode}\n{run.stderr[-2000:]}")
    return int(collected.group(1))


def cost(program, kind):
    return (instructions(program, kind, MANY) - instructions(program, kind, FEW)) // (MANY - FEW)


def main():
    program, show = sys.argv[1], sys.argv[2:] == ["--show"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        costs = dict(zip(BUDGETS, pool.map(lambda kind: cost(program, kind), BUDGETS)))
    off = 0
    for kind, took in costs.items():
        verdict = ""
        if took > BUDGETS[kind] * SLACK:
            verdict = ": OVER, make it cheaper, or raise it and say why"
        elif took < BUDGETS[kind] * CHEAPER:
            verdict = ": cheaper than that, lower it"
        off += verdict != ""
        print(f"{kind:6} {took:7} instructions a request, budget {BUDGETS[kind]}{verdict}")
    if off and not show:
        sys.exit(f"{off} of {len(costs)} are not within their budgets")


if __name__ == "__main__":
    main()
