#!/usr/bin/env bash
# Runs every command of the pages, configurations, scripts and the help in bash, zsh and fish, with programs that only
# record their arguments (scripts/documented-commands.py). Installs zsh and fish if they are missing. The last line is
# "N passed, N failed". KAON is the program whose help is read (default: the release build).
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

prepare
for shell in zsh fish python3; do
    command -v "$shell" >/dev/null || install_packages "$shell"
done
python3 scripts/documented-commands.py "$KAON" >"$logs/commands.txt" 2>&1 || true
cat "$logs/commands.txt"
[[ $(tail -n 1 "$logs/commands.txt") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || fail "ended early"
passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
