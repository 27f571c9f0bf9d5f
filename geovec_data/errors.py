"""The failures a user sees, by whose fault they are; the CLI turns each into one message and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `known`, or the sorted list when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.55)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""
