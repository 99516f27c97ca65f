#!/bin/sh
# Runs one interop test with the oracle Python; 77 (skipped) where there is none.
for python in "$TW_ORACLE" "$TW_SOURCE_DIR/build/oracle/bin/python"; do
    [ -x "$python" ] && exec "$python" -m pytest -q -p no:cacheprovider --rootdir "$(dirname "$1")" "$@"
done
echo "skipped: no oracle Python in build/oracle (tools/oracle.sh makes it)"
exit 77
