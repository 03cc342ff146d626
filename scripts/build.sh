#!/usr/bin/env bash
# scripts/build.sh [PRESET [TARGET...]]: packages, LibTorch SDK, cmake, ninja. The default preset is `release`.
# Builds in build/<preset>; prints the seconds that configuring and building took.
#
#   DRYSTILL_SMOLLM2    with it, the tests against the real model of that file are added
#   DRYSTILL_CMAKE_ARGS further arguments of cmake
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}
shift || true

scripts/install_packages.sh
libtorch=$(scripts/fetch_libtorch.sh)

# A file that includes LibTorch takes up to 2 GB to compile: no more jobs than memory allows.
jobs=$(nproc)
memory=$(awk '/^MemAvailable/ { print int($2 / 1048576 / 2) }' /proc/meminfo)
((memory < jobs)) && jobs=$((memory > 0 ? memory : 1))

started=$SECONDS
cmake --preset "$preset" -DDRYSTILL_LIBTORCH="$libtorch" -DDRYSTILL_SMOLLM2="${DRYSTILL_SMOLLM2:-}" \
  ${DRYSTILL_CMAKE_ARGS:-}
cmake --build "build/$preset" --parallel "$jobs" ${1:+--target "$@"}
echo "Build: $((SECONDS - started)) s (preset $preset, $jobs jobs)"
