"""Turns what `gpu_check.sh run` left in a folder into gpu_check.json and gpu_check.md. Exits with 1 when a step failed.

python gpu_report.py FOLDER REVISION
"""
import datetime
import json
import pathlib
import sys

import torch


def load(path):
    return json.loads(path.read_text()) if path.exists() else None


def main(folder, revision):
    folder = pathlib.Path(folder)
    steps = dict(line.split() for line in (folder / "steps.txt").read_text().splitlines())
    tests, benchmarks, training = (load(folder / f"{name}.json") for name in ("tests", "benchmarks", "training"))
    keys = ("MB", "copy_GBps", "fast_GBps", "share_of_bandwidth", "times_reference",
            "distance_and_gradient_times_reference")
    rows = [dict(name=entry["name"].split("/iterations")[0], microseconds=entry["real_time"],
                 **{key: entry[key] for key in keys if key in entry})
            for entry in (benchmarks or {}).get("benchmarks", [])]
    report = dict(
        revision=revision, date=datetime.date.today().isoformat(), gpu=torch.cuda.get_device_name(0),
        capability=list(torch.cuda.get_device_capability(0)), torch=torch.__version__, cuda=torch.version.cuda,
        steps={name: "ok" if status == "0" else status for name, status in steps.items()},
        tests=tests and {key: tests[key] for key in ("tests", "failures", "errors")}, benchmarks=rows,
        training=training)
    (folder / "gpu_check.json").write_text(json.dumps(report, indent=2) + "\n")

    lines = [f"{report['gpu']}, torch {report['torch']}, CUDA {report['cuda']}, revision {revision}, {report['date']}", "",
             "| step | result |", "|---|---|"]
    lines += [f"| {name} | {result} |" for name, result in report["steps"].items()]
    lines += ["", "| benchmark | us | " + " | ".join(keys) + " |", "|---|" + "---:|" * (len(keys) + 1)]
    for row in rows:
        values = [f"{row[key]:.3g}" if key in row else "" for key in keys]
        lines.append(f"| {row['name']} | {row['microseconds']:.1f} | " + " | ".join(values) + " |")
    if training:
        lines += ["", f"| program, batch {training['batch']} | generator step (s) | student step (s) | 1 + 10 steps (s) |",
                  "|---|---:|---:|---:|"]
        lines += [f"| {peer} | {row['generator_step']:.4f} | {row['student_step']:.4f} | {row['round']:.3f} |"
                  for peer, row in training["rows"].items()]
    (folder / "gpu_check.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return any(result not in ("ok", "missing") for result in report["steps"].values())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
