#!/usr/bin/env bash
# Makes a Python environment with real Keras on the JAX back end: the judge of the interop tests. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?usage: oracle.sh FOLDER}

wanted=$(sha256sum tools/oracle-packages.txt | cut -c1-16)
if [[ -x "$folder/bin/python" && "$(cat "$folder/.made-from" 2>/dev/null)" == "$wanted" ]]; then
    echo "oracle    real Keras is ready in $folder"
    exit 0
fi
echo "oracle    installing real Keras (about 400 MB) into $folder"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r tools/oracle-packages.txt
echo "$wanted" > "$folder/.made-from"
