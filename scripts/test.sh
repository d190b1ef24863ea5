#!/bin/sh
# Everything that must hold before a change is merged: `npm test`. Tells each stage and its time.
# The first stage that fails ends it, with its status. Servers and databases are installed beside lint and unit tests.
set -u
cd -- "$(dirname -- "$0")/.."

begun=$(date +%s)
stages=

stage() {
  name=$1
  shift
  echo "== $name" >&2
  from=$(date +%s)
  "$@"
  status=$?
  took=$(($(date +%s) - from))
  stages="$stages$(printf '\n  %5d s  %s' "$took" "$name")"
  [ $status = 0 ] || end "$status" "$name failed"
}

end() {
  [ -z "${installing:-}" ] || { wait "$installing"; cat "$log" >&2; rm -f "$log"; }
  printf '== %s after %d s%s\n' "$2" $(($(date +%s) - begun)) "$stages" >&2
  exit "$1"
}

installed() {
  wait "$installing"
  status=$?
  installing=
  cat "$log" >&2
  rm -f "$log"
  return $status
}

stage 'node modules, viewer' sh scripts/setup.sh
log=$(mktemp)
sh scripts/setup.sh --test > "$log" 2>&1 &
installing=$!
stage 'lint' npm run --silent lint
stage 'types' npm run --silent types
stage 'unit tests' npm run --silent test:unit
stage 'servers, databases' installed
stage 'integration tests' npm run --silent test:integration
end 0 'all passed'
