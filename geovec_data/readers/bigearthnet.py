"""BigEarthNet: a folder of single-band Sentinel-2 GeoTIFFs a patch, with several land-cover labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field, field_validator

from geovec_data.errors import UserError
from geovec_data.rasters.formats import Unreadable
from geovec_data.rasters.georef import NoGeoreference
from geovec_data.readers._bigearthnet import labels_of
from geovec_data.readers._images import check_patterns, placed, wrong_layout
from geovec_data.readers._rendered import render
from geovec_data.readers._splits import image_splits
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import BadImage, confine

RGB = ("B04", "B03", "B02")
SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}
_PATCH = re.compile(r"[A-Za-z0-9_]+")
_TIME = re.compile(r"_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)_")
_METADATA = "metadata.parquet"
_V1 = "BigEarthNet-v1.0"
_V2 = "BigEarthNet-S2"


class BigEarthNetOptions(ReaderOptions):
    """Options of the reader `bigearthnet`."""

    classes: Literal[19, 43] = Field(19, description="nomenclature of the labels; version 2 has only the 19")
    stretch: tuple[float, float] | None = Field(
        None, description="the values that become 0 and 255; null: each band's 2nd and 98th percentile, scene by scene"
    )
    present_only: bool = Field(False, description="pass over patches of the metadata that this copy lacks (version 2)")
    split_files: dict[str, str] = Field(
        {"train": "bigearthnet-train.csv", "val": "bigearthnet-val.csv", "test": "bigearthnet-test.csv"},
        description="version 1: the official lists, whose first column names a patch; for split=official",
    )
    official_split: bool = Field(False, description="read the official split (split=official sets it)")

    @field_validator("stretch")
    @classmethod
    def _rising(cls, stretch: tuple[float, float] | None) -> tuple[float, float] | None:
        if stretch is not None and not stretch[0] < stretch[1]:
            raise ValueError("give the lower value first")
        return stretch


class BigEarthNet(Reader):
    """Reads both versions: 1 with a JSON file in each patch's folder, 2 (reBEN) with one table of all patches.

    Bands 4, 3 and 2 become red, green and blue; position, size and time come from the files and their names.
    """

    name = "bigearthnet"
    layout = """\
version 2 (reBEN):
<root>/
  metadata.parquet                               patch_id, labels, split, country, …
  BigEarthNet-S2/<tile>/<patch>/<patch>_B04.tif  and _B03.tif, _B02.tif
