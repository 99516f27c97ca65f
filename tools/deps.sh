#!/usr/bin/env bash
# Installs what packages.txt lists and is missing. Uses sudo only where not root. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
while read -r package; do
    [[ -z "$package" || "$package" == \#* ]] && continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done < packages.txt

if ((${#missing[@]} == 0)); then
    echo "deps      all packages of packages.txt are installed"
    exit 0
fi
echo "deps      installing ${#missing[@]} Debian packages: ${missing[*]}"
as_root=()
((EUID == 0)) || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
echo "deps      done"
