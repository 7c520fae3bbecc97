#!/usr/bin/env bash
# The second oracle of `make soak`: one in Python that lies beside the checkout, not in it. Says why where it can't run.
#
#   tests/soak.sh EAVES SEEDS
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,4p' "$0" | cut -c3-; exit 2; }

bench=${EAVES_SHARED:-$(dirname "$0")/../../shared}/bench
venv=${XDG_CACHE_HOME:-$HOME/.cache}/eaves-bench/venv
skip() { echo "soak: the second oracle is skipped: $1"; exit 0; }
[ -e "$bench/soak.py" ] || skip "there is none at $bench"
command -v python3 > /dev/null || skip "python3 is missing"
"$venv/bin/python" -c 'import h2' 2> /dev/null || skip "the Python package h2 is missing; $bench/quick.sh installs it into $venv"
exec python3 "$bench/soak.py" "$1" --seeds "$2" --only h2
