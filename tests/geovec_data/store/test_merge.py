"""Merging sorted unit files by ranges of keys against sorting everything at once."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.schema import arrow_schema
from geovec_data.store import merge
from geovec_data.store.merge import KEYS, merged, sorted_rows, unique

KEY = st.text("abcdé\U0001f6f0", max_size=3)
POOL = st.tuples(st.sampled_from(["t", "u"]), KEY, KEY, st.none() | KEY)


def written(folder: Path, units: list[list[tuple[str | None, ...]]], name: str) -> list[Path]:
    files = []
    for number, rows in enumerate(units):
        columns = [pa.array([r[i] for r in rows], pa.string()) for i in range(len(KEYS[name]))]
        table = sorted_rows(pa.table(columns, schema=arrow_schema(name)), name)
        files.append(folder / f"{number}.arrow")
        with pa.OSFile(str(files[-1]), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return files


@pytest.mark.parametrize("range_rows", [1, 3, 1 << 13])
@given(units=st.lists(st.lists(POOL, max_size=12), max_size=5))
def test_ranges_give_what_one_sort_gives(units: list[list[tuple[str | None, ...]]], range_rows: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "RANGE_ROWS", range_rows)
        patch.setattr(merge, "SAMPLED", 4)
        batches = list(merged(written(Path(folder), units, "pool"), "pool"))
    every = [r for unit in units for r in unit]
    order = sorted(every, key=lambda r: tuple((v is None, v or "") for v in r))
    assert [tuple(r.values()) for b in batches for r in b.to_pylist()] == order
    kept = [tuple(r.values()) for b in unique(iter(batches), KEYS["pool"]) for r in b.to_pylist()]
    assert kept == list(dict.fromkeys(order))
    seen: set[tuple[str | None, ...]] = set()
    for batch in batches:  # all rows of a key stand in one batch
        keys = {tuple(r.values()) for r in batch.to_pylist()}
        assert not keys & seen
        seen |= keys


def test_a_range_holds_about_as_many_rows_as_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "RANGE_ROWS", 100)
    units = [[(f"{(n * 7919 + u * 104729) % 10**8:08d}", f"{n}") for n in range(500)] for u in range(8)]
    sizes = [b.num_rows for b in merged(written(tmp_path, units, "qrels"), "qrels")]
    assert sum(sizes) == 4000
    assert max(sizes) < 300


def test_of_equal_keys_the_least_by_content_stays() -> None:
    schema = arrow_schema("items")
    rows = [
        {"id": "a", "segments": [], "modality": m, "image": None, "region": None, "text_key": None}
        for m in ("text", "image")
    ]
    batch = pa.Table.from_pylist(rows, schema=schema).to_batches()[0]
    assert [r["modality"] for b in unique(iter([batch]), ("id",)) for r in b.to_pylist()] == ["image"]
