"""Every preset of language distillation, end to end on tiny models: its documented values reach the run, the run ends,
and what the method minimises is lower at its end than at its start.
usage: language_presets_test.py PROGRAM [PRESET...]"""
import json
import pathlib
import sys
import tempfile

from tiny_language_world import TEXT, write_model
from tiny_world import drystill, metrics

PRESETS = pathlib.Path(__file__).resolve().parents[2] / "configs" / "presets"

# Small enough for a test. Everything else of a preset stays as it is.
SMALL = {"device": "cpu", "threads": 1, "batch": 4, "micro_batch": 4, "draw": 4, "longest": 512,
         "rollout.sampling.max_new_tokens": 8, "optimizer.learning_rate": 0.01, "loop.epochs": 1,
         "loop.epoch_steps": 12, "loop.log_every": 1, "loop.evaluate_start": True, "schedule.kind": "constant"}


class Preset:
    """documented: values of docs/methods/<name>.md. needs: what the page says must be given. falls: the metric that
    the method minimises. small: further values for a tiny run."""

    def __init__(self, documented, needs, falls="loss", small=None, between_0_and_1=()):
        self.documented, self.needs, self.falls = documented, needs, falls
        self.small, self.between_0_and_1 = SMALL | (small or {}), between_0_and_1


def presets(world):
    two = {"teacher.model": world / "teacher", "student.from": world / "student"}
    one = {"student.from": world / "teacher"}
    records = {"rollout.prompts.path": world / "records.jsonl"}
    lora = {"trainable.method": "lora"}
    sft = {"loss.divergence_weight": 0, "loss.cross_entropy": 1, "loss.aggregation": "token_mean"}
    return {
        "hinton": Preset(
            {"rollout.author": "fixed", "loss.divergence_weight": 0.5, "loss.cross_entropy": 0.5,
             "loss.divergence.kind": "forward_kl", "loss.divergence.temperature": 2,
             "loss.divergence.scale_by_temperature_squared": True}, two | records),
        "seq_kd": Preset(
            {"rollout.author": "teacher", "rollout.sampling.temperature": 0, **sft}, two | records),
        "gkd": Preset(
            {"rollout.author": "mixture", "rollout.student_share": 0.5, "rollout.mixture_with": "teacher",
             "rollout.sampling.max_new_tokens": 128, "rollout.sampling.temperature": 0.9, "rollout.sampling.top_k": 0,
             "loss.divergence.kind": "jensen_shannon", "loss.divergence.beta": 0.5, "loss.divergence.temperature": 1,
             "batch": 32, "draw": 32, "optimizer.learning_rate": 1e-4}, two | records),
        "on_policy_distillation": Preset(
            {**lora, "trainable.rank": 128, "rollout.author": "student", "rollout.group": 4,
             "rollout.sampling.temperature": 1, "loss.divergence_weight": 0, "loss.advantage.coefficient": 1,
             "loss.advantage.discount": 0, "loss.advantage.surrogate": "importance_sampling",
             "loss.advantage.importance_clip": 0, "batch": 256, "draw": 256, "longest": 5120,
             "optimizer.learning_rate": 1e-4, "optimizer.beta2": 0.95}, two | records, falls="kl",
            small={"batch": 32, "micro_batch": 32, "draw": 32}),
        "minillm": Preset(
            {"rollout.author": "token_mixture", "rollout.teacher_share": 0.2, "loss.divergence_weight": 1,
             "loss.divergence.kind": "reverse_kl", "loss.advantage.coefficient": 2, "loss.advantage.discount": 1,
             "loss.advantage.normalise_by_length": True, "loss.advantage.reward_clip": 100,
             "loss.advantage.whiten": True, "loss.advantage.surrogate": "ppo", "loss.advantage.ppo_clip": 0.2,
             "batch": 64, "micro_batch": 16, "draw": 256, "passes": 4, "longest": 512, "optimizer.learning_rate": 5e-6,
             "schedule.warmup": 0.02, "loop.epochs": 50, "loop.epoch_steps": 100}, two | records),
        "sky_t1": Preset(
            {"rollout.author": "teacher", "rollout.sampling.temperature": 0, "rollout.verifier.method": "number",
             "rollout.keep": "accepted", "batch": 96, "passes": 3, "longest": 17408, "optimizer.learning_rate": 1e-5,
             "loop.epochs": 3, "loop.epoch_steps": 177, **sft},
            {"teacher.model": world / "counting", "student.from": world / "student",
             "rollout.prompts.path": world / "sums.jsonl"}),
        "context_distillation": Preset(
            {"teacher.weights.weights": "initial", **lora, "trainable.rank": 32, "rollout.author": "teacher",
             "rollout.sampling.temperature": 0.15, "rollout.sampling.max_new_tokens": 1000,
             "teacher_view.user": "{instruction}\n\n{prompt}", "student_view.user": "{prompt}", "batch": 128,
             "schedule.kind": "linear", "optimizer.learning_rate": 1e-4, **sft}, one | records),
        "cartridge": Preset(
            {"teacher.weights.weights": "live", "trainable.method": "kv_prefix", "trainable.length": 2048,
             "trainable.frozen": 1, "rollout.prompts.method": "dialogue", "rollout.prompts.chunk_min": 512,
             "rollout.prompts.chunk_max": 4096, "rollout.prompts.max_tokens": 512, "rollout.prompts.temperature": 0.6,
             "rollout.sampling.max_new_tokens": 1024, "rollout.sampling.temperature": 0,
             "teacher_view.system": "{chunk}", "loss.divergence.kind": "cross_entropy",
             "loss.divergence.support": "teacher_top_k", "loss.divergence.k": 20, "loss.divergence.remainder": "drop",
             "batch": 64, "passes": 2, "optimizer.learning_rate": 2e-2, "loop.epochs": 8, "loop.epoch_steps": 256},
            one | {"rollout.prompts.paths": f"[{world}/text.txt]", "trainable.text": world / "text.txt"},
            small={"trainable.length": 8, "rollout.prompts.chunk_min": 16, "rollout.prompts.chunk_max": 24,
                   "rollout.prompts.max_tokens": 4, "batch": 16, "micro_batch": 16, "draw": 16,
                   "loop.epoch_steps": 24, "optimizer.learning_rate": 0.03}),
        "sdft": Preset(
            {"teacher.weights.weights": "ema", "teacher.weights.rate": 0.01, "rollout.author": "student",
             "rollout.sampling.max_new_tokens": 1024, "loss.divergence.kind": "forward_kl", "loss.skip_first": 3,
             "loss.aggregation": "sequence_mean", "batch": 32, "optimizer.learning_rate": 1e-5}, one | records,
            small={"rollout.sampling.max_new_tokens": 16}),
        "opsd": Preset(
            {"teacher.weights.weights": "initial", **lora, "trainable.rank": 64, "trainable.alpha": 128,
             "rollout.author": "student", "rollout.sampling.temperature": 1.1, "rollout.sampling.top_p": 0.95,
             "rollout.sampling.top_k": 20, "rollout.sampling.max_new_tokens": 1024,
             "loss.divergence.kind": "forward_kl", "loss.divergence.temperature": 1.1,
             "loss.divergence.scale_by_temperature_squared": False, "loss.divergence.entry_clip": 0.05, "batch": 32,
             "optimizer.learning_rate": 2e-4, "clip_gradient": 1}, one | records),
        "sdpo": Preset(
            {"teacher.weights.weights": "ema", "teacher.weights.rate": 0.05, "rollout.author": "student",
             "rollout.group": 8, "rollout.verifier.method": "choice", "rollout.keep": "all",
             "loss.divergence.kind": "jensen_shannon", "loss.divergence.beta": 0.5,
             "loss.divergence.support": "student_top_k", "loss.divergence.k": 100, "loss.divergence.remainder": "tail",
             "loss.importance_clip": 2, "batch": 256, "draw": 256, "longest": 18944,
             "optimizer.learning_rate": 1e-5, "schedule.warmup": 0.0025},
            {"student.from": world / "choosing", "rollout.prompts.path": world / "choices.jsonl"},
            small={"batch": 8, "micro_batch": 8, "draw": 16, "rollout.sampling.max_new_tokens": 6,
                   "optimizer.learning_rate": 0.003}, between_0_and_1=("accepted",)),
        "llm_qat": Preset(
            {"rollout.prompts.method": "vocab_start", "rollout.prompts.greedy_min": 3, "rollout.prompts.greedy_max": 5,
             "rollout.author": "teacher", "rollout.sampling.max_new_tokens": 2047, "loss.divergence.kind": "forward_kl",
             "batch": 8, "draw": 64, "longest": 2048, "optimizer.learning_rate": 2e-5, "schedule.kind": "cosine",
             "loop.epochs": 12, "loop.epoch_steps": 1000}, two, falls="kl"),
        "disagreement_filter": Preset(
            {"candidates": 4, "draw": 16, "ramps.window_low.from": 0, "ramps.window_low.to": 0.75,
             "ramps.window_low.end": 0.8, "ramps.window_high.from": 0.25, "ramps.window_high.to": 1,
             "ramps.window_high.end": 0.8, "rollout.prompts.method": "vocab_start", "rollout.author": "teacher",
             "rollout.sampling.max_new_tokens": 192, "rollout.sampling.temperature": 1,
             "loss.divergence.kind": "forward_kl", "batch": 8, "longest": 256, "optimizer.learning_rate": 2.5e-4,
             "schedule.kind": "one_cycle", "loop.epochs": 4, "loop.epoch_steps": 180}, two, falls="kl"),
        "magpie": Preset(
            {"rollout.prompts.method": "pre_query", "rollout.prompts.max_tokens": 2048,
             "rollout.prompts.temperature": 1, "rollout.prompts.top_p": 1, "rollout.prompts.first_line_only": True,
             "rollout.author": "teacher", "rollout.sampling.max_new_tokens": 2048, "rollout.sampling.temperature": 0,
             "longest": 4096, "optimizer.learning_rate": 2e-5, **sft}, two,
            small={"rollout.prompts.max_tokens": 8}),
    }


