"""`geovec-train`: train an encoder on a dataset, from scratch or from a saved model; the same command goes on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault, UserError
from geovec_data.memory import lacks_memory
from geovec_data.mining.runs import choose_run
from geovec_data.store.lock import exclusive
from geovec_train.batches.data import TrainSet, load_train
from geovec_train.batches.runs import train_tasks
from geovec_train.config import TrainConfig
from geovec_train.model_card import card
from geovec_train.models.presets import PRESETS
from geovec_train.training.processes import Processes
from geovec_train.training.record import summarise
from geovec_train.training.resume import SUMMARY_FILE, begin, checkpoints, finished

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from geovec_train.batches.sampler import Schedule
    from geovec_train.training.loop import Loop

__all__ = ["TrainConfig", "run"]


def run(config: TrainConfig) -> dict[str, Any]:
    """Train, or go on with a run that was interrupted; a finished one is left as it is.

    Args:
        config: the options.

    Returns:
        The summary, as in ``out/summary.json``.

    Raises:
        UserError: for a dataset, task, mining run or model that cannot be trained on, or an `out` that holds another
            run.
        GeoVecError: when the loss is no longer finite.
    """
    if config.model not in PRESETS:
        from geovec_train.models.hub import settled
        from geovec_train.models.load import check_folder

        config = settled(config, check_folder(config.model))
    if config.lora.rank:
        from geovec_train.models.lora import check_installed

        check_installed()
    _check_device(config.device)
    _check_precision(config)
    ranks = Processes.join(config.device)
    if config.batch < 2 * ranks.world:
        raise UserError(
            f"batch={config.batch} is that of all {ranks.world} processes together: give {2 * ranks.world} or more"
        )
    if config.shard and ranks.world == 1:
        raise UserError(
            "shard=true divides the model among torchrun's processes, and there is one: start it with torchrun"
            " --nproc-per-node=…, or leave shard out"
        )
    dataset = Dataset(config.dataset)
    tasks = train_tasks(dataset, config.tasks)
    negatives = choose_run(dataset, config.negatives)
    with ExitStack() as stack:
        if ranks.first:
            begin(config, dataset, negatives)
            stack.enter_context(exclusive(config.out, "training"))
        if (summary := ranks.share(lambda: finished(config.out))) is not None:
            summary["human"] = [f"{config.out} is finished already ({summary['steps']} steps); nothing to do"]
            return summary
        train = load_train(dataset, tasks, negatives, config.negatives_per_query)
        return _train(config, dataset, train, negatives, ranks)


def _check_device(device: str) -> None:
    """Refuse a device that was asked for and is not there: a training on another one could take weeks."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device=cuda: this torch finds no CUDA device (it was built without CUDA, or the driver is older or"
            " missing); leave device out to train on what there is"
        )


def _check_precision(config: TrainConfig) -> None:
    """Refuse bf16 where it is neither asked of the CPU, which has it, nor a GPU has it."""
    from transformers.utils import is_torch_bf16_gpu_available

    if config.precision == "bf16" and config.device != "cpu" and not is_torch_bf16_gpu_available():
        raise UserError(
            "precision=bf16: there is no GPU here that has it; leave precision out, or add device=cpu for bf16 there"
        )


def _remarks(train: TrainSet, schedule: Schedule, batch: int) -> list[str]:
    """Say which tasks have too few examples to fill a batch, and of several corpora how much of each is drawn."""
    counts = np.bincount(train.task, minlength=len(train.tasks))
    few = [f"{t} {n:,}" for t, n in zip(train.tasks, counts, strict=True) if n < batch and schedule.weights[t]]
    out = [f"fewer examples than batch={batch}, so smaller batches: {', '.join(few)}"] if few else []
    if len(train.corpora) > 1:
        out.append("of the corpora: " + ", ".join(f"{c} {share:.0%}" for c, share in schedule.corpora.items()))
    return out


