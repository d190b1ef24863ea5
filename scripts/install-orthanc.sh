#!/bin/sh
# Puts one more version of Orthanc beside the distribution's, from Debian packages of another suite:
#
#   scripts/install-orthanc.sh VERSION|SUITE [FOLDER|''] [PACKAGE...]
#
# e.g. 1.12.7 or trixie, 1.13.0 or forky, 1.9.1 or bullseye. FOLDER defaults to .cache/orthanc/VERSION. Further
# packages (orthanc-postgresql, orthanc-dicomweb) are unpacked beside it. FOLDER/Orthanc is then the program: it runs Orthanc with the
# libraries of its own suite, needs no chroot, no mounts and no root, and takes Orthanc's own arguments.
# Debian and root are needed to install (mmdebstrap). Nothing is done when FOLDER has all that is asked for.
set -eu

wanted=${1:?usage: install-orthanc.sh VERSION|SUITE [FOLDER] [PACKAGE...]}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

# The suites of Debian and the Orthanc that each holds.
case $wanted in
  1.9.1 | bullseye) suite=bullseye version=1.9.1 ;;
  1.10.1 | bookworm) suite=bookworm version=1.10.1 ;;
  1.12.7 | trixie) suite=trixie version=1.12.7 ;;
  1.13.0 | forky) suite=forky version=1.13.0 ;;
  *)
    echo "install-orthanc: no Debian suite is known for $wanted; known: 1.9.1, 1.10.1, 1.12.7, 1.13.0" >&2
    exit 2
    ;;
esac
folder=${2:-$here/.cache/orthanc/$version}
if [ $# -gt 2 ]; then shift 2; else shift $#; fi
packages=base-files,tzdata,orthanc
for package; do packages=$packages,$package; done

# A folder of an earlier call may lack packages that are asked for now.
is_complete() {
  [ -x "$folder/Orthanc" ] || return 1
  for package; do grep -qx "$package" "$folder/packages" 2> /dev/null || return 1; done
}
is_complete "$@" && exit 0

fail() {
  echo "install-orthanc: cannot install Orthanc $version: $*; name another one in ORTHANC_BINS" >&2
  exit 1
}
. "$here/scripts/debian.sh"
need_mmdebstrap
mirror=$(debian_mirror)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$(dirname -- "$folder")"
root=$folder.partial.$$
trap 'rm -rf "$work" "$root"' EXIT

apt_settings > "$work/apt.conf"

mmdebstrap --quiet --variant=extract --aptopt="$work/apt.conf" --include="$packages" \
  "$suite" "$root" "deb $mirror $suite main" > "$work/log" 2>&1 || {
  tail -n 3 "$work/log" >&2
  fail "unpacking $suite from the machine's mirror failed"
}

# Only what Orthanc reads stays: a smaller folder, and nothing in it that could be run by mistake.
rm -rf "$root/var" "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
# Before trixie, libc lies in lib, beside usr/lib.
loader=$(cd "$root" && find usr/lib lib -name 'ld-linux-*.so.*' | head -n 1)
[ -n "$loader" ] || fail "the packages of $suite hold no dynamic loader"
dictionaries=$(cd "$root" && find usr/share \( -name dicom.dic -o -name private.dic \) -path '*dcmtk*' | sort |
  sed 's|^|$root/|' | paste -s -d :)
libraries=usr/lib/$(basename -- "$(dirname -- "$loader")")
cat > "$root/Orthanc" << EOF
#!/bin/sh
# Orthanc $version of Debian $suite with its own libraries.
root=\$(CDPATH='' cd -- "\$(dirname -- "\$0")" && pwd)
DCMDICTPATH="$dictionaries" GCONV_PATH="\$root/$libraries/gconv" TZDIR="\$root/usr/share/zoneinfo" \\
  exec "\$root/$loader" --library-path "\$root/$libraries:\$root/usr/lib:\$root/$(dirname -- "$loader")" "\$root/usr/sbin/Orthanc" "\$@"
EOF
chmod 755 "$root/Orthanc"
echo "$packages" | tr , '\n' > "$root/packages"
"$root/Orthanc" --version > "$work/version" 2>&1 || {
  tail -n 3 "$work/version" >&2
  fail "the installed program does not run"
}
rm -rf "$folder"
mv "$root" "$folder"
echo "setup: installed Orthanc $(awk 'NR == 1 { print $2 }' "$work/version") from Debian $suite in $folder" >&2
