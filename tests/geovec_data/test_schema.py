from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from geovec_data.errors import UserError
from geovec_data.schema import SCHEMA_VERSION, TABLES, arrow_schema
from geovec_data.schema_files import generate
from geovec_data.store.manifest import read_manifest

FOLDER = Path(__file__).parents[2] / "schemas"


@pytest.mark.parametrize("name", sorted(generate()))
def test_schemas_folder_is_what_the_code_generates(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == generate()[name], "run `make schemas`"


def test_schemas_folder_holds_nothing_else() -> None:
    assert {p.name for p in FOLDER.iterdir()} == set(generate())


def test_catalog_sql_is_valid_and_agrees_with_arrow() -> None:
    con = duckdb.connect()
    con.execute(generate()["catalog.sql"])
    for table in TABLES:
        columns = [r[0] for r in con.execute(f"DESCRIBE {table}").fetchall()]
        assert columns == arrow_schema(table).names


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION + 1}), encoding="utf-8")
    with pytest.raises(UserError, match=rf"schema version {SCHEMA_VERSION + 1}.*Upgrade"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": "1"}', '{"schema_version": 1}'])
def test_unreadable_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_no_dataset_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a GeoVec dataset"):
        read_manifest(tmp_path)
    with pytest.raises(UserError, match="no such directory"):
        read_manifest(tmp_path / "none")
