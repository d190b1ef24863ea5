#!/bin/sh
# Puts Debian's Prometheus and promtool into .cache/prometheus, for the tests of /metrics and of the alerts:
#
#   scripts/install-prometheus.sh [FOLDER]
#
# The two programs only, out of the package (19 MB): no service, no user, none of the libraries of its pages. Needs apt-get
# and its mirror, no root. Nothing is done when FOLDER has them.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${1:-$here/.cache/prometheus}
[ -x "$folder/prometheus" ] && [ -x "$folder/promtool" ] && exit 0

fail() {
  echo "install-prometheus: $*" >&2
  exit 1
}
command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || fail "this needs Debian"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"
download() { apt-get download -q prometheus; }
{ download || { apt-get update -q && download; }; } > said 2>&1 || { tail -n 3 said >&2; fail "apt-get download failed"; }
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/prometheus ./usr/bin/promtool
mkdir -p "$folder"
mv usr/bin/promtool usr/bin/prometheus "$folder"
echo "install-prometheus: unpacked $(basename prometheus_*.deb) to $folder" >&2
