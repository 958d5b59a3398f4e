#!/bin/bash
# check.sh MODEL holds|fails [-DNAME[=VALUE]...]: searches all states of a model with spin. Succeeds
# if every assertion holds in all of them, or, with `fails`, if one is found broken.
set -euo pipefail

model=$1 expected=$2
shift 2
for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed; ./dev test installs it" && exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
spin "$@" -a "$model"
gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4096 -o pan pan.c
./pan -m10000 -w24 >out
grep -E 'States=|depth reached|stored|elapsed' out

if grep -q 'assertion violated' out; then
  found=fails
elif grep -q 'errors: 0' out && ! grep -qE 'not completed|too small|out of memory' out; then
  found=holds
else
  cat out
  exit 1
fi
if [[ $found != "$expected" ]]; then
  echo "the model $found, and it should not"
  [[ $found == holds ]] || spin "$@" -t -p -g -k "$(basename "$model").trail" "$model"
  exit 1
fi
