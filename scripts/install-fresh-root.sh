#!/bin/sh
# Unpacks a fresh Debian for the tests of the packages, which never write to it:
#
#   scripts/install-fresh-root.sh FOLDER [PACKAGE...]
#
# Debian and root are needed (mmdebstrap). Nothing is done when FOLDER is there.
set -eu

folder=${1:?usage: install-fresh-root.sh FOLDER [PACKAGE...]}
shift
[ ! -d "$folder" ] || exit 0

fail() {
  echo "install-fresh-root: cannot unpack Debian: $*" >&2
  exit 1
}
. "$(dirname -- "$0")/debian.sh"
need_mmdebstrap
mirror=$(debian_mirror)

work=$(mktemp -d)
trap 'rm -rf "$work" "$folder.partial.$$"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$(dirname -- "$folder")"
apt_settings > "$work/apt.conf"
packages=$(echo "$*" | tr ' ' ,)
mmdebstrap --quiet --variant=minbase ${packages:+"--include=$packages"} --aptopt="$work/apt.conf" \
  --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$folder.partial.$$" "deb $mirror bookworm main" > "$work/log" 2>&1 || {
  tail -n 3 "$work/log" >&2
  fail "mmdebstrap failed"
}
mv "$folder.partial.$$" "$folder"
echo "setup: unpacked a fresh Debian${packages:+ with $packages} in $folder" >&2
