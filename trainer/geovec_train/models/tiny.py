"""The tiny encoder: Qwen2-VL's architecture at 1.2 M parameters, from scratch, with a tokenizer of the data's own text.

The sizes and the initialisation are those that learnt best in minutes on two CPU cores: `initializer_range` 0.06 in
both towers matters most (at 0.02 all captions stay near one another for a long time).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geovec_train.models.inputs import CHAT_TEMPLATE, CONTROL

VOCABULARY = 2000
HIDDEN = 128
MAX_TOKENS = 512
PATCH, MERGE = 14, 2
SIDE = 112
INIT = 0.06
SPECIAL = tuple(f"<|{name}|>" for name in CONTROL)
PLAIN = ("<|box_start|>", "<|box_end|>")  # part of the box codec's text, so ordinary tokens


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Any:
    """Train a byte-level BPE (digits stand alone, as in Qwen2) and return it as a transformers tokenizer.

    Args:
        texts: the training texts; equal texts give an equal tokenizer.
        vocabulary: the most tokens it may have.
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
        model_max_length=MAX_TOKENS,
        padding_side="right",
    )


def _config(tokenizer: Any, geovec: Mapping[str, Any]) -> Any:
    from transformers import Qwen2VLConfig

    ids = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN,
            "intermediate_size": 384,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": MAX_TOKENS,
            "initializer_range": INIT,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]},
            "bos_token_id": None,
            "eos_token_id": ids["<|endoftext|>"],
            "pad_token_id": ids["<|pad|>"],
        },
        vision_config={
            "depth": 3,
            "embed_dim": 96,
            "hidden_size": HIDDEN,
            "num_heads": 3,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 1,
            "initializer_range": INIT,
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
    side: int = SIDE,
    geovec: Mapping[str, Any] | None = None,
    prompts: Mapping[str, str] | None = None,
) -> Any:
    """Build an untrained tiny encoder.

    Args:
        texts: what the tokenizer learns from.
        seed: of the initial weights.
        side: images are resized to about side × side pixels, aspect kept; a multiple of 28.
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

    if side % (PATCH * MERGE) or side <= 0:
        raise ValueError(f"side={side}: a multiple of {PATCH * MERGE} is needed (patch {PATCH} × merge {MERGE})")
    tokenizer = train_tokenizer(texts)
    images = Qwen2VLImageProcessorPil(
        min_pixels=side**2, max_pixels=side**2, patch_size=PATCH, merge_size=MERGE, temporal_patch_size=1
    )
    # Qwen2-VL's own processor has a video part and so demands torchvision. PaddleOCR-VL's is the same pairing of
    # tokenizer and Qwen2-VL image processor without one, and is what transformers finds again on loading.
    processor = PaddleOCRVLProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2VLModel(_config(tokenizer, geovec or {}))
    with tempfile.TemporaryDirectory() as folder:
        # not model.save_pretrained, which writes in the first of several processes only: each has a folder of its own
        model.config.save_pretrained(folder)
        save_file(model.state_dict(), Path(folder) / "model.safetensors", metadata={"format": "pt"})
        processor.save_pretrained(Path(folder))
        module = Transformer(folder)
    modules = [InterleavedEncoder.adopt(module), Pooling(HIDDEN, "lasttoken"), Normalize()]
    return SentenceTransformer(modules=modules, prompts=dict(prompts or {}), device="cpu")
