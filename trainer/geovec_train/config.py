"""The options of `geovec-train`: their declaration is their help."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from geovec_data.paths import expanded
from geovec_train.batches.places import Order
from geovec_train.losses.mask_options import MaskOptions
from geovec_train.models.lora_options import LoraOptions
from geovec_train.models.presets import TINY, presets_text
from geovec_train.training.mine_options import MineOptions, interval


class TrainConfig(BaseModel):
    """Options of `geovec-train`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Path = Field(description="dataset directory (see geovec-data build)")
    out: Path = Field(description="folder of the run: the trained model, its log and its checkpoints")
    model: str = Field(
        TINY,
        description=f"{presets_text()}; or any SentenceTransformer or Qwen-VL checkpoint, by folder or hub name. A"
        " Qwen-VL is trained with lora.rank=16 lr=5e-5 weight_decay=0 temperature=0.02 learn_temperature=false"
        " gradient_checkpointing=true max_visual_tokens=1280, and on a GPU precision=bf16, where nothing else is said",
    )
    lora: LoraOptions = Field(default_factory=LoraOptions, description="adapters in place of all weights")
    gradient_checkpointing: bool = Field(
        False, description="compute activations twice and keep few: less memory, equal gradients"
    )
    tasks: tuple[str, ...] | None = Field(None, description="tasks to train; null: all of the train split")
    weights: dict[str, float] | None = Field(
        None,
        description="task: share of the steps, e.g. {text_to_image: 2, image_to_text: 1}; a task that is not named"
        " gets none; null: the square root of its examples",
    )
    corpora: dict[str, float] | None = Field(
        None, description="corpus: how often its examples are drawn, e.g. {rsvg: 2}; for others, as the dataset says"
    )
    steps: int = Field(900, ge=1, description="optimizer steps")
    batch: int = Field(64, description="examples in a batch; each is the others' negatives")
    mini_batch: int = Field(0, ge=0, description="items in memory at a time (GradCache: equal gradients); 0: all")
    mini_batch_tokens: int = Field(
        0, ge=0, description="GradCache with mini-batches of at most so many tokens, whatever the items; 0: by items"
    )
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    lr_pretrained: float = Field(
        0.1, ge=0, description="mini: learning rate of the pretrained parts, as a share of lr; 0: they stay as they are"
    )
    frozen: int = Field(
        13, ge=0, description="mini: blocks of the vision tower, from its beginning, that stay as they are (it has 16)"
    )
    warmup: int = Field(10, ge=0, description="steps of linear warm-up; then constant")
    decay: float = Field(0.25, ge=0, le=1, description="share of the steps, the last, in which lr falls to 0")
    weight_decay: float = Field(0.1, ge=0, description="AdamW's weight decay")
    clip: float = Field(1.0, ge=0, description="gradient norm limit; 0: none")
    temperature: float = Field(0.07, gt=0.01, description="InfoNCE temperature at the start")
    learn_temperature: bool = Field(True, description="train the temperature too")
    hardness: float = Field(
        0.0, ge=0, description="negatives weigh exp(hardness · cosine) against one another; 0: all alike"
    )
    matryoshka: tuple[int, ...] = Field(
        (), description="also train the first so many numbers of a vector, e.g. matryoshka=[32,64]"
    )
    mask: MaskOptions = Field(default_factory=MaskOptions, description="what is known to be right, and counts as what")
    symmetric: bool = Field(True, description="also score each target against the queries")
    negatives: str | None = Field(
        None, description="mining run to take negatives from, or none; null: the only run when there is one"
    )
    negatives_per_query: int = Field(4, ge=1, description="the most mined negatives of an example")
    mine_every: str | None = Field(
        None,
        description="mine the negatives anew with the weights of the moment, every so many steps (200) or epochs"
        " (1epoch: as many draws as there are examples)",
    )
    mine: MineOptions = Field(default_factory=MineOptions, description="how they are mined anew")
    dev_every: int = Field(
        0, ge=0, description="steps between scorings of the val split (P@1, R@10 in the log); 0: at each mining alone"
    )
    negatives_after: int = Field(0, ge=0, description="steps at the beginning that do without mined negatives")
    patience: int = Field(
        0,
        ge=0,
        description="end after so many scorings of the val split without a better R@10, and save the best weights;"
        " 0: train to the end, save the last",
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="score, mine with and save a running average of the weights, e.g. 0.999; 0: not"
    )
    side: int | None = Field(
        None,
        ge=28,
        description="images get about side × side pixels; multiple of 28 (mini: 32); null: the model's,"
        " tiny: 112, mini: 128, small: 224",
    )
    max_visual_tokens: int | None = Field(
        None,
        ge=1,
        description="the most visual tokens of an image: larger images are shrunk, aspect kept; null: the model's own",
    )
    augment: bool = Field(True, description="turn and mirror images where no box or word of direction forbids it")
    augment_regions: bool = Field(
        False,
        description="turn images with boxes and words of direction too, and those with them: a mirrored left is right;"
        " what cannot follow is refused for that image",
    )
    box_codec: str | None = Field(None, description="how boxes become text; null: the model's, a new one: qwen2vl")
    coordinate_codec: str | None = Field(None, description="how coordinates become text; null: the model's, lat_lon")
    corpora_temperature: float = Field(
        1.0,
        gt=0,
        description="1: corpora of equal weight are drawn in proportion to their sizes; more: small ones more often",
    )
    one_corpus: bool = Field(False, description="a batch holds examples of one corpus")
    places: Order = Field(
        "any",
        description="the examples of a batch lie far from one another on the ground (spread), together (near), first"
        " far and then together (spread_then_near), or as it comes (any); where the dataset knows places, and not in"
        " tasks whose pool is the scene",
    )
    per_image: int = Field(
        0,
        ge=0,
        description="the most examples of one image that stand together in a batch, e.g. 5: all captions of a picture,"
        " which is then embedded once for them; 0: as it comes",
    )
    seed: int = Field(0, ge=0, description="of the weights, the order and the turns")
    save_every: int = Field(200, ge=1, description="steps between checkpoints")
    keep: int = Field(2, ge=1, description="checkpoints that stay")
    log_every: int = Field(10, ge=1, description="steps between lines of the loss curve")
    cache_mb: int = Field(1024, ge=0, description="memory for decoded images")
    workers: int = Field(2, ge=1, description="threads that decode images ahead of the training")
    shard: bool = Field(
        False,
        description="divide parameters, gradients and optimizer state among torchrun's processes (FSDP2), for a model"
        " that one device does not hold with its optimizer; not with ema or mini_batch_tokens",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to train")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16: autocast, for GPUs that have it")

    @field_validator("model")
    @classmethod
    def _of_any_name(cls, value: str) -> str:
        return str(expanded(value)) if value.startswith("~") else value

    @field_validator("batch")
    @classmethod
    def _others_are_in_the_batch(cls, value: int) -> int:
        if value < 2:
            raise ValueError("an example has its negatives from the others of its batch: give 2 or more")
        return value

    @field_validator("mine_every", mode="before")
    @classmethod
    def _steps_or_epochs(cls, value: object) -> object:
        if value is None:
            return None
        interval(str(value), epoch=1 << 20)
        return str(value)

    @model_validator(mode="after")
    def _options_agree(self) -> TrainConfig:
        if self.mine_every is None and self.mine != MineOptions():
            raise ValueError("mine.… says how negatives are mined anew: say when, too, e.g. mine_every=1epoch")
        if self.patience and not self.dev_every and self.mine_every is None:
            raise ValueError(f"patience={self.patience} counts scorings of the val split: give dev_every, e.g. 100")
        if self.side is not None and self.max_visual_tokens is not None:
            raise ValueError("side and max_visual_tokens both say how large images are: give one of them")
        if self.mini_batch_tokens and self.mini_batch:
            raise ValueError("mini_batch and mini_batch_tokens both say how large mini-batches are: give one of them")
        if self.shard and (self.ema or self.mini_batch_tokens):
            raise ValueError("shard=true: not with ema or mini_batch_tokens; for GradCache give mini_batch")
        if self.per_image and self.places != "any":
            raise ValueError("per_image and places both say which examples stand together: give one of them")
        return self