def _train(
    config: TrainConfig, dataset: Dataset, train: TrainSet, negatives: Path | None, ranks: Processes
) -> dict[str, Any]:
    from transformers import set_seed

    from geovec_train.batches.sampler import Schedule
    from geovec_train.batches.streams import corpus_weights, tempered
    from geovec_train.models.lineage import lineage_of
    from geovec_train.models.load import quiet
    from geovec_train.training.loop import make_loop
    from geovec_train.training.setup import make_batches, make_model

    given = {s.corpus: s.weight for s in dataset.manifest.sources}
    corpora = corpus_weights(train.corpora, given, config.corpora)
    sizes = np.bincount(train.corpus, minlength=len(train.corpora))
    corpora = tempered(corpora, dict(zip(train.corpora, sizes.tolist(), strict=True)), config.corpora_temperature)

    def schedule_of(split: TrainSet) -> Schedule:
        return Schedule(
            split,
            steps=config.steps,
            batch=config.batch,
            seed=config.seed,
            weights=config.weights,
            corpora=corpora,
            one_corpus=config.one_corpus,
            places=config.places,
            per_image=config.per_image,
        )

    schedule = schedule_of(train)
    set_seed(config.seed)
    lineage = lineage_of(config.model, dataset)  # now: the folder it begins from may be moved while it trains
    model, codecs = make_model(config, dataset, train)
    maker = make_batches(config, dataset, train, schedule, model, codecs, ranks)
    shares = ", ".join(f"{t} {w:.0%}" for t, w in schedule.weights.items() if w)
    mined = f"; {len(train.negatives.values):,} mined negatives of run {negatives.name}" if negatives else ""
    ranks.say(f"training on {len(train):,} examples ({shares}){mined}")
    for line in _remarks(train, schedule, config.batch):
        ranks.say(line)
    start = time.perf_counter()
    with quiet():

        def swap(split: TrainSet) -> None:
            maker.swap(split, schedule_of(split))

        loop = make_loop(config, dataset, model, codecs, maker, ranks, swap)
        saved = ranks.share(lambda: checkpoints(config.out / "checkpoints"))
        if saved:
            ranks.say(f"going on from step {saved[-1].name.rpartition('-')[2]}")
        try:
            if not ranks.share(lambda: loop.stopping.over(loop.curve.events("dev"))):
                _steps(loop, saved)
            if loop.shards:
                loop.shards.gather()
        finally:
            loop.curve.close()
    if not ranks.first:
        return {"steps": config.steps, "human": []}
    seconds = time.perf_counter() - start
    _publish(loop, config, loop.shards.whole if loop.shards else model, lineage.base)
    summary = summarise(config, dataset, maker.train, schedule, negatives, loop.curve, lineage, seconds)
    (config.out / "README.md").write_text(card(summary), encoding="utf-8")
    part = config.out / f"{SUMMARY_FILE}.tmp"
    part.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(config.out / SUMMARY_FILE)
    shutil.rmtree(loop.stopping.folder, ignore_errors=True)
    return summary


def _publish(loop: Loop, config: TrainConfig, model: SentenceTransformer, base: dict[str, str]) -> None:
    from geovec_train.models.load import load, publish
    from geovec_train.models.lora import FOLDER, export_adapters

    best = loop.stopping.folder
    if best.is_dir():
        if (best / FOLDER).is_dir():  # not there any more: a run that was killed here has moved it
            shutil.rmtree(config.out / FOLDER, ignore_errors=True)
            (best / FOLDER).rename(config.out / FOLDER)
        publish(load(best, device="cpu"), config.out)
        return
    with loop.average.applied():
        publish(model, config.out)
        if config.lora.rank:
            export_adapters(model, config.out / FOLDER, base.get("model", ""))


def _steps(loop: Loop, saved: Sequence[Path]) -> None:
    try:
        loop.trainer.train(resume_from_checkpoint=str(saved[-1]) if saved else None)
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        raise ResourceFault(loop.advice.step()) from error
