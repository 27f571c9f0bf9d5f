"""A vision-language checkpoint of the hub as an embedder: its own chat template, last-token pooling, unit vectors.

The embedding is read where the model would begin its answer: the chat template's generation prompt ends every input.

Of a Qwen model's processor the part for videos is left out: it demands torchvision, which is not everywhere, and items
have no videos. What stays is the pairing of tokenizer and image processor that transformers has for PaddleOCR-VL, with
the checkpoint's own tokenizer, image processor and chat template; what is saved loads with neither this package nor
torchvision.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.mining.model_folder import model_type
from geovec_data.model_codecs import FAMILIES
from geovec_train.models.inputs import CHAT_TEMPLATE

IMAGE_TOKEN = "<|image_pad|>"
_PROCESSOR = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


def is_checkpoint(folder: Path) -> bool:
    """Tell whether a folder holds a vision-language model that `load_checkpoint` makes an embedder of."""
    return not (folder / "modules.json").is_file() and model_type(folder) in FAMILIES


def is_vision_language(folder: Path) -> bool:
    """Tell whether a model folder holds a checkpoint of `FAMILIES`, or an embedder that was made of one."""
    if model_type(folder) not in FAMILIES:
        return False
    template = folder / _TEMPLATES[0]
    return not template.is_file() or template.read_text(encoding="utf-8") != CHAT_TEMPLATE  # the tiny encoder's


def load_checkpoint(folder: Path, *, device: str | None = None, dtype: str | None = None) -> Any:
    """Make an embedder of a vision-language checkpoint, offline and without running code from it.

    Args:
        folder: a checkpoint as transformers saves it, of one of `FAMILIES`.
        device: ``cpu``, ``cuda``, …; None: the best there is.
        dtype: of the weights; None: float32.

    Returns:
        A SentenceTransformer.

    Raises:
        UserError: when the checkpoint has no chat template.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    processor = _processor(folder)
    with tempfile.TemporaryDirectory(prefix="geovec-") as staging:
        # the same files, linked, with another processor beside them: a processor is found by its folder alone
        for file in folder.iterdir():
            if file.is_file() and file.name not in (*_PROCESSOR, *_TEMPLATES) and "token" not in file.name:
                (Path(staging) / file.name).symlink_to(file.resolve())
        processor.save_pretrained(staging)
        module = Transformer(
            staging,
            model_kwargs={"dtype": dtype or "float32", "local_files_only": True},
            processing_kwargs={"chat_template": {"add_generation_prompt": True}},
        )
    width = module.get_embedding_dimension()
    return SentenceTransformer(modules=[module, Pooling(width, "lasttoken"), Normalize()], device=device)


def _processor(folder: Path) -> Any:
    from transformers import AutoTokenizer
    from transformers.models.paddleocr_vl.processing_paddleocr_vl import PaddleOCRVLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(
        str(folder), extra_special_tokens={"image_token": IMAGE_TOKEN}, local_files_only=True, trust_remote_code=False
    )
    images = Qwen2VLImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
    return PaddleOCRVLProcessor(images, tokenizer, chat_template=_template(folder, tokenizer))


def _template(folder: Path, tokenizer: Any) -> str:
    raw, wrapped = (folder / name for name in _TEMPLATES)
    if raw.is_file():
        return raw.read_text(encoding="utf-8")
    if wrapped.is_file():
        return str(json.loads(wrapped.read_text(encoding="utf-8"))["chat_template"])
    if isinstance(tokenizer.chat_template, str):
        return tokenizer.chat_template
    raise UserError(f"model={folder} has no chat template; take the family's instruction-tuned checkpoint")