version 1:
<root>/
  BigEarthNet-v1.0/<patch>/<patch>_B04.tif       and _B03.tif, _B02.tif
  BigEarthNet-v1.0/<patch>/<patch>_labels_metadata.json
  bigearthnet-train.csv -val.csv -test.csv       for split=official only"""
    Options = BigEarthNetOptions
    options: BigEarthNetOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per patch; see `Reader.entries`.

        Raises:
            UserError: neither version is found; the official lists are missing; 43 classes are asked of version 2.
        """
        if (self.root / _METADATA).is_file():
            yield from self._version_2()
        elif (self.root / _V1).is_dir():
            yield from self._version_1()
        else:
            raise wrong_layout(self.root, f"{_METADATA} and no folder {_V1}/", self.layout)

    def _version_1(self) -> Iterator[Entry]:
        check_patterns("reader.split_files", list(self.options.split_files.values()))
        folders = sorted(f"{_V1}/{p.name}" for p in (self.root / _V1).iterdir() if _PATCH.fullmatch(p.name))
        splits: dict[str, str] = {}
        if self.options.official_split:
            splits = image_splits(self.root, folders, self.options.split_files)
        for folder in folders:
            patch = folder.rpartition("/")[2]
            files = (*_bands(folder), f"{folder}/{patch}_labels_metadata.json")
            yield Entry(folder, files, {"split": splits.get(folder)})

    def _version_2(self) -> Iterator[Entry]:
        if self.options.classes == 43:
            raise UserError("reader.classes=43: version 2 of BigEarthNet has only the 19 classes")
        seen: set[str] = set()
        for number, row in enumerate(self._rows()):
            patch = row["patch_id"]
            key = f"{_METADATA}#{number}"
            if not isinstance(patch, str) or not _PATCH.fullmatch(patch):
                yield Entry(key, (), {"code": "bad_annotation", "detail": f"patch_id {patch!r} is no patch's name"})
                continue
            folder = PurePosixPath(_V2, patch.rsplit("_", 2)[0], patch).as_posix()
            if self.options.present_only and not (self.root / folder).is_dir():
                continue
            if folder in seen:
                yield Entry(key, (), {"code": "duplicate_key", "detail": f"a second record for {patch}"})
            else:
                seen.add(folder)
                yield Entry(folder, _bands(folder), {k: row.get(k) for k in ("labels", "split", "country")})

    def _rows(self) -> Iterator[dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.root / _METADATA) as file:
                wanted = [c for c in ("patch_id", "labels", "split", "country") if c in file.schema_arrow.names]
                if missing := [c for c in ("patch_id", "labels", "split") if c not in wanted]:
                    raise UserError(
                        f"{self.root / _METADATA} has no column {', '.join(missing)}. Expected:\n{self.layout}"
                    )
                for batch in file.iter_batches(columns=wanted):
                    yield from batch.to_pylist()
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            raise UserError(f"{self.root / _METADATA} is no readable Parquet file: {error}") from error

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Stack a patch's bands and read its labels; see `Reader.read`."""
        record = entry.payload
        if "code" in record:
            yield self._reject(entry, record["code"], record["detail"])
            return
        try:
            yield self._scene(entry)
        except BadImage as bad:
            yield self._reject(entry, bad.code, bad.detail)
        except Unreadable as error:
            yield self._reject(entry, "unreadable_image", str(error))
        except ValueError as error:
            yield self._reject(entry, "bad_annotation", str(error))

    def _scene(self, entry: Entry) -> Scene:
        record = entry.payload
        split = record["split"]
        if split is not None and split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
        names = record["labels"] if "labels" in record else self._names(entry.files[3])
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ValueError(f"labels are no list of names: {names!r}")
        labels = labels_of(names, self.options.classes)
        if not labels:
            raise BadImage("no_label", f"none of its labels {names} is among the {self.options.classes} classes")
        red = entry.files[0]
        paths = [confine(self.root, f) for f in entry.files[:3]]
        if missing := [p.name for p in paths if not p.is_file()]:
            raise BadImage("missing_image", f"no such file in the patch's folder: {', '.join(missing)}")
        shown = render([(p, 1) for p in paths], self.options.stretch)
        place: dict[str, Any] = {}
        with suppress(NoGeoreference):  # a patch without a position keeps its labels
            place = placed(paths[0], red)
        time = _TIME.search(entry.key)
        country = record.get("country")
        return Scene(
            key=entry.key,
            corpus=self.corpus,
            path=red,
            data=shown.data,
            labels=labels,
            attributes=(("rendering", f"bands B04, B03, B02: {shown.said}"),),
            places=(("country", country),) if isinstance(country, str) and country.strip() else (),
            split=SPLITS[split] if split else None,
            captured="{}-{}-{}T{}:{}:{}Z".format(*time.groups()) if time else None,
            **place,
        )

    def _names(self, file: str) -> Any:
        """Return the labels of a version 1 patch, as its JSON file has them."""
        try:
            tree = json.loads(confine(self.root, file).read_bytes())
        except (OSError, RecursionError, ValueError) as error:
            raise ValueError(f"{PurePosixPath(file).name} is no readable JSON: {error}") from error
        return tree.get("labels") if isinstance(tree, dict) else None

    def _reject(self, entry: Entry, code: str, detail: str) -> Reject:
        return Reject(corpus=self.corpus, path=entry.key, stage="read", code=code, detail=detail)


def _bands(folder: str) -> tuple[str, ...]:
    patch = folder.rpartition("/")[2]
    return tuple(f"{folder}/{patch}_{band}.tif" for band in RGB)
