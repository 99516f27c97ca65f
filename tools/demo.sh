#!/usr/bin/env bash
# The main job on the demo's assets: a folder of photos becomes a tested classifier.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${TOPWORK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/topwork}
run=runs/demo
echo
echo "\$ topwork train $cache/photos/stamps --output-dir $run --force"
build/release/topwork train "$cache/photos/stamps" --output-dir "$run" --force
echo
echo "report    $PWD/$run/report.html"
echo "try it    build/release/topwork predict $run/model.keras PHOTO…"
