#!/bin/sh
# The benchmarks without peers: single ops, trunks, fine-tuning steps, and the program as a user runs it. JSON lines.
# Photos: $PHOTOS, or the shared cats and dogs beside the checkout, or the demo's stamps in the cache.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
"$build/bench/op"
for net in efficientnet-lite0 mobilenet_v2 efficientnet_b0 resnet50 vgg16; do
    "$build/bench/trunk" "$net" --batch=2
done
for net in efficientnet-lite0 mobilenet_v2; do
    "$build/bench/step" "$net" --steps=3
    "$build/bench/step" "$net" --steps=3 --bn=frozen
done
for photos in "${PHOTOS:-}" "${TW_SHARED:-../shared}/data/cats-dogs" "${XDG_CACHE_HOME:-$HOME/.cache}/topwork/photos/stamps"; do
    [ -n "$photos" ] && [ -d "$photos" ] && exec python3 bench/e2e.py --build "$build" --photos "$photos"
done
echo "e2e: skipped: no photos (PHOTOS=FOLDER, or make assets)" >&2
