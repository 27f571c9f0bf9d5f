from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.build.ledger import CODES
from geovec_data.errors import UserError
from geovec_data.records import Question, Reject, Scene
from tests.fixtures import reading
from tests.fixtures.photo import photo

read = partial(reading.read, "table")
COLUMNS = {"image": "filepath", "captions": ["title"]}


def picture(seed: int = 0, side: int = 16, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo(np.random.default_rng(seed), side, side)).save(out, form)
    return out.getvalue()


def write_csv(path: Path, *rows: list[Any], **kwargs: Any) -> None:
    with path.open("w", newline="", encoding=kwargs.pop("encoding", "utf-8")) as handle:
        csv.writer(handle, **kwargs).writerows(rows)


def test_csv_rows_with_quoted_newlines_and_a_byte_order_mark(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "a.csv",
        ["filepath", "title", "noise"],
        ["x/1.jpg", 'a "big"\npond, blue', "7"],
        [".\\x\\2.jpg", "Zürich", "8"],
        encoding="utf-8-sig",
    )
    scenes, rejects = read(tmp_path, columns=COLUMNS)
    assert not rejects
    assert [(s.key, s.path, s.captions) for s in scenes] == [
        ("x/1.jpg", "x/1.jpg", ('a "big"\npond, blue',)),
        ("x/2.jpg", "x/2.jpg", ("Zürich",)),
    ]


@pytest.mark.parametrize(
    ("name", "options", "encoding"),
    [
        ("a.tsv", {}, "utf-8"),
        ("a.csv", {"delimiter": "\t"}, "utf-8"),
        ("a.tsv", {}, "utf-16"),
        ("a.tsv", {"encoding": "latin-1"}, "latin-1"),
    ],
)
def test_tabs_and_encodings(name: str, options: dict[str, str], encoding: str, tmp_path: Path) -> None:
    write_csv(tmp_path / name, ["filepath", "title"], ["1.jpg", "crème"], delimiter="\t", encoding=encoding)
    (scene,), _ = read(tmp_path, columns=COLUMNS, **options)
    assert scene.captions == ("crème",)


def test_bad_rows_of_a_csv_are_rejects_and_the_others_stay(tmp_path: Path) -> None:
    lines = [
        b"filepath,title",
        b"1.jpg,one",
        b"2.jpg",
        b"3.jpg,three,more",
        b",four",
        b"5.jpg,cr\xe8me",
        b"1.jpg,again",
    ]
    (tmp_path / "a.csv").write_bytes(b"\r\n".join([*lines, b"", b"6.jpg,six"]) + b"\r\n")
    scenes, rejects = read(tmp_path, columns=COLUMNS)
    assert [s.path for s in scenes] == ["1.jpg", "6.jpg"]
    assert [(r.path, r.code) for r in rejects] == [
        ("a.csv#2", "bad_annotation"),
        ("a.csv#3", "bad_annotation"),
        ("a.csv#4", "bad_annotation"),
        ("a.csv#5", "bad_annotation"),
        ("a.csv#6", "duplicate_key"),
    ]
    assert "row of 1 cells under a header of 2" in rejects[0].detail
    assert "not in utf-8" in rejects[3].detail
    assert "reader.encoding" in rejects[3].detail


def test_a_quote_that_is_never_closed_costs_rows_but_not_the_build(tmp_path: Path) -> None:
    body = "\n".join(f"{i}.jpg,caption number {i}" for i in range(9000))
    (tmp_path / "a.csv").write_text(f'filepath,title\n0.jpg,zero\nx.jpg,"open\n{body}\n')
    scenes, rejects = read(tmp_path, columns=COLUMNS)
    assert scenes[0].path == "0.jpg"
    assert rejects
    assert "field limit" in rejects[0].detail


