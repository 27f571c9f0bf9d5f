"""Pairs per second in training against plain sentence-transformers: same encoder, same pairs, same batch.

    python benchmarks/training_speed.py work=/tmp/bench dataset=data/rsicd steps=60 batch=64 repeats=3

Eight trainings in turn, each a process of its own: `geovec-train` and sentence-transformers' own trainer with its
`MultipleNegativesRankingLoss`; each plain and with GradCache (mini-batches of `mini=16`; the peer's
`CachedMultipleNegativesRankingLoss`); each with captions of images as they come (one of an image in a batch, but for
chance) and with all five captions of an image in one batch (`per_image=5`). Symmetric loss, the same initial weights,
captions and images; the peer reads its pairs from a `datasets.Dataset` and decodes them as its trainer does by itself.

Both are transformers' `Trainer`: a step is the time from one `training_step` to the next, so that reading, decoding and
tokenising count and loading does not; the first steps are left out. Reported is the mean of the other steps. The share
of step time in which `geovec-train` waits for data is that of its log. `only=geovec,peer` measures some of the eight,
and leaves `results/` alone.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import machine, median, run, save

HERE = Path(__file__).parent
FIRST = 5

CLOCK = """
import json, sys, time
from transformers import Trainer

marks, plain, file = [], Trainer.training_step, sys.argv.pop(1)

def training_step(self, *args, **options):
    marks.append((time.perf_counter(), time.process_time()))
    return plain(self, *args, **options)

Trainer.training_step = training_step
"""

OURS = """
from geovec_train.cli import train_main

code = train_main(sys.argv[1:])
json.dump(marks, open(file, "w"))
sys.exit(code)
"""

PEER = """
import datasets
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer import losses
from torch.utils.data import SequentialSampler
from geovec_data.dataset import Dataset

datasets.disable_progress_bars()
root, model, out, steps, batch, mini, together = sys.argv[1:4] + [int(a) for a in sys.argv[4:]]
data = Dataset(root)
rows = data.connect().execute(
    "SELECT i.segments[1].text, (SELECT min(x.image) FROM qrels q JOIN items x ON x.id = q.item WHERE q.example = e.id)"
    " AS shown FROM example_splits e JOIN items i ON i.id = e.query WHERE split = 'train' AND e.task = 'text_to_image'"
    f" ORDER BY {'shown, ' if together else ''}e.id LIMIT {steps * batch}"
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

def in_order(dataset, batch_size, drop_last, **_):
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)

args = SentenceTransformerTrainingArguments(
    output_dir=out, max_steps=steps, per_device_train_batch_size=batch, use_cpu=True, report_to="none",
    save_strategy="no", disable_tqdm=True, logging_steps=steps, prompts={"anchor": data.instruction("text_to_image/0")},
    **({"batch_sampler": in_order} if together else {}),
)
SentenceTransformerTrainer(model=encoder, args=args, train_dataset=pairs, loss=loss).train()
json.dump(marks, open(file, "w"))
"""
NAMES = tuple(f"{w}{how}{n}" for n in ("", "_5") for how in ("", "_cached") for w in ("geovec", "peer"))


def main(options: dict[str, str]) -> None:
    """Run in turn, save the ratios."""
    work, dataset = Path(options["work"]), options["dataset"]
    sizes = {"steps": 60, "batch": 64, "mini": 16, "repeats": 3}
    steps, batch, small, repeats = (int(options.get(name, size)) for name, size in sizes.items())
    names = tuple(options["only"].split(",")) if "only" in options else NAMES
    work.mkdir(parents=True, exist_ok=True)
    (work / "ours.py").write_text(CLOCK + OURS, encoding="utf-8")
    (work / "peer.py").write_text(CLOCK + PEER, encoding="utf-8")
    ours = [f"dataset={dataset}", "tasks=[text_to_image]", "negatives=none", "augment=false", "device=cpu"]
    ours += ["save_every=100000", "log_every=4", f"batch={batch}"]
    first, out, marks = work / "first", work / "run", work / "marks.json"
    if not (first / "modules.json").is_file():
        run([sys.executable, str(work / "ours.py"), str(marks), *ours, f"out={first}", "steps=1"], memory=False)

    def command(name: str) -> list[str]:
        who, *how = name.split("_")
        mini, together = small if "cached" in how else 0, 5 if "5" in how else 0
        if who == "geovec":
            said = [f"model={first}", f"out={out}", f"steps={steps}", f"mini_batch={mini}", f"per_image={together}"]
            return [sys.executable, str(work / "ours.py"), str(marks), *ours, *said]
        numbers = [str(n) for n in (steps, batch, mini, together)]
        return [sys.executable, str(work / "peer.py"), str(marks), dataset, str(first), str(out), *numbers]

    wall: dict[str, list[float]] = {n: [] for n in names}
    cpu: dict[str, list[float]] = {n: [] for n in names}
    waiting: list[float] = []
    for _ in range(repeats):
        for name in names:
            shutil.rmtree(out, ignore_errors=True)
            run(command(name), memory=False)
            times = json.loads(marks.read_text(encoding="utf-8"))
            (begun, begun_cpu), (ended, ended_cpu) = times[FIRST], times[-1]
            count = len(times) - 1 - FIRST
            wall[name].append((ended - begun) / count)
            cpu[name].append((ended_cpu - begun_cpu) / count)
            if name == "geovec":
                rows = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
                waiting.append(median([r["waiting_for_data"] for r in rows[2:] if "loss" in r]))
            print(name, wall[name][-1], cpu[name][-1], file=sys.stderr, flush=True)

    def ratio(of: str, by: str) -> dict[str, float] | None:
        if of not in names or by not in names:
            return None
        return {
            kind: round(median([x / y for x, y in zip(v[of], v[by], strict=True)]), 3)
            for kind, v in (("wall", wall), ("cpu", cpu))
        }

    save(
        (HERE / "results" if names == NAMES else work) / "training_speed.json",
        {
            "machine": machine(),
            "steps": steps,
            "batch": batch,
            "mini_batch": small,
            "faster_than_peer": ratio("peer", "geovec"),
            "cached_faster_than_peer": ratio("peer_cached", "geovec_cached"),
            "five_captions_faster_than_peer": ratio("peer_5", "geovec_5"),
            "five_captions_cached_faster_than_peer": ratio("peer_cached_5", "geovec_cached_5"),
            "gradcache_over_plain": ratio("geovec_cached", "geovec"),
            "five_captions_gradcache_over_plain": ratio("geovec_cached_5", "geovec_5"),
            "waiting_for_data": median(waiting) if waiting else None,
            "step_wall_s": wall,
            "step_cpu_s": cpu,
        },
    )


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
