"""What verify says of damaged shards, counts and cards."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geovec_data.dataset import Dataset
from geovec_data.verify.counts import UNCOUNTED, count_faults
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures.captions import write_corpus
from tests.fixtures.dataset import build
from tests.fixtures.rebuilt import arguments


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus dir = (~1)", images=36)


@pytest.mark.parametrize("damage", ["shard", "image", "missing shard", "stray"])
def test_verify_names_what_is_wrong(corpus: Path, tmp_path: Path, damage: str) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    file = dataset.files("images" if damage == "image" else "items")[0]
    if damage == "missing shard":
        file.unlink()
    elif damage == "stray":
        shutil.copy(file, file.with_name("part-99999.parquet"))
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.unlink()  # the staged file is the same inode
        file.write_bytes(bytes(data))
    summary = verify(VerifyConfig(dataset=dataset.path))
    assert summary["failed"]
    name = "part-99999" if damage == "stray" else file.name
    assert any(name in f for f in summary["faults"])


def forge(dataset: Dataset, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a table's rows and the manifest with them, as a fault in our own code would."""
    shard = next(s for s in dataset.manifest.shards if s.table == table)
    file = dataset.path / shard.path
    rows = change(pq.read_table(file))
    file.unlink()  # an image shard may be a link to the staged one
    pq.write_table(rows, file)
    manifest = json.loads((dataset.path / "manifest.json").read_text())
    told = next(s for s in manifest["shards"] if s["path"] == shard.path)
    data = file.read_bytes()
    told |= {"rows": rows.num_rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (dataset.path / "manifest.json").write_text(json.dumps(manifest))


def test_every_offender_is_named(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))

    def unknown(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("item")
        return rows.set_column(at, rows.schema.field(at), pa.array([f"none{n:04}" for n in range(rows.num_rows)]))

    forge(dataset, "qrels", unknown)
    faults = verify(VerifyConfig(dataset=dataset.path))["faults"]
    rows = next(s.rows for s in dataset.manifest.shards if s.table == "qrels")
    assert rows > 50
    assert {f for f in faults if "qrels.item is in no items.id" in f} == {
        f"qrels.item is in no items.id: none{n:04}" for n in range(rows)
    }


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every number and text below a JSON value."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, (*path, key))
    elif not isinstance(value, list):
        yield path


def test_every_count_of_the_manifest_is_counted_again(corpus: Path, tmp_path: Path) -> None:
    (corpus / "RSICD_images" / sorted(p.name for p in (corpus / "RSICD_images").iterdir())[0]).write_bytes(b"")
    dataset = build(*arguments(corpus, tmp_path / "out", "checks.max_reject_fraction=0.5"))
    with dataset.connect() as con:
        left: list[str] = []
        assert list(count_faults(dataset.manifest, con, (), left)) == []
        known = dataset.manifest.model_dump(mode="json")["counts"]
        changed = [path for path in leaves(known) if path[0] not in UNCOUNTED]
        assert len(changed) > 30
        for path in changed:
            counts = copy.deepcopy(known)
            at = counts
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = at[path[-1]] + 1 if isinstance(at[path[-1]], int) else "another"
            told = dataset.manifest.model_copy(update={"counts": counts})
            faults = list(count_faults(told, con, (), left))
            assert len(faults) == 1, path
            assert faults[0].startswith(f"manifest counts.{'.'.join(path)}: says ")
    assert left == []


def test_a_leak_that_is_told_otherwise_and_a_card_that_was_edited_are_named(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    manifest = json.loads((dataset.path / "manifest.json").read_text())
    counted = manifest["leaks"]["caption"]["count"]
    assert counted
    manifest["leaks"]["caption"]["count"] = 0
    (dataset.path / "manifest.json").write_text(json.dumps(manifest))
    faults = verify(VerifyConfig(dataset=dataset.path))["faults"]
    assert f"manifest leaks.caption.count: says 0, counted {counted}" in faults
    assert "README.md: not the card that the manifest gives" in faults


def test_what_is_whole_is_checked_beside_what_is_damaged(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    for file in dataset.files("items"):
        file.unlink()
    forge(dataset, "splits", lambda rows: rows.slice(1))
    summary = verify(VerifyConfig(dataset=dataset.path))
    assert any(f.startswith("items/part-00000.parquet: missing") for f in summary["faults"])
    assert any(f.startswith("manifest counts.rows.splits: says ") for f in summary["faults"])
    assert any(f.startswith("examples.id is in no splits.example: ") for f in summary["faults"])
    assert not any("items.id" in f for f in summary["faults"])
    (line,) = [line for line in summary["human"] if "not cross-checked" in line]
    assert "shards of items are damaged" in line
    assert "qrels.item is in no items.id" in line
