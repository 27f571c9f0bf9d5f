"""The mini encoder: EfficientNet-Lite0's feature map as visual tokens in MiniLM's transformer, both pretrained.

It is a FastVLM of transformers (arXiv 2412.13303: a convolutional tower, a two-layer projector, a language model) whose
language model is a BERT, so attention goes both ways over one sequence of pictures, texts, boxes and coordinates.

MiniLM's learned positions are all the position that a token has. So that a visual token's position says where in its
picture it lies, pictures stand at the beginning of the sequence, in order, each with the same number of tokens row by
row; a token of the text (``<|picture_1|>``, …) says where in the item each belongs. Pictures are resized to a square,
whatever their shape: a box on a grid over the picture then lies over the same visual tokens always.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

SIDE = 128
MAX_TOKENS = 512  # MiniLM's positions
PICTURES = 16  # the most in an item, if their tokens leave room
PAD_TOKEN = "<|image_pad|>"
PLAIN = ("<|box_start|>", "<|box_end|>")  # part of the box codec's text, so ordinary tokens
NUMBERED = tuple(f"<|picture_{n + 1}|>" for n in range(PICTURES))
# what a text may not spell: strangers' captions cannot add pictures or end the sequence
CONTROL = {
    **{t: t.replace("|", "") for t in (PAD_TOKEN, *NUMBERED)},
    **{f"[{t}]": f"({t})" for t in ("PAD", "UNK", "CLS", "SEP", "MASK")},
}
CHAT_TEMPLATE = (
    "[CLS]"
    "{%- for message in messages -%}{%- if message.content is not string -%}"
    "{%- for part in message.content if part.type == 'image' -%}" + PAD_TOKEN + "{%- endfor -%}"
    "{%- endif -%}{%- endfor -%}"
    "{%- set at = namespace(text=false, own='', picture=0) -%}"
    "{%- for message in messages -%}"
    "{%- set parts = [{'type': 'text', 'text': message.content}] if message.content is string"
    " else message.content -%}"
    "{%- for part in parts -%}"
    "{%- if part.type == 'image' -%}"
    "{%- set at.picture = at.picture + 1 -%}{{ '<|picture_' ~ at.picture ~ '|>' }}{%- set at.text = false -%}"
    "{%- else -%}"
    "{%- set at.own = part.text -%}"
    + "".join(f"{{%- set at.own = at.own | replace('{old}', '{new}') -%}}" for old, new in CONTROL.items())
    + "{{ (' ' if at.text else '') + at.own | trim }}{%- set at.text = true -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- endfor -%}"
    "[SEP]"
)


def adapt_tokenizer(file: Path) -> Any:
    """Return a BERT tokenizer with our tokens in the place of its unused ones, and digits that stand alone.

    Args:
        file: ``tokenizer.json`` of an uncased BERT.

    Raises:
        ValueError: when its vocabulary has too few ``[unused…]`` entries.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = json.loads(file.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = backend["model"]["vocab"]
    ours = (PAD_TOKEN, *PLAIN, *NUMBERED)
    free = [t for t in vocabulary if t.startswith("[unused")][: len(ours)]
    if len(free) < len(ours):
        raise ValueError(f"{file} has {len(free)} unused tokens, {len(ours)} are needed")
    for old, new in zip(free, ours, strict=True):
        vocabulary[new] = vocabulary.pop(old)
        special = new not in PLAIN
        backend["added_tokens"].append(
            {
                "id": vocabulary[new],
                "content": new,
                "special": special,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
            }
        )
    backend["added_tokens"].sort(key=lambda t: t["id"])
    backend["truncation"] = backend["padding"] = backend["post_processor"] = None  # the template has [CLS] and [SEP]
    digits = {"type": "Digits", "individual_digits": True}
    backend["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [backend["pre_tokenizer"], digits]}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(backend)),
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
        extra_special_tokens={"image_token": PAD_TOKEN},
        model_max_length=MAX_TOKENS,
        padding_side="right",
    )


def build_mini(
    text: Path,
    vision: Mapping[str, Tensor],
    *,
    seed: int,
    side: int | None = None,
    geovec: Mapping[str, Any] | None = None,
    prompts: Mapping[str, str] | None = None,
    vision_options: Mapping[str, Any] | None = None,
) -> Any:
    """Put a mini encoder together; all but the projector is pretrained.

    Args:
        text: folder of a BERT: ``config.json``, ``model.safetensors``, ``tokenizer.json``.
        vision: weights of EfficientNet-Lite0 under their published names.
        seed: of the projector.
        side: pictures are resized to side × side pixels; a multiple of 32; None: 128.
            A square of 32 × 32 pixels is a visual token.
        geovec: settings kept in the model's ``config.json`` (codec names).
        prompts: named prompts kept with the model.
        vision_options: another size of EfficientNet-Lite (tests).

    Returns:
        A SentenceTransformer: `MiniEncoder`, mean pooling, normalisation.

    Raises:
        ValueError: when `side` is no multiple of 32, or the weights are not those of the architecture.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, FastVlmConfig, FastVlmModel
    from transformers.models.llava.processing_llava import LlavaProcessor
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    from geovec_train.models.lite0 import MEAN, SCALE, STD, lite0_config, open_gates, renamed
    from geovec_train.models.mini_encoder import MiniEncoder

    side = SIDE if side is None else side
    if side % SCALE or side <= 0:
        raise ValueError(f"side={side}: a multiple of {SCALE} is needed")
    tokenizer = adapt_tokenizer(text / "tokenizer.json")
    bert = BertConfig.from_pretrained(text, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config = FastVlmConfig(
        text_config=bert.to_dict(),
        vision_config=lite0_config(**(vision_options or {})).to_dict(),
        image_token_index=tokenizer.convert_tokens_to_ids(PAD_TOKEN),
        image_seq_length=(side // SCALE) ** 2,
    )
    config.geovec = dict(geovec or {})
    processor = LlavaProcessor(
        ViTImageProcessorPil(
            size={"height": side, "width": side}, resample=3, image_mean=[MEAN] * 3, image_std=[STD] * 3
        ),
        tokenizer,
        patch_size=SCALE,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FastVlmModel(config)
    words = {k: v for k, v in load_file(text / "model.safetensors").items() if not k.endswith("position_ids")}
    _take(model.language_model, words, "pooler")
    _take(model.vision_tower, renamed(vision), "squeeze_excite")
    open_gates(model.vision_tower)
    with tempfile.TemporaryDirectory() as folder:
        # not model.save_pretrained, which writes in the first of several processes only: each has a folder of its own
        model.config.save_pretrained(folder)
        save_file(model.state_dict(), Path(folder) / "model.safetensors", metadata={"format": "pt"})
        processor.save_pretrained(Path(folder))
        module = Transformer(folder)
    modules = [MiniEncoder.adopt(module), Pooling(bert.hidden_size, "mean"), Normalize()]
    return SentenceTransformer(modules=modules, prompts=dict(prompts or {}), device="cpu")


def _take(part: Any, weights: Mapping[str, Tensor], own: str) -> None:
    """Load a part's weights; only those of modules named `own` may be missing.

    Raises:
        ValueError: when others are missing or left over.
    """
    found = part.load_state_dict(dict(weights), strict=False)
    if wrong := [*found.unexpected_keys, *(k for k in found.missing_keys if own not in k)]:
        raise ValueError(f"weights do not fit the architecture: {', '.join(wrong[:3])}, …")
