"""Training by sentence-transformers alone: its trainer, loss, batch samplers and miner, on the same encoder and items.

Items are named by strings, which the library batches, compares and mines as it would texts; what the encoder then is
given for a name is the message that GeoVec renders for that item.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import BatchSamplers, MultiDatasetBatchSamplers
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import mine_hard_negatives

from benchmarks.quality.plan import BATCH, MARGIN, NEGATIVES, TEMPERATURE
from geovec_data.dataset import Dataset
from geovec_data.render import parts, to_message
from geovec_train.batches.pictures import PictureCache
from geovec_train.config import TrainConfig
from geovec_train.models.load import codecs_of, save_model

Pairs = dict[str, datasets.Dataset]
TARGET = ""
PRETRAINED = float(TrainConfig.model_fields["lr_pretrained"].default)  # of lr: what was pretrained learns slower


def pairs_of(data: Dataset, tasks: Sequence[str]) -> tuple[Pairs, dict[str, str]]:
    """Return for each task a row for each query and right answer, and the instruction of each query's name."""
    con = data.connect()
    rows = con.execute(
        "SELECT e.task, e.query, e.instruction, q.item FROM example_splits e JOIN qrels q ON q.example = e.id"
        " WHERE e.split = 'train' AND e.task IN (SELECT unnest($tasks)) ORDER BY e.id, q.item",
        {"tasks": list(tasks)},
    ).fetchall()
    con.close()
    said: dict[str, str] = {}
    columns: dict[str, tuple[list[str], list[str]]] = {task: ([], []) for task in tasks}
    for task, query, instruction, item in rows:
        said.setdefault(f"{task}|{query}", data.instruction(instruction))
        columns[task][0].append(f"{task}|{query}")
        columns[task][1].append(f"{TARGET}|{item}")
    return {t: datasets.Dataset.from_dict({"anchor": a, "positive": p}) for t, (a, p) in columns.items()}, said


def by_name(model: SentenceTransformer, data: Dataset, said: Mapping[str, str]) -> None:
    """Make the model take names of items; it keeps its own way of preparing their messages."""
    own = model.preprocess
    fit: Callable[[bytes], Any] = model[0].fit
    pictures = PictureCache(data.images.get, fit, 1 << 30, 2)
    codecs = codecs_of(model)

    def preprocess(names: Sequence[str], **more: Any) -> dict[str, Any]:
        rendered = []
        for name in names:
            item = name.partition("|")[2]
            segments = data.items.segments(item)
            rendered.append(parts(segments, instruction=said.get(name), codecs=codecs, size=data.images.size))
        shown = pictures.get(dict.fromkeys(value for row in rendered for kind, value in row if kind == "image"))
        features: dict[str, Any] = own([to_message(row, shown.__getitem__) for row in rendered])
        return features

    model.preprocess = preprocess


def mine(model: SentenceTransformer, pairs: Pairs) -> tuple[Pairs, dict[str, Any]]:
    """Add mined negatives; pairs for which the margin leaves too few stay as they are, in a dataset of their own.

    The search goes through the whole corpus: the library's default depth would find nothing below the margin where the
    positive of a half-trained encoder stands far down.
    """
    out: Pairs = {}
    facts: dict[str, Any] = {}
    for task, own in pairs.items():
        corpus = len(set(own["positive"]))
        most = max(own.to_pandas().groupby("anchor").size())
        mined = mine_hard_negatives(
            own,
            model,
            anchor_column_name="anchor",
            positive_column_name="positive",
            num_negatives=NEGATIVES,
            relative_margin=MARGIN,
            range_max=max(NEGATIVES + 1, corpus - int(most)),
            output_format="n-tuple",
            batch_size=BATCH,
            verbose=False,
        )
        having = set(zip(mined["anchor"], mined["positive"], strict=True))
        rest = [n for n, pair in enumerate(zip(own["anchor"], own["positive"], strict=True)) if pair not in having]
        if len(mined):
            out[task] = mined
        if rest:
            out[f"{task} without negatives"] = own.select(rest)
        facts[task] = {"pairs": len(own), "with_negatives": len(mined)}
    return out, facts


def train(
    model: SentenceTransformer,
    pairs: Pairs,
    out: Path,
    *,
    steps: int,
    seed: int,
    lr: float,
    decay: float,
    distinct: bool,
) -> list[dict[str, Any]]:
    """Train and save the model into `out`, whole or not at all; return the trainer's log.

    Args:
        model: takes names (`by_name`).
        pairs: the rows of each task; batches hold one task, tasks come in proportion to their rows.
        out: folder for the model.
        steps: optimizer steps.
        seed: of the order.
        lr: peak learning rate, after ten steps.
        decay: share of the steps, the last, in which it falls to 0.
        distinct: batches without duplicates.
    """
    falls = round(decay * steps)
    pretrained = getattr(model[0], "pretrained", None)
    staging = out.with_name(out.name + ".part")
    shutil.rmtree(staging, ignore_errors=True)
    args = SentenceTransformerTrainingArguments(
        output_dir=str(staging),
        max_steps=steps,
        per_device_train_batch_size=BATCH,
        learning_rate=lr,
        learning_rate_mapping={} if pretrained is None else {pretrained: lr * PRETRAINED},
        weight_decay=0.1,
        adam_beta1=0.9,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=10,
        lr_scheduler_kwargs={"num_decay_steps": falls, "decay_type": "linear", "min_lr_ratio": 0.0},
        save_strategy="no",
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
        seed=seed,
        use_cpu=True,
        batch_sampler=BatchSamplers.NO_DUPLICATES if distinct else BatchSamplers.BATCH_SAMPLER,
        multi_dataset_batch_sampler=MultiDatasetBatchSamplers.PROPORTIONAL,
    )
    loss = MultipleNegativesRankingLoss(
        model,
        scale=1 / TEMPERATURE,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )
    trainer = SentenceTransformerTrainer(model=model, args=args, train_dataset=datasets.DatasetDict(pairs), loss=loss)
    trainer.train()
    shutil.rmtree(staging, ignore_errors=True)
    save_model(model, staging)
    staging.rename(out)
    return [p for p in trainer.state.log_history if "loss" in p]
