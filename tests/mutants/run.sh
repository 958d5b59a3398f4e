#!/bin/bash
# run.sh BUILD PATCH...: is each of these bugs found? A patch breaks one source file; its lines
# "Found by: BINARY ARGS" name what has to fail. Only that file is compiled again, and linked before
# the libraries into a copy of the binary, so the build itself (ninja, Release or not) stays as it is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "$1" && pwd)
shift
readonly SECONDS_MAX=300

# The command of the build that makes $1, as seen from the build folder.
command_for() { ninja -C "$build" -t commands "$2" 2>/dev/null | grep -F -- "$1" | tail -n 1; }

run_one() (
  local patch=$1 name file binary command out status
  name=$(basename "$patch" .patch)
  work=$build/mutants/$name
  rm -rf "$work" && mkdir -p "$work"
  trap 'rm -rf "$work"' EXIT
  file=$(sed -n 's/^+++ b\///p' "$patch")
  mkdir -p "$work/$(dirname "$file")"
  cp "$root/$file" "$work/$file"
  if ! (cd "$work" && GIT_CEILING_DIRECTORIES=$build/mutants git apply -C1 "$patch"); then
    echo "$name: the patch does not apply to $file any more"
    return 1
  fi
  grep -q '^Found by: ' "$patch" || { echo "$name: nothing is named that finds it" && return 1; }
  while read -r binary args; do
    command=$(command_for "-c $root/$file" "bin/$binary")
    [[ -n $command ]] || { echo "$name: $binary does not contain $file" && return 1; }
    if [[ ! -f $work/mutant.o ]]; then
      command=${command/"-c $root/$file"/"-c $work/$file"}
      (cd "$build" && eval "$(sed -E "s|-o [^ ]+\.o |-o $work/mutant.o |; s|-MF [^ ]+|-MF $work/mutant.d|" \
        <<<"$command")") >"$work/compiler" 2>&1 || { cat "$work/compiler" && return 1; }
    fi
    command=$(command_for "-o bin/$binary " "bin/$binary")
    (cd "$build" && eval "${command/"-o bin/$binary "/"$work/mutant.o -o $work/$binary "}")
    status=0
    # shellcheck disable=SC2086
    (cd "$root" && timeout "$SECONDS_MAX" "$work/$binary" $args) >"$work/out" 2>&1 || status=$?
    if ((status == 0)) || ! grep -qE 'FAILED|check failed|dev sim --seed' "$work/out"; then
      echo "$name: NOT FOUND by $binary $args (status $status)"
      tail -n 5 "$work/out"
      return 1
    fi
    echo "$name: found by $(told "$work/out")"
  done < <(sed -n 's/^Found by: //p' "$patch")
)

# What a failed run says of itself: the seed, or the first tests and what they compared.
told() {
  local seed
  seed=$(sed -n 's/^\.\/dev sim --seed //p' "$1")
  if [[ -n $seed ]]; then
    echo "sim, seed $seed: $(grep -m 1 -E 'check failed|^seed ' "$1")"
  elif grep -q '^\[  FAILED  \]' "$1"; then
    echo "$(sed -nE 's/^\[  FAILED  \] ([A-Za-z0-9_/]+\.[A-Za-z0-9_/]+).*/\1/p' "$1" | sort -u | head -n 3 | paste -sd ' ')"
  else
    echo "$(sed -nE 's/^\[ RUN      \] //p' "$1" | tail -n 1): $(grep -m 1 'check failed' "$1")"
  fi
}

failed=0
for patch in "$@"; do
  run_one "$(realpath "$patch")" || failed=1
done
exit "$failed"
