#!/usr/bin/env bash
# Prefill and decode of a llorch plugin against llama.cpp's llama-bench, on the same file with the same threads.
#
#   bench/compare_with_llama_bench.sh -b LLAMA_BENCH -m MODEL.gguf [-m ...] [-t 1,2] [-p 512] [-n 64] [-r 8] [-P PLUGIN.so] [-c COMMENT]
#
# PLUGIN.so is gpt2_cpu of the release build unless given. LLORCH_CPU_ISA=avx2 holds the CPU plugins to AVX2; take a llama-bench
# that is held to it too, and say so in COMMENT: both go into the result.
#
# Each round runs one program, then the other, in the order A B B A, pinned to the same cores; both warm up inside their
# own process. Prints a table of medians and spreads and writes bench/results/<date>.json. A difference counts when it is
# larger than twice the larger spread (the distance between the quartiles, relative to the median).
set -euo pipefail
cd "$(dirname "$0")/.."

llama_bench='' plugin=build/release/lib/llorch/plugins/gpt2_cpu.so threads=1,2 prompt=512 generate=64 rounds=8 comment=''
bench=build/release/bin/plugin_bench
models=()
while getopts 'b:m:t:p:n:r:P:c:h' option; do
  case $option in
    b) llama_bench=$OPTARG ;;
    m) models+=("$OPTARG") ;;
    t) threads=$OPTARG ;;
    p) prompt=$OPTARG ;;
    n) generate=$OPTARG ;;
    r) rounds=$OPTARG ;;
    P) plugin=$OPTARG ;;
    c) comment=$OPTARG ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
[ -x "$llama_bench" ] || { echo "no llama-bench at '$llama_bench': give its path with -b" >&2; exit 2; }
[ ${#models[@]} -gt 0 ] || { echo "no model: give one or more GGUF files with -m" >&2; exit 2; }
[ -x "$bench" ] || { echo "no $bench: configure with -DLLORCH_BUILD_BENCH=ON and build plugin_bench" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p bench/results
result="bench/results/$(date -u +%Y%m%d-%H%M%S).json"

# One number per line in $work/<program>.<test>
run_llorch() {  # model threads cores
  taskset -c "$3" "$bench" "$plugin" -m "$1" -t "$2" -p "$prompt" -n "$generate" -r 1 >"$work/out"
  sed -n 's/.*"test": "prefill".*"tok_s_median": \([0-9.]*\).*/\1/p' "$work/out" >>"$work/llorch.prefill"
  sed -n 's/.*"test": "decode".*"tok_s_median": \([0-9.]*\).*/\1/p' "$work/out" >>"$work/llorch.decode"
}
run_llama() {
  taskset -c "$3" "$llama_bench" -m "$1" -t "$2" -p "$prompt" -n "$generate" -r 1 -o jsonl >"$work/out" 2>"$work/err" ||
    { cat "$work/err" >&2; exit 1; }
  sed -n 's/.*"n_gen": 0,.*"avg_ts": \([0-9.]*\).*/\1/p' "$work/out" >>"$work/llama.prefill"
  sed -n 's/.*"n_prompt": 0,.*"avg_ts": \([0-9.]*\).*/\1/p' "$work/out" >>"$work/llama.decode"
}
# median, first and third quartile
summary() {
  sort -g "$1" | awk '{ v[NR] = $1 } function q(p,  i, f) { i = 1 + p * (NR - 1); f = int(i)
    return f >= NR ? v[NR] : v[f] + (i - f) * (v[f + 1] - v[f]) } END { printf "%.2f %.2f %.2f", q(.5), q(.25), q(.75) }'
}

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)
{
  printf '{\n  "machine": "%s, %s cores",\n' "$cpu" "$(nproc)"
  printf '  "compiler": "%s",\n  "commit": "%s",\n' "$(c++ --version | head -1)" "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
  printf '  "instruction_set": "%s", "comment": "%s",\n' "${LLORCH_CPU_ISA:-the best of the machine}" "$comment"
  printf '  "load_average_before": "%s",\n  "rounds": %s, "prompt": %s, "generate": %s,\n  "results": [' \
    "$(cut -d' ' -f1-3 /proc/loadavg)" "$rounds" "$prompt" "$generate"
} >"$result"
printf '%-24s %2s %-8s %10s %8s %10s %8s %7s  %s\n' file t test llorch spread llama.cpp spread ratio verdict
separator=''
for model in "${models[@]}"; do
  sum=$(sha256sum "$model" | cut -d' ' -f1)
  for t in ${threads//,/ }; do
    rm -f "$work"/llorch.* "$work"/llama.*
    cores="0-$((t - 1))"
    for ((round = 0; round < rounds; ++round)); do
      if ((round % 2 == 0)); then
        run_llorch "$model" "$t" "$cores"; run_llama "$model" "$t" "$cores"
      else
        run_llama "$model" "$t" "$cores"; run_llorch "$model" "$t" "$cores"
      fi
    done
    for test in prefill decode; do
      [ -s "$work/llorch.$test" ] || continue
      read -r ours ours_low ours_high <<<"$(summary "$work/llorch.$test")"
      read -r theirs theirs_low theirs_high <<<"$(summary "$work/llama.$test")"
      line=$(awk -v a="$ours" -v al="$ours_low" -v ah="$ours_high" -v b="$theirs" -v bl="$theirs_low" -v bh="$theirs_high" \
        'BEGIN { sa = (ah - al) / a; sb = (bh - bl) / b; s = sa > sb ? sa : sb; r = a / b; d = r > 1 ? r - 1 : 1 / r - 1
          printf "%.1f%% %.1f%% %.2f %s", 100 * sa, 100 * sb, r, (d > 2 * s ? (r > 1 ? "faster" : "slower") : "undecided") }')
      read -r ours_spread theirs_spread ratio verdict <<<"$line"
      printf '%-24s %2s %-8s %10s %8s %10s %8s %7s  %s\n' "$(basename "$model")" "$t" "$test" "$ours" "$ours_spread" "$theirs" \
        "$theirs_spread" "$ratio" "$verdict"
      printf '%s\n    {"file": "%s", "sha256": "%s", "threads": %s, "test": "%s", "llorch": [%s], "llama_cpp": [%s], "ratio": %s, "verdict": "%s"}' \
        "$separator" "$(basename "$model")" "$sum" "$t" "$test" "$(paste -sd, "$work/llorch.$test")" \
        "$(paste -sd, "$work/llama.$test")" "$ratio" "$verdict" >>"$result"
      separator=,
    done
  done
done
printf '\n  ]\n}\n' >>"$result"
echo "written: $result"
