#!/usr/bin/env bash
# From nothing to a student without data: packages, LibTorch SDK, build, then a Fashion-MNIST teacher is distilled by
# CuDFKD without opening a training image, and the student is measured on the real test set.
# An interrupted call goes on where it stopped; a call after a finished one only shows its result, without network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

config=configs/vision/fashion_mnist/cudfkd_resnet8.yaml
run=runs/quickstart

scripts/build.sh release
drystill=build/release/apps/drystill

# Each result is written under its final name only when whole, so its presence means that there is nothing left to do.
if [[ ! -e $run/result.json ]]; then
  mkdir -p runs
  "$drystill" distill "$config" --out "$run" --on-exists resume --json >"$run.partial"
  mv "$run.partial" "$run/result.json"
fi
if [[ ! -e $run/evaluation.json ]]; then
  "$drystill" evaluate "$run" --json >"$run/evaluation.json.partial"
  "$drystill" report "$run" -o "$run/report.html"
  mv "$run/evaluation.json.partial" "$run/evaluation.json"
fi

python3 - "$run" <<'PYTHON'
import json, pathlib, sys

run = pathlib.Path(sys.argv[1])
result = json.loads((run / "evaluation.json").read_text())
seconds = json.loads((run / "result.json").read_text())["seconds"]
grids = sorted((run / "samples").glob("*.png"))
print()
print(f"Teacher     {100 * result['teacher_accuracy']:6.2f} %   on the real test set")
print(f"Student     {100 * result['accuracy']:6.2f} %   trained without a single real image")
print(f"Agreement   {100 * result['agreement']:6.2f} %   of the test images get the teacher's class from the student")
print(f"Time        {seconds / 60:6.1f} min")
print(f"Samples     {grids[-1] if grids else 'none'}")
print(f"Report      {run / 'report.html'}")
PYTHON
