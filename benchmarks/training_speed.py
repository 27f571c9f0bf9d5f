"""Pairs per second in training against plain sentence-transformers: same encoder, same pairs, same batch.

    python benchmarks/training_speed.py work=/tmp/bench dataset=data/rsicd steps=60 batch=64 repeats=3

Four commands in turn, each twice, with few steps and with more: what a step takes is the difference, so that loading
does not count. `geovec-train` plain and with GradCache (`mini_batch=16`); and sentence-transformers' own trainer with
`MultipleNegativesRankingLoss` and `CachedMultipleNegativesRankingLoss` (same mini-batch), symmetric, over the same
captions and images from a `datasets.Dataset`, from the same initial weights. The share of step time in which
`geovec-train` waits for data is that of its log.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import Run, machine, median, run, save

HERE = Path(__file__).parent
FEW, MINI = 4, 16

PEER = """
import sys
import datasets
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer import losses
from geovec_data.dataset import Dataset

datasets.disable_progress_bars()
root, model, out, steps, batch, mini = sys.argv[1:4] + [int(a) for a in sys.argv[4:]]
data = Dataset(root)
rows = data.connect().execute(
    "SELECT i.segments[1].text, (SELECT min(x.image) FROM qrels q JOIN items x ON x.id = q.item WHERE q.example = e.id)"
    " FROM example_splits e JOIN items i ON i.id = e.query WHERE e.split = 'train' AND e.task = 'text_to_image'"
    f" ORDER BY e.id LIMIT {steps * batch}"
).fetchall()
pairs = datasets.Dataset.from_dict(
    {"anchor": [t for t, _ in rows], "positive": [{"bytes": data.images.get(i), "path": None} for _, i in rows]}
).cast_column("positive", datasets.Image())
encoder = SentenceTransformer(model, device="cpu")
both = ("query_to_doc", "doc_to_query")
if mini:
    loss = losses.CachedMultipleNegativesRankingLoss(encoder, mini_batch_size=mini, directions=both)
else:
    loss = losses.MultipleNegativesRankingLoss(encoder, directions=both)
args = SentenceTransformerTrainingArguments(
    output_dir=out, max_steps=steps, per_device_train_batch_size=batch, use_cpu=True, report_to="none",
    save_strategy="no", disable_tqdm=True, logging_steps=steps, prompts={"anchor": data.instruction("text_to_image/0")},
)
SentenceTransformerTrainer(model=encoder, args=args, train_dataset=pairs, loss=loss).train()
"""


def main(options: dict[str, str]) -> None:
    """Run in turn, save the ratios."""
    work, dataset = Path(options["work"]), options["dataset"]
    steps, batch, repeats = (int(options.get(n, d)) for n, d in (("steps", 60), ("batch", 64), ("repeats", 3)))
    work.mkdir(parents=True, exist_ok=True)
    (work / "peer.py").write_text(PEER, encoding="utf-8")
    ours = [sys.executable, "-m", "geovec_train.cli", "train", f"dataset={dataset}", "tasks=[text_to_image]"]
    ours += ["negatives=none", "augment=false", "device=cpu", "save_every=100000", "log_every=4", f"batch={batch}"]
    first = work / "first"
    if not (first / "modules.json").is_file():
        run([*ours, f"out={first}", "steps=1"], memory=False)
    out = work / "run"

    def command(name: str, count: int) -> list[str]:
        mini = MINI if name.endswith("cached") else 0
        if name.startswith("geovec"):
            return [*ours, f"model={first}", f"out={out}", f"steps={count}", f"mini_batch={mini}"]
        sizes = [str(n) for n in (count, batch, mini)]
        return [sys.executable, str(work / "peer.py"), dataset, str(first), str(out), *sizes]

    names = ("geovec", "geovec_cached", "peer", "peer_cached")
    wall: dict[str, list[float]] = {n: [] for n in names}
    cpu: dict[str, list[float]] = {n: [] for n in names}
    waiting: list[float] = []
    for _ in range(repeats):
        for name in names:
            found: list[Run] = []
            for count in (FEW, steps):
                shutil.rmtree(out, ignore_errors=True)
                found.append(run(command(name, count), memory=False))
            wall[name].append((found[1].wall - found[0].wall) / (steps - FEW))
            cpu[name].append((found[1].cpu - found[0].cpu) / (steps - FEW))
            if name == "geovec":
                rows = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
                waiting.append(median([r["waiting_for_data"] for r in rows[2:] if "loss" in r]))
            print(name, wall[name][-1], cpu[name][-1], file=sys.stderr, flush=True)

    def ratio(of: dict[str, list[float]], a: str, b: str) -> float:
        return round(median([x / y for x, y in zip(of[a], of[b], strict=True)]), 3)

    save(
        HERE / "results" / "training_speed.json",
        {
            "machine": machine(),
            "steps": steps,
            "batch": batch,
            "mini_batch": MINI,
            "faster_than_peer": {"wall": ratio(wall, "peer", "geovec"), "cpu": ratio(cpu, "peer", "geovec")},
            "cached_faster_than_peer": {
                "wall": ratio(wall, "peer_cached", "geovec_cached"),
                "cpu": ratio(cpu, "peer_cached", "geovec_cached"),
            },
            "gradcache_over_plain": {
                "wall": ratio(wall, "geovec_cached", "geovec"),
                "cpu": ratio(cpu, "geovec_cached", "geovec"),
            },
            "waiting_for_data": median(waiting),
            "step_wall_s": wall,
            "step_cpu_s": cpu,
        },
    )


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
