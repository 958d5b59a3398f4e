#!/bin/bash
# What checkpoints cost: writes at a fixed rate against a cluster that writes them, and one that does not.
#   tests/bench/checkpoints.sh [SECONDS] [WRITES_PER_SECOND] [NODES]     (default 600 20000 3)
# Builds nothing: needs synodd and load in build/release/bin. Not part of any test. p99 with checkpoints is to be at most 1.5 times that without,
# and no write above 100 ms.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-600} rate=${2:-20000} nodes=${3:-3}
bin=build/release/bin
scratch=$(mktemp -d "${TMPDIR:-/tmp}/synod-checkpoints.XXXXXX")
pids=()
stop() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done; pids=(); }
trap 'stop; rm -rf "$scratch"' EXIT

members=""
for ((i = 1; i <= nodes; i++)); do members+="${members:+,}$i=127.0.0.1:$((17302 + 10 * i))"; done

run() {  # NAME VALUE_OF_DEBUG_NO_CHECKPOINTS
  local i
  for ((i = 1; i <= nodes; i++)); do
    SYNOD_DEBUG_NO_CHECKPOINTS=$2 "$bin/synodd" --data-dir "$scratch/$1-$i" --id "$i" --client "127.0.0.1:$((17301 + 10 * i))" \
      --peer "127.0.0.1:$((17302 + 10 * i))" --initial-cluster "$members" >"$scratch/$1-$i.log" 2>&1 &
    pids+=($!)
  done
  until curl -sf -o /dev/null "http://127.0.0.1:17311/readyz"; do sleep 0.1; done
  local leader=$((17301 + 10 * $(curl -sf http://127.0.0.1:17311/v1/status | sed 's/.*"leader":{"id":\([0-9]*\).*/\1/')))
  uptime
  echo "checkpoints $1: $("$bin/load" put "127.0.0.1:$leader" --clients 1000 --keys 100000 --rate "$rate" --seconds "$seconds")"
  echo "CPU seconds of the nodes: $(for pid in "${pids[@]}"; do awk '{print ($14 + $15) / 100}' "/proc/$pid/stat"; done | xargs)"
  curl -s "http://127.0.0.1:$leader/metrics" | grep -E '^synod_(checkpoints_total|checkpoint_seconds_total|is_leader|loop)' || true
  uptime
  stop
  rm -rf "$scratch/$1"-*
}
run off true
run on false
