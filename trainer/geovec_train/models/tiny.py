"""Encoders from scratch: Qwen2-VL's architecture at a few sizes, with a tokenizer of the data's own text.

`TINY`'s sizes and initialisation are those that learnt best in minutes on two CPU cores: `initializer_range` 0.06 in
both towers matters most (at 0.02 all captions stay near one another for a long time). `SMALL` is for one GPU; it has
been built, trained for a step and saved, and on no GPU yet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geovec_train.models.inputs import CHAT_TEMPLATE, CONTROL

PATCH, MERGE = 14, 2
SPECIAL = tuple(f"<|{name}|>" for name in CONTROL)
PLAIN = ("<|box_start|>", "<|box_end|>")  # part of the box codec's text, so ordinary tokens


@dataclass(frozen=True, slots=True)
class Size:
    """How large an encoder is.

    Attributes:
        vocabulary: the most tokens of the tokenizer.
        positions: the most tokens of a sequence.
        hidden: width of the text part, and of a vector.
        intermediate: width of its feed-forward layers.
        layers: its depth.
        heads: its attention heads.
        kv_heads: those of keys and values.
        mrope: how a head's frequencies are shared between time, row and column; they sum to half a head's width.
        vision: width of the vision tower.
        vision_depth: its depth.
        vision_heads: its attention heads.
        side: images get about side × side pixels.
        init: standard deviation of the initial weights.
    """

    vocabulary: int
    positions: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    mrope: tuple[int, int, int]
    vision: int
    vision_depth: int
    vision_heads: int
    side: int
    init: float


TINY = Size(
    vocabulary=2000,
    positions=512,
    hidden=128,
    intermediate=384,
    layers=2,
    heads=4,
    kv_heads=2,
    mrope=(4, 6, 6),
    vision=96,
    vision_depth=3,
    vision_heads=3,
    side=112,
    init=0.06,
)
SMALL = Size(
    vocabulary=16_000,
    positions=1024,
    hidden=512,
    intermediate=1536,
    layers=8,
    heads=8,
    kv_heads=2,
    mrope=(8, 12, 12),
    vision=512,
    vision_depth=8,
    vision_heads=8,
    side=224,
    init=0.03,  # TINY's, by the square root of the width
)
SIZES = {"tiny": TINY, "small": SMALL}


def train_tokenizer(texts: Iterable[str], vocabulary: int, positions: int) -> Any:
    """Train a byte-level BPE (digits stand alone, as in Qwen2) and return it as a transformers tokenizer.

    Args:
        texts: the training texts; equal texts give an equal tokenizer.
        vocabulary: the most tokens it may have.
        positions: the most tokens of a sequence.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(PLAIN),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[1],
        extra_special_tokens={"image_token": SPECIAL[4]},
        model_max_length=positions,
        padding_side="right",
    )


def _config(size: Size, tokenizer: Any, geovec: Mapping[str, Any]) -> Any:
    from transformers import Qwen2VLConfig

    ids = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": size.hidden,
            "intermediate_size": size.intermediate,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.kv_heads,
            "max_position_embeddings": size.positions,
            "initializer_range": size.init,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": list(size.mrope)},
            "bos_token_id": None,
            "eos_token_id": ids["<|endoftext|>"],
            "pad_token_id": ids["<|pad|>"],
        },
        vision_config={
            "depth": size.vision_depth,
            "embed_dim": size.vision,
            "hidden_size": size.hidden,
            "num_heads": size.vision_heads,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 1,
            "initializer_range": size.init,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    config.geovec = dict(geovec)
    return config


def build_tiny(
    texts: Iterable[str],
    *,
    seed: int,
    size: Size = TINY,
    side: int | None = None,
    geovec: Mapping[str, Any] | None = None,
    prompts: Mapping[str, str] | None = None,
) -> Any:
    """Build an untrained encoder.

    Args:
        texts: what the tokenizer learns from.
        seed: of the initial weights.
        size: how large it is.
        side: images are resized to about side × side pixels, aspect kept; a multiple of 28; None: as `size` says.
        geovec: settings kept in the model's ``config.json`` (codec names).
        prompts: named prompts kept with the model (canonical instruction of each task).

    Returns:
        A SentenceTransformer: `InterleavedEncoder`, last-token pooling, normalisation.

    Raises:
        ValueError: when `side` is no multiple of 28.
    """
    import torch
    from safetensors.torch import save_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import Qwen2VLModel
    from transformers.models.paddleocr_vl.processing_paddleocr_vl import PaddleOCRVLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from geovec_train.models.encoder import InterleavedEncoder

    side = size.side if side is None else side
    if side % (PATCH * MERGE) or side <= 0:
        raise ValueError(f"side={side}: a multiple of {PATCH * MERGE} is needed (patch {PATCH} × merge {MERGE})")
    tokenizer = train_tokenizer(texts, size.vocabulary, size.positions)
    images = Qwen2VLImageProcessorPil(
        min_pixels=side**2, max_pixels=side**2, patch_size=PATCH, merge_size=MERGE, temporal_patch_size=1
    )
    # Qwen2-VL's own processor has a video part and so demands torchvision. PaddleOCR-VL's is the same pairing of
    # tokenizer and Qwen2-VL image processor without one, and is what transformers finds again on loading.
    processor = PaddleOCRVLProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2VLModel(_config(size, tokenizer, geovec or {}))
    with tempfile.TemporaryDirectory() as folder:
        # not model.save_pretrained, which writes in the first of several processes only: each has a folder of its own
        model.config.save_pretrained(folder)
        save_file(model.state_dict(), Path(folder) / "model.safetensors", metadata={"format": "pt"})
        processor.save_pretrained(Path(folder))
        module = Transformer(folder)
    modules = [InterleavedEncoder.adopt(module), Pooling(size.hidden, "lasttoken"), Normalize()]
    return SentenceTransformer(modules=modules, prompts=dict(prompts or {}), device="cpu")
