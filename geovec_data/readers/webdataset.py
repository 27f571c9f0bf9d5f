"""WebDataset: tars of samples whose files share a key (``000001.jpg``, ``000001.txt``, ``000001.json``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._columns import Columns
from geovec_data.readers._embedded import embedded_scene
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers._tar import BrokenTar, Sample, samples
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import BadImage, confine

_BLOCK = 64  # samples an entry: few enough to spread over units, many enough to keep listings of millions small
_MOST_TEXT = 1 << 20
_LOOK = 20  # samples whose members are compared with the columns asked for
_STANDARD = Columns(image="jpg|jpeg|png|webp|tif|tiff", captions=("txt?", "caption?"), scene_class="cls?")


class WebDatasetOptions(ReaderOptions):
    """Options of the reader `webdataset`."""

    tars: tuple[str, ...] = Field(("**/*.tar",), description="globs of the tars")
    columns: Columns = Field(
        _STANDARD, description="which member, by its suffix, or which key of a .json member says what"
    )
    file_splits: dict[str, str] = Field({}, description="official split by tar: split → glob of the tar's name")
    max_member_bytes: int = Field(1 << 30, ge=1, description="most bytes that a member with an image may have")


class WebDataset(Reader):
    """Reads samples out of tars by offset: nothing is unpacked to disk, and one pass over the headers lists them.

    The members of a sample are cells named by their suffixes, and so are the keys of its ``.json`` member. An entry is
    a block of samples that follow each other. Compressed tars, links, special files and names leading out are refused.
    """

    name = "webdataset"
    layout = """\
<root>/
  **/*.tar      uncompressed; 000001.jpg 000001.txt 000001.json … follow each other"""
    Options = WebDatasetOptions
    options: WebDatasetOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per block of samples; see `Reader.entries`."""
        check_patterns("reader.tars", self.options.tars)
        tars = sorted({p for glob in self.options.tars for p in self.root.glob(glob) if p.is_file()})
        if not tars:
            raise self._no_tars()
        for tar in tars:
            where = tar.relative_to(self.root).as_posix()
            try:
                confine(self.root, where)
            except BadImage as bad:
                yield Entry(where, (), {"code": bad.code, "detail": bad.detail})
                continue
            stat = tar.stat()
            # no file is listed: the tar would be hashed for each of its blocks; its size and time stand for it
            known = {"tar": where, "stat": [stat.st_size, stat.st_mtime_ns]}
            if tar == tars[0]:
                self._check_columns(where)
            yield from self._blocks(where, known)

    def _check_columns(self, where: str) -> None:
        """Compare the first samples with what is asked for: a misspelt suffix would lose all of them."""
        found: dict[str, None] = {}
        with suppress(BrokenTar, BadImage):  # told when the samples are read
            for sample in samples(self.root / where, 0, _LOOK):
                found |= dict.fromkeys(sample.members)
                found |= dict.fromkeys(self._row(where, sample))
        if found:
            self.options.columns.check(found, f"{self.root / where} (its first samples)")

    def _blocks(self, where: str, known: dict[str, Any]) -> Iterator[Entry]:
        seen: set[str] = set()
        start, count, number = 0, 0, 0
        again: list[int] = []
        try:
            for number, sample in enumerate(samples(self.root / where)):
                if number % _BLOCK == 0 and number:
                    yield Entry(f"{where}#{number - count:07d}", (), {**known, "block": [start, count, again]})
                    count = 0
                if count == 0:
                    start, again = sample.offset, []
                if sample.key in seen:
                    again.append(count)
                seen.add(sample.key)
                count += 1
        except BrokenTar as error:
            yield Entry(where, (), {"code": "bad_annotation", "detail": str(error)})
        if count:
            yield Entry(f"{where}#{number + 1 - count:07d}", (), {**known, "block": [start, count, again]})

    def _no_tars(self) -> UserError:
        packed = [p.name for end in ("*.tar.gz", "*.tgz") for p in sorted(self.root.rglob(end))]
        if packed:
            return UserError(f"{self.root} holds compressed tars ({packed[0]}, …); decompress them: gunzip *.tar.gz")
        return wrong_layout(self.root, f"{' or '.join(self.options.tars)} in it", self.layout)

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn a block's samples into scenes; see `Reader.read`."""
        known = entry.payload
        if "code" in known:
            yield self._reject(entry.key, known["code"], known["detail"])
            return
        start, count, again = known["block"]
        try:
            for number, sample in enumerate(samples(self.root / known["tar"], start, count)):
                key = f"{known['tar']}/{sample.key}"
                if number in again:
                    yield self._reject(key, "duplicate_key", f"a second sample {sample.key} in this tar")
                else:
                    yield self._scene(known["tar"], key, sample)
        except BrokenTar:  # the listing told it
            return

    def _scene(self, where: str, key: str, sample: Sample) -> Scene | Reject:
        if sample.fault:
            return self._reject(key, *sample.fault)
        try:
            row = self._row(where, sample)
        except BadImage as bad:
            return self._reject(key, bad.code, bad.detail)
        split = next((s for s, glob in self.options.file_splits.items() if PurePosixPath(where).match(glob)), None)
        return embedded_scene(row, self.options.columns, self.corpus, key, split)

    def _row(self, where: str, sample: Sample) -> dict[str, Any]:
        """Read the members that are asked for, and the keys of the JSON member."""
        wanted = self.options.columns.used(sample.members)
        images = set(self.options.columns.image.removesuffix("?").split("|"))
        row: dict[str, Any] = {}
        with (self.root / where).open("rb") as handle:
            for name in dict.fromkeys(["json", *wanted] if "json" in sample.members else wanted):
                offset, size = sample.members[name]
                if size > (limit := self.options.max_member_bytes if name in images else _MOST_TEXT):
                    raise BadImage("too_large", f"member .{name} has {size:,} bytes, the limit is {limit:,}")
                handle.seek(offset)
                content = handle.read(size)
                if name == "json":
                    row = _mapping(content) | row
                if name in wanted:
                    row[name] = content
        return row

    def _reject(self, path: str, code: str, detail: str) -> Reject:
        return Reject(corpus=self.corpus, path=path, stage="read", code=code, detail=detail)


def _mapping(content: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadImage("bad_annotation", f"member .json is no JSON: {error}") from error
    if not isinstance(tree, dict):
        raise BadImage("bad_annotation", f"member .json holds no mapping but {type(tree).__name__}")
    return tree
