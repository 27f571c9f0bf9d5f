"""``verify``: re-hash every shard and image, recompute every id, follow every reference; name every fault."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from geovec_data import ids
from geovec_data.dataset import Dataset, as_segments
from geovec_data.leaks.unlisted import UNLISTED
from geovec_data.progress import bar
from geovec_data.schema import BUILD_TABLES, arrow_schema
from geovec_data.store.by_corpus import by_corpus
from geovec_data.store.catalog import ensure_catalog
from geovec_data.store.manifest import Shard
from geovec_data.verify.counts import UNCOUNTED, card_faults, count_faults
from geovec_data.verify.mined import Mined

if TYPE_CHECKING:
    import duckdb

NAMED = 10_000  # faults; of more, the number is told

# column → the id that it must be, where it is not null
KEYS: tuple[tuple[str, str, str], ...] = (
    ("regions", "image", "images.id"),
    ("items", "image", "images.id"),
    ("items", "region", "regions.id"),
    ("examples", "query", "items.id"),
    ("examples", "image", "images.id"),
    ("examples", "region", "regions.id"),
    ("examples", "id", "qrels.example"),
    ("examples", "id", "splits.example"),
    ("splits", "example", "examples.id"),
    ("qrels", "example", "examples.id"),
    ("qrels", "item", "items.id"),
    ("pool", "item", "items.id"),
    ("pool", "image", "images.id"),
    ("images", "id", "image_splits.image"),
    ("image_splits", "image", "images.id"),
    ("leaks", "train", "images.id"),
    ("leaks", "held_out", "images.id"),
)
UNIQUE = ("images", "regions", "items", "examples")
# what is wrong → SQL that lists the offenders' ids
RULES: dict[str, str] = {
    "region box outside its image, empty or inverted": (
        "SELECT r.id FROM regions r JOIN images i ON i.id = r.image WHERE NOT (r.box.x0 >= 0 AND r.box.y0 >= 0"
        " AND r.box.x1 <= i.width AND r.box.y1 <= i.height AND r.box.x0 < r.box.x1 AND r.box.y0 < r.box.y1)"
    ),
    "coordinate out of range": "SELECT id FROM images WHERE abs(lon) > 180 OR abs(lat) > 90",
    "a query's own image is its right answer": (
        "SELECT e.id FROM examples e JOIN items q ON q.id = e.query JOIN qrels r ON r.example = e.id"
        " JOIN items x ON x.id = r.item WHERE x.modality = 'image' AND x.image = q.image"
    ),
    "unknown split": "SELECT example FROM splits WHERE split NOT IN ('train', 'val', 'test', 'unused')",
}


def checks() -> Iterator[tuple[str, str]]:
    """Yield every cross-check: what is wrong, and the SQL that lists the offenders."""
    for table, column, target in KEYS:
        other, key = target.split(".")
        yield (
            f"{table}.{column} is in no {target}",
            f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {other})",
        )
    for table in UNIQUE:
        yield f"repeated id in {table}", f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1"
    yield from RULES.items()
    yield from UNLISTED.items()


class VerifyConfig(BaseModel):
    """Options of `geovec-data verify`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dataset: Path = Field(description="dataset directory")


