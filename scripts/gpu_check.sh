#!/usr/bin/env bash
# Checks the CUDA kernels on a machine with a GPU that has torch 2.11 (CUDA 13) for Python and nothing else of ours.
#
#   scripts/gpu_check.sh bundle BUILD_DIR [BUNDLE.tar.gz]   where the code was built with -DDRYSTILL_CUDA=ON and benchmarks;
#                                                           that machine needs no GPU
#   scripts/gpu_check.sh run [OUT_DIR]                      inside the unpacked bundle, on the machine with the GPU
#
# `run` executes every CUDA test against the reference, the kernel benchmarks, a training step against its Python peers,
# and compute-sanitizer where it is installed (each tool for at most DRYSTILL_SANITIZER_SECONDS, 600), and writes
# OUT_DIR/gpu_check.json and gpu_check.md. It exits with 1 when anything failed; what could not run is named.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
limit_bytes=$((60 * 1000 * 1000))

die() {
  echo "gpu_check: $*" >&2
  exit 1
}

bundle() {
  local build="${1:?usage: gpu_check.sh bundle BUILD_DIR [BUNDLE.tar.gz]}" output="${2:-gpu_check.tar.gz}" stage
  stage="$(mktemp -d)"
  trap "rm -rf '$stage'" EXIT
  mkdir -p "$stage/gpu_check/bin" "$stage/gpu_check/lib"
  local program
  for program in tests/kernels/drystill_kernels_cuda_test bench/kernels/drystill_kernels_cuda_bench \
    bench/distiller/drystill_step_bench; do
    [[ -x "$build/$program" ]] || die "$build/$program is missing: configure with -DDRYSTILL_CUDA=ON -DDRYSTILL_BUILD_BENCH=ON, build $(basename "$program")"
    cp "$build/$program" "$stage/gpu_check/bin/"
    # What the other machine may lack: the distribution's libraries, all but the C library and the compiler's runtime.
    # torch brings its own and CUDA's.
    ldd "$build/$program" | awk '$3 ~ "^(/usr)?/lib" { print $1, $3 }' |
      { grep -Ev '^lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|gomp|cudart)\.so' || true; } |
      while read -r name path; do cp -Ln "$path" "$stage/gpu_check/lib/$name"; done
  done
  strip --strip-unneeded "$stage"/gpu_check/bin/*
  cp "${BASH_SOURCE[0]}" "$here/../tools/gpu_report.py" "$here/../tools/compare_vision_step.py" "$stage/gpu_check/"
  mkdir "$stage/gpu_check/peers"
  cp "$here/../tools/peers/vision_step.py" "$stage/gpu_check/peers/"
  git -C "$here" rev-parse HEAD >"$stage/gpu_check/revision.txt" 2>/dev/null || echo unknown >"$stage/gpu_check/revision.txt"
  tar -C "$stage" -czf "$output" gpu_check
  local bytes
  bytes="$(stat -c %s "$output")"
  ((bytes < limit_bytes)) || die "$output has $bytes bytes, more than the $limit_bytes allowed; build for one architecture (-DCMAKE_CUDA_ARCHITECTURES=90) and without a preset: files compiled together drag OpenCV into the benchmark"
  echo "$output: $bytes bytes"
}

# Runs a step, keeps its output in a file and its exit status in steps.txt: "<name> <status>".
step() {
  local name="$1" status=0
  shift
  echo "== $name" >&2
  "$@" >"$out/$name.log" 2>&1 || status=$?
  echo "$name $status" >>"$out/steps.txt"
  ((status == 0)) || tail -n 20 "$out/$name.log" >&2
}

run() {
  out="${1:-gpu_check_result}"
  mkdir -p "$out"
  : >"$out/steps.txt"
  local torch_dir nvidia sanitizer
  torch_dir="$(python3 -c 'import torch; print(torch.__path__[0])')" || die "python3 cannot import torch; torch 2.11 with CUDA 13 is needed"
  python3 -c 'import sys, torch; sys.exit(not (torch.__version__.startswith("2.11.0") and torch.cuda.is_available()))' ||
    die "torch 2.11.0 with a usable CUDA device is needed"
  nvidia="$(find "$torch_dir/../nvidia" -maxdepth 3 -type d -name lib 2>/dev/null | paste -sd: || true)"
  export LD_LIBRARY_PATH="$torch_dir/lib:$nvidia:$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

  step tests "$here/bin/drystill_kernels_cuda_test" --gtest_output="json:$out/tests.json"
  step benchmarks "$here/bin/drystill_kernels_cuda_bench" --benchmark_out="$out/benchmarks.json" --benchmark_out_format=json
  step training python3 "$here/compare_vision_step.py" "$here/bin/drystill_step_bench" --device cuda --batch 256 --repeat 5 \
    --bf16 --json "$out/training.json"
  # The kernels of this project alone: token divergence on the GPU is composed of LibTorch's. Last, for it is the slowest.
  sanitizer="$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)"
  if [[ -n "$sanitizer" ]]; then
    local tool
    for tool in memcheck racecheck synccheck; do
      step "$tool" timeout "${DRYSTILL_SANITIZER_SECONDS:-600}" "$sanitizer" --tool "$tool" --error-exitcode 9 \
        "$here/bin/drystill_kernels_cuda_test" --gtest_filter='CudaBatch*:CudaDivergence*'
    done
  else
    echo "compute-sanitizer missing" >>"$out/steps.txt"
  fi
  python3 "$here/gpu_report.py" "$out" "$(cat "$here/revision.txt")"
}

case "${1:-}" in
  bundle) shift && bundle "$@" ;;
  run) shift && run "$@" ;;
  *) sed -n '2,10p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' && exit 2 ;;
esac
