"""``verify``: re-hash every shard and image, recompute every id, follow every reference; name every fault."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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

if TYPE_CHECKING:
    import duckdb

SHOWN = 50

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


def run(config: VerifyConfig) -> dict[str, Any]:
    """Check a dataset; the summary lists every fault."""
    dataset = Dataset(config.dataset)
    faults: list[str] = []
    total = sum(s.bytes for s in dataset.manifest.shards)
    sound = True
    with bar(total, "bytes", "verify") as advance:
        for shard in dataset.manifest.shards:
            found = list(_shard_faults(dataset, shard.path, shard.table, shard.rows, shard.bytes, shard.sha256))
            faults += found
            sound = sound and not found
            advance(shard.bytes)
    faults += _strays(dataset)
    if sound:
        faults += list(_contents(dataset))
        ensure_catalog(dataset)
    images = dataset.manifest.counts["rows"]["images"]
    checked = f"{len(dataset.manifest.shards)} shards, {total:,} bytes, {images:,} images"
    if faults:
        counted = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        human = [f"{config.dataset}: {counted} in {checked}"] + [f"  {f}" for f in faults[:SHOWN]]
        if len(faults) > SHOWN:
            human.append(f"  … and {len(faults) - SHOWN} more")
        if not sound:
            human.append("contents were not cross-checked, because a shard is damaged")
        human.append("way out: run the same build again after deleting the damaged files' staging/ and manifest.json")
        return {"command": "verify", "faults": faults, "failed": True, "human": human}
    human = [f"{config.dataset}: sound ({checked}; every id and reference checked)"]
    rows = by_corpus(dataset.manifest)
    if len(rows) > 1:
        human += [f"  {r.corpus}: {r.images:,} images, {r.regions:,} regions, {r.examples:,} examples" for r in rows]
    return {"command": "verify", "faults": [], "human": human}


def _shard_faults(dataset: Dataset, path: str, table: str, rows: int, size: int, sha: str) -> Iterator[str]:
    file = dataset.path / path
    if not file.is_file():
        yield f"{path}: missing"
        return
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    actual = file.stat().st_size
    if digest != sha:
        yield (
            f"{path}: content differs from the manifest (sha256 {digest[:12]}…, {actual:,} bytes;"
            f" expected {sha[:12]}…, {size:,})"
        )
    try:
        with pq.ParquetFile(file) as parquet:
            if parquet.metadata.num_rows != rows:
                yield f"{path}: {parquet.metadata.num_rows:,} rows, the manifest says {rows:,}"
            if not parquet.schema_arrow.equals(arrow_schema(table)):
                yield f"{path}: columns differ from schema version {dataset.manifest.schema_version}"
    except (pa.ArrowInvalid, OSError) as error:
        yield f"{path}: not a readable Parquet file ({error})"


def _strays(dataset: Dataset) -> list[str]:
    listed = {s.path for s in dataset.manifest.shards}
    return [
        f"{p.relative_to(dataset.path)}: not in the manifest"
        for table in BUILD_TABLES
        for p in sorted((dataset.path / table).glob("*.parquet"))
        if str(p.relative_to(dataset.path)) not in listed
    ]


def _contents(dataset: Dataset) -> Iterator[str]:
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
    con = dataset.connect()
    try:
        for what, sql in checks():
            offenders = con.execute(f"SELECT * FROM ({sql}) ORDER BY 1 LIMIT {SHOWN + 1}").fetchall()
            for (offender,) in offenders[:SHOWN]:
                yield f"{what}: {offender}"
            if len(offenders) > SHOWN:
                yield f"{what}: more than {SHOWN}"
        for table, rows in dataset.manifest.counts["rows"].items():
            counted = con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            if counted != rows:
                yield f"{table}: {counted:,} rows, the manifest counts {rows:,}"
        yield from _by_corpus(dataset, con)
    finally:
        con.close()


def _by_corpus(dataset: Dataset, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Check that every row is of a source that the manifest names, and that it counts each corpus rightly."""
    counted = dataset.manifest.counts.get("corpora", {})
    sources = {s.corpus for s in dataset.manifest.sources}
    for table in ("images", "examples"):
        found = dict(con.execute(f"SELECT corpus, count(*) FROM {table} GROUP BY 1 ORDER BY 1").fetchall())
        for corpus in sorted(found.keys() - sources):
            yield f"{table}.corpus '{corpus}' is in no manifest.sources"
        for corpus in sorted(counted):
            if found.get(corpus, 0) != counted[corpus][table]:
                yield (
                    f"{table} of corpus {corpus}: {found.get(corpus, 0):,} rows, the manifest counts"
                    f" {counted[corpus][table]:,}"
                )
