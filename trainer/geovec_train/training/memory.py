"""What to do when a step does not fit into memory."""

from __future__ import annotations

from geovec_train.config import TrainConfig
from geovec_train.models.presets import PRESETS


def memory_advice(config: TrainConfig) -> str:
    """Return the message: what changes nothing that is learnt comes first, since the run can go on with it."""
    begun = f"too little memory for a step of batch={config.batch}. "
    smaller = _smaller(config)
    same = [smaller] if smaller else []
    if not config.gradient_checkpointing and config.model not in PRESETS:
        same.append("gradient_checkpointing=true")
    if not same:
        return f"{begun}Items are embedded one by one already: a new run can have {_new(config)}"
    return (
        f"{begun}The same command with {' or '.join(same)} goes on from the last checkpoint: less is in memory at a"
        f" time, with equal gradients. A new run can also have {_new(config)}"
    )


def _smaller(config: TrainConfig) -> str:
    if config.mini_batch_tokens:
        return f"mini_batch_tokens={config.mini_batch_tokens // 2}" if config.mini_batch_tokens > 1 else ""
    if config.mini_batch:
        return f"mini_batch={config.mini_batch // 2}" if config.mini_batch > 1 else ""
    return f"mini_batch={max(1, config.batch // 4)}"


def _new(config: TrainConfig) -> str:
    if config.max_visual_tokens:
        images = f"max_visual_tokens={max(1, config.max_visual_tokens // 2)}"
    else:
        images = "side" if config.side or config.model in PRESETS else "max_visual_tokens"
    ways = [f"a smaller batch or {images}"]
    if config.model not in PRESETS and not config.lora.rank:
        ways.append("lora.rank=16")
    if config.model not in PRESETS and not config.shard:
        ways.append("shard=true in several processes")
    if config.precision == "fp32":
        ways.append("precision=bf16 on a GPU")
    return ", or ".join(ways)
