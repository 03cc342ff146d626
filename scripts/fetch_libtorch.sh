#!/usr/bin/env bash
# Prints the folder of a LibTorch 2.11.0 SDK (it holds include/ and lib/), fetching it into the per-user cache where
# none is at hand. Progress goes to stderr. A second call needs no network.
#
#   DRYSTILL_LIBTORCH   use this LibTorch (its folder with include/ and lib/)
#   DRYSTILL_CACHE      cache folder; default: ${XDG_CACHE_HOME:-~/.cache}/drystill
#
# The SDK is three PyPI wheels laid side by side, as their run paths expect: torch, and the two CUDA libraries that even
# libtorch_cpu.so names. A finished wheel stays in the cache until all three are unpacked, so that a call after an
# interrupted one fetches again only the wheel that was on its way; the folder appears under its final name only when it
# is whole.
set -euo pipefail

version=2.11.0
wheels=(
  "torch==2.11.0                 7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a"
  "nvidia-cuda-runtime==13.0.96  7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"
  "nvidia-cuda-cupti==13.0.85    4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"
)

say() { echo "fetch_libtorch: $*" >&2; }
fail() {
  say "$1"
  exit 3
}

# version_of FOLDER: "2.11.0", or nothing where the folder is no LibTorch.
version_of() {
  [[ -e $1/lib/libtorch_cpu.so && -e $1/include/torch/headeronly/version.h ]] || return 0
  sed -nE 's/^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' "$1/include/torch/headeronly/version.h" |
    paste --serial --delimiters=.
}

if [[ -n ${DRYSTILL_LIBTORCH:-} ]]; then
  found=$(version_of "$DRYSTILL_LIBTORCH")
  [[ $found == "$version" ]] ||
    fail "DRYSTILL_LIBTORCH=$DRYSTILL_LIBTORCH holds LibTorch '${found:-none}', expected $version"
  realpath "$DRYSTILL_LIBTORCH"
  exit 0
fi

cache=${DRYSTILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set: set DRYSTILL_CACHE}/.cache}/drystill}
sdk=$cache/libtorch-$version
if [[ $(version_of "$sdk/torch") == "$version" ]]; then
  realpath "$sdk/torch"
  exit 0
fi

imported=$(python3 -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')" \
  2>/dev/null || true)
if [[ -n $imported && $(version_of "$imported") == "$version" ]]; then
  say "using the LibTorch of the installed Python package"
  realpath "$imported"
  exit 0
fi

machine=$(uname -m)
[[ $machine == x86_64 ]] ||
  fail "no pinned LibTorch for $machine, only for x86_64; install LibTorch $version and set DRYSTILL_LIBTORCH to its folder"
python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip; install the package python3-pip"

mkdir -p "$cache/wheels"
exec {lock}>"$cache/fetch.lock"
flock --nonblock "$lock" || {
  say "another call is fetching; waiting for it"
  flock "$lock"
  [[ $(version_of "$sdk/torch") == "$version" ]] && realpath "$sdk/torch" && exit 0
}

scratch=$(mktemp -d "$cache/partial.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# What a killed call left behind; the lock says that nobody is using it.
find "$cache" -maxdepth 1 -name 'partial.*' ! -path "$scratch" -exec rm -rf {} +

# fetch REQUIREMENT SHA256: leaves the verified wheel at wheels/<sha256>.whl
fetch() {
  local wheel=$cache/wheels/$2.whl
  if [[ -e $wheel ]]; then
    say "$1: already here"
    return
  fi
  say "$1: fetching"
  echo "$1 --hash=sha256:$2" >"$scratch/requirements.txt"
  # The wheel is an archive of headers and libraries to us: one fixed Python version, whichever one runs pip.
  python3 -m pip download --quiet --no-deps --no-cache-dir --disable-pip-version-check --require-hashes \
    --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 \
    --requirement "$scratch/requirements.txt" --dest "$scratch/download" >&2 ||
    fail "pip could not fetch $1 (see above); call again: finished wheels are kept"
  mv "$scratch/download"/*.whl "$wheel"
}

available=$(df --output=avail --block-size=1M "$cache" | tail -1)
((available >= 2500)) || fail "$cache has ${available} MB free, 2500 MB are needed; free some or set DRYSTILL_CACHE"

for line in "${wheels[@]}"; do
  read -r requirement sum <<<"$line"
  fetch "$requirement" "$sum"
done

say "unpacking"
for line in "${wheels[@]}"; do
  read -r requirement sum <<<"$line"
  python3 -m zipfile -e "$cache/wheels/$sum.whl" "$scratch/sdk" || fail "cannot unpack $requirement into $cache"
done
[[ $(version_of "$scratch/sdk/torch") == "$version" ]] || fail "the wheels do not hold LibTorch $version"
rm -rf "$sdk"
mv "$scratch/sdk" "$sdk"
rm -rf "$cache/wheels"
say "LibTorch $version is in $sdk"
realpath "$sdk/torch"
