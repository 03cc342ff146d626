#!/usr/bin/env bash
# scripts/quickstart.sh [vision|language]: from nothing to a student without data.
#   vision    (default) a Fashion-MNIST teacher is distilled by CuDFKD without opening a training image, and the student
#             is measured on the real test set
#   language  SmolLM2-135M-Instruct becomes a model of half its layers from text that it writes itself, and the student
#             is measured on real held-out text
# Installs packages, fetches the LibTorch SDK, builds. An interrupted call goes on where it stopped; a call after a finished
# one only shows its result, without network, and says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

job=${1:-vision}
case $job in
  vision) config=configs/vision/fashion_mnist/cudfkd_resnet8.yaml run=runs/quickstart ;;
  language) config=configs/language/smollm2_half.yaml run=runs/quickstart_language ;;
  *) echo "quickstart: unknown job '$job'; expected vision or language" >&2; exit 2 ;;
esac

scripts/build.sh release
drystill=build/release/apps/drystill
if [[ $job == language ]]; then
  DRYSTILL_SMOLLM2=$(scripts/fetch_smollm2.sh)
  export DRYSTILL_SMOLLM2
fi

# changed_since: what the configuration says now and did not when the run was made, as a diff; nothing where it is the same.
changed_since() {
  # Both through this program, which may know options that the run's did not; the run's name is its folder's.
  diff <("$drystill" config show "$run/config.yaml" | grep -v '^name:') <("$drystill" config show "$config" | grep -v '^name:') || true
}

# Each result is written under its final name only when whole, so its presence means that there is nothing left to do.
if [[ -e $run/result.json ]]; then
  echo "quickstart: already done on $(date --reference="$run/result.json" '+%Y-%m-%d %H:%M'); remove $run to run again" >&2
  changes=$(changed_since)
  [[ -z $changes ]] || echo "quickstart: $config has changed since, what follows is of the old one (<):"$'\n'"$changes" >&2
else
  mkdir -p runs
  "$drystill" distill "$config" --out "$run" --on-exists resume --json >"$run.partial"
  mv "$run.partial" "$run/result.json"
fi
if [[ ! -e $run/evaluation.json ]]; then
  "$drystill" evaluate "$run" --json >"$run/evaluation.json.partial"
  "$drystill" report "$run" -o "$run/report.html"
  mv "$run/evaluation.json.partial" "$run/evaluation.json"
fi

python3 - "$job" "$run" <<'PYTHON'
import json, pathlib, sys

job, run = sys.argv[1], pathlib.Path(sys.argv[2])
result = json.loads((run / "evaluation.json").read_text())
minutes = json.loads((run / "result.json").read_text())["seconds"] / 60
print()
if job == "vision":
    grids = sorted((run / "samples").glob("*.png"), key=lambda path: path.stat().st_mtime)
    print(f"Teacher     {100 * result['teacher_accuracy']:6.2f} %   on the real test set")
    print(f"Student     {100 * result['accuracy']:6.2f} %   trained without a single real image")
    print(f"Agreement   {100 * result['agreement']:6.2f} %   of the test images get the teacher's class from the student")
    print(f"Time        {minutes:6.1f} min")
    print(f"Samples     {grids[-1] if grids else 'none'}")
else:
    print(f"KL          {result['kl']:6.3f}     nats a token, teacher against student, on real held-out text")
    print(f"Agreement   {100 * result['agreement']:6.2f} %   of its tokens get the teacher's likeliest word from the student")
    print(f"Perplexity  {result['perplexity']:6.1f}     of the student; the teacher's is {result['teacher_perplexity']:.1f}")
    print(f"Time        {minutes:6.1f} min")
    print(f"Student     {run / 'student'}")
print(f"Report      {run / 'report.html'}")
PYTHON
