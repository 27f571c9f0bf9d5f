"""What a run trains: the encoder with its codecs and prompts, and the batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.model_codecs import chosen
from geovec_data.render import Codecs, decode_image, parts
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.data import TrainSet
from geovec_train.batches.pictures import PictureCache
from geovec_train.batches.sampler import Schedule
from geovec_train.config import TrainConfig
from geovec_train.models.inputs import Pixels
from geovec_train.models.presets import MINI, PRESETS
from geovec_train.training.processes import Processes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MOST_TEXTS = 200_000  # enough to train a tokenizer of 2,000 tokens on


def vocabulary_texts(dataset: Dataset, train: TrainSet, codecs: Codecs) -> Iterator[str]:
    """Yield what the encoder will read in training: texts, boxes and coordinates as codecs write them, instructions.

    An instruction comes as often as it is used, so that the tokenizer learns its words.
    """
    every = max(1, -(-len(train.items) // _MOST_TEXTS))
    for item in train.items[::every]:
        segments = dataset.items.segments(item)
        rendered = parts(segments, instruction=None, codecs=codecs, size=dataset.images.size)
        yield from (value for kind, value in rendered if kind == "text")
    used = Counter(train.instruction)
    for task in train.tasks:
        for variant, text in enumerate(dataset.manifest.tasks[task].instructions):
            for _ in range(-(-max(1, used[f"{task}/{variant}"]) // every)):
                yield text


def make_model(config: TrainConfig, dataset: Dataset, train: TrainSet) -> tuple[SentenceTransformer, Codecs]:
    """Build a new encoder or load a saved one, with its codecs.

    Raises:
        UserError: for a model that does not load, a side or codec that does not fit it, or tasks with items that
            it cannot take.
    """
    from geovec_train.models.lineage import lineage_of
    from geovec_train.models.load import SETTINGS, codecs_of, load
    from geovec_train.models.lora import add_adapters
    from geovec_train.models.sizes import checkpoint_activations, set_side, set_visual_tokens

    device = None if config.device == "auto" else config.device
    prompts = {t: dataset.instruction(f"{t}/0") for t in train.tasks}
    record = lineage_of(config.model, dataset).saved()
    if config.model in PRESETS:
        _check_new(config)
        codecs = Codecs.named(config.box_codec or "qwen2vl", config.coordinate_codec or "lat_lon")
        model = _build(config, dataset, train, _kept(codecs) | record, codecs, prompts)
        _check_side(config, dataset, train, model)
        _freeze(config, model)
        return (model.to(device) if device else model), codecs
    frozen = config.lora.rank and config.precision == "bf16"  # weights that are not trained lose nothing by it
    model = load(config.model, device=device, dtype="bfloat16" if frozen else "float32")
    if config.side is not None:
        set_side(model, config.side)
        _check_side(config, dataset, train, model)
    if config.max_visual_tokens is not None:
        set_visual_tokens(model, config.max_visual_tokens)
    own = codecs_of(model)  # Qwen2.5-VL's boxes are in pixels of the resized image, so after the sizes
    codecs = Codecs.named(
        chosen(config.box_codec, own.box.name, own.box.name), config.coordinate_codec or own.coordinate.name
    )
    model.prompts.update(prompts)
    if (settings := getattr(model[0], "config", None)) is not None:
        setattr(settings, SETTINGS, _kept(codecs) | record)
    if config.lora.rank:
        add_adapters(model, config.lora, config.seed)
    if config.gradient_checkpointing:
        checkpoint_activations(model)
    if "message" not in model.modalities:
        _check_plain(config, model, {dataset.items.modality(train.items[n]) for n in train.used()})
    _freeze(config, model)
    return model, codecs


def _check_new(config: TrainConfig) -> None:
    """Refuse what is for pretrained models."""
    for option, asked in (
        ("lora.rank", config.lora.rank),
        ("gradient_checkpointing", config.gradient_checkpointing),
        ("max_visual_tokens", config.max_visual_tokens),
    ):
        if asked:
            raise UserError(f"{option}: not for model={config.model}, a new and small encoder; leave it out")


def _freeze(config: TrainConfig, model: SentenceTransformer) -> None:
    from geovec_train.models.interleaved import Interleaved

    encoder = model[0]
    if isinstance(encoder, Interleaved):
        encoder.freeze(config.frozen, pretrained=config.lr_pretrained == 0)


def _build(
    config: TrainConfig,
    dataset: Dataset,
    train: TrainSet,
    settings: dict[str, Any],
    codecs: Codecs,
    prompts: dict[str, str],
) -> SentenceTransformer:
    """Build a preset's new encoder.

    Raises:
        UserError: for a side that does not fit it, or pretrained parts that cannot be fetched.
    """
    from geovec_train.models.lite0 import SCALE
    from geovec_train.models.load import quiet
    from geovec_train.models.mini import build_mini
    from geovec_train.models.pretrained import TEXT, vision_weights
    from geovec_train.models.tiny import MERGE, PATCH, SIZES, build_tiny

    factor = SCALE if config.model == MINI else PATCH * MERGE
    if (side := config.side) is not None and side % factor:
        raise UserError(f"side={side}: model={config.model} needs a multiple of {factor}")
    options: dict[str, Any] = {"seed": config.seed, "side": side, "geovec": settings, "prompts": prompts}
    with quiet():
        model: SentenceTransformer = (
            build_mini(TEXT.fetch(), vision_weights(), **options)
            if config.model == MINI
            else build_tiny(vocabulary_texts(dataset, train, codecs), size=SIZES[config.model], **options)
        )
    return model


def _check_side(config: TrainConfig, dataset: Dataset, train: TrainSet, model: SentenceTransformer) -> None:
    """Refuse a side at which a sequence of the model does not hold a picture of the dataset and what is before it."""
    from geovec_train.models.sizes import check_room

    if config.side is None:
        return
    shown = np.unique(train.task[train.item_image[train.query] >= 0])  # their instructions stand before a picture
    before = [text for task in shown for text in dataset.manifest.tasks[train.tasks[task]].instructions]
    sizes = dataset.read("images", ["width", "height"]).group_by(["width", "height"]).aggregate([]).to_pylist()
    check_room(model, config.side, before, {(size["width"], size["height"]) for size in sizes})


def _check_plain(config: TrainConfig, model: SentenceTransformer, needed: set[str]) -> None:
    """Refuse items that a model without messages (CLIP-like, text-only) cannot take, and to divide two towers."""
    takes = {m for m in ("text", "image") if m in model.modalities}
    if config.shard and "image" in takes:
        raise UserError(
            f"shard=true: model={config.model} has a tower for texts and one for images, and of two processes one could"
            " need this and the other that; it divides models that take messages, or texts alone. Leave shard out"
        )
    lacking = sorted(m for m in needed if m not in takes and not ("text" in takes and m == "coordinate"))
    if lacking:
        raise UserError(
            f"model={config.model} takes {' or '.join(sorted(takes))}, one at a time, but the tasks have items of"
            f" {', '.join(lacking)}. Choose tasks=… that it can do, or a model that takes messages"
        )


def _kept(codecs: Codecs) -> dict[str, str]:
    return {
        "box_codec": codecs.box.name,
        "coordinate_codec": codecs.coordinate.name,
        "instruction": "before a query, as the system's turn of a message; targets have none",
    }


def make_batches(
    config: TrainConfig,
    dataset: Dataset,
    train: TrainSet,
    schedule: Schedule,
    model: SentenceTransformer,
    codecs: Codecs,
    ranks: Processes,
) -> BatchMaker:
    """Return what makes the batch of a step."""
    return BatchMaker(
        dataset,
        train,
        schedule,
        codecs=codecs,
        pictures=PictureCache(dataset.images.get, _preparer(model, config.side), config.cache_mb << 20, config.workers),
        preprocess=model.preprocess,
        messages="message" in model.modalities,
        augment=config.augment,
        augment_regions=config.augment_regions,
        mask=config.mask,
        negatives_after=config.negatives_after,
        ranks=ranks,
    )


def _preparer(model: SentenceTransformer, side: int | None) -> Callable[[bytes], Pixels]:
    """Return what decodes an image: to its final size where that is known, else whole, for the model's processor."""
    from geovec_train.models.inputs import resize
    from geovec_train.models.interleaved import Interleaved
    from geovec_train.models.sizes import resizes_freely

    encoder = model[0]
    if isinstance(encoder, Interleaved):
        longest = encoder.side
        return lambda data: encoder.fit(decode_image(data, longest))
    if resizes_freely(model):
        return lambda data: resize(decode_image(data), encoder.processor.image_processor)
    return lambda data: np.asarray(decode_image(data, side))
