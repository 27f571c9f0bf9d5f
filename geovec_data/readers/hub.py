"""What Hugging Face `datasets` loads from a folder: saved datasets, Parquet, Arrow, image folders, CSV, JSON."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError, suggest
from geovec_data.readers._cells import SPLIT_NAMES
from geovec_data.readers._columns import Columns, image_cell
from geovec_data.readers._embedded import embedded_scene
from geovec_data.readers._images import listing
from geovec_data.readers._parquet import named
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import is_inside

_BLOCK = 64  # rows an entry
# builders that read data and run nothing: no scripts, no pickles (webdataset has a reader of its own)
_SAFE = ("arrow", "csv", "imagefolder", "json", "parquet")


class HubOptions(ReaderOptions):
    """Options of the reader `hub`."""

    columns: Columns = Field(Columns(), description="which column says what")
    config: str = Field("", description="configuration of the dataset, when it has several")
    splits: dict[str, str] = Field(
        {}, description="official split by split of the dataset, e.g. {holdout: test}; others by their usual names"
    )


class Hub(Reader):
    """Reads what `datasets` loads: a folder written by ``save_to_disk``, or one that ``load_dataset`` understands.

    The folder is ``source.root``, or the snapshot of ``source.hub`` at its commit. Code of a dataset is never run:
    only the builders for Parquet, Arrow, CSV, JSON and image folders are used. Images are not decoded.
    """

    name = "hub"
    layout = """\
<root>/
  dataset_dict.json or state.json, *.arrow      written by datasets' save_to_disk
  data/*.parquet, train/<class>/*.jpg, …        or any other layout that datasets.load_dataset(<root>) infers"""
    Options = HubOptions
    options: HubOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per block of rows; see `Reader.entries`."""
        stamp = self._stamp()
        for split, data in sorted(self._splits.items()):
            self.options.columns.check(data.column_names, f"split {split} of {self.root}")
            for start in range(0, data.num_rows, _BLOCK):
                yield Entry(f"{split}#{start:09d}", (), {"split": split, "start": start, "stat": stamp})

    def _stamp(self) -> str:
        """Hash names, sizes and times of the folder's files: `datasets`' own fingerprint changes with the folder."""
        found = hashlib.sha256()
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                stat = path.lstat()
                found.update(f"{path.relative_to(self.root).as_posix()} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return found.hexdigest()[:32]

    @cached_property
    def _splits(self) -> Mapping[str, Any]:
        """Load the dataset: split → rows, images as {bytes, path}."""
        import datasets

        datasets.disable_progress_bars()
        try:
            if any((self.root / n).is_file() for n in ("dataset_dict.json", "state.json")):
                loaded = datasets.load_from_disk(str(self.root))
            else:
                loaded = self._built()
        except UserError:
            raise
        except Exception as error:  # its builders raise anything on a folder they do not understand
            raise UserError(
                f"datasets cannot load {self.root} ({type(error).__name__}: {str(error).splitlines()[0][:300]})."
                f" Found: {listing(self.root)}. Expected:\n{self.layout}"
            ) from error
        splits = loaded if isinstance(loaded, dict) else {str(loaded.split or "all"): loaded}
        return {name: _undecoded(data) for name, data in splits.items()}

    def _built(self) -> Any:
        import datasets

        names = datasets.get_dataset_config_names(str(self.root))
        if self.options.config and self.options.config not in names:
            raise UserError(
                f"{self.root} has no configuration '{self.options.config}'.{suggest(self.options.config, names)}"
            )
        builder = datasets.load_dataset_builder(str(self.root), self.options.config or None)
        kind = type(builder).__module__.rpartition(".")[2]
        if kind not in _SAFE:
            hint = "; use reader.name=webdataset" if kind == "webdataset" else ""
            raise UserError(f"{self.root} needs the builder '{kind}' of datasets; allowed: {', '.join(_SAFE)}{hint}")
        builder.download_and_prepare()
        return builder.as_dataset()

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn a block's rows into scenes; see `Reader.read`."""
        split, start = entry.payload["split"], entry.payload["start"]
        data = self._splits[split]
        labels = {n: list(f.names) for n, f in data.features.items() if type(f).__name__ == "ClassLabel"}
        known = self.options.splits.get(split) or SPLIT_NAMES.get(split.lower())
        chosen = data.select_columns(self.options.columns.used(data.column_names))
        for number in range(start, min(start + _BLOCK, data.num_rows)):
            key = f"{split}/{number:09d}"
            try:
                row = named(dict(chosen[number]), labels)
            except Exception as error:  # a cell that datasets cannot decode; the other rows stay
                detail = f"{type(error).__name__}: {error}"
                yield Reject(corpus=self.corpus, path=key, stage="read", code="bad_annotation", detail=detail)
                continue
            yield self._scene(row, key, known)

    def _scene(self, row: dict[str, Any], key: str, split: str | None) -> Scene | Reject:
        columns = self.options.columns
        cell = image_cell(row, columns)
        path = cell.get("path") if isinstance(cell, dict) and not cell.get("bytes") else cell
        if isinstance(path, str) and path:  # an image folder: the file itself
            name = self._inside(path)
            return columns.scene([row], self.corpus, name, path=name, split=split)
        return embedded_scene(row, columns, self.corpus, key, split)

    def _inside(self, path: str) -> str:
        """Return a file's path below the root, which `datasets` may name by its real folder."""
        if not Path(path).is_absolute():
            return path.replace(os.sep, "/")
        ways = [os.path.relpath(path, root).replace(os.sep, "/") for root in (self.root, self.root.resolve())]
        return next((way for way in ways if is_inside(way)), ways[0])


def _undecoded(data: Any) -> Any:
    """Keep images as {bytes, path}: the bytes are the corpus's own."""
    import datasets

    for name, feature in data.features.items():
        if isinstance(feature, datasets.Image):
            data = data.cast_column(name, datasets.Image(decode=False))
    return data
