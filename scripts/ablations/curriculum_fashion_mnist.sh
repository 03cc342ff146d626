#!/usr/bin/env bash
# Does the curriculum earn its place? Pacing none/hard/soft/log x adversarial ramp off/on, seeds 0 1 2, on Fashion-MNIST:
# the main job shortened to 800 steps, with thresholds in the range of the losses, where pacing can bite.
#
#   scripts/ablations/curriculum_fashion_mnist.sh [RUNS_FOLDER]     # default runs/ablation_curriculum
#
# Runs JOBS cells side by side (default: one a core), a thread each. A finished cell is not run again, an interrupted one
# is resumed: call it as often as you like. Prints a Markdown table of last-step accuracies. EPOCHS=n: other lengths.
set -euo pipefail
cd "$(dirname "$0")/../.."

export runs="${1:-runs/ablation_curriculum}"
export drystill="${DRYSTILL:-build/release/apps/drystill}"
export epochs="${EPOCHS:-4}"
[[ -x $drystill ]] || { echo "$drystill: no such program; build it with scripts/build.sh, or set DRYSTILL" >&2; exit 3; }

run_cell() {  # run_cell PACING RAMP SEED
  local folder="$runs/$1-ramp_$2-seed$3"
  [[ -f "$folder/student.safetensors" ]] && return
  local ramp=(--set curriculum.adversarial.initial=0 --set curriculum.adversarial.per_epoch=0)
  [[ "$2" == on ]] && ramp=(--set curriculum.adversarial.per_epoch=1 --set curriculum.adversarial.cap=4
                            --set curriculum.adversarial.begin=0 --set curriculum.adversarial.end=1)
  OMP_NUM_THREADS=1 "$drystill" distill configs/vision/fashion_mnist/cudfkd_resnet8.yaml \
    --set threads=1 --set precision.bfloat16=false --set "seed=$3" --set "loop.epochs=$epochs" \
    --set loop.evaluate_every=0 --set loop.sample_every=0 \
    --set generator.warmup_steps=250 --set "curriculum.pacing=$1" --set curriculum.threshold=2 \
    --set curriculum.threshold_per_step=0.001 "${ramp[@]}" --out "$folder" --on-exists resume >"$folder.json" 2>"$folder.log" ||
    echo "$folder: failed, see $folder.log" >&2
}
export -f run_cell

mkdir -p "$runs"
for seed in 0 1 2; do
  for ramp in off on; do
    for pacing in none hard soft log; do echo "$pacing $ramp $seed"; done
  done
done | xargs -P "${JOBS:-$(nproc)}" -n 3 bash -c 'run_cell "$@"' run_cell

python3 - "$runs" <<'PYTHON'
import json, pathlib, statistics, sys

runs = pathlib.Path(sys.argv[1])
print("| pacing | adversarial ramp | seed 0 | seed 1 | seed 2 | mean | std |")
print("|---|---|---|---|---|---|---|")
unfinished = 0
for ramp in ("off", "on"):
    for pacing in ("none", "hard", "soft", "log"):
        values = []
        for seed in range(3):
            metrics = runs / f"{pacing}-ramp_{ramp}-seed{seed}" / "metrics.jsonl"
            if metrics.exists():
                lines = [json.loads(line) for line in metrics.read_text().splitlines()]
                values += [100 * line["values"]["accuracy"] for line in lines if line["group"] == "evaluation"][-1:]
        if len(values) < 3:
            print(f"| {pacing} | {ramp} | not finished |")
            unfinished += 1
            continue
        cells = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {pacing} | {ramp} | {cells} | {statistics.mean(values):.2f} | {statistics.stdev(values):.2f} |")
sys.exit(1 if unfinished else 0)
PYTHON
