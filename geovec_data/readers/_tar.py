"""Reading a tar of WebDataset samples by its headers: what it holds and where, nothing unpacked to disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from geovec_data.untrusted.images import is_inside

_PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class BrokenTar(Exception):
    """A tar that cannot be read on; `name` is the member that is cut off, if one is."""

    def __init__(self, detail: str, name: str = "") -> None:
        super().__init__(detail)
        self.name = name


@dataclass(slots=True)
class Sample:
    """The members of one key, which follow each other in the tar.

    Attributes:
        key: member name up to the first dot of its last part.
        offset: of its first member's header in the file.
        members: suffix (lower case) → offset of the content and its size in bytes.
        fault: code and words of what is wrong with a member, or None.
    """

    key: str
    offset: int
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    fault: tuple[str, str] | None = None


def samples(path: Path, offset: int = 0, count: int | None = None) -> Iterator[Sample]:
    """Yield samples from a header on, reading headers only.

    Method: WebDataset's convention; members whose names are equal up to the first dot and that follow each other are a
    sample. Hidden files and names that begin with ``__`` belong to none.

    Args:
        path: the tar.
        offset: of the first header to read.
        count: most samples to yield; None: all.

    Raises:
        BrokenTar: compressed, cut off or no tar; what was whole before it has been yielded.
    """
    with path.open("rb") as handle:
        head = handle.read(6)
        for magic, name in _PACKED.items():
            if head.startswith(magic):
                raise BrokenTar(
                    f"compressed with {name}; decompress it, as samples are read by their place in the file"
                )
        yield from islice(_samples(handle, offset), count)


def _samples(handle: BinaryIO, offset: int) -> Iterator[Sample]:
    sample: Sample | None = None
    try:
        for member in _members(handle, offset):
            key, suffix = _parts(member.name)
            if member.isdir() or not key:
                continue
            if sample is None or sample.key != key:
                if sample is not None:
                    yield sample
                sample = Sample(key, member.offset)
            if fault := _fault(member):
                sample.fault = sample.fault or fault
            elif suffix in sample.members:
                sample.fault = sample.fault or ("duplicate_key", f"a second member {member.name!r}")
            else:
                sample.members[suffix] = (member.offset_data, member.size)
    except BrokenTar as error:
        if sample is not None and _parts(error.name)[0] != sample.key:
            yield sample
        raise
    if sample is not None:
        yield sample


def _parts(name: str) -> tuple[str, str]:
    """Divide a member's name at the first dot of its last part; no key for names that belong to no sample."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return (path.with_name(stem).as_posix() if stem and not stem.startswith("__") else ""), suffix.lower()


def _members(handle: BinaryIO, offset: int) -> Iterator[tarfile.TarInfo]:
    size = handle.seek(0, 2)
    handle.seek(offset)
    try:
        with tarfile.open(fileobj=handle, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else every header of the file stays in memory
                if member.isreg() and member.offset_data + member.size > size:
                    raise BrokenTar(f"cut off: {member.name!r} ends behind the end of the file", member.name)
                yield member
            handle.seek(tar.offset)
            if handle.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes a broken header for the end
                raise BrokenTar(f"no tar header at byte {tar.offset}; what follows is lost")
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        raise BrokenTar(f"no readable tar: {error}") from error


def _fault(member: tarfile.TarInfo) -> tuple[str, str] | None:
    if not is_inside(member.name):
        return "unsafe_path", f"member {member.name!r} does not stay inside the tar"
    if not member.isreg() or member.issparse():
        kind = "link" if member.issym() or member.islnk() else "device or other special file"
        return "unsafe_path", f"member {member.name!r} is a {kind}"
    return None