def test_a_missing_column_is_told_with_the_nearest(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["file_path", "title"], ["1.jpg", "a"])
    with pytest.raises(
        UserError, match=r"a\.csv has no column 'filepath'\. Did you mean 'file_path'\?.*file_path, title"
    ):
        read(tmp_path, columns=COLUMNS)
    assert read(tmp_path, columns={"image": "filepath|file_path", "captions": ["title", "title_raw?"]})[0]
    (tmp_path / "a.csv").unlink()
    with pytest.raises(UserError, match=r"no \*\.parquet or"):
        read(tmp_path)
    pq.write_table(pa.table({"img": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"no column 'image'\. Did you mean 'img'"):
        read(tmp_path)


def test_every_column_reaches_its_field(tmp_path: Path) -> None:
    row = {
        "image": "a/1.jpg",
        "texts": ["one", "two"],
        "more": "three",
        "class": "Dense_Residential",
        "labels": "Arable_land, Sea",
        "split": "Validation",
        "box": "(10, 20, 11, 22)",
        "when": "2019-05-01T10:30",
        "gsd": "0.5",
        "tags": '{"landuse": "farm", "levels": 3, "empty": null}',
        "sensor": "S2",
        "country": "CH",
        "q": "Is there water?",
        "a": ["yes", "a lake"],
        "kind": "presence",
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    columns = {
        "captions": ["texts", "more"],
        "scene_class": "class",
        "labels": "labels",
        "split": "split",
        "box": ["box"],
        "time": "when",
        "gsd": "gsd",
        "tags": "tags",
        "attributes": {"source": "sensor"},
        "places": {"country": "country"},
        "question": "q",
        "answer": "a",
        "question_kind": "kind",
    }
    (scene,), rejects = read(tmp_path, columns=columns)
    assert not rejects
    assert scene == Scene(
        key="a/1.jpg",
        path="a/1.jpg",
        corpus="c",
        captions=("one", "two", "three"),
        scene_class="dense residential",
        labels=("arable land", "sea"),
        split="val",
        lon=10.5,
        lat=21.0,
        footprint=(10, 20, 11, 20, 11, 22, 10, 22),
        captured="2019-05-01T10:30",
        gsd=0.5,
        attributes=(("source", "S2"), ("landuse", "farm"), ("levels", "3")),
        places=(("country", "CH"),),
        questions=(Question(text="Is there water?", answers=("yes", "a lake"), kind="presence"),),
    )


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("lon", "east", "bad_coordinate"),
        ("lon", "inf", "bad_coordinate"),
        ("gsd", -1, "bad_coordinate"),
        ("box", "1,2,3", "bad_coordinate"),
        ("box", [5, 2, 3, 4], "bad_coordinate"),
        ("footprint", "POLYGON((", "bad_coordinate"),
        ("footprint", "POINT(1 2)", "bad_coordinate"),
        ("split", "holdout", "bad_annotation"),
        ("tags", "[1]", "bad_annotation"),
        ("tags", "{", "bad_annotation"),
        ("scene_class", {"a": 1}, "bad_annotation"),
    ],
)
def test_a_bad_cell_is_one_reject(column: str, value: Any, code: str, tmp_path: Path) -> None:
    lines = [{"image": "1.jpg", "x": value}, {"image": "2.jpg", "x": None}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (scene,), (reject,) = read(tmp_path, columns={column: ["x"] if column == "box" else "x"})
    assert scene.path == "2.jpg"
    assert (reject.path, reject.code) == ("1.jpg", code)


def test_outlines_are_read_from_wkt_and_geojson(tmp_path: Path) -> None:
    ring = [[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]
    lines = [
        {"image": "1.jpg", "x": "POLYGON ((0 0, 2 0, 2 1, 0 1, 0 0))"},
        {"image": "2.jpg", "x": {"type": "Polygon", "coordinates": [ring]}},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    scenes, _ = read(tmp_path, columns={"footprint": "x"})
    assert [s.footprint for s in scenes] == [(0, 0, 2, 0, 2, 1, 0, 1)] * 2
    assert [(s.lon, s.lat) for s in scenes] == [(1.0, 0.5)] * 2


def test_rows_about_one_image_are_merged_across_files(tmp_path: Path) -> None:
    write_csv(tmp_path / "a_train.csv", ["filepath", "title"], ["1.jpg", "one"], ["2.jpg", "b"], ["1.jpg", "two"])
    write_csv(tmp_path / "b_train.csv", ["filepath", "title"], ["1.jpg", "three"])
    write_csv(tmp_path / "b_test.csv", ["filepath", "title"], ["2.jpg", "c"], ["3.jpg", "d"])
    splits = {"train": "*_train.csv", "test": "*_test.csv"}
    scenes, (reject,) = read(tmp_path, columns=COLUMNS, merge=True, file_splits=splits)
    assert [(s.path, s.captions, s.split) for s in scenes] == [
        ("1.jpg", ("one", "two", "three"), "train"),
        ("3.jpg", ("d",), "test"),
    ]
    assert "splits test, train" in reject.detail


def test_image_paths_are_built_from_cells(tmp_path: Path) -> None:
    (tmp_path / "images" / "bridge").mkdir(parents=True)
    (tmp_path / "images" / "bridge" / "b_1.png").write_bytes(picture())
    tree = {"bridge": [{"filename": "b_1.png", "raw": "a bridge ."}, 7], "lake": "none"}
    (tmp_path / "d.json").write_text(json.dumps(tree))
    (scene,), rejects = read(
        tmp_path,
        files=("d.json",),
        records="*",
        group="class",
        columns={"image": "filename", "captions": ["raw"], "scene_class": "class"},
        image_paths=("none/{class}/{image}", "images/{class}/{image}"),
    )
    assert (scene.path, scene.scene_class) == ("images/bridge/b_1.png", "bridge")
    assert [r.detail for r in rejects] == ["row is no object but int", "'lake' holds no list of rows"]


@pytest.mark.parametrize("name", ["../secret.png", "..\\secret.png", "/etc/hosts", "link.png"])
def test_a_cell_cannot_lead_out_of_the_root(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(picture())
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    write_csv(root / "a.csv", ["filepath", "title"], [name, "a"])
    (scene,), _ = read(root, columns=COLUMNS)
    out, rejects = check(scene, root, CheckOptions())
    assert out is None
    assert rejects[0].code == "unsafe_path"


def test_a_table_behind_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    write_csv(tmp_path / "secret.csv", ["filepath", "title"], ["1.jpg", "a"])
    (tmp_path / "root" / "a.csv").symlink_to(tmp_path / "secret.csv")
    scenes, (reject,) = read(tmp_path / "root", columns=COLUMNS)
    assert not scenes
    assert reject.code == "unsafe_path"


@pytest.mark.parametrize("struct", [True, False])
def test_parquet_with_images_is_listed_by_row_group(struct: bool, tmp_path: Path) -> None:
    data = [picture(i) for i in range(5)]
    cells: list[Any] = [{"bytes": d, "path": f"pond_{i}.png"} for i, d in enumerate(data)] if struct else list(data)
    cells[3] = {"bytes": None, "path": "x.png"} if struct else None
    features = {"label": {"names": ["bare_land", "pond"], "_type": "ClassLabel"}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"image": cells, "caption": list("abcde"), "label": [0, 1, 1, 0, None]})
    pq.write_table(table.replace_schema_metadata(meta), tmp_path / "train-0.parquet", row_group_size=2)
    options = {
        "columns": {"captions": ["caption"], "scene_class": "label"},
        "file_splits": {"train": "train-*.parquet"},
    }
    keys = [e.key for e in reading.make("table", tmp_path, **options).entries()]
    assert keys == [f"train-0.parquet#0000{g}" for g in range(3)]
    scenes, (reject,) = read(tmp_path, **options)
    assert [s.data for s in scenes] == [data[i] for i in (0, 1, 2, 4)]
    assert [s.scene_class for s in scenes] == ["bare land", "pond", "pond", None]
    assert {s.split for s in scenes} == {"train"}
    assert scenes[1].key == "train-0.parquet/0000001" + ("/pond_1.png" if struct else "")
    assert (reject.code, reject.path.split("/")[1]) == ("missing_image", "0000003")
    assert check(scenes[0], tmp_path, CheckOptions())[0] is not None


def test_parquet_that_names_files_is_read_by_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["a/1.jpg", None], "t": ["x", "y"]}), tmp_path / "a.parquet")
    (scene,), (reject,) = read(tmp_path, columns={"captions": ["t"]})
    assert (scene.path, scene.captions) == ("a/1.jpg", ("x",))
    assert reject.path == "a.parquet#1"


def test_broken_parquet_is_a_reject(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"image": [picture()] * 40}), tmp_path / "a.parquet", compression="none", use_dictionary=False
    )
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:500])
    (tmp_path / "c.parquet").write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    scenes, rejects = read(tmp_path)
    assert len(scenes) == 40
    assert [(r.path, r.code) for r in rejects] == [
        ("b.parquet", "bad_annotation"),
        ("c.parquet#00000", "bad_annotation"),
    ]


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [], "info": {}}')
    with pytest.raises(UserError, match=r"holds no list of rows\. Its keys: images, info"):
        read(tmp_path, files=("a.json",))
    (tmp_path / "a.json").write_text("[")
    with pytest.raises(UserError, match="no readable JSON"):
        read(tmp_path, files=("a.json",))
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(UserError, match="no table that can be read"):
        read(tmp_path, files=("a.xlsx",))
    write_csv(tmp_path / "a.csv", ["image"], ["1.jpg"])
    with pytest.raises(UserError, match="no known encoding"):
        read(tmp_path, encoding="utf-9")


@given(body=st.binary(max_size=300), suffix=st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet"]))
def test_no_bytes_crash_the_reader(body: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("t")
    head = {"csv": b"image,t\n", "tsv": b"image\tt\n", "jsonl": b'{"image": "a", "t": 1}\n'}.get(suffix, b"")
    (root / f"a.{suffix}").write_bytes(head + body)
    try:
        scenes, rejects = read(root, files=(f"*.{suffix}",), columns={"captions": ["t"], "lon": "t?", "tags": "t?"})
    except UserError:
        return
    assert all(isinstance(s, Scene) for s in scenes)
    assert all(isinstance(r, Reject) and r.code in CODES for r in rejects)


def test_a_path_that_names_a_strange_column_is_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["image", "kind"], ["1.jpg", "x"])
    with pytest.raises(UserError, match=r"no column 'imag', which reader\.image_paths.*Did you mean 'image'"):
        read(tmp_path, image_paths=("pictures/{imag}",))
