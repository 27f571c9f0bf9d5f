"""The failures a user sees, by whose fault they are; the CLI turns each into one message and an exit code."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
# how safetensors and torch.save say that they could not write, in errors of other kinds
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing")


class GeoVecError(Exception):
    """Base of every failure that GeoVec explains itself; `exit_code` is what the command returns."""

    exit_code = 1


class UserError(GeoVecError):
    """The user's mistake (unknown option, missing root, wrong layout): exit code 2."""

    exit_code = 2


class DataFault(GeoVecError):
    """A check of the data failed (verify, leaks, rejects above the limit): exit code 1."""

    exit_code = 1


class ResourceFault(GeoVecError):
    """The machine refused (disk full, read-only target); what is finished stays and a re-run continues."""

    exit_code = 1


def refusal(error: Exception) -> GeoVecError | None:
    """Say in one message what the machine refused: a full disk, a place that cannot be written; None: another fault."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or any(words in str(error) for words in _FULL_WORDS):
        return ResourceFault(f"no space left ({error}); make room and run the same command again: what is whole stays")
    if isinstance(error, OSError) and number in _REFUSED:
        return UserError(f"{error.filename or 'a file'}: {error.strerror}; give a place that can be read and written")
    return None


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `known`, or the sorted list when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.55)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""
