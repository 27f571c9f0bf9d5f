"""The mini encoder against the tiny one, at equal CPU time: R@10 after so many seconds of training.

    python -m benchmarks.encoders data=<GEOVEC_REAL_DATA> work=/tmp/encoders [steps=900] [seeds=0,1,2] [sets=rsicd,regions]
        [mini.lr_pretrained=0.1 …] [out=benchmarks/results/encoders.json]

`rsicd` is RSICD small (3,000 / 400 images), text → image; `regions` is the sample of DIOR-RSVG (118 images), region ↔ text.
The tiny encoder trains `steps` steps. Two short runs of the mini encoder tell what its start and a step of it cost, and
so how many it may have for the CPU time (user and system, all processes) that the tiny one took. Both train with the
defaults of `geovec-train`; options of either can be given. What is done already in `work` is not done again.
"""  # noqa: E501

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, run, save

SETS = {
    "rsicd": ("text_to_image",),
    "regions": ("region_to_text", "text_to_region"),
}
PROBE = (4, 12)


def main(arguments: list[str]) -> None:
    """Build, train both, score, and write the results."""
    given = dict(a.split("=", 1) for a in arguments)
    work = Path(given.get("work", "/tmp/encoders"))
    builds = {
        "rsicd": ["recipe=rsicd", f"source.root={Path(given.get('data', '.')) / 'research_only/rsicd_small'}"],
        "regions": ["recipe=rsvg", "source=sample"],
    }
    rows = []
    for name in given.get("sets", ",".join(SETS)).split(","):
        dataset = work / name
        _geovec("geovec_data.cli", ["build", *builds[name], f"out={dataset}"])
        common = [f"dataset={dataset}", f"tasks=[{','.join(SETS[name])}]"]
        for seed in given.get("seeds", "0").split(","):
            own = {m: [a.split(".", 1)[1] for a in arguments if a.startswith(f"{m}.")] for m in ("tiny", "mini")}
            steps = int(given.get("steps", 900))
            tiny = _train(work, name, "tiny", steps, seed, [*common, *own["tiny"]])
            probes = [_train(work, name, "mini", n, seed, [*common, *own["mini"], "save_every=1000"]) for n in PROBE]
            each = (probes[1]["cpu"] - probes[0]["cpu"]) / (PROBE[1] - PROBE[0])
            steps = max(1, round(PROBE[0] + (tiny["cpu"] - probes[0]["cpu"]) / each))
            mini = _train(work, name, "mini", steps, seed, [*common, *own["mini"], "save_every=1000"])
            for facts in (tiny, mini):
                scores = _scores(work, facts, common)
                rows.append({"set": name, "seed": int(seed), **facts, **scores})
                print(json.dumps(rows[-1]), flush=True)
    save(Path(given.get("out", "benchmarks/results/encoders.json")), {"machine": machine(), "runs": rows})


def _train(work: Path, name: str, model: str, steps: int, seed: str, options: list[str]) -> dict[str, Any]:
    out = work / f"{name}_{model}_{steps}_{seed}"
    facts = out.with_suffix(".json")
    if not facts.is_file():
        command = [f"model={model}", f"steps={steps}", f"seed={seed}", "device=cpu", f"out={out}", *options]
        took = _geovec("geovec_train.cli", ["train", *command])
        facts.write_text(json.dumps({"cpu": took.cpu, "wall": took.wall}), encoding="utf-8")
    return {"model": model, "steps": steps, "folder": out.name, **json.loads(facts.read_text(encoding="utf-8"))}


def _scores(work: Path, facts: dict[str, Any], common: list[str]) -> dict[str, float]:
    out = work / f"{facts['folder']}_scores"
    _geovec("geovec_train.cli", ["eval", *common, f"model={work / facts['folder']}", f"out={out}"])
    tasks = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"]
    found = {(t["task"], key): t["metrics"][key]["value"] for t in tasks if not t["subset"] for key in ("P@1", "R@10")}
    return {f"{task} {key}": round(value, 4) for (task, key), value in found.items()}


def _geovec(module: str, arguments: list[str]) -> Any:
    return run([sys.executable, "-m", module, *arguments], {"HF_HUB_OFFLINE": "1"}, memory=False)


if __name__ == "__main__":
    main(sys.argv[1:])
