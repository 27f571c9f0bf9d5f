"""Where an encoder's files are, and a fingerprint of what they hold: never the model's name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from geovec_data.errors import UserError
from geovec_data.paths import expanded
from geovec_data.progress import say

# what a model folder's root holds besides the model: a training run is a model folder too
_NO_MODEL = {"summary.json", "train.json", "trainer_state.json"}
_MODEL_FILES = {".safetensors", ".json", ".txt", ".model", ".jinja", ".bin", ".py", ".vocab"}


def fingerprint(folder: Path, option: str = "encoder") -> str:
    """Hash a model folder: names and contents of the files that make the model, in name order.

    Logs, checkpoints and evaluations that a training run leaves in the same folder do not count.

    Raises:
        UserError: when the folder holds no model, or only pickled weights.
    """
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
        raise UserError(
            f"{option}={folder} holds no model: modules.json (SentenceTransformer) or config.json (transformers) was"
            f" expected, found: {found}"
        )
    files = [p for p in folder.iterdir() if p.is_file() and p.suffix in _MODEL_FILES and p.name not in _NO_MODEL]
    if list(folder.glob("*.bin")) and not list(folder.glob("*.safetensors")):
        raise UserError(
            f"{option}={folder} has its weights as pickle (*.bin), which can run code when loaded; save it as"
            " safetensors: model.save_pretrained(folder, safe_serialization=True)"
        )
    for module in _modules(folder, option):
        if module:
            files += [p for p in (folder / module).rglob("*") if p.is_file()]
    digest = hashlib.sha256()
    for file in sorted(set(files)):
        with file.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _modules(folder: Path, option: str) -> list[str]:
    file = folder / "modules.json"
    if not file.is_file():
        return []
    try:
        return [str(m["path"]) for m in json.loads(file.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{option}={folder}: {file.name} is unreadable ({error}); save the model again") from error


def find(name: str, option: str = "encoder") -> Path:
    """Return the folder of an encoder: a local one, or the hub's snapshot of it (downloaded when it is not cached).

    Raises:
        UserError: when there is neither, said without the hub's minute of retries.
    """
    local = expanded(name)
    if local.is_dir():
        return local
    if local.exists() or local.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise UserError(
            f"{option}={name}: no such folder. Give a model folder (geovec-train's out=), or a hub name"
            " such as sentence-transformers/all-MiniLM-L6-v2"
        )
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repo = name if "/" in name else f"sentence-transformers/{name}"
    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except LocalEntryNotFoundError:
        say(f"{option}={name} is no folder here; asking the hub for {repo}")
    try:
        HfApi().model_info(repo, timeout=10)
        # other formats of the same weights stay on the hub
        return Path(snapshot_download(repo, ignore_patterns=["*.bin", "onnx/*", "openvino/*", "*.h5", "*.msgpack"]))
    except HfHubHTTPError as error:
        reason = "the hub has no such model, or it is private"
        raise UserError(f"{option}={name}: no such folder here, and {reason} ({first_line(error)})") from error
    except Exception as error:
        raise UserError(
            f"{option}={name}: no such folder here, and the hub cannot be reached ({first_line(error)})."
            " Give a model folder, such as geovec-train's out="
        ) from error


def model_type(folder: Path) -> str | None:
    """Return the architecture that a model folder's ``config.json`` names; None: there is none."""
    file = folder / "config.json"
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, for a message of ours."""
    return (str(error).strip().splitlines() or ["no message"])[0][:300]
