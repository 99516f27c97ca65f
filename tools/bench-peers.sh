#!/bin/sh
# The peers from PyPI into build/peers (several gigabytes), then the same work on all sides. Arguments go to run.py.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x build/peers/bin/python ] || ! cmp -s tools/peers-packages.txt build/peers/packages.txt; then
    echo "== peers: PyTorch, Keras with TensorFlow, OpenVINO (about 7 GB in build/peers)"
    python3 -m venv build/peers
    build/peers/bin/pip install -q --disable-pip-version-check -r tools/peers-packages.txt
    cp tools/peers-packages.txt build/peers/packages.txt
fi
exec build/peers/bin/python bench/peers/run.py "$@"
