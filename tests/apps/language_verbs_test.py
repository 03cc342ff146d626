"""drystill evaluate, convert, list and tokenize for language models: finished runs of every kind of student, what is
missing said well, folders that load again."""
import json
import os
import pathlib
import pty
import shutil
import struct
import subprocess
import tempfile

from tiny_language_world import LanguageWorld
from tiny_world import PROGRAM, drystill

ROOT = pathlib.Path(__file__).resolve().parents[2]
failures = []


def check(name, condition, detail=""):
    if not condition:
        failures.append(f"{name}: {detail}")


def expect(name, result, code, *words):
    check(name, result.returncode == code, f"exit {result.returncode}, expected {code}: {result.stderr}")
    for word in words:
        check(name, word in result.stderr, f"{word!r} is not in the message: {result.stderr}")


def answer(*arguments):
    result = drystill(*arguments, "--json")
    assert result.returncode == 0, (arguments, result.stderr)
    return json.loads(result.stdout)


def check_adapters(world, parts):
    """generate and score with what was trained over the whole teacher are not those of the teacher."""
    texts = ["--text", world.text, "--threads", 1]
    scored = [drystill("score", world.teacher, *texts).stdout]
    piped = drystill("score", world.teacher, "--text", "-", "--threads", 1, input=world.text.read_text())
    check("score of standard input", piped.stdout.replace("standard input", str(world.text)) == scored[0], piped.stderr)
    for name, trainable in parts.items():
        run = world.folder / f"{name}_over_teacher"
        answer("distill", world.config, "--set", "loop.epochs=1", "--set", "optimizer.learning_rate=0.01", "-q",
               "--set", "student.layers=[0, 1, 2, 3]", *trainable, "--out", run)
        adapter = ["--adapter", run / "student"]
        result = drystill("score", world.teacher, *adapter, *texts)
        expect(f"score with {name}", result, 0)
        scored.append(result.stdout)
        written = answer("generate", world.teacher, *adapter, "--prompt", "To be", "--raw", "--max-new-tokens", 8)
        check(f"generate with {name}", len(written["ids"]) > 0, written)
    check("score with adapters", len(set(scored)) == 3, "the same as without")
    expect("score with no adapter", drystill("score", world.teacher, "--adapter", world.teacher, *texts), 3,
           "adapter_config.json", "kv_prefix.safetensors")


def check_evaluate(world):
    short = ["--set", "loop.epochs=1", "--set", "optimizer.learning_rate=0.01", "-q"]
    lora = ["--set", "trainable.method=lora", "--set", "trainable.rank=2"]
    prefix = ["--set", "trainable.method=kv_prefix", "--set", "trainable.length=8",
              "--set", f"trainable.text={world.text}"]
    for name, trainable, file in (("all", [], "model.safetensors"), ("lora", lora, "adapter_model.safetensors"),
                                  ("prefix", prefix, "kv_prefix.safetensors")):
        run = world.folder / name
        trained = answer("distill", world.config, *short, *trainable, "--out", run)
        check(name, (run / "student" / file).exists(), f"no {file}")
        found = answer("evaluate", run)
        # The run's last checkpoint of the loop is its result: the same model, the same figures.
        for metric in ("kl", "agreement", "perplexity"):
            check(f"evaluate {name}", found[metric] == trained[metric], f"{metric}: {found}, {trained}")
        check(f"evaluate {name}", found["test_tokens"] == 4 * 31, found)
        named = answer("evaluate", world.config, "--model", run / "student", *trainable)
        check(f"evaluate {name} by --model", named == found, f"{named}, of the run {found}")
    check_adapters(world, {"lora": lora, "prefix": prefix})
    kinds = {answer("evaluate", world.folder / name)["kl"] for name in ("all", "lora", "prefix")}
    check("evaluate", len(kinds) == 3, f"different students have the same divergence: {kinds}")

    teacher = answer("evaluate", world.config, "--model", world.teacher)
    check("evaluate of the teacher", teacher["kl"] == 0 and teacher["agreement"] == 1, teacher)
    expect("evaluate without a model", drystill("evaluate", world.config), 2, "no trained model", "--model")
    expect("evaluate of no model", drystill("evaluate", world.config, "--model", world.folder / "none"), 3, "none")
    shutil.rmtree(world.folder / "all" / "student")
    expect("evaluate of an unfinished run", drystill("evaluate", world.folder / "all"), 3, "not finished", "--resume")
    bare = world.write("bare.yaml", f"task: distill_language_model\nteacher: {{model: {world.teacher}}}\n")
    expect("evaluate without text", drystill("evaluate", bare, "--model", world.teacher), 2, "held-out",
           "evaluation")


def dtypes(folder):
    data = (folder / "model.safetensors").read_bytes()
    header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
    kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    return kinds, header["__metadata__"]["format"]


