"""What to do when a run does not fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geovec_train.config import TrainConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SCORED = 32  # items of the val split that are embedded at a time, unless mini_batch says fewer


def scored_at_a_time(config: TrainConfig) -> int:
    """Return how many items of the val split are embedded at a time: no more than the user wants in memory."""
    return min(SCORED, config.mini_batch or SCORED)


class Advice:
    """Messages that name the options which help; none that this model would refuse.

    What changes nothing that is learnt comes first, since the run can go on with it.

    Args:
        config: the run's options.
        model: what is trained; a saved encoder can be of any kind, so its name says nothing.
    """

    def __init__(self, config: TrainConfig, model: SentenceTransformer) -> None:
        from geovec_train.models.interleaved import Interleaved
        from geovec_train.models.lora import adaptable
        from geovec_train.models.sizes import least_side, recomputes, resizes_freely

        self._config = config
        own = isinstance(model[0], Interleaved)
        plain = "message" not in model.modalities
        self._recomputes = not config.gradient_checkpointing and recomputes(model)
        self._adapts = not own and not config.lora.rank and set(config.lora.targets) <= _last(adaptable(model))
        self._divides = not (own or config.shard or config.ema or config.mini_batch_tokens) and not (
            plain and "image" in model.modalities
        )
        self._images = ""
        if own or (config.side and resizes_freely(model)):
            self._images = "side" if (config.side or model[0].side) > least_side(model) else ""
        elif resizes_freely(model) and config.max_visual_tokens != 1:
            most = config.max_visual_tokens
            self._images = f"max_visual_tokens={most // 2}" if most else "max_visual_tokens"

    def step(self) -> str:
        """Return what to do when it is a step that does not fit."""
        begun = f"too little memory for a step of batch={self._config.batch}. "
        smaller = self._smaller()
        same = [smaller] if smaller else []
        if self._recomputes:
            same.append("gradient_checkpointing=true")
        if not same:
            return f"{begun}Items are embedded one by one already: a new run can have {self._new()}"
        return (
            f"{begun}The same command with {' or '.join(same)} goes on from the last checkpoint: less is in memory at a"
            f" time, with equal gradients. A new run can also have {self._new()}"
        )

    def scoring(self) -> str:
        """Return what to do when it is the scoring of the val split that does not fit."""
        size = scored_at_a_time(self._config)
        begun = f"too little memory to embed the val split, {_many(size)} at a time. "
        if size == 1:
            return f"{begun}{self._smaller_images()}"
        instead = f" in place of mini_batch_tokens={n}" if (n := self._config.mini_batch_tokens) else ""
        return f"{begun}The same command with mini_batch={size // 2}{instead} goes on from the last checkpoint"

    def refresh(self) -> str:
        """Return what to do when it is mining anew that does not fit."""
        size = self._config.mine.batch
        begun = f"too little memory to embed what is mined anew, {_many(size)} at a time. "
        if size == 1:
            return f"{begun}{self._smaller_images()}"
        return f"{begun}The same command with mine.batch={size // 2} goes on from the last checkpoint"

    def _smaller(self) -> str:
        config = self._config
        if config.mini_batch_tokens:
            return f"mini_batch_tokens={config.mini_batch_tokens // 2}" if config.mini_batch_tokens > 1 else ""
        if config.mini_batch:
            return f"mini_batch={config.mini_batch // 2}" if config.mini_batch > 1 else ""
        return f"mini_batch={max(1, config.batch // 4)}"

    def _new(self) -> str:
        config = self._config
        smaller = [*(["batch"] if config.batch > 2 else []), *([self._images] if self._images else [])]
        ways = [f"a smaller {' or '.join(smaller)}"] if smaller else []
        if self._adapts:
            ways.append("lora.rank=16")
        if self._divides:
            ways.append("shard=true in several processes")
        if config.precision == "fp32":
            ways.append("precision=bf16 on a GPU")
        return ", or ".join(ways or ["a smaller model"])

    def _smaller_images(self) -> str:
        return f"A new run can have a smaller {self._images or 'model'}"


def _last(paths: list[str]) -> set[str]:
    return {path.rpartition(".")[2] for path in paths}


def _many(items: int) -> str:
    return f"{items} items" if items > 1 else "one item"
