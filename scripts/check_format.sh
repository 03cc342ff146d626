#!/usr/bin/env bash
# Compares every tracked C++ and CUDA file with .clang-format. `scripts/check_format.sh --fix` rewrites them instead.
# Exactly clang-format 14 is asked for: other versions lay out the same code differently.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in clang-format-14 clang-format none; do
  [[ $("$tool" --version 2>/dev/null) == *"version 14."* ]] && break
done
if [[ $tool == none ]]; then
  echo "check_format: clang-format 14 was not found; install the package clang-format-14" >&2
  exit 3
fi

mode=(--dry-run -Werror)
[[ ${1:-} == --fix ]] && mode=(-i)
mapfile -d '' files < <(git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cpp' '*.cu' '*.cuh')
"$tool" --style=file "${mode[@]}" "${files[@]}"
echo "Format: ${#files[@]} files agree with .clang-format"
