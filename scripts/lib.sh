# Shared by the scripts: paths, messages, quiet commands. Sourced, never run. Every script works from any
# directory.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$root/build
log_dir=$build_dir/logs
services_dir=${HOLDFAST_SERVICES:-$build_dir/services}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

fail() {  # fail MESSAGE [HINT]
  printf '%s: %serror:%s %s\n' "${0##*/}" "$red" "$plain" "$1" >&2
  [ $# -lt 2 ] || printf '%s: hint: %s\n' "${0##*/}" "$2" >&2
  exit 1
}

seconds_since() { echo $((SECONDS - $1)); }

# quietly NAME COMMAND...: output goes to build/logs/NAME.log and is shown only when it fails.
quietly() {
  local name=$1 log
  shift
  mkdir -p "$log_dir"
  log=$log_dir/$name.log
  if ! "$@" >"$log" 2>&1; then
    printf '%s: %serror:%s %s failed, the last lines of %s:\n' \
      "${0##*/}" "$red" "$plain" "$name" "$log" >&2
    tail -n 30 "$log" >&2
    return 1
  fi
}

# as_root COMMAND...: runs it as root, with sudo if needed.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this needs root: $*" "run it as root, or install sudo"
  fi
}

# installed PACKAGE: whether Debian's package is unpacked and configured.
installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# This machine's Debian release, 12 or 13; empty on other distributions.
debian_release=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && echo "${VERSION_ID:-}") || true
case $debian_release in
  12 | 13) ;;
  *) debian_release='' ;;
esac
debian_name=Debian${debian_release:+ $debian_release}

# Go 1.24 or later, in the PATH?
good_go() {
  local version
  version=$(go env GOVERSION 2>/dev/null) || return 1
  version=${version#go1.}
  [ "${version%%[!0-9]*}" -ge 24 ] 2>/dev/null
}

# Cargo 1.85 or later, in the PATH? Older ones cannot read current manifests.
good_cargo() {
  local version
  version=$(cargo --version 2>/dev/null) || return 1
  version=${version#cargo 1.}
  [ "${version%%[!0-9]*}" -ge 85 ] 2>/dev/null
}

# Compiler jobs: one per core, limited by memory.
jobs=$(nproc)
memory_gib=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
[ "$jobs" -le "$memory_gib" ] || jobs=$((memory_gib > 0 ? memory_gib : 1))
