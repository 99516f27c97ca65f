#!/usr/bin/env bash
# Compiles topwork with oneDNN 3.2 (PyPI) instead of Debian's 2.6, and runs the tests that meet it: src/op/onednn/compat.h
# promises both. Safe to run again: downloaded once into build/onednn3. Exit 77 (skipped) where it cannot be downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/build/onednn3
tests=(unit_plan unit_plan_frontier unit_plan_gradient unit_plan_random unit_fit conform_onednn conform_op conform_op_dnnl
    conform_layer)

download() {
    rm -rf "$folder/wheels" "$folder/installed"
    mkdir -p "$folder/wheels" "$folder/installed"
    cat > "$folder/wheels/requirements.txt" << 'END'
onednn-devel-cpu-gomp==2023.2.0 --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284
onednn-cpu-gomp==2023.2.0 --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
END
    echo "onednn3   downloading oneDNN 3.2 (39 MB)"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d "$folder/wheels" \
        -r "$folder/wheels/requirements.txt" || return 1
    for wheel in "$folder"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$folder/wheels/unpacked"
    done
    cp -r "$folder"/wheels/unpacked/onednn_devel_cpu_gomp-*.data/data/include "$folder/installed/include"
    mkdir "$folder/installed/lib"
    cp "$folder"/wheels/unpacked/onednn_cpu_gomp-*.data/data/lib/libdnnl.so.3 "$folder/installed/lib/"
    ln -s libdnnl.so.3 "$folder/installed/lib/libdnnl.so"
    rm -rf "$folder/wheels"
    touch "$folder/installed/.complete"
}

if [[ ! -f "$folder/installed/.complete" ]] && ! download; then
    echo "skipped: oneDNN 3.2 could not be downloaded"
    exit 77
fi
cmake -G Ninja -S . -B "$folder/build" -DTW_DNNL_ROOT="$folder/installed" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_FLAGS_RELEASE=-O1 > /dev/null
cmake --build "$folder/build" --target "${tests[@]/#/test_}"
if [[ "$(ldd "$folder/build/test_conform_op")" != *"$folder/installed/lib/libdnnl.so.3"* ]]; then
    echo "onednn3   the tests were not linked with oneDNN 3.2" >&2
    exit 1
fi
# ctest runs this script, so these tests are run without it
for test in "${tests[@]}"; do
    echo "onednn3   $test"
    log=$folder/$test.log
    OMP_WAIT_POLICY=passive "$folder/build/test_$test" > "$log" 2>&1 || { cat "$log"; exit 1; }
done
echo "onednn3   compiled and tested with oneDNN 3.2"
