#!/usr/bin/env bash
# Brings what a build, the tests or fuzzing need to a Debian or Ubuntu: says first what is missing, then installs it.
#
#   tests/setup.sh build|test|fuzz
#
# Does nothing, and needs no network, when nothing is missing. On another system it names what is missing and ends.
set -euo pipefail

purpose=${1:-}
case $purpose in build | test | fuzz) ;; *) sed -n '2,6p' "$0" | cut -c3-; exit 2 ;; esac

missing=()

# needs PACKAGE COMMAND...: the package is missing if the command fails.
needs() {
  local package=$1; shift
  "$@" > /dev/null 2>&1 || missing+=("$package")
}

# Kafka's broker needs Java 17.
java_17() {
  [ "$(java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p' | head -n 1)" -ge 17 ]
}

# Ubuntu 22.04 is the one whose default is older.
java_package() {
  local VERSION_ID=
  ! [ -e /etc/os-release ] || . /etc/os-release
  if [ "$VERSION_ID" = 22.04 ]; then echo openjdk-17-jre-headless; else echo default-jre-headless; fi
}

# Tools of administrators are not on everybody's path.
PATH=$PATH:/usr/sbin:/sbin

needs build-essential sh -c 'command -v cc && command -v make'
needs pkg-config command -v pkg-config
needs libpcap-dev test -e /usr/include/pcap/pcap.h
needs libssl-dev pkg-config --exists openssl
needs zlib1g-dev pkg-config --exists zlib
needs jq command -v jq
if [ "$purpose" = test ]; then
  needs "$(java_package)" java_17
  needs maven command -v mvn
  needs tshark sh -c 'command -v tshark && command -v editcap'
  needs nginx command -v nginx
  needs curl command -v curl
  needs openssl command -v openssl
  needs nghttp2-client command -v nghttp
  needs nghttp2-server command -v nghttpd
  needs nghttp2-proxy command -v nghttpx
  needs util-linux command -v unshare
  needs tcpdump command -v tcpdump
  needs tcpreplay command -v tcpreplay
  needs iproute2 sh -c 'command -v ip && command -v tc'
  needs procps test -x /bin/kill
  needs python3 command -v python3
  needs zstd command -v zstd
fi

# A package that installs a server starts it at once; a file of this name forbids that. Whoever has one keeps it.
policy=/usr/sbin/policy-rc.d

install() {
  echo "setup: missing: ${missing[*]}"
  command -v apt-get > /dev/null || { echo "setup: this system has no apt-get; install these by its own means" >&2; exit 2; }
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || { echo "setup: installing needs root or sudo" >&2; exit 2; }
    root=(sudo)
  fi
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" > /dev/null
    "${root[@]}" chmod 755 "$policy"
    # shellcheck disable=SC2064
    trap "${root[*]} rm -f $policy" EXIT
  fi
  "${root[@]}" apt-get update -qq
  # tshark asks whether everybody may capture; the frontend takes its default, no.
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
  command -v systemctl > /dev/null || { echo "setup: installed"; return 0; }
  case " ${missing[*]} " in *" nginx "*) "${root[@]}" systemctl disable -q nginx 2> /dev/null || true ;; esac
  case " ${missing[*]} " in *" nghttp2-proxy "*) "${root[@]}" systemctl disable -q nghttpx 2> /dev/null || true ;; esac
  echo "setup: installed"
}

rust() {
  local wanted have
  wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' "$(dirname "$0")/../Cargo.toml")
  command -v cargo > /dev/null || { echo "setup: Rust $wanted or newer is missing: https://rustup.rs" >&2; exit 2; }
  have=$(cargo --version | sed -nE 's/^cargo ([0-9]+\.[0-9]+).*/\1/p')
  if [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" != "$wanted" ]; then
    echo "setup: Rust $have is too old, $wanted or newer is needed: rustup update" >&2; exit 2
  fi
  [ "$purpose" = test ] || return 0
  cargo fmt --version > /dev/null 2>&1 && cargo clippy --version > /dev/null 2>&1 && return 0
  echo "setup: missing: rustfmt, clippy"
  rustup component add rustfmt clippy
}

# Cargo tells what is stale by times alone, and takes checkouts that share their build output for one: what another
# checkout built last is stale in this one.
checkout() {
  local here
  [ -n "${CARGO_TARGET_DIR:-}" ] || return 0
  here=$(cd "$(dirname "$0")/.." && pwd)
  [ "$(cat "$CARGO_TARGET_DIR/checkout" 2> /dev/null)" != "$here" ] || return 0
  mkdir -p "$CARGO_TARGET_DIR"
  find "$here/src" "$here/tests" "$here/benches" -name '*.rs' -exec touch {} +
  echo "$here" > "$CARGO_TARGET_DIR/checkout"
}

[ ${#missing[@]} -eq 0 ] || install
rust
checkout
if [ "$purpose" = fuzz ] && ! cargo fuzz --version > /dev/null 2>&1; then
  echo "setup: missing: cargo-fuzz"
  cargo install --locked cargo-fuzz
fi
