"""What one per cent of new images costs a mining run, against the run that encoded everything.

    python benchmarks/mining_incremental.py work=/tmp/bench images=2000

A captioned corpus of 224 px JPEGs is generated, built and mined with the untrained tiny encoder; one per cent more
images are added, the dataset is built again in place, and mined again. Three costs of each run, CPU seconds (user +
system, all threads) and wall seconds:

- encode: from when the encoder is in memory to when the last vector is on disk, opening the dataset's tables included;
- embedding: the same and loading the encoder (torch and transformers are imported by then);
- command: the whole of `geovec-data mine`, imports, search and policy included, which no new item makes dearer.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import machine, run, save

HERE = Path(__file__).parent
SIDE = 224
SAID = (
    "harbour pier boats road bridge river field farm forest trees houses roof factory tanks runway planes parking cars"
    " court pool stadium lake beach island mountain desert snow railway station church square park garden school"
)
WORDS = SAID.split()

MINE = """
import json, resource, sys, time
from geovec_data import cli
from geovec_data.mining import encoder, vectors
took = {}

def clock():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()

def timed(name, whole):
    def watched(*given, **named):
        cpu, wall = clock()
        try:
            return whole(*given, **named)
        finally:
            cpu, wall = (after - before for after, before in zip(clock(), (cpu, wall)))
            before = took.get(name, {"cpu": 0.0, "wall": 0.0})
            took[name] = {"cpu": before["cpu"] + cpu, "wall": before["wall"] + wall}
    return watched

import sentence_transformers  # not the run's cost, whichever of its stages is the first to need it
vectors.embed = timed("encode", vectors.embed)
vectors.load = timed("load", vectors.load)
code = cli.main(["mine", *sys.argv[2:]])
with open(sys.argv[1], "w") as file:
    json.dump(took, file)
sys.exit(code)
"""


def main(options: dict[str, str]) -> None:
    """Generate, mine, add, mine again, save the ratios."""
    work, images = Path(options["work"]), int(options.get("images", 2000))
    new = max(1, images // 100)
    corpus, out, encoder = work / "corpus", work / "dataset", work / "tiny"
    for made in (corpus, out, encoder):
        shutil.rmtree(made, ignore_errors=True)
    records = _write(corpus, images + new)
    stages: dict[str, Any] = {}
    for stage, count in (("first", images), ("again", images + new)):
        _annotate(corpus, records[:count])
        build = [sys.executable, "-m", "geovec_data.cli", "build", "recipe=rsicd", f"source.root={corpus}"]
        run([*build, f"out={out}", "leaks.near=report"], memory=False)
        if not encoder.is_dir():
            _tiny(out, encoder)
        stages[stage] = _mined(work, out, encoder, stage)
        print(stage, stages[stage], file=sys.stderr, flush=True)
    first, again = stages["first"], stages["again"]
    save(
        HERE / "results" / "mining_incremental.json",
        {
            "machine": machine(),
            "images": images,
            "new_images": new,
            "items_encoded": {stage: stages[stage]["encoded"] for stage in stages},
            "share_of_items": round(again["encoded"] / first["encoded"], 4),
            "share_of_first": {
                what: {unit: round(again[what][unit] / first[what][unit], 4) for unit in ("cpu", "wall")}
                for what in ("encode", "embedding", "command")
            },
            "stages": stages,
        },
    )


def _write(corpus: Path, count: int) -> list[dict[str, Any]]:
    """Write images of patches of light and shade; return their records with five captions each."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    (corpus / "RSICD_images").mkdir(parents=True)
    records = []
    for n in range(count):
        patches = Image.fromarray(draw.integers(20, 220, (28, 28, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        name = f"{WORDS[n % 30]}_{n}.jpg"
        patches.save(corpus / "RSICD_images" / name, quality=85)
        said = [" ".join(draw.choice(WORDS, 9)) for _ in range(5)]
        sentences = [
            {"raw": f"{s} .", "tokens": s.split(), "imgid": n, "sentid": 5 * n + i} for i, s in enumerate(said)
        ]
        records.append(
            {
                "filename": name,
                "imgid": n,
                "split": "train",
                "sentences": sentences,
                "sentids": [s["sentid"] for s in sentences],
            }
        )
    return records


def _annotate(corpus: Path, records: list[dict[str, Any]]) -> None:
    """Let the corpus have these images."""
    text = json.dumps({"dataset": "rsicd", "images": records})
    (corpus / "dataset_rsicd.json").write_text(text, encoding="utf-8")


def _tiny(dataset: Path, folder: Path) -> None:
    from geovec_data.dataset import Dataset
    from geovec_train.models.load import save_model
    from geovec_train.models.tiny import build_tiny

    column = Dataset(dataset).read("items", ["segments"]).column(0)
    texts = [s["text"] for row in column.to_pylist() for s in row if s["text"]]
    save_model(build_tiny(texts, seed=1, geovec={"box_codec": "qwen2vl", "coordinate_codec": "lat_lon"}), folder)


def _mined(work: Path, dataset: Path, encoder: Path, name: str) -> dict[str, Any]:
    file = work / f"{name}.json"
    options = [f"dataset={dataset}", f"encoder={encoder}", f"run={name}", "device=cpu"]
    whole = run([sys.executable, "-c", MINE, str(file), *options], memory=False)
    took = json.loads(file.read_text(encoding="utf-8"))
    embedding = {unit: took["encode"][unit] + took["load"][unit] for unit in ("cpu", "wall")}
    summary = json.loads((dataset / "mining" / name / "summary.json").read_text(encoding="utf-8"))
    return {
        "encoded": summary["embedding"]["encoded"],
        "reused": summary["embedding"]["reused"],
        "idle_share": summary["embedding"]["idle_share"],
        "wait_share": summary["embedding"]["wait_share"],
        "encode": {unit: round(value, 3) for unit, value in took["encode"].items()},
        "embedding": {unit: round(value, 3) for unit, value in embedding.items()},
        "command": {"cpu": whole.cpu, "wall": whole.wall},
    }


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
