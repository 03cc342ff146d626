#!/usr/bin/env bash
# The set-up scripts: they parse, install nothing where nothing is missing, and refuse with exit 3 and the exact line.
# Real packages and networks stay out: `dpkg-query`, `apt-get` and `sudo` are stand-ins on a PATH of our own.
set -euo pipefail
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$root/scripts" "$work/scripts"

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

# expect STATUS COMMAND...: runs it with the stand-ins first on PATH; its output is in $work/output.
expect() {
  local expected=$1 status=0
  shift
  "$@" >"$work/output" 2>&1 </dev/null || status=$?
  ((status == expected)) || fail "exit $status instead of $expected from: $* -- $(cat "$work/output")"
}
stand_in() {
  printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"
  chmod 755 "$work/bin/$1"
}
without_root() {
  if ((EUID == 0)); then
    setpriv --reuid=65534 --regid=65534 --clear-groups env PATH="$work/bin" "$@"
  else
    env PATH="$work/bin" "$@"
  fi
}

for script in "$root"/scripts/*.sh "$root"/.ci/run; do
  bash -n "$script" || fail "$script does not parse"
  [[ -x $script ]] || fail "$script is not executable"
done

mkdir "$work/bin"
for tool in bash env dirname sed awk cat; do ln -s "$(command -v "$tool")" "$work/bin/$tool"; done
chmod -R a+rX "$work"
install=$work/scripts/install_packages.sh

# Nothing missing: silent.
stand_in dpkg-query 'echo -n installed'
stand_in apt-get 'echo apt-get was called >&2; exit 1'
for tool in g++ cmake ninja ccache mold git python3 clang-format-14; do stand_in "$tool" 'exit 0'; done
expect 0 without_root "$install"
[[ ! -s $work/output ]] || fail "output though nothing is missing: $(cat "$work/output")"

# Two packages missing and no sudo: the exact line, exit 3.
stand_in dpkg-query '[[ ${*: -1} == libfmt-dev || ${*: -1} == libtbb-dev ]] && exit 1; echo -n installed'
line='sudo apt-get update && sudo apt-get install --yes --no-install-recommends libfmt-dev libtbb-dev'
expect 3 without_root "$install"
grep --fixed-strings --quiet "$line" "$work/output" || fail "no line to run in: $(cat "$work/output")"

# A sudo that would ask for a password, and nobody to answer: the same.
stand_in sudo 'exit 1'
expect 3 without_root "$install"
grep --fixed-strings --quiet "$line" "$work/output" || fail "no line to run in: $(cat "$work/output")"

# A sudo that works: says what it installs, then installs exactly that.
stand_in sudo '[[ $1 == --non-interactive ]] && shift; exec "$@"'
stand_in true 'exit 0'
stand_in apt-get "echo apt-get \"\$@\" >>$work/bin/calls"
touch "$work/bin/calls"
chmod 666 "$work/bin/calls"
expect 0 without_root "$install"
grep --quiet 'needs 2 packages.*libfmt-dev libtbb-dev' "$work/output" || fail "it did not say what it installs"
[[ $(cat "$work/bin/calls") == "apt-get update
apt-get install --yes --no-install-recommends libfmt-dev libtbb-dev" ]] || fail "it called: $(cat "$work/bin/calls")"

# LibTorch: a folder that is none is refused, and so is a machine without a pinned wheel; nothing is left behind.
fetch=$root/scripts/fetch_libtorch.sh
expect 3 env DRYSTILL_LIBTORCH="$work" "$fetch"
grep --quiet 'expected 2.11.0' "$work/output" || fail "unclear refusal: $(cat "$work/output")"
mkdir "$work/other"
printf '#!/bin/bash\necho aarch64\n' >"$work/other/uname"
printf '#!/bin/bash\nexit 1\n' >"$work/other/python3"
chmod 755 "$work/other"/*
expect 3 env -u DRYSTILL_LIBTORCH DRYSTILL_CACHE="$work/cache" PATH="$work/other:$PATH" "$fetch"
grep --quiet 'no pinned LibTorch for aarch64' "$work/output" || fail "unclear refusal: $(cat "$work/output")"
[[ ! -e $work/cache ]] || fail "a refused fetch left a cache folder"

# SmolLM2: a file that is given is taken as it is; one that is missing is refused; a failed fetch leaves no model.
smollm2=$root/scripts/fetch_smollm2.sh
touch "$work/given.gguf"
expect 0 env DRYSTILL_SMOLLM2="$work/given.gguf" PATH="$work/other:$PATH" "$smollm2"
[[ $(cat "$work/output") == "$(realpath "$work/given.gguf")" ]] || fail "it printed: $(cat "$work/output")"
expect 3 env DRYSTILL_SMOLLM2="$work/none.gguf" "$smollm2"
expect 3 env -u DRYSTILL_SMOLLM2 DRYSTILL_CACHE="$work/cache" PATH="$work/other:$PATH" "$smollm2"
grep --quiet 'python3 has no pip' "$work/output" || fail "unclear refusal: $(cat "$work/output")"
[[ ! -e $work/cache ]] || fail "a refused fetch left a cache folder"

# The test suite does not leave the tests against it out by itself: it says how to.
stand_in dpkg-query 'echo -n installed'
expect 3 env -u DRYSTILL_SMOLLM2 -u DRYSTILL_SKIP_SMOLLM2 DRYSTILL_CACHE="$work/cache" \
  PATH="$work/other:$work/bin:$PATH" "$work/scripts/test.sh"
grep --quiet 'DRYSTILL_SKIP_SMOLLM2=1' "$work/output" || fail "unclear refusal: $(cat "$work/output")"

# quickstart.sh: the second call does not run again and says so, and that the configuration was edited in between.
quick=$work/quickstart
mkdir -p "$quick/scripts" "$quick/build/release/apps" "$quick/configs/vision/fashion_mnist"
cp "$root/scripts/quickstart.sh" "$quick/scripts"
printf '#!/bin/bash\n' >"$quick/scripts/build.sh"
cat >"$quick/build/release/apps/drystill" <<'DRYSTILL'
#!/bin/bash
echo "$1" >>calls
case $1 in
  distill) mkdir -p "$4" && cp "$2" "$4/config.yaml" && echo '{"seconds": 60}' ;;
  evaluate) echo '{"teacher_accuracy": 0.9, "accuracy": 0.8, "agreement": 0.85}' ;;
  config) cat "$3" ;;
esac
DRYSTILL
chmod 755 "$quick/scripts/build.sh" "$quick/build/release/apps/drystill"
config=$quick/configs/vision/fashion_mnist/cudfkd_resnet8.yaml
printf 'name: ""\nseed: 0\n' >"$config"
expect 0 "$quick/scripts/quickstart.sh"
grep --quiet 'Student *80.00 %' "$work/output" || fail "no result in: $(cat "$work/output")"
! grep --quiet 'already done' "$work/output" || fail "the first call says that it was done"
expect 0 "$quick/scripts/quickstart.sh"
grep --quiet "already done on $(date +%Y)-.*; remove runs/quickstart to run again" "$work/output" ||
  fail "the second call does not say that it only shows: $(cat "$work/output")"
! grep --quiet 'has changed' "$work/output" || fail "nothing was edited: $(cat "$work/output")"
printf 'name: ""\nseed: 1\n' >"$config"
expect 0 "$quick/scripts/quickstart.sh"
grep --quiet 'cudfkd_resnet8.yaml has changed since' "$work/output" && grep --quiet '^> seed: 1' "$work/output" ||
  fail "the edited configuration goes unnoticed: $(cat "$work/output")"
[[ $(grep --count distill "$quick/calls") == 1 ]] || fail "it ran again"
echo "The set-up scripts behave."