def write_world(folder):
    write_model(folder / "teacher", 1)
    write_model(folder / "student", 2)
    write_model(folder / "counting", 3, favour=b"7")
    write_model(folder / "choosing", 4, favour=b"AB  ")
    (folder / "text.txt").write_text(TEXT)
    record = {"prompt": "What is it?", "completion": "It is so.", "instruction": "Be brief.",
              "demonstration": "It is thus.", "reference": "It is so, for it was."}
    (folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    (folder / "sums.jsonl").write_text(json.dumps({"prompt": "How many?", "reference": "7" * 8}) + "\n")
    (folder / "choices.jsonl").write_text(json.dumps({"prompt": "A or B?", "reference": "A"}) + "\n")


def value_of(config, path):
    for key in path.split("."):
        config = config[key]
    return config


def settings(values):
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value, default=str)}"
            if not str(value).startswith("[") else f"{key}={value}")]


def differences(config, expected):
    found = {key: value_of(config, key) for key in expected}
    return [f"{key} is {found[key]!r}, documented {value!r}" for key, value in expected.items() if found[key] != value]


def check(world, name, preset):
    file = PRESETS / f"{name}.yaml"
    shown = drystill("config", "show", file, *settings(preset.needs), "--json")
    assert shown.returncode == 0, f"{name}: {shown.stderr}"
    wrong = differences(json.loads(shown.stdout), preset.documented)

    run = world / f"run_{name}"
    evaluation = ["--set", f"evaluation={{texts: [{world}/text.txt], window: 64, windows: 4}}"]
    result = drystill("distill", file, *settings(preset.needs | preset.small), *evaluation, "--out", run, "-q")
    assert result.returncode == 0, f"{name}: {result.stderr}"
    resolved = json.loads(drystill("config", "show", run / "config.yaml", "--json").stdout)
    wrong += differences(resolved, {**preset.documented, **preset.small})

    values = {}
    for event in metrics(run):
        for key, value in event["values"].items():
            values.setdefault(key, []).append(value)
    falling = values[preset.falls]
    few = 1 if preset.falls == "kl" else 3
    first, last = sum(falling[:few]) / few, sum(falling[-few:]) / few
    print(f"{name}: {preset.falls} {first:.4g} -> {last:.4g}")
    if not last < 0.97 * first:
        wrong.append(f"{preset.falls} went from {first:.4g} to {last:.4g}: {falling}")
    for key in preset.between_0_and_1:
        if not 0 < sum(values[key]) / len(values[key]) < 1:
            wrong.append(f"{key} is {values[key]}")
    return [f"{name}: {line}" for line in wrong]


def main():
    only = sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        world = pathlib.Path(name)
        write_world(world)
        cases = presets(world)
        language = {file.stem for file in PRESETS.glob("*.yaml") if "task: distill_language_model" in file.read_text()}
        assert language == set(cases), f"presets without a test, or tests without a preset: {language ^ set(cases)}"
        failures = [line for name in only or cases for line in check(world, name, cases[name])]
    print("\n".join(failures) or "ok")
    raise SystemExit(1 if failures else 0)


main()
