"""Loading and saving encoders: stock sentence-transformers folders, run by the faster module where it fits."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geovec_data.errors import UserError
from geovec_data.render import Codecs
from geovec_train.models.presets import PRESETS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SETTINGS = "geovec"  # key of our settings in the model's config.json


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and advice about its own classes from the user's screen."""
    from transformers.utils import logging as hf

    level, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    st = logging.getLogger("sentence_transformers")
    st_level = st.level
    hf.set_verbosity_error()
    hf.disable_progress_bar()
    st.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hf.set_verbosity(level)
        st.setLevel(st_level)
        if bars:
            hf.enable_progress_bar()


def load(path: str | Path, *, device: str | None = None, option: str = "model") -> SentenceTransformer:
    """Load an encoder from a folder, offline and without running code from it.

    GeoVec's own encoders get their faster modules (see `faster`); any other loads as it is.

    Args:
        path: a sentence-transformers folder.
        device: ``cpu``, ``cuda``, …; default: the best there is.
        option: the option to name in a message.

    Raises:
        UserError: when the folder is missing, is no model, or does not load.
    """
    folder = check_folder(path, option)
    from sentence_transformers import SentenceTransformer

    try:
        with quiet():
            model = SentenceTransformer(str(folder), device=device, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a stranger's folder makes the libraries raise is the folder's fault
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"{option}={path} does not load as an encoder: {reason[:500]}") from error
    model[0] = faster(model[0])
    return model


def faster(module: Any) -> Any:
    """Return an encoder's first module as the faster one of the same outputs, or itself where there is none."""
    from geovec_train.models.encoder import InterleavedEncoder
    from geovec_train.models.mini_encoder import MiniEncoder

    for kind in (InterleavedEncoder, MiniEncoder):
        if kind.fits(module):
            return kind.adopt(module)
    return module


def check_folder(path: str | Path, option: str = "model") -> Path:
    """Return the folder of an encoder.

    Raises:
        UserError: when there is none, or it holds no encoder.
    """
    folder = Path(path)
    if not folder.is_dir():
        new = f" New encoders are called {', '.join(PRESETS)}." if option == "model" else ""
        raise UserError(
            f"{option}={path}: no such folder.{new} A model of the Hugging Face hub is fetched first, e.g. with:"
            f" hf download {path} --local-dir models/{Path(path).name}"
        )
    if not (folder / "modules.json").is_file():
        held = "an unfinished run: run its command again" if (folder / "checkpoints").is_dir() else "no encoder"
        raise UserError(f"{option}={path}: no modules.json in this folder, so it is {held}")
    return folder


def save_model(model: SentenceTransformer, path: Path) -> None:
    """Save as a stock sentence-transformers folder (safetensors only); ``modules.json`` is written last."""
    from sentence_transformers import SentenceTransformer

    from geovec_train.models.interleaved import Interleaved

    modules = [m.stock() if isinstance(m, Interleaved) else m for m in model]
    plain = SentenceTransformer(
        modules=modules,
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
        device=str(model.device),
    )
    path.mkdir(parents=True, exist_ok=True)
    with quiet():
        plain.save_pretrained(str(path), create_model_card=False)


def publish(model: SentenceTransformer, path: Path) -> None:
    """Save a model into a folder that holds other things, so that it is there whole or not at all."""
    staging = path / ".model"
    save_model(model, staging)
    names = sorted(p.name for p in staging.iterdir())
    (path / "modules.json").unlink(missing_ok=True)
    for name in [n for n in names if n != "modules.json"] + ["modules.json"]:
        target = path / name
        if target.is_dir():
            for inner in sorted((staging / name).iterdir()):
                inner.replace(target / inner.name)
        else:
            (staging / name).replace(target)
    for left in staging.iterdir():
        left.rmdir()
    staging.rmdir()


def codecs_of(model: SentenceTransformer) -> Codecs:
    """Return the codecs a model was trained with (Qwen2-VL's grid, decimal degrees where it does not say)."""
    settings = getattr(getattr(model[0], "config", None), SETTINGS, None) or {}
    return Codecs.named(settings.get("box_codec", "qwen2vl"), settings.get("coordinate_codec", "lat_lon"))


def encode_items(model: SentenceTransformer, items: Sequence[Any], **options: Any) -> Any:
    """Embed interleaved items given as lists of PIL images and strings.

    Args:
        model: an encoder that takes messages.
        items: each a list of texts and PIL images in any order.
        **options: for ``SentenceTransformer.encode`` (``batch_size``, ``convert_to_tensor``, …).

    Returns:
        Unit vectors, (items, dimensions).
    """
    messages = [
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}
                    for part in item
                ],
            }
        ]
        for item in items
    ]
    return model.encode(messages, **options)
