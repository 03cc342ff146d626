"""drystill generate with the real SmolLM2 goes on greedily as `transformers` does on the same dequantised weights, and
so does the Hugging Face folder that drystill convert makes of it.
usage: smollm2_test.py PROGRAM MODEL.gguf (scripts/fetch_smollm2.sh prints it)"""
import json
import pathlib
import sys
import tempfile

from tiny_world import drystill

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "language" / "smollm2_greedy.json"


def continuation(model, case, tokens):
    result = drystill("generate", model, "--prompt", case["prompt"], *(["--raw"] if case["raw"] else []), "--json",
                      "--temperature", 0, "--max-new-tokens", tokens, "--dtype", "float32", "--threads", 1)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["ids"]


def check_converted(model, cases):
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        result = drystill("convert", model, folder, "--force")
        assert result.returncode == 0, result.stderr
        for case in cases:
            ids = continuation(folder, case, 16)
            if ids != case["ids"][:16]:
                failures.append(f"{case['prompt']!r}: the converted model writes {ids}, expected {case['ids'][:16]}")
    return failures


def main():
    model, golden = pathlib.Path(sys.argv[2]), json.loads(GOLDEN.read_text())
    assert model.name == golden["file"], f"{model} is another file than {golden['file']}"
    assert len(golden["cases"]) >= 2, "the golden file has lost its cases"
    failures = []
    for case in golden["cases"]:
        ids = continuation(model, case, golden["max_new_tokens"])
        if ids != case["ids"]:
            shorter = min(len(ids), len(case["ids"]))
            same = next((i for i in range(shorter) if ids[i] != case["ids"][i]), shorter)
            failures.append(f"{case['prompt']!r}: differs at token {same}: {ids[same:same + 5]}, expected "
                            f"{case['ids'][same:same + 5]}")
    # A chat, and a bare text: that one shows which token the converted tokenizer begins with.
    cases = [next(case for case in golden["cases"] if case["raw"] == raw) for raw in (False, True)]
    failures += check_converted(model, cases)
    print("\n".join(failures) or f"{len(golden['cases'])} continuations equal those of transformers")
    raise SystemExit(1 if failures else 0)


main()
