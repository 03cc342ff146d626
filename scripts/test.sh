#!/usr/bin/env bash
# scripts/test.sh [CTEST ARGUMENT...]: sets up what is missing, builds everything with assertions on and warnings as
# errors, and runs the whole test suite. Fails when anything fails; ctest's closing lines come last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=$SECONDS
scripts/build.sh dev
built=$SECONDS

summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
status=0
ctest --preset dev "$@" |
  awk -v summary="$summary" '/^[0-9]+% tests passed/ { closing = 1 }
                             closing { print > summary; next }
                             { print; fflush() }' || status=$?

echo
echo "Build $((built - started)) s, tests $((SECONDS - built)) s, on $(nproc) cores"
cat "$summary"
exit "$status"
