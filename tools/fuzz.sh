#!/usr/bin/env bash
# Runs every fuzzer for a number of seconds over its corpus (new finds stay in build/fuzz/found).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
for source in fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    echo "== $name, $seconds s"
    mkdir -p "build/fuzz/found/$name"
    "build/fuzz/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/found/$name" "fuzz/corpus/$name" 2>&1 |
        grep -E 'stat::number_of_executed_units|ERROR|SUMMARY|DONE' || true
    if compgen -G "build/fuzz/found/$name-*" > /dev/null; then
        echo "$name found something: build/fuzz/found/$name-*" >&2
        exit 1
    fi
done
