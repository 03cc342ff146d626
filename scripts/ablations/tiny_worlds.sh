#!/usr/bin/env bash
# Four claims about distilling language models, in worlds whose truth is known (docs/results/language_tiny_worlds.md):
# data-free against real text, a curriculum against none, on-policy against off-policy, what new knowledge costs the old.
#
#   scripts/ablations/tiny_worlds.sh [RUNS_FOLDER]     # default runs/tiny_worlds
#
# A seed is a world, a teacher and its students of their own. Seeds run JOBS side by side (default: one a core), a thread
# each; SEEDS="0 1" runs some, WORLDS="markov facts" these worlds, CELLS=PATTERN the cells of that name (a regular expression;
# teachers always). A finished cell is not run again, an interrupted one is resumed: call it as often as you like. Prints a
# line a cell, then tables.
set -euo pipefail
cd "$(dirname "$0")/../.."

export runs="${1:-runs/tiny_worlds}"
export drystill="${DRYSTILL:-build/release/apps/drystill}"
[[ -x $drystill ]] || { echo "$drystill: no such program; build it with scripts/build.sh, or set DRYSTILL" >&2; exit 3; }
export configs=configs/language/worlds worlds="${WORLDS:-markov sums facts}" cells_wanted="${CELLS:-.}"

run() {  # run NAME VERB CONFIG [--set ...]: one cell of $folder
  local name="$1" verb="$2" config="$3" output="$folder/$1"
  shift 3
  if [[ ! -e "$output/result.json" ]]; then
    mkdir -p "$(dirname "$output")"
    if ! OMP_NUM_THREADS=1 "$drystill" "$verb" "$configs/$config.yaml" --set "seed=$seed" "$@" --out "$output" \
        --on-exists resume --json -q >"$output.partial" 2>"$output.log"; then
      echo "seed $seed $name: failed: $(tail -n 1 "$output.log")"
      return 1
    fi
    mv "$output.partial" "$output/result.json"
    rm -f "$output.log"
  fi
  python3 -c 'import json, sys
values = json.load(open(sys.argv[3]))
shown = [f"{k} {float(v):.4f}" for k, v in values.items() if k in ("kl", "perplexity") or k.startswith("answers_")]
print("seed", sys.argv[1], sys.argv[2], *shown, values["seconds"], "s", sep="  ")' "$seed" "$name" "$output/result.json"
}
cell() {  # the same for those that CELLS names
  local name="$1"
  shift
  [[ ! "$name" =~ $cells_wanted ]] || run "cells/$name" "$@" || true
}

# How far the on-policy comparison's start is trained: to its first 20 to 60 % of right answers, or where it jumps over
# those, to what is nearest to 40 %; fails where it never comes so far. By length alone it would be at 0 % or 100 %.
start_epochs() {  # start_epochs RUN
  python3 -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
right = [line["values"]["answers_sums"] for line in lines if line["group"] == "evaluation"]
if max(right) < 0.2: sys.exit(1)
nearest = min(right, key=lambda share: abs(share - 0.4))
print(right.index(next((share for share in right if 0.2 <= share <= 0.6), nearest)) + 1)' "$folder/$1/metrics.jsonl"
}

on_sums() {
  local attempt student epochs
  for attempt in 0 1 2 3; do  # some students are still at 0 % after 900 steps: then one with other first weights
    student=$((seed + 100 * attempt))
    seed="$student" run "starts/search_$attempt" train sums_start || return 0
    ! epochs="$(start_epochs "starts/search_$attempt")" || break
  done
  seed="$student" run starts/sums train sums_start --set "loop.epochs=$epochs" || return 0

  for author in fixed teacher student mixture; do
    cell "on_policy_$author" distill sums_on_policy --set "rollout.author=$author"
  done
  cell on_policy_student_reverse distill sums_on_policy --set loss.divergence.kind=reverse_kl
}

# What a student learns from, and in which order, in the world $1.
inputs_of() {
  local world="$1" data_free="${1}_data_free"
  cell "${world}_real" distill "$data_free" --set rollout.author=fixed --set rollout.prompts.method=text \
    --set "rollout.prompts.paths=[$folder/worlds/$world/train.txt]"
  cell "${world}_bos" distill "$data_free"
  cell "${world}_vocab_start" distill "$data_free" --set rollout.prompts.method=vocab_start
  cell "${world}_random_tokens" distill "$data_free" --set rollout.prompts.method=random_tokens \
    --set rollout.author=fixed

  local third=(--set candidates=3 --set ramps.window_low.to=0.66)
  # Just above what a fresh student loses: everything weighs something from the first step on, the easy more.
  local threshold=2
  [[ "$world" != facts ]] || threshold=6
  cell "${world}_self_paced" distill "$data_free" --set curriculum.method=self_paced --set curriculum.pacing=soft \
    --set "curriculum.threshold=$threshold" --set curriculum.threshold_per_step=0.01
  cell "${world}_easy_first" distill "$data_free" "${third[@]}" --set ramps.window_high.from=0.34
  cell "${world}_hardest" distill "$data_free" "${third[@]}" --set ramps.window_low.from=0.66
  # The prefix takes a step for each of the student's.
  cell "${world}_adversarial_prefix" distill "$data_free" --set rollout.adversarial_prefix.length=4 --set draw=32
}

on_markov() { inputs_of markov; }

on_facts() {
  cell facts_cross_entropy train facts_cross_entropy
  cell facts_cross_entropy_text train facts_cross_entropy_text
  cell facts_context_distillation distill facts_context_distillation
  cell facts_self_distillation distill facts_self_distillation
  inputs_of facts
}

run_seed() {
  seed="$1" folder="$runs/seed_$1"
  export DRYSTILL_WORLDS="$folder"
  [[ -e "$folder/worlds/facts/train.txt" ]] || python3 tools/tiny_worlds.py "$folder/worlds" --seed "$seed"
  local world
  for world in $worlds; do
    ! run "teachers/$world" train "${world}_teacher" || "on_$world"
  done
}
export -f run cell start_epochs on_sums inputs_of on_markov on_facts run_seed

# shellcheck disable=SC2016,SC2086
printf '%s\n' ${SEEDS:-0 1 2 3 4} | xargs -P "${JOBS:-$(nproc)}" -n 1 bash -c 'run_seed "$1"' run_seed
python3 tools/tiny_worlds_table.py "$runs"