def check_convert(world):
    out = world.folder / "converted"
    whole = ["--prompt", "To be", "--raw", "--temperature", 0, "--max-new-tokens", 16, "--threads", 1]
    texts = answer("generate", world.teacher, *whole)["ids"]
    for dtype, stored in (("keep", "F32"), ("bfloat16", "BF16"), ("float16", "F16"), ("float32", "F32")):
        answer("convert", world.teacher, out / dtype, "--dtype", dtype)
        check(f"convert to {dtype}", dtypes(out / dtype) == ({stored}, "pt"), dtypes(out / dtype))
        config = json.loads((out / dtype / "config.json").read_text())
        check(f"convert to {dtype}", config["torch_dtype"] == ("float32" if dtype == "keep" else dtype), config)
        check(f"convert to {dtype}", (out / dtype / "tokenizer.json").exists(), "no tokenizer")
        ids = answer("generate", out / dtype, *whole)["ids"]
        check(f"convert to {dtype}", len(ids) > 0 and (dtype in ("bfloat16", "float16") or ids == texts), ids)
    expect("convert onto itself", drystill("convert", out / "keep", out / "keep", "--force"), 2, "same folder")
    expect("convert onto what is there", drystill("convert", world.teacher, out / "keep"), 2, "--force")
    file = world.folder / "model.safetensors"
    answer("convert", world.teacher, file, "--dtype", "bfloat16")
    check("convert to a file", answer("inspect", file)["tensors"][0]["dtype"].lower() in ("bf16", "bfloat16"), "")
    expect("convert of a bare file to a folder", drystill("convert", file, world.folder / "bare"), 3, "config.json")
    expect("convert of nothing", drystill("convert", world.folder / "none", world.folder / "new"), 3, "none")
    check_convert_names(world, file)
    check_convert_over_a_model(world, whole, texts)


def check_convert_names(world, file):
    # The name of a model may have a dot.
    for name in ("Qwen2.5-0.5B", "Llama-3.2-1B"):
        answer("convert", world.teacher, world.folder / name)
        check(name, (world.folder / name / "tokenizer.json").exists(), "no folder with a tokenizer")
    # Said before anything is read.
    broken = world.folder / "broken.pth"
    broken.write_text("damaged")
    expect("convert to an unknown format", drystill("convert", broken, world.folder / "a.npz"), 2, ".npz", ".safetensors")
    for source in (world.teacher, file):
        expect("convert to GGUF", drystill("convert", source, world.folder / "a.gguf"), 2, ".gguf", ".safetensors")


def check_convert_over_a_model(world, whole, texts):
    """--force leaves nothing of another model that would be obeyed, and all that is no model's."""
    out = world.folder / "replaced"
    out.mkdir()
    (out / "generation_config.json").write_text(json.dumps({"eos_token_id": texts[:1]}))
    (out / "chat_template.jinja").write_text("{% another model's %}")
    (out / "old-1.safetensors").write_text("old")
    (out / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "old-1.safetensors"}}))
    (out / "notes.txt").write_text("mine")
    answer("convert", world.teacher, out, "--force")
    left = {path.name for path in out.iterdir()}
    check("convert over a model", left >= {"notes.txt", "config.json", "model.safetensors", "tokenizer.json"}, left)
    old = {"generation_config.json", "chat_template.jinja", "model.safetensors.index.json", "old-1.safetensors"}
    check("convert over a model", not left & old, left)
    check("convert over a model", answer("generate", out, *whole)["ids"] == texts, "other text than the model's")
    (out / "adapter_config.json").write_text("{}")
    expect("convert over an adapter", drystill("convert", world.teacher, out, "--force"), 3, "adapter", "another folder")


def check_bfloat16_without_its_instructions(world):
    """LibTorch is told that the processor has AVX2 only: the run computes in float32 and says so."""
    old_processor = os.environ | {"ATEN_CPU_CAPABILITY": "avx2"}

    def losses(name, bfloat16):
        out = world.folder / name
        result = drystill("distill", world.config, "--set", "loop.epochs=1", "--set", f"precision.bfloat16={bfloat16}",
                          "--out", out, env=old_processor)
        expect(name, result, 0)
        warned = "precision.bfloat16" in result.stderr and "float32" in result.stderr
        check(name, warned == (bfloat16 == "true"), result.stderr)
        return [json.loads(line)["values"] for line in (out / "metrics.jsonl").read_text().splitlines()]

    check("bfloat16 without AVX-512", losses("half", "true") == losses("single", "false"), "other numbers than float32")


def check_prune(world):
    out = world.folder / "pruned"
    found = answer("prune", world.teacher, "--keep", 1, "--texts", 4, "--tokens", 16, "--out", out)
    check("prune", len(found["layers"]) == 1 and len(found["dropped"]) > 0, found)
    check("prune", sorted(found["layers"] + [drop["layer"] for drop in found["dropped"]]) ==
          list(range(len(found["dropped"]) + 1)), found)
    check("prune", all(drop["kl"] > 0 for drop in found["dropped"]), found)
    check("prune", json.loads((out / "config.json").read_text())["num_hidden_layers"] == 1, "not one layer")
    check("prune", len(answer("generate", out, "--prompt", "To be", "--raw", "--max-new-tokens", 4)["ids"]) > 0)
    again = answer("prune", world.teacher, "--keep", 1, "--texts", 4, "--tokens", 16)
    check("prune twice", again == found, f"{again}, first {found}")
    expect("prune onto what is there", drystill("prune", world.teacher, "--keep", 1, "--out", out), 2, "pruned")
    expect("prune to more layers", drystill("prune", world.teacher, "--keep", 99), 2, "99")


