"""drystill doctor, dry runs, and what a trained model says of how it was made."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from tiny_language_world import LanguageWorld
from tiny_world import PROGRAM, World, drystill, metrics

failures = []


def check(name, condition, detail=""):
    if not condition:
        failures.append(f"{name}: {detail}")


def answer(*arguments):
    result = drystill(*arguments, "--json")
    assert result.returncode == 0, (arguments, result.stderr)
    return json.loads(result.stdout)


def metadata(file):
    with open(file, "rb") as stream:
        return json.loads(stream.read(int.from_bytes(stream.read(8), "little")))["__metadata__"]


def weights(file):
    """Everything of a model but its metadata, which has its command line."""
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    del header["__metadata__"]
    return header, data[begin:]


def check_doctor():
    facts = answer("doctor")
    for name in ("libtorch", "blas", "mkl", "onednn", "openmp", "threads"):
        check(f"doctor's {name}", facts.get(name), facts)
    check("doctor's reason for no CUDA", facts["cuda"].startswith("none usable: this program was built without CUDA;") and
          "DRYSTILL_CUDA=ON" in facts["cuda"], facts["cuda"])


def dry_run(folder, verb, config, *arguments):
    """Its answer, after nothing was written."""
    before = sorted(folder.rglob("*"))
    plan = answer(verb, config, "--dry-run", "-q", *arguments)
    check(f"dry run of {config.name}", sorted(folder.rglob("*")) == before, "something was written")
    return plan


def check_dry_runs(world, folder):
    out = folder / "planned"
    plan = dry_run(folder, "distill", world.config, "--out", out)
    expected = {"task": "distill_classifier", "run": str(out), "folder": "new", "steps": 60, "device": "cpu",
                "teacher": "resnet8", "student": "resnet8", "test_images": 40}
    check("dry run of a distillation", {key: plan.get(key) for key in expected} == expected, plan)
    check("parameters of the models", plan["teacher_parameters"] == plan["student_parameters"] > 0, plan)
    plan = dry_run(folder, "train", world.teacher_config, "--out", folder / "teacher")
    check("dry run of a training", plan["training_images"] == 40 and plan["folder"].startswith("there: refused"), plan)
    missing = drystill("distill", world.config, "--dry-run", "-q", "--set", "evaluation.test_images=none")
    check("dry run without its data", missing.returncode == 3 and "none" in missing.stderr, missing.stderr)


def check_language_dry_runs(folder):
    world = LanguageWorld(folder)
    plan = dry_run(folder, "distill", world.config, "--out", folder / "planned")
    check("dry run of a language model", plan["steps"] == 60 and 0 < plan["student_parameters"] < plan["teacher_parameters"]
          and plan["trained_parameters"] == plan["student_parameters"], plan)
    nobody = drystill("distill", world.config, "--dry-run", "-q", "--set", "teacher.model=none")
    check("dry run without its teacher", nobody.returncode == 3 and
          nobody.stderr.startswith("drystill: teacher.model: cannot read 'none'"), nobody.stderr)
    missing = drystill("distill", world.config, "--dry-run", "-q", "--set", "evaluation.texts=[none.txt]")
    check("dry run without its text", missing.returncode == 3 and "none.txt" in missing.stderr, missing.stderr)


def check_a_reader_that_leaves(world, folder):
    """drystill distill ... 2>&1 | head: nobody reads the progress any more, and the run goes on to its end."""
    reader, writer = os.pipe()
    os.close(reader)
    run = folder / "unread"
    code = subprocess.run([PROGRAM, "distill", str(world.config), "--out", str(run)], stdout=writer, stderr=writer,
                          timeout=300).returncode
    os.close(writer)
    check("a run without a reader", code == 0 and json.loads((run / "status.json").read_text())["state"] == "finished",
          code)


def check_provenance(world, folder):
    run = folder / "run"
    answer("distill", world.config, "--out", run, "-q", "--set", "loop.epochs=1")
    said = metadata(run / world.model_file)
    check("the recipe of a model", said["drystill.recipe"] == (run / "config.yaml").read_text(), said)
    check("the command of a model", said["drystill.command"] + "\n" == (run / "command.txt").read_text(), said)
    (folder / "recipe.yaml").write_text(said["drystill.recipe"])
    answer("distill", folder / "recipe.yaml", "--out", folder / "again", "-q")
    again = folder / "again"
    check("the same model from its recipe", weights(again / world.model_file) == weights(run / world.model_file))
    check("the same metrics from its recipe", metrics(again) == metrics(run))


def check_evaluate_of_a_python_file(world, folder):
    """A .pth has no metadata: the configuration knows architecture and input."""
    said = answer("evaluate", world.config, "--model", world.teacher)
    answer("convert", world.teacher, folder / "bare.pth")
    bare = answer("evaluate", world.config, "--model", folder / "bare.pth")
    check("a model without metadata", bare["architecture"] == "resnet8" and bare["accuracy"] == said["accuracy"], bare)


def check_folders_that_are_no_runs(world, folder):
    other = folder / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    plan = dry_run(folder, "distill", world.config, "--out", other)
    check("dry run over files", plan["folder"] == "there: refused, it holds files but no run", plan)
    plan = dry_run(folder, "distill", world.config, "--out", other / "notes.txt")
    check("dry run over a file", plan["folder"] == "there: refused, it is a file", plan)


def check_nothing_to_resume(world, folder):
    """A finished run without its checkpoints is not begun again over its own results."""
    run = folder / "emptied"
    answer("distill", world.config, "--out", run, "-q", "--set", "loop.epochs=1")
    before = weights(run / world.model_file), metrics(run)
    for kept in sorted((run / "checkpoints").iterdir()):
        (kept / "state.safetensors").write_bytes((kept / "state.safetensors").read_bytes()[:100])
    damaged = drystill("distill", "--resume", run, "-q")
    check("only damaged checkpoints", damaged.returncode == 3 and "can be used" in damaged.stderr and
          json.loads((run / "status.json").read_text())["state"] == "failed", damaged.stderr)
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "finished", "step": 20}))
    shutil.rmtree(run / "checkpoints")
    gone = drystill("distill", "--resume", run, "-q")
    check("no checkpoint left", gone.returncode == 3 and "its checkpoints are gone" in gone.stderr, gone.stderr)
    check("its results stay", before == (weights(run / world.model_file), metrics(run)))


def check_run_of_an_older_program(world, folder):
    """Its configuration lacks the keys that came later: their defaults are what it did."""
    run = folder / "older"
    answer("distill", world.config, "--out", run, "-q", "--set", "loop.epochs=1")
    lines = (run / "config.yaml").read_text().splitlines(keepends=True)
    older = [line for line in lines if line.strip() != "store_every: 1"]
    check("a key to leave out", len(older) == len(lines) - 1, lines)
    (run / "config.yaml").write_text("".join(older))
    answer("distill", "--resume", run, "-q")
    answer("distill", world.config, "--out", run, "--on-exists", "resume", "-q", "--set", "loop.epochs=1")
    check("its configuration stays as it was", (run / "config.yaml").read_text() == "".join(older))
    other = drystill("distill", world.config, "--out", run, "--on-exists", "resume", "-q", "--set", "loop.epochs=1",
                     "--set", "replay.store_every=2")
    check("another configuration", other.returncode == 2 and "resume needs the same configuration" in other.stderr,
          other.stderr)


def main():
    check_doctor()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        world = World(folder)
        check_dry_runs(world, folder)
        check_provenance(world, folder)
        check_a_reader_that_leaves(world, folder)
        check_evaluate_of_a_python_file(world, folder)
        check_folders_that_are_no_runs(world, folder)
        check_nothing_to_resume(world, folder)
        check_run_of_an_older_program(world, folder)
    with tempfile.TemporaryDirectory() as name:
        check_language_dry_runs(pathlib.Path(name))
    assert not failures, "\n" + "\n".join(failures)


main()
