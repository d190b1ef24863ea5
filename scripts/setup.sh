#!/bin/sh
# Makes a checkout ready to run. Called by `npm run demo` and `npm test`.
#
#   scripts/setup.sh           what the command line needs: node modules, Node 24, the viewer. Installs nothing else, needs no root
#   scripts/setup.sh --demo    what the demo needs too: the distribution's Orthanc (or one of your own)
#   scripts/setup.sh --test    what the tests need too: other Orthancs beside it, PostgreSQL, MariaDB,
#                              fresh Debians, Chromium, DICOM tools, Prometheus
#
# ORTHANC_BIN (one) or ORTHANC_BINS (several, separated by colons) name Orthanc programs that are there already.
# Prints one line per thing done and nothing when all is there. Installs with apt-get, as root on Debian; elsewhere
# it says what is missing.
set -eu
cd -- "$(dirname -- "$0")/.."

wanted=${1:-}

say() { echo "setup: $*" >&2; }

modules_are_current() {
  [ -L node_modules ] && return 0 # a linked folder belongs to another checkout
  cmp -s package-lock.json node_modules/.installed-lock.json && return 0
  [ -n "$(find node_modules/.package-lock.json -newer package-lock.json 2> /dev/null)" ]
}

install_modules() {
  command -v npm > /dev/null || { say "npm is missing: install Node.js 20 or newer with npm"; exit 1; }
  log=$(mktemp)
  npm ci --no-audit --no-fund > "$log" 2>&1 || { tail -n 20 "$log" >&2; say "npm ci failed (log: $log)"; exit 1; }
  rm -f "$log"
  cp package-lock.json node_modules/.installed-lock.json
  say "installed the node modules"
}

check_node() {
  found=$(node_modules/.bin/node --version 2> /dev/null) || found=none
  case $found in
    v24.*) ;;
    *)
      say "node_modules/.bin/node is '$found', not Node 24: its packages exist for Linux on x64 and arm64 only;"
      say "elsewhere install Node 24 and link it there: ln -s \"\$(command -v node)\" node_modules/.bin/node"
      exit 1
      ;;
  esac
}

# The page of `open`: there before it is needed, because in an emergency nobody builds anything.
viewer_is_current() {
  [ -f viewer/dist/index.html ] &&
    [ -z "$(find viewer core package-lock.json -newer viewer/dist/index.html -type f -not -path 'viewer/dist/*' | head -n 1)" ]
}

build_viewer() {
  node_modules/.bin/node scripts/build-viewer.ts || { say "the viewer cannot be built: open works without its page"; return 0; }
  say "built the viewer"
}

has_orthanc() {
  [ -n "${ORTHANC_BINS:-}${ORTHANC_BIN:-}" ] || command -v Orthanc > /dev/null || [ -x /usr/sbin/Orthanc ]
}

can_install() {
  command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]
}

# Installs packages of the distribution, quietly.
install_packages() {
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -q --no-install-recommends "$@" > "$log" 2>&1 ||
    { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; } > "$log" 2>&1 ||
    { tail -n 5 "$log" >&2; say "apt-get install $* failed (log: $log)"; return 1; }
  rm -f "$log"
  say "installed $* with apt-get"
}

# Installs the distribution's Orthanc and stops the service that its package starts: tests run servers of their own.
install_orthanc() {
  if ! can_install; then
    say "no Orthanc found. Install it (Debian, Ubuntu: 'sudo apt-get install orthanc'; Fedora: 'sudo dnf install orthanc';"
    say "macOS, Windows: https://www.orthanc-server.com/download.php) and put 'Orthanc' on the PATH, or set"
    say "ORTHANC_BIN to the program"
    exit 1
  fi
  install_packages orthanc || exit 1
  invoke-rc.d orthanc stop > /dev/null 2>&1 || true
}

# Tests of a host with a database run a server of their own: the services of the packages are stopped.
has_postgresql() {
  ls /usr/lib/postgresql/*/bin/initdb /usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so > /dev/null 2>&1
}

has_mysql() {
  ls /usr/sbin/mariadbd /usr/bin/mariadb /usr/share/orthanc/plugins/libOrthancMySQLIndex.so > /dev/null 2>&1
}

# Installs the databases that are missing, in one go.
install_databases() {
  packages=
  has_postgresql || packages='postgresql orthanc-postgresql'
  has_mysql || packages="$packages mariadb-server mariadb-client orthanc-mysql"
  [ -n "$packages" ] || return 0
  if ! can_install; then
    say "databases with Orthanc's plugins are missing: their tests will fail; install $packages"
    return 0
  fi
  # shellcheck disable=SC2086 # several packages
  install_packages $packages || return 0
  for service in postgresql mariadb orthanc; do invoke-rc.d $service stop > /dev/null 2>&1 || true; done
}

# A failure here does not stop the demo or the other tests: the tests that need it fail and say why.
install_beside() {
  sh scripts/install-orthanc.sh "$@" ||
    say "no Orthanc $1: its tests will fail; name others in ORTHANC_BINS (old to new, separated by colons)"
}

# The browser in which the viewer is tested, and the tools that read what is exported.
install_readers() {
  [ -x /usr/bin/chromium ] && [ -x /usr/bin/dcmdump ] && [ -x /usr/bin/dciodvfy ] && return 0
  if ! can_install; then
    say "chromium, dcmtk or dicom3tools is missing in /usr/bin: the tests of viewer and export will fail"
    return 0
  fi
  install_packages chromium dcmtk dicom3tools || return 0
}

# What scrapes /metrics and raises the alarms.
install_prometheus() {
  sh scripts/install-prometheus.sh || say "no Prometheus: the tests of metrics and alerts will fail"
}

install_other_orthanc() {
  if [ -z "${ORTHANC_BINS:-}" ]; then
    # One of Debian stable and one of testing: what Orthanc does differs between them. PostgreSQL goes with the newest,
    # because labels came after the distribution's version.
    # The DICOMweb plugin is what the answers of `open` are compared with.
    install_beside 1.12.7 '' orthanc-dicomweb
    install_beside 1.13.0 '' orthanc-postgresql orthanc-dicomweb
  fi
  # The last that upgrades every database; apart from the others, because most tests take the oldest that they find.
  install_beside 1.9.1 "$PWD/.cache/orthanc-older/1.9.1"
}

# Roots in which packages are installed and run: one that has next to nothing, one with systemd and shells.
install_fresh_roots() {
  sh scripts/install-fresh-root.sh "$PWD/.cache/fresh-root/bare" &&
    sh scripts/install-fresh-root.sh "$PWD/.cache/fresh-root/systemd" systemd,dbus,zsh,fish,man-db ||
    say "no fresh Debian: the tests of the packages will fail"
}

modules_are_current || install_modules
check_node
viewer_is_current || build_viewer
[ -n "$wanted" ] || exit 0
has_orthanc || install_orthanc
[ "$wanted" = --test ] || exit 0
install_databases
install_readers
install_prometheus
install_other_orthanc
install_fresh_roots