def check_mistakes_leave_no_run(world):
    run, questions = world.folder / "corrected", world.folder / "questions.jsonl"
    command = ["distill", world.config, "--set", f"rollout.prompts={{method: file, path: {questions}}}", "--set",
               "loop.epochs=1", "--out", run, "-q"]
    expect("missing prompts", drystill(*command), 3, "questions.jsonl")
    check("missing prompts", not run.exists(), "a run folder is left")
    questions.write_text('{"prompt": "Why?"}\n')
    expect("the corrected command", drystill(*command), 0)


def check_adversary_options(world):
    def config(*settings):
        sets = [part for setting in settings for part in ("--set", setting)]
        return drystill("config", "check", world.config, "--set", "rollout.adversarial_prefix={length: 4}", *sets)

    teacher = "rollout.author=teacher"
    expect("an adversary before the teacher", config(teacher), 0)
    expect("an adversary before both", config(), 2, "adversarial_prefix", "author")
    for key, value in (("top_k", 5), ("top_p", 0.9), ("min_p", 0.1), ("min_new_tokens", 2), ("temperature", 0)):
        refused = config(teacher, f"rollout.sampling.{key}={value}")
        expect(f"an adversary with {key}", refused, 2, "adversarial_prefix", key)
    expect("a prefix that is all frozen", config(teacher, "rollout.adversarial_prefix.frozen=4"), 2, "frozen", "length")


VERBS = ("distill", "train", "synthesize", "evaluate", "generate", "score", "tokenize", "prune", "report", "inspect",
         "convert", "config", "list", "doctor")


def check_help():
    top = drystill("--help").stdout
    for verb in VERBS:
        check("--help", f"\n  {verb} " in top, f"{verb} is not in it: {top}")
        text = drystill(verb, "--help").stdout
        examples = text.partition("Examples\n")[2].partition("Exit codes:")[0].splitlines()
        check(f"{verb} --help", examples and all(line.startswith(f"  drystill {verb}") for line in examples), text)
    generate = drystill("generate", "--help").stdout
    for word in ("side by side", "ids", "log_probabilities", "finish_reason", "tokens_per_second"):
        check("generate --help", word in generate, f"no '{word}': {generate}")
    for verb in ("tokenize", "score"):
        check(f"{verb} --help", "BOS" in drystill(verb, "--help").stdout, "no BOS")


def on_terminal(*arguments):
    """What the program writes to a terminal as standard error."""
    ours, terminal = pty.openpty()
    with subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=terminal, env=os.environ | {"TERM": "xterm"}) as process:
        process.wait(timeout=300)
    os.write(terminal, b"end")
    os.close(terminal)
    written = b""
    while not written.endswith(b"end"):
        written += os.read(ours, 1 << 16)
    os.close(ours)
    return written.decode().removesuffix("end")


def check_generate(world):
    sample = ["generate", world.teacher, "--prompt", "To be", "--raw", "--max-new-tokens", 4, "--threads", 1]
    check("progress", "3/3" in on_terminal(*sample, "--batch", 3), "none on a terminal")
    for quiet in (["--batch", 1], ["--batch", 3, "-q"]):
        check("no progress", on_terminal(*sample, *quiet) == "", quiet)
    check("no progress in a pipe", drystill(*sample, "--batch", 3).stderr == "")
    expect("too many tokens", drystill(*sample[:-4], "--max-new-tokens", 4093), 3, "--prompt", "--max-new-tokens 4093",
           "4096", "4091")


def check_names():
    methods = answer("list", "methods")
    for key, name in (("rollout.prompts.method", "vocab_start"), ("rollout.author", "token_mixture"),
                      ("rollout.verifier.method", "number"), ("teacher.weights.weights", "ema"),
                      ("teacher_view, student_view", "fallback_to_prompt"), ("trainable.method", "kv_prefix"),
                      ("rollout.adversarial_prefix", "fluency"), ("loss.divergence.kind", "jensen_shannon"),
                      ("loss.divergence.support", "student_top_k"), ("generator.method", "generative")):
        check("list methods", name in methods.get(key, "").split(", "), f"{key} lacks {name}: {methods}")
    result = drystill("list", "presets", "--json", cwd=ROOT)
    names = list(json.loads(result.stdout))
    check("list presets", len(names) > 10 and names == sorted(names), names)
    check("tokenize --help", ".gguf" in drystill("tokenize", "--help").stdout)


def main():
    with tempfile.TemporaryDirectory() as name:
        world = LanguageWorld(name)
        check_evaluate(world)
        check_convert(world)
        check_prune(world)
        check_bfloat16_without_its_instructions(world)
        check_adversary_options(world)
        check_mistakes_leave_no_run(world)
        check_generate(world)
        check_help()
        check_names()
    print("\n".join(failures) or "ok")
    raise SystemExit(1 if failures else 0)


main()
