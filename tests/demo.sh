#!/usr/bin/env bash
# Replays the shop of fixtures/ and shows what comes out.
#
#   tests/demo.sh EAVES
set -euo pipefail

eaves=$1
capture=$(cd "$(dirname "$0")/.." && pwd)/fixtures/shop.pcap
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# The key of the fingerprints is part of the demonstration, not of this machine.
export XDG_STATE_HOME=$out/state

say() { printf '\n\033[1m── %s\033[0m\n\n' "$1"; }
[ -t 1 ] || say() { printf '\n-- %s\n\n' "$1"; }

say "eaves replay fixtures/shop.pcap"
"$eaves" replay "$capture"
"$eaves" replay --out "$out" "$capture"
say "One of the $(wc -l < "$out/calls.ndjson") call records (calls.ndjson)"
jq -s 'map(select(.method == "PUT" and .credential != null)) | first' "$out/calls.ndjson"
say "The inventory (inventory.ndjson): busiest first"
jq -rs 'sort_by(-.calls)[] | [.calls, .method, .service, .template] | @tsv' "$out/inventory.ndjson" |
  awk -F'\t' '{ printf "%6d  %-7s %-15s %s\n", $1, $2, $3, $4 }'
say "One of the findings (findings.ndjson): what was last said of it"
jq -s 'map(select(.rule == "data.secret-leak")) | group_by(.id) | first | max_by(.rev)' "$out/findings.ndjson"
