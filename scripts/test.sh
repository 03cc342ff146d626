#!/usr/bin/env bash
# scripts/test.sh [CTEST ARGUMENT...]: sets up what is missing, builds everything with assertions on and warnings as
# errors, and runs the whole test suite. Fails when anything fails; ctest's closing lines come last.
#
#   DRYSTILL_CMAKE_ARGS=-DDRYSTILL_PEER_PYTHON=PYTHON   with the tests in which PYTHON reads what we write (docs/setup.md)
#   DRYSTILL_SKIP_SMOLLM2=1   without the tests against SmolLM2, which is fetched for them (98 MB, once)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=$SECONDS
if [[ -n ${DRYSTILL_SKIP_SMOLLM2:-} ]]; then
  echo "DRYSTILL_SKIP_SMOLLM2 is set: the tests against SmolLM2 are left out" >&2
  export DRYSTILL_SMOLLM2=
else
  scripts/install_packages.sh
  DRYSTILL_SMOLLM2=$(scripts/fetch_smollm2.sh) || {
    echo "test.sh: no SmolLM2 to test against (see above); call again, or set DRYSTILL_SKIP_SMOLLM2=1" >&2
    exit 3
  }
  export DRYSTILL_SMOLLM2
fi
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
