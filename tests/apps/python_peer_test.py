"""transformers and peft read what we write: folders of every golden family by `drystill convert`, a LoRA adapter by
`drystill distill`.
usage: python_peer_test.py PROGRAM PYTHON      run by PYTHON; where that is empty, the test is skipped"""
import json
import pathlib
import shutil
import sys
import tempfile

SKIPPED = 77  # ctest's SKIP_RETURN_CODE

if not sys.argv[2]:
    print("skipped: configure with -DDRYSTILL_PEER_PYTHON=PYTHON, one with torch, transformers and peft")
    raise SystemExit(SKIPPED)

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiny_language_world import TEXT, LanguageWorld, write_tokenizer
from tiny_world import drystill

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "language"
FAMILIES = ["gpt2", "llama", "llama3", "llama_linear", "llama_untied", "mistral", "qwen2", "qwen3"]


def run(*arguments):
    result = drystill(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def loaded(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def check_family(name, folder):
    origin = folder / name
    origin.mkdir()
    for file in ("config.json", "model.safetensors"):
        shutil.copy(GOLDEN / name / file, origin)
    write_tokenizer(origin)
    golden = load_file(GOLDEN / name / "expected.safetensors")
    expected = loaded(GOLDEN / name)(golden["ids"]).logits
    for dtype in ("keep", "float32"):
        out = folder / f"{name}_{dtype}"
        run("convert", origin, out, "--dtype", dtype)
        model = loaded(out)
        logits = model(golden["ids"]).logits
        assert torch.equal(logits, expected), f"{name} {dtype}: {(logits - expected).abs().max()}"
        theirs, ours = loaded(GOLDEN / name).config, model.config
        assert (theirs.bos_token_id, theirs.eos_token_id) == (ours.bos_token_id, ours.eos_token_id), name
    assert (logits - golden["logits"]).abs().max() < 1e-4, name
    ids = [json.loads(line)["ids"] for line in run("tokenize", out, "--text", folder / "text.txt", "--json").splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert ids == [tokenizer.encode(line, add_special_tokens=False) for line in TEXT.splitlines()], name


def log_probabilities(model, ids):
    log_probs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return log_probs[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def check_adapter(folder):
    world = LanguageWorld(folder)
    out = folder / "run"
    run("distill", world.config, "--set", "student.layers=[0, 1, 2, 3]", "--set", "trainable.method=lora", "--set",
        "trainable.rank=2", "--set", "optimizer.learning_rate=0.01", "--set", "loop.epochs=2", "--out", out, "-q")
    ids = list(TEXT.encode()[:64])
    (folder / "ids.jsonl").write_text(json.dumps({"ids": ids}) + "\n")
    scored = run("score", world.teacher, "--adapter", out / "student", "--ids", folder / "ids.jsonl", "--json")
    ours = torch.tensor(json.loads(scored)["log_probabilities"])
    plain = log_probabilities(loaded(world.teacher), ids)
    adapted = log_probabilities(PeftModel.from_pretrained(loaded(world.teacher), out / "student").eval(), ids)
    assert (adapted - plain).abs().max() > 1e-2, "the adapter changes nothing"
    assert (adapted - ours).abs().max() < 1e-4, f"peft differs by {(adapted - ours).abs().max()}"


def main():
    with torch.no_grad(), tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "text.txt").write_text(TEXT)
        for family in FAMILIES:
            check_family(family, folder)
        (folder / "world").mkdir()
        check_adapter(folder / "world")
    print("ok")


main()
