"""What verify says of mining runs and vectors that are damaged, forged, or another dataset's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from geovec_data.mining.config import MineConfig
from geovec_data.mining.mine import run as mine
from geovec_data.verify.verify import VerifyConfig, run
from tests.fixtures.dataset import caption_dataset
from tests.fixtures.encoders import small_tiny


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with one mining run."""
    folder = tmp_path_factory.mktemp("mined")
    dataset = caption_dataset(folder).path
    options = {"dataset": dataset, "encoder": str(small_tiny(folder / "encoder")), "device": "cpu", "k": 2}
    mine(MineConfig.model_validate(options | {"tasks": ["text_to_image"], "policy": {"same_class": "off"}}))
    return dataset


@pytest.fixture
def mined(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "dataset")


def column(table: str, name: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> Callable[[Path], None]:
    """Change a column of a table of the run."""

    def harm(dataset: Path) -> None:
        file = dataset / "mining" / "default" / f"{table}.parquet"
        rows = pq.read_table(file)
        at = rows.schema.get_field_index(name)
        assert rows.num_rows
        pq.write_table(rows.set_column(at, rows.schema.field(at), change(rows.column(at))), file)

    return harm


def summary(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Change what the run says of itself."""

    def harm(dataset: Path) -> None:
        file = dataset / "mining" / "default" / "summary.json"
        facts = json.loads(file.read_text())
        change(facts)
        file.write_text(json.dumps(facts))

    return harm


def more(facts: dict[str, Any]) -> None:
    facts["tasks"]["text_to_image"]["negatives"]["hard"] += 1


def store(dataset: Path) -> Path:
    """A file of vectors."""
    return sorted(dataset.glob("embeddings/*/*.arrow"))[0]


def longer(dataset: Path) -> None:
    file = store(dataset)
    with pa.memory_map(str(file)) as source:
        rows = pa.ipc.open_file(source).read_all().combine_chunks()
    at = rows.schema.get_field_index("vector")
    field = rows.schema.field(at)
    flat = pc.multiply(rows.column(at).chunk(0).flatten(), pa.scalar(2, pa.float32()))
    grown = pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)
    rows = rows.set_column(at, field, grown.cast(field.type))
    file.unlink()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)


def key(dataset: Path) -> None:
    file = sorted(dataset.glob("embeddings/*/key.json"))[0]
    file.write_text(json.dumps(json.loads(file.read_text()) | {"codecs": "others"}))


HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a table that is missing": (
        lambda d: (d / "mining/default/candidates.parquet").unlink(),
        "mining/default: candidates.parquet: missing",
    ),
    "a table that is cut short": (
        lambda d: os.truncate(d / "mining/default/negatives.parquet", 40),
        "mining/default: negatives.parquet: not readable whole (",
    ),
    "no summary": (
        lambda d: (d / "mining/default/summary.json").write_text("[]"),
        "mining/default: summary.json: not a mining run's",
    ),
    "another dataset's": (
        summary(lambda f: f["settings"].update(dataset="0")),
        "mining/default: mined from another manifest.json than this one",
    ),
    "another count": (summary(more), "mining/default: hard negatives of text_to_image: "),
    "another score": (
        column("negatives", "score", lambda c: pc.multiply(c, pa.scalar(0.5, c.type))),
        "mining/default: a negative's score is not its candidate's: ",
    ),
    "a score that is none": (
        column("candidates", "score", lambda c: pc.add(c, pa.scalar(3, c.type))),
        "mining/default: no number between -1 and 1 as a score: ",
    ),
    "an item that is none": (
        column("negatives", "item", lambda c: pa.chunked_array([["none"] * len(c)], c.type)),
        "mining/default: negatives.item is in no items.id: none",
    ),
    "another name": (
        lambda d: (d / "mining/default").rename(d / "mining/other") and None,
        "mining/other: negatives.run is 'default'",
    ),
    "vectors that are cut short": (lambda d: os.truncate(store(d), 100), ": not readable whole ("),
    "vectors of other items": (
        lambda d: store(d).rename(store(d).with_stem("0" * 24)) and None,
        ": its ids are not those that it is named after",
    ),
    "vectors that are longer": (longer, " is not of length 1"),
    "another key": (key, ": key.json: of another folder"),
}


def test_what_is_sound_is_called_so_and_counted(mined: Path) -> None:
    found = run(VerifyConfig(dataset=mined))
    assert found["faults"] == []
    rows = pq.read_metadata(mined / "mining/default/negatives.parquet").num_rows
    assert any(f"{rows:,} negatives" in line for line in found["human"])
    assert sum("embeddings" in line for line in found["human"]) == 1


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_wrong_is_named(mined: Path, harm: str) -> None:
    damage, said = HARMS[harm]
    damage(mined)
    found = run(VerifyConfig(dataset=mined))
    assert found["failed"]
    assert any(said in fault for fault in found["faults"]), found["faults"]
    assert any("mine again" in line for line in found["human"])
