#!/usr/bin/env bash
# A mirror port made of network namespaces, for the tests of live capture. Needs root, ip and tc.
#
#   mirror.sh up NAME      prints the name of the tap interface and the addresses of client and server, one a line
#   mirror.sh down NAME    removes everything
#   mirror.sh ready        exit 0 if it can work here; else says why not
#
#     namespace NAME-client                                       namespace NAME-server
#         10.99.0.1  ──────────────────── veth ────────────────────  10.99.0.2
#                                          │ tc mirred
#                                          ▼
#                            veth NAMEm ──────▶ NAMEt      the tap: every frame of the link, once
#
# The link between client and server is one veth pair. Both directions are mirrored at the server's end, where one
# comes in and the other goes out, into a second pair whose other end is the tap in the namespace of the caller.
# IPv6 beside IPv4: fd99::1 and fd99::2. Segmentation is not left to the (virtual) card, so frames are as on a wire.
set -euo pipefail
usage() { sed -n '2,6p' "$0" | cut -c3-; exit 2; }

ready() {
  [ "$(id -u)" = 0 ] || { echo "not root"; return 1; }
  for tool in ip tc; do
    command -v "$tool" > /dev/null || { echo "no $tool"; return 1; }
  done
  local probe="evp$$" reason
  reason=$("$0" up "$probe" 2>&1) && reason=
  down "$probe"
  [ -z "$reason" ] || { echo "no mirror port can be made here: $reason"; return 1; }
}

quiet() { # no packets of the host's own on a link: no router solicitations, no neighbour discovery
  local interface=$1; shift
  "$@" sh -c "echo 1 > /proc/sys/net/ipv6/conf/$interface/disable_ipv6"
}

up() {
  local name=$1 client="$1-client" server="$1-server"
  trap 'down "$name"' ERR
  ip netns add "$client"
  ip netns add "$server"
  ip link add "${name}m" netns "$server" type veth peer name "${name}t"
  ip -n "$client" link add link0 type veth peer name link0 netns "$server"
  quiet "${name}t"
  quiet "${name}m" ip netns exec "$server"
  ip link set "${name}t" up
  ip -n "$server" link set "${name}m" up
  local end=0
  for namespace in "$client" "$server"; do
    end=$((end + 1))
    ip -n "$namespace" link set lo up
    ip -n "$namespace" address add "10.99.0.$end/24" dev link0
    ip -n "$namespace" -6 address add "fd99::$end/64" dev link0 nodad
    ip -n "$namespace" link set link0 gso_max_segs 1 up
  done
  tc -n "$server" qdisc add dev link0 clsact
  for direction in ingress egress; do
    tc -n "$server" filter add dev link0 "$direction" protocol all u32 match u32 0 0 \
      action mirred egress mirror dev "${name}m"
  done
  printf '%s\n' "${name}t" 10.99.0.1 10.99.0.2
}

down() {
  local name=$1
  ip link delete "${name}t" 2> /dev/null || true
  for namespace in "$name-client" "$name-server"; do
    ip netns delete "$namespace" 2> /dev/null || true
  done
}

case ${1:-} in
  ready) ready ;;
  up | down) [ $# = 2 ] || usage; "$1" "$2" ;;
  *) usage ;;
esac
