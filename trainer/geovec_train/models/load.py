"""Loading and saving encoders: stock sentence-transformers folders, run by the faster module where it fits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geovec_data.errors import ResourceFault, UserError, suggest
from geovec_data.model_codecs import chosen, own_codecs
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


def load(
    path: str | Path, *, device: str | None = None, option: str = "model", dtype: str | None = None
) -> SentenceTransformer:
    """Load an encoder without running code from it; only a name that is no folder and not cached asks the hub.

    GeoVec's own encoders get their faster modules (see `faster`), a vision-language checkpoint becomes an embedder
    (`geovec_train.models.checkpoint`); any other loads as it is.

    Args:
        path: a sentence-transformers folder, a checkpoint of a vision-language model, or the hub's name of either.
        device: ``cpu``, ``cuda``, …; default: the best there is.
        option: the option to name in a message.
        dtype: of the weights (``float32``, ``bfloat16``); None: as they are saved.

    Raises:
        UserError: when there is no such model, or it does not load.
        ResourceFault: when its weights do not fit into the device's memory.
    """
    folder = check_folder(path, option)
    from sentence_transformers import SentenceTransformer

    from geovec_train.models.checkpoint import is_checkpoint, load_checkpoint

    try:
        with quiet():
            if is_checkpoint(folder):
                return load_checkpoint(folder, device=device, dtype=dtype)
            model = SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": dtype} if dtype else None,
            )
    except UserError:
        raise
    except Exception as error:  # whatever a stranger's folder makes the libraries raise is the folder's fault
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "out of memory" in reason or "can't allocate memory" in reason:
            raise ResourceFault(
                f"too little memory for the weights of {option}={path} ({reason[:200]}). lora.rank=16 precision=bf16"
                " hold them in half the space; device=cpu has more of it, or take a smaller model"
            ) from error
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
    """Return the folder of an encoder; a preset's or the hub's is that of its snapshot.

    Raises:
        UserError: when there is none, or it holds no encoder.
    """
    from geovec_train.models.checkpoint import is_checkpoint
    from geovec_train.models.hub import HUB, locate

    try:
        folder = locate(str(path), option)
    except UserError as error:
        if option != "model":
            raise
        raise UserError(f"{str(error).rstrip('.')}.{suggest(str(path), [*PRESETS, *HUB])}") from error
    if not (folder / "modules.json").is_file() and not is_checkpoint(folder):
        held = "an unfinished run: run its command again" if (folder / "checkpoints").is_dir() else "no encoder"
        raise UserError(f"{option}={path}: no modules.json in this folder, so it is {held}")
    return folder


def save_model(model: SentenceTransformer, path: Path) -> None:
    """Save as a stock sentence-transformers folder (safetensors only); ``modules.json`` is written last.

    Adapters are merged into the weights that are saved; the model goes on with them as it was.
    """
    from geovec_train.models.lora import merged

    with merged(model):
        _save_plain(model, path)


def _save_plain(model: SentenceTransformer, path: Path) -> None:
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
    """Return a model's own codecs (Qwen2-VL's grid, decimal degrees where it has none)."""
    box, coordinate = own_codecs(model)
    return Codecs.named(chosen(None, box, "qwen2vl"), chosen(None, coordinate, "lat_lon"))
