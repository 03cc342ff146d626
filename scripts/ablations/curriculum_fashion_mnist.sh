#!/usr/bin/env bash
# Does the curriculum earn its place? Pacing none/hard/soft/log x adversarial ramp off/on, seeds 0 1 2, on Fashion-MNIST.
#
#   scripts/ablations/curriculum_fashion_mnist.sh [RUNS_FOLDER]     # default runs/ablation_curriculum
#
# A finished cell is not run again, an interrupted one is resumed: call it as often as you like. Prints a Markdown table
# of last-step accuracies. EPOCHS=n shortens every cell.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly runs="${1:-runs/ablation_curriculum}"
readonly drystill="${DRYSTILL:-build/release/apps/drystill}"
readonly config=configs/vision/fashion_mnist/cudfkd_resnet8.yaml
readonly epochs="${EPOCHS:-}"

accuracy() {  # last-step accuracy of a finished run
  "$drystill" evaluate "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["accuracy"])'
}

cell() {  # cell PACING RAMP SEED: prints its accuracy
  local folder="$runs/$1-ramp_$2-seed$3"
  local sets=(--set "curriculum.pacing=$1" --set "seed=$3")
  [[ "$2" == off ]] && sets+=(--set curriculum.adversarial.initial=0 --set curriculum.adversarial.per_epoch=0)
  [[ -n "$epochs" ]] && sets+=(--set "loop.epochs=$epochs")
  if [[ ! -f "$folder/student.safetensors" ]]; then
    "$drystill" distill "$config" "${sets[@]}" --set loop.evaluate_every=0 --out "$folder" --on-exists resume -q >/dev/null
  fi
  accuracy "$folder"
}

mkdir -p "$runs"
echo "| pacing | adversarial ramp | seed 0 | seed 1 | seed 2 | mean | std |"
echo "|---|---|---|---|---|---|---|"
for ramp in off on; do
  for pacing in none hard soft log; do
    values=()
    for seed in 0 1 2; do values+=("$(cell "$pacing" "$ramp" "$seed")"); done
    python3 - "$pacing" "$ramp" "${values[@]}" <<'PYTHON'
import statistics, sys
pacing, ramp, *values = sys.argv[1:]
values = [100 * float(v) for v in values]
cells = " | ".join(f"{v:.2f}" for v in values)
print(f"| {pacing} | {ramp} | {cells} | {statistics.mean(values):.2f} | {statistics.stdev(values):.2f} |", flush=True)
PYTHON
  done
done
