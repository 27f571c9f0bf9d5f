"""The loop of a run: transformers' settings, the loss, what happens at which step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.render import Codecs
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.data import TrainSet
from geovec_train.config import TrainConfig
from geovec_train.training.memory import Advice
from geovec_train.training.mine_options import interval
from geovec_train.training.processes import Processes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments

    from geovec_train.training.average import Average
    from geovec_train.training.curve import Curve
    from geovec_train.training.dev import DevSet
    from geovec_train.training.refresh import Refresher
    from geovec_train.training.shards import Shards
    from geovec_train.training.stopping import Stopping
    from geovec_train.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Loop:
    """What a run goes on with and ends with.

    Attributes:
        trainer: runs the steps.
        curve: what they gave.
        average: of the weights.
        stopping: when they end before their time.
        shards: the model's parts, where it is divided among the processes.
        advice: what to do when something does not fit into memory.
    """

    trainer: Trainer
    curve: Curve
    average: Average
    stopping: Stopping
    shards: Shards | None
    advice: Advice


def make_loop(
    config: TrainConfig,
    dataset: Dataset,
    model: SentenceTransformer,
    codecs: Codecs,
    maker: BatchMaker,
    ranks: Processes,
    swap: Callable[[TrainSet], None],
) -> Loop:
    """Put the loop of a run together.

    Args:
        config: the options.
        dataset: the dataset.
        model: what is trained.
        codecs: how boxes and coordinates become text.
        maker: makes the batches.
        ranks: the processes of the run.
        swap: takes the train split with new negatives.
    """
    from transformers.trainer_callback import PrinterCallback

    from geovec_train.batches.loader import Ahead
    from geovec_train.losses.loss import MaskedInfoNCE
    from geovec_train.models.hub import made_from
    from geovec_train.models.load import save_model
    from geovec_train.models.lora import FOLDER, export_adapters
    from geovec_train.training.average import Average
    from geovec_train.training.curve import Curve
    from geovec_train.training.shards import Shards
    from geovec_train.training.stopping import Stopping
    from geovec_train.training.trainer import Trainer
    from geovec_train.training.watch import Watch

    loss = MaskedInfoNCE(
        model,
        temperature=config.temperature,
        learn_temperature=config.learn_temperature,
        symmetric=config.symmetric,
        mini_batch=config.mini_batch,
        mini_batch_tokens=config.mini_batch_tokens,
        hardness=config.hardness,
        dims=config.matryoshka,
        filler=model.preprocess(["."]) if config.shard else None,
    )
    _check_dims(config, model)
    advice = Advice(config, model)
    average = Average(model, config.ema)
    shards = Shards(model, ranks) if config.shard else None

    def snapshot(folder: Path) -> None:
        with average.applied():
            save_model(shards.whole if shards else model, folder)

    def best(folder: Path) -> None:
        snapshot(folder)
        if config.lora.rank:
            with average.applied():
                whole = shards.whole if shards else model
                export_adapters(whole, folder / FOLDER, made_from(whole).get("model", ""))

    stopping = Stopping(config.out, config.patience, best)

    def report(step: int, facts: dict[str, Any]) -> None:
        curve.event(step, "refresh", facts)

    refresher = _refresher(config, dataset, codecs, maker, ranks, snapshot, swap, report, advice)
    stops = refresher.stops if refresher else []
    batches = Ahead(
        maker.make,
        lambda: trainer.state.global_step,
        config.steps,
        stops=stops,
        begin=refresher.begin if refresher else lambda step: None,
    )
    curve = Curve(config.out, batches, loss, ranks)
    dev = _dev(config, dataset, maker.train, ranks, advice)
    watch = Watch(
        curve,
        dev,
        ranks,
        every=config.dev_every,
        refreshes=stops,
        gather=shards.gather if shards else lambda: None,
        snapshot=snapshot,
        stopping=stopping,
    )
    trainer = Trainer(
        model=model,
        loss=loss,
        batches=batches,
        args=_arguments(config, model),
        keep=config.keep,
        ranks=ranks,
        average=average,
        shards=shards,
        callbacks=[curve, average, watch],
    )
    trainer.remove_callback(PrinterCallback)
    return Loop(trainer, curve, average, stopping, shards, advice)


def _check_dims(config: TrainConfig, model: SentenceTransformer) -> None:
    whole = model.get_embedding_dimension()
    for n in config.matryoshka:
        if whole is not None and not 0 < n < whole:
            raise UserError(f"matryoshka={n}: vectors of this model have {whole} numbers; give fewer, and 1 or more")


def _refresher(
    config: TrainConfig,
    dataset: Dataset,
    codecs: Codecs,
    maker: BatchMaker,
    ranks: Processes,
    snapshot: Callable[[Path], None],
    swap: Callable[[TrainSet], None],
    report: Callable[[int, dict[str, Any]], None],
    advice: Advice,
) -> Refresher | None:
    if config.mine_every is None:
        return None
    from geovec_train.training.refresh import Refresher

    every = interval(config.mine_every, epoch=-(-len(maker.train) // config.batch))
    if every >= config.steps:
        ranks.say(
            f"mine_every={config.mine_every} is {every:,} steps, the run has {config.steps:,}: nothing is mined anew"
        )
    return Refresher(
        config,
        dataset,
        maker.train,
        codecs=codecs,
        every=every,
        ranks=ranks,
        snapshot=snapshot,
        swap=swap,
        report=report,
        advice=advice.refresh(),
    )


def _dev(config: TrainConfig, dataset: Dataset, train: TrainSet, ranks: Processes, advice: Advice) -> DevSet | None:
    if not config.dev_every and config.mine_every is None:
        return None
    from geovec_train.training.dev import DevSet

    dev = DevSet(config, dataset, train.tasks, advice.scoring())
    if not dev:
        if config.patience:
            raise UserError(
                f"patience={config.patience}: dataset={config.dataset} has no val split of these tasks to score; leave"
                " patience out, or build with split.val"
            )
        ranks.say("the dataset has no val split of these tasks: nothing is scored while training")
        return None
    return dev


def _slower(config: TrainConfig, model: SentenceTransformer) -> dict[str, float]:
    """Return the learning rates of parameters, by a pattern of their names, that are not to have the common one."""
    pretrained = getattr(model[0], "pretrained", None)
    return {} if pretrained is None else {pretrained: config.lr * config.lr_pretrained}


def _arguments(config: TrainConfig, model: SentenceTransformer) -> SentenceTransformerTrainingArguments:
    from sentence_transformers import SentenceTransformerTrainingArguments

    decay = round(config.decay * config.steps)
    args = SentenceTransformerTrainingArguments(
        output_dir=str(config.out / "checkpoints"),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch,
        learning_rate=config.lr,
        learning_rate_mapping=_slower(config, model),
        weight_decay=config.weight_decay,
        adam_beta1=0.9,
        adam_beta2=0.98,
        max_grad_norm=config.clip,
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=min(config.warmup, config.steps - decay),
        lr_scheduler_kwargs={"num_decay_steps": decay, "decay_type": "linear", "min_lr_ratio": 0.0},
        save_strategy="steps",
        save_steps=config.save_every,
        logging_strategy="steps",
        logging_steps=config.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
        use_cpu=config.device == "cpu",
        bf16=config.precision == "bf16",
        ddp_find_unused_parameters=True,  # a share of a batch can be without images, and so without the vision tower
        ddp_broadcast_buffers=False,  # processes embed different numbers of mini-batches, and buffers do not change
        # batches begin where the state says (`Ahead`), so there is nothing to skip
        ignore_data_skip=True,
    )
    args._n_gpu = min(args.n_gpu, 1)  # no DataParallel: a batch is one piece
    return args
