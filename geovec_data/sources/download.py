"""One file over https: resumed where it broke off, and trusted only for its checksum."""

from __future__ import annotations

import hashlib
import http.client
import logging
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from geovec_data.errors import DataFault, ResourceFault, UserError

_CHUNK = 1 << 20
_ATTEMPTS = 5
_TIMEOUT = 60.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_log = logging.getLogger(__name__)


class _Broken(Exception):
    """The connection ended before the file; what came is kept and the next attempt goes on from there."""


def fetch_https(url: str, sha256: str, dest: Path) -> Path:
    """Download a file to `dest`, unless it is there already with the right content.

    A part of it waits in ``<dest>.part``; a later call, in this or another process, asks the server only for the
    rest (HTTP Range, RFC 9110 section 14) and starts anew where the server does not know how.

    Args:
        url: ``https://…`` (plain http only on this machine).
        sha256: 64 hex digits that the content must have.
        dest: file to write; its folder is made.

    Returns:
        `dest`.

    Raises:
        UserError: wrong kind of address, unreachable, or refused by the server.
        DataFault: the content has another checksum; it is deleted.
        ResourceFault: `dest` cannot be written.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UserError(f"{url}: only https addresses are fetched")
    part = dest.with_name(dest.name + ".part")
    try:
        if dest.is_file() and file_sha256(dest) == sha256:
            return dest
        dest.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part)
        if (found := file_sha256(part)) != sha256:
            part.unlink()
            raise DataFault(
                f"{url} has sha256 {found}, expected {sha256}: the file was changed or is not the one meant"
            )
        part.replace(dest)
    except OSError as error:
        raise ResourceFault(f"cannot write {dest}: {error}; what has been downloaded stays, run again") from error
    return dest


def file_sha256(path: Path) -> str:
    """Return the 64 hex digits of a file's sha256."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _download(url: str, part: Path) -> None:
    last = ""
    for _ in range(_ATTEMPTS):
        try:
            _go_on(url, part)
            return
        except _Broken as error:
            last = str(error)
            _log.info("%s: %s; going on", url, last)
    have = part.stat().st_size if part.exists() else 0
    raise UserError(f"{url} cannot be fetched: {last} ({_ATTEMPTS} attempts, {have:,} bytes kept). Run again to go on")


def _go_on(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            length = answer.headers.get("Content-Length")
            total = (have if resumed else 0) + int(length) if length else None
            with part.open("ab" if resumed else "wb") as out:
                while chunk := answer.read(_CHUNK):
                    out.write(chunk)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing behind what we have: complete, or longer than the file; the checksum tells
            return
        raise UserError(f"{url} cannot be fetched: the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise _Broken(str(getattr(error, "reason", None) or error)) from error
    if total is not None and part.stat().st_size < total:
        raise _Broken(f"connection ended after {part.stat().st_size:,} of {total:,} bytes")