class _Faults:
    """What was found: the first `NAMED` by name, and how many there are."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self.count = 0

    def add(self, found: Iterable[str]) -> bool:
        """Take faults; says whether there were any."""
        before = self.count
        for fault in found:
            self.count += 1
            if len(self.named) < NAMED:
                self.named.append(fault)
        return self.count > before

    def __str__(self) -> str:
        return f"{self.count:,} fault{'s' if self.count > 1 else ''}"

    def lines(self) -> list[str]:
        """Return a line for each that is named, and how many are not."""
        more = self.count - len(self.named)
        return [f"  {f}" for f in self.named] + ([f"  … and {more:,} more"] if more else [])


def run(config: VerifyConfig) -> dict[str, Any]:
    """Check a dataset; the summary lists every fault."""
    dataset, sound = Dataset(config.dataset), Dataset(config.dataset)
    manifest = dataset.manifest
    faults, whole, damaged = _Faults(), list[Shard](), set[str]()
    left_out: list[str] = []
    total = sum(s.bytes for s in manifest.shards)
    with bar(total, "bytes", "verify") as advance:
        for shard in manifest.shards:
            if faults.add(_shard_faults(dataset, shard)):
                damaged.add(shard.table)
            else:
                whole.append(shard)
            advance(shard.bytes)
    sound.manifest = manifest.model_copy(update={"shards": tuple(whole)})
    faults.add(_strays(dataset))
    faults.add(_hashes(sound))
    con = sound.connect()
    try:
        faults.add(_references(con, {s.corpus for s in manifest.sources}, damaged, left_out))
        faults.add(count_faults(manifest, con, damaged, left_out))
        faults.add(card_faults(dataset))
        mined = Mined(dataset.path, con, damaged)
        mining = faults.add(mined.faults())
    finally:
        con.close()
    built = faults.count > mined.count
    images = sum(s.rows for s in manifest.shards if s.table == "images")
    checked = f"{len(manifest.shards)} shards, {total:,} bytes, {images:,} images"
    notes = [f"  {line}" for line in mined.checked]
    unknown = [f"counts.{key}" for key in UNCOUNTED if key in manifest.counts]
    if unknown:
        notes.append(f"  not checked, as only a build knows it: {', '.join(unknown)}")
    if left_out:
        notes.append(
            f"  not cross-checked, as shards of {', '.join(sorted(damaged))} are damaged: {'; '.join(left_out)}"
        )
    if not faults.count:
        ensure_catalog(dataset)
        human = [f"{config.dataset}: sound ({checked}; every id, reference and count checked)"]
        rows = by_corpus(manifest)
        if len(rows) > 1:
            human += [
                f"  {r.corpus}: {r.images:,} images, {r.regions:,} regions, {r.examples:,} examples" for r in rows
            ]
        return {"command": "verify", "faults": [], "human": human + notes}
    human = [f"{config.dataset}: {faults} in {checked}", *faults.lines(), *notes]
    if damaged:
        human.append("way out: delete the damaged files and run the same build again, which makes them anew")
    elif built:
        human.append("way out: delete staging/ and manifest.json and run the same build again; delete what is a stray")
    if mining:
        human.append("way out for mining/ and embeddings/: delete what is named and mine again")
    return {"command": "verify", "faults": faults.named, "fault_count": faults.count, "failed": True, "human": human}


def _shard_faults(dataset: Dataset, shard: Shard) -> Iterator[str]:
    path, file = shard.path, dataset.path / shard.path
    if not file.is_file():
        yield f"{path}: missing"
        return
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    actual = file.stat().st_size
    if (digest, actual) != (shard.sha256, shard.bytes):
        yield (
            f"{path}: content differs from the manifest (sha256 {digest[:12]}…, {actual:,} bytes;"
            f" expected {shard.sha256[:12]}…, {shard.bytes:,})"
        )
    try:
        with pq.ParquetFile(file) as parquet:
            if parquet.metadata.num_rows != shard.rows:
                yield f"{path}: {parquet.metadata.num_rows:,} rows, the manifest says {shard.rows:,}"
            if not parquet.schema_arrow.equals(arrow_schema(shard.table)):
                yield f"{path}: columns differ from schema version {dataset.manifest.schema_version}"
    except (pa.ArrowException, OSError) as error:
        yield f"{path}: not a readable Parquet file ({error})"


def _strays(dataset: Dataset) -> list[str]:
    listed = {s.path for s in dataset.manifest.shards}
    return [
        f"{p.relative_to(dataset.path)}: not in the manifest"
        for table in BUILD_TABLES
        for p in sorted((dataset.path / table).glob("*.parquet"))
        if str(p.relative_to(dataset.path)) not in listed
    ]


def _hashes(dataset: Dataset) -> Iterator[str]:
    for batch in dataset.scan("images", ["id", "bytes", "path"], batch=64):
        for i, data, path in zip(*(batch.column(c) for c in range(3)), strict=True):
            if ids.image_id(memoryview(data.as_buffer())) != i.as_py():
                yield f"image {i.as_py()} ({path.as_py()}): its bytes have another hash"
    for batch in dataset.scan("items", ["id", "segments"]):
        for row in batch.to_pylist():
            if ids.item_id(as_segments(row["segments"])) != row["id"]:
                yield f"item {row['id']}: its segments have another hash"
    for batch in dataset.scan("regions", ["id", "image", "box", "category", "polygon"]):
        for r in batch.to_pylist():
            b = r["box"]
            box = (b["x0"], b["y0"], b["x1"], b["y1"])
            if ids.region_id(r["image"], box, r["category"], tuple(r["polygon"] or ())) != r["id"]:
                yield f"region {r['id']}: its content has another hash"


def _references(
    con: duckdb.DuckDBPyConnection, sources: set[str], damaged: set[str], left_out: list[str]
) -> Iterator[str]:
    """Yield every offender of every cross-check that reads no damaged table."""
    for what, sql in checks():
        if damaged & set(re.findall(r"\w+", sql)):
            left_out.append(what)
            continue
        offenders = con.execute(f"SELECT * FROM ({sql}) ORDER BY 1")
        while row := offenders.fetchone():
            yield f"{what}: {row[0]}"
    for table in {"images", "examples"} - damaged:
        for (corpus,) in con.execute(f"SELECT DISTINCT corpus FROM {table} ORDER BY 1").fetchall():
            if corpus not in sources:
                yield f"{table}.corpus '{corpus}' is in no manifest.sources"
