#!/usr/bin/env bash
# scripts/tidy.sh [PATH PREFIX...]: clang-tidy with .clang-tidy over the sources under the given folders (default: all).
# It configures its own build folder without precompiled headers, because clang cannot read those of GCC.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! command -v run-clang-tidy-14 >/dev/null; then
  echo "tidy: run-clang-tidy-14 was not found; install the package clang-tidy-14" >&2
  exit 3
fi
cmake --preset tidy -DDRYSTILL_LIBTORCH="$(scripts/fetch_libtorch.sh)" >/dev/null

folders=("$@")
((${#folders[@]})) || folders=(core kernels io vision language journal generator curriculum distiller configs apps)
patterns=("${folders[@]/#/^$PWD/}")
run-clang-tidy-14 -quiet -p build/tidy -j "$(nproc)" "${patterns[@]}"
