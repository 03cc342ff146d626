#!/usr/bin/env python3
"""Markdown tables of what scripts/ablations/tiny_worlds.sh ran: the last step of every cell, mean and 95 % confidence
interval over seeds (Student's t), and the difference to the first row, seed by seed.

    tools/tiny_worlds_table.py RUNS_FOLDER
"""
import json
import math
import pathlib
import statistics
import sys

# 97.5 % quantiles of Student's t, by degrees of freedom.
T = [math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
     2.120, 2.110, 2.101, 2.093, 2.086]

INPUTS = {"real": "real text", "bos": "bos", "vocab_start": "vocab_start", "random_tokens": "random tokens"}
ORDERS = {"bos": "none", "easy_first": "window, easy first",
          "hardest": "always the hardest third", "adversarial_prefix": "adversarial prefix",
          "self_paced": "self-paced (soft)"}
KL, TRUTH = ("kl", "KL to the teacher, nats", 1, 4), ("above_truth", "KL to the chain itself, nats", 1, 4)
SUMS = [("answers_sums@20", "right answers after 20 steps, %", 100, 1), ("answers_sums", "after 200 steps, %", 100, 1)]
OLD, READING = ("answers_old", "facts, %", 100, 1), ("answers_reading", "reading from a context, %", 100, 1)
TABLES = [
    ("Data-free against real text, Markov", "markov_", INPUTS, [KL, TRUTH]),
    ("Data-free against real text, facts", "facts_", INPUTS, [KL, OLD, READING]),
    ("Curriculum, Markov", "markov_", ORDERS, [KL, TRUTH]),
    ("Curriculum, facts", "facts_", ORDERS, [KL, OLD, READING]),
    ("On-policy, sums", "on_policy_", {"fixed": "nobody: the true answers", "teacher": "teacher", "student": "student",
                                       "mixture": "student or teacher", "student_reverse": "student, reverse KL"}, SUMS),
    ("Forgetting, facts", "facts_", {"cross_entropy": "cross-entropy on answers",
                                     "cross_entropy_text": "cross-entropy on sentences",
                                     "context_distillation": "context distillation",
                                     "self_distillation": "self-distillation, student's answers"},
     [("answers_new", "new facts, %", 100, 1), ("answers_old", "old facts, %", 100, 1), READING]),
]
BASES = [("teachers/markov", "above_truth", "KL to the chain itself, nats", 1),
         ("teachers/sums", "answers_sums", "right answers, %", 100),
         ("starts/sums", "answers_sums", "right answers of the first 100, %", 100),
         ("teachers/facts", "answers_old", "old facts, %", 100), ("teachers/facts", "answers_new", "new facts, %", 100),
         ("teachers/facts", "answers_reading", "reading from a context, %", 100)]


def evaluation(run, step=None):
    """The metrics after that step, or the last; nothing where the run is not finished."""
    if not (run / "result.json").exists():
        return {}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["values"] for line in lines if line["group"] == "evaluation" and step in (None, line["step"])][-1]


def interval(values, digits):
    """mean ± half-width of the 95 % confidence interval."""
    if len(values) < 2:
        return "not finished"
    half = T[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.{digits}f} ± {half:.{digits}f}"


def truth_of(seed):
    return json.loads((seed / "worlds/markov/truth.json").read_text())["nats_per_token"]


def value_of(seed, run, metric):
    metric, _, step = metric.partition("@")
    values = evaluation(seed / run, int(step) if step else None)
    if metric == "above_truth":  # KL(chain || model): cross-entropy less the chain's own, on the same text
        return math.log(values["perplexity"]) - truth_of(seed) if values else None
    return values.get(metric)


def values_of(seeds, run, metric, scale):
    """By seed, those that are finished."""
    found = {seed.name: value_of(seed, run, metric) for seed in seeds}
    return {name: scale * value for name, value in found.items() if value is not None}


def print_table(seeds, title, prefix, rows, metrics):
    print(f"\n**{title}**\n")
    heads = [cell for _, text, _, _ in metrics for cell in (text, "difference to the first row")]
    print("| | " + " | ".join(heads) + " | seeds |")
    print("|---|" + "---:|" * (len(heads) + 1))
    first = {}
    for name, text in rows.items():
        cells, count = [], 0
        for metric, _, scale, digits in metrics:
            values = values_of(seeds, f"cells/{prefix}{name}", metric, scale)
            base = first.setdefault(metric, values)
            pairs = [values[seed] - base[seed] for seed in values if seed in base]
            cells += [interval(list(values.values()), digits), "" if base is values else interval(pairs, digits)]
            count = len(values)
        print(f"| {text} | " + " | ".join(cells) + f" | {count} |")


def main():
    seeds = sorted(path for path in pathlib.Path(sys.argv[1]).glob("seed_*") if path.is_dir())
    print("\n**Teachers**\n\n| | last step | seeds |\n|---|---:|---:|")
    for run, metric, text, scale in BASES:
        values = list(values_of(seeds, run, metric, scale).values())
        print(f"| {run}: {text} | {interval(values, 3 if scale == 1 else 1)} | {len(values)} |")
    for table in TABLES:
        print_table(seeds, *table)
    seconds = [float(json.loads(path.read_text())["seconds"]) for path in pathlib.Path(sys.argv[1]).rglob("result.json")]
    print(f"\n{len(seconds)} runs, {sum(seconds) / 60:.1f} minutes of one thread each, added up.")


if __name__ == "__main__":
    main()
