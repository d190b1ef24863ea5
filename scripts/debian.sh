# What the scripts that unpack Debian packages share; to be read with ".". Whoever reads it defines `fail MESSAGE…`.
# shellcheck shell=sh

# Debian and root, and mmdebstrap, which is installed if it is missing.
need_mmdebstrap() {
  command -v apt-get > /dev/null || fail "this needs Debian"
  [ "$(id -u)" = 0 ] || fail "this needs root"
  command -v mmdebstrap > /dev/null && return 0
  # An index that is old or absent is the usual reason for a failure: refresh it and try once more.
  install_mmdebstrap() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap; }
  said=$(mktemp)
  { install_mmdebstrap || { apt-get update -q && install_mmdebstrap; }; } > "$said" 2>&1 || {
    tail -n 3 "$said" >&2
    rm -f "$said"
    fail "apt-get install mmdebstrap failed"
  }
  rm -f "$said"
}

# The mirror that this machine itself uses: its first source with a plain Debian suite.
debian_mirror() {
  # shellcheck disable=SC2016 # the dollars are apt's
  found=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$3 == "main" && $2 !~ /-|\// { sub("/$", "", $1); print $1; exit }')
  [ -n "$found" ] || fail "no Debian mirror among the machine's own apt sources"
  echo "$found"
}

# How this machine reaches its mirror (proxies, certificates, tolerated dates), but nothing else of its settings.
apt_settings() {
  apt-config dump | grep -E '^Acquire::(http|https|Check|Retries|ForceIPv4)' || true
}
