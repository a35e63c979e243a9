#!/usr/bin/env bash
# Time from the start of a process to its first token, and its peak memory, against llama.cpp's llama-bench on the same file.
#
#   bench/load_and_memory.sh -b LLAMA_BENCH -m MODEL.gguf [-m ...] [-t 2] [-r 7] [-P PLUGIN.so]
#
# Each round runs plugin_bench (the model file's and the plugin's code, no HTTP) and llama-bench, one token without a prompt, in the order A B B A, pinned to the same
# cores; a first round that is not counted brings the file into the page cache. Peak memory is the largest resident set, in
# which the pages of a mapped file count while they are mapped. Needs GNU time. Prints medians and ranges.
set -euo pipefail
cd "$(dirname "$0")/.."

llama_bench='' threads=2 rounds=7 bench=build/release/bin/plugin_bench plugin=build/release/lib/llorch/plugins/llama2_cpu.so
models=()
while getopts 'b:m:t:r:P:h' option; do
  case $option in
    b) llama_bench=$OPTARG ;;
    m) models+=("$OPTARG") ;;
    t) threads=$OPTARG ;;
    r) rounds=$OPTARG ;;
    P) plugin=$OPTARG ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
[ -x "$llama_bench" ] || { echo "no llama-bench at '$llama_bench': give its path with -b" >&2; exit 2; }
[ ${#models[@]} -gt 0 ] || { echo "no model: give one or more GGUF files with -m" >&2; exit 2; }
[ -x "$bench" ] || { echo "no $bench: configure with -DLLORCH_BUILD_BENCH=ON and build plugin_bench" >&2; exit 2; }
[ -x /usr/bin/time ] || { echo "no /usr/bin/time: install the package time" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cores="0-$((threads - 1))"
measure() {  # name command...
  local name=$1
  shift
  /usr/bin/time -o "$work/time" -f '%e %M' taskset -c "$cores" "$@" >"$work/out" 2>"$work/err" || { cat "$work/err" >&2; exit 1; }
  read -r seconds kib <"$work/time"
  echo "$seconds" >>"$work/$name.seconds"
  echo "$kib" | awk '{ print $1 / 1024 }' >>"$work/$name.mib"
}
llorch() { measure llorch "$bench" "$plugin" -m "$1" -p 0 -n 1 -r 1 -t "$threads"; }
llama() { measure llama "$llama_bench" -m "$1" -p 0 -n 1 -r 1 -t "$threads" --no-warmup; }
summary() { sort -g "$1" | awk '{ v[NR] = $1 } END { printf "%.2f (%.2f .. %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }

printf '%-24s %-10s %-26s %s\n' file program 'seconds' 'peak memory, MiB'
for model in "${models[@]}"; do
  llorch "$model"; llama "$model"
  rm -f "$work"/*.seconds "$work"/*.mib
  for ((round = 0; round < rounds; ++round)); do
    if ((round % 2 == 0)); then llorch "$model"; llama "$model"; else llama "$model"; llorch "$model"; fi
  done
  for program in llorch llama; do
    printf '%-24s %-10s %-26s %s\n' "$(basename "$model")" "$program" "$(summary "$work/$program.seconds")" "$(summary "$work/$program.mib")"
  done
  printf '%-24s %-10s %s MiB\n' "$(basename "$model")" 'the file' "$(($(stat -c %s "$model") / 1048576))"
done
