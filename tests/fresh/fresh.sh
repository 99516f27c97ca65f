#!/usr/bin/env bash
# A Debian 12 that has seen nothing of topwork: a new root, a clone of the last commit, `make demo` and `make check`. What
# packages.txt lacks, or what works only on the developer's machine, fails here. About half an hour; needs root and debootstrap.
#
# usage: fresh.sh [FOLDER]     the root is made in FOLDER (build/fresh) and removed when all went well; the log stays
#
# How the network is reached (mirror, proxy, pip's index, certificates) is taken from this system's configuration.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath -m "${1:-build/fresh}")
root=$folder/root
suite=bookworm

skip() { echo "skipped: $1"; exit 77; }
((EUID == 0)) || skip "needs root (debootstrap, chroot)"
command -v debootstrap > /dev/null || skip "debootstrap is not installed"
unshare --mount true 2> /dev/null || skip "this system lets nobody mount"

# "http://mirror/debian bookworm main": what apt uses here for Debian itself
sources=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    grep -E " $suite(-[a-z]+)? " | sort -u)
mirror=$(awk -v suite=$suite '$2 == suite { print $1; exit }' <<< "$sources")
[[ -n "$mirror" ]] || skip "apt knows no mirror of $suite here (apt-get update makes it known)"

echo "fresh     making a Debian root from $mirror"
rm -rf "$root"
mkdir -p "$root"
debootstrap --variant=minbase --include=make "$suite" "$root" "$mirror" > "$folder/debootstrap.log" 2>&1 || {
    tail -n 5 "$folder/debootstrap.log"
    skip "debootstrap failed"
}
awk '{ print "deb", $1, $2, $3 }' <<< "$sources" > "$root/etc/apt/sources.list"
apt-config dump | grep -iE '^Acquire::(http|https)' > "$root/etc/apt/apt.conf.d/99network" || true
cp /etc/resolv.conf "$root/etc/resolv.conf"
[[ -f /etc/pip.conf ]] && cp /etc/pip.conf "$root/etc/pip.conf"
# Beside the system's own bundle, which installing ca-certificates writes anew.
bundle=/etc/network-certificates.crt
cp /etc/ssl/certs/ca-certificates.crt "$root$bundle"
network=(PIP_CERT=$bundle SSL_CERT_FILE=$bundle REQUESTS_CA_BUNDLE=$bundle)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_DEFAULT_TIMEOUT; do
    [[ -n "${!name:-}" ]] && network+=("$name=${!name}")
done

git clone --quiet --no-hardlinks . "$root/topwork"
echo "fresh     $(git log -1 --format='%h %s')"

# The mounts end with the shell that made them.
inside() {
    root=$root unshare --mount --propagation private bash -c '
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" "$@"' inside env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/fresh LC_ALL=C.UTF-8 \
        "${network[@]}" "$@"
}
mkdir -p "$root/home/fresh"
for target in demo check; do
    echo "fresh     make $target: log in $folder/$target.log"
    begin=$SECONDS
    if ! inside make -C /topwork "$target" > "$folder/$target.log" 2>&1; then
        tail -n 60 "$folder/$target.log"
        echo "fresh     make $target failed; the root stays in $root" >&2
        exit 1
    fi
    echo "fresh     make $target took $((SECONDS - begin)) s"
done
grep -hE "tests passed|Skipped|Not Run" "$folder/check.log" || true
rm -rf "$root"
