"""drystill doctor, dry runs, and what a trained model says of how it was made."""
import json
import pathlib
import tempfile

from tiny_language_world import LanguageWorld
from tiny_world import World, drystill

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


def check_provenance(world, folder):
    run = folder / "run"
    answer("distill", world.config, "--out", run, "-q", "--set", "loop.epochs=1")
    said = metadata(run / world.model_file)
    check("the recipe of a model", said["drystill.recipe"] == (run / "config.yaml").read_text(), said)
    check("the command of a model", said["drystill.command"] + "\n" == (run / "command.txt").read_text(), said)
    (folder / "recipe.yaml").write_text(said["drystill.recipe"])
    answer("distill", folder / "recipe.yaml", "--out", folder / "again", "-q")
    again = metadata(folder / "again" / world.model_file)
    check("the same model from its recipe", again["drystill.recipe"] == said["drystill.recipe"] and
          (folder / "again" / "metrics.jsonl").read_text().count("\n") == (run / "metrics.jsonl").read_text().count("\n"))


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
        check_run_of_an_older_program(world, folder)
    with tempfile.TemporaryDirectory() as name:
        check_language_dry_runs(pathlib.Path(name))
    assert not failures, "\n" + "\n".join(failures)


main()
