"""Exports: what other tools load is what the dataset holds."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.export import pairs, parquet
from geovec_data.export.config import ExportConfig
from geovec_data.export.export import run
from geovec_data.export.flat import Side
from geovec_data.export.rows import Row, Span
from geovec_data.geometry.box_codecs import box_codec
from geovec_data.options import load
from tests.fixtures.dataset import build
from tests.fixtures.jobs import mined
from tests.fixtures.voc import write_rsvg

MOST = 3


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("export")
    write_rsvg(folder / "corpus", images=14, expressions=30, size=96, seed=0)
    made = build(
        "recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'data (1)'}", "workers=1", "units=3"
    )
    mined(made.path, per_example=MOST)
    return made


def export(home: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    return run(ExportConfig(dataset=home.path, out=out, negatives_per_example=MOST, **options))


def opened(out: Path, name: str, split: str = "train") -> Any:
    return datasets.load_dataset(str(out), name, split=split, cache_dir=str(out.with_name(out.name + "-cache")))


def tree(out: Path) -> dict[str, bytes]:
    files = [p for p in out.rglob("*") if p.is_file() and p.name != "summary.json"]
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def test_hf_shows_pictures_boxes_and_examples(home: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "hf"
    summary = export(home, out, format="hf", rows_per_shard=5)
    images = opened(out, "images")
    splits = home.connect().execute("SELECT image FROM image_splits WHERE split = 'train'").fetchall()
    assert sorted(images["id"]) == sorted(s[0] for s in splits)
    assert images[0]["image"].size == (96, 96)  # decoded by datasets
    stored = images.cast_column("image", datasets.Image(decode=False))
    regions = home.read("regions").to_pylist()
    for row in stored:
        assert row["image"]["bytes"] == home.images.get(row["id"])
        wanted = {r["id"]: (r["box"], r["category"], r["expressions"]) for r in regions if r["image"] == row["id"]}
        got = {
            o["id"]: (dict(zip(("x0", "y0", "x1", "y1"), o["bbox"], strict=True)), o["category"], o["expressions"])
            for o in row["objects"]
        }
        assert got == wanted
    examples = opened(out, "examples")
    assert len(examples) == summary["rows"]["examples/train"]
    qrels = {(q["example"], q["item"]) for q in home.read("qrels").to_pylist()}
    for row in examples:
        assert all((row["id"], p["id"]) in qrels for p in row["positives"])
        assert len(row["negatives"]) == len(row["negative_scores"]) > 0
        for side in (row["query"], *row["positives"], *row["negatives"]):
            assert [(s["kind"], s["text"], s["image"], s["box"] and tuple(s["box"])) for s in side["segments"]] == [
                (s.kind, s.text, s.image, s.box) for s in home.items.segments(side["id"])
            ]


def test_webdataset_holds_each_image_with_its_labels_and_examples(home: Dataset, tmp_path: Path) -> None:
    summary = export(home, tmp_path / "a", format="webdataset", rows_per_shard=4)
    export(home, tmp_path / "b", format="webdataset", rows_per_shard=4)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    members: dict[str, bytes] = {}
    for shard in sorted((tmp_path / "a").glob("train-*.tar")):
        with tarfile.open(shard) as tar:
            assert len({m.name.partition(".")[0] for m in tar}) <= 4
            members |= {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    records = {n[:-5]: json.loads(d) for n, d in members.items() if n.endswith(".json")}
    assert len(records) == summary["rows"]["images/train"]
    for image, record in records.items():
        assert members[f"{image}.jpg"] == home.images.get(image)
        assert record["split"] == "train"
    told = sorted(e["id"] for r in records.values() for e in r["examples"])
    assert told == sorted(
        r[0] for r in home.connect().execute("SELECT id FROM example_splits WHERE split = 'train'").fetchall()
    )


def test_mmeb_columns_name_files_and_boxes_decode_again(home: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "mmeb"
    export(home, out, format="mmeb")
    rows = opened(out, "expression_to_region")
    assert rows.column_names == ["qry", "qry_image_path", "pos_text", "pos_image_path", "neg_text", "neg_image_path"]
    codec = box_codec("qwen2vl")
    boxes = [tuple(r["box"].values()) for r in home.read("regions").to_pylist()]
    dx, dy = codec.error_bound(96, 96)
    for row in rows:
        assert row["qry"].count("<|image_1|>") == row["pos_text"].count("<|image_1|>") == 1
        assert (out / row["qry_image_path"]).read_bytes() == home.images.get(Path(row["qry_image_path"]).stem)
        found = codec.decode(row["pos_text"].removeprefix("<|image_1|> "), 96, 96)
        assert any(all(abs(a - b) <= d for a, b, d in zip(found, box, (dx, dy, dx, dy), strict=True)) for box in boxes)
        assert len(row["neg_text"]) == len(row["neg_image_path"]) > 0
    texts = opened(out, "region_to_text")
    assert set(texts["pos_image_path"]) == {""}
    single = tmp_path / "single"
    run(ExportConfig(dataset=home.path, out=single, format="mmeb", negatives_per_example=1))
    assert isinstance(opened(single, "region_to_text")[0]["neg_text"], str)


@pytest.mark.parametrize(
    ("form", "scores", "columns"),
    [
        ("pair", False, ["anchor", "positive"]),
        ("triplet", False, ["anchor", "positive", "negative"]),
        ("triplet", True, ["anchor", "positive", "negative", "scores"]),
        ("n-tuple", True, ["anchor", "positive", "negative_1", "negative_2", "negative_3", "scores"]),
        ("labeled-pair", False, ["anchor", "document", "label"]),
        ("labeled-pair", True, ["anchor", "document", "score"]),
        ("labeled-list", False, ["anchor", "documents", "labels"]),
        ("labeled-list", True, ["anchor", "documents", "scores"]),
    ],
)
def test_forms_are_those_of_mine_hard_negatives(
    home: Dataset, tmp_path: Path, form: Any, scores: bool, columns: list[str]
) -> None:
    out = tmp_path / "st"
    summary = export(home, out, format="sentence-transformers", form=form, scores=scores)
    rows = opened(out, "region_to_text")
    assert rows.column_names == columns
    con = home.connect()
    file = home.path / "mining/first/negatives.parquet"
    positives = con.execute(
        "SELECT count(*) FROM qrels q JOIN example_splits e ON e.id = q.example"
        " WHERE e.task = 'region_to_text' AND e.split = 'train'"
    ).fetchall()[0][0]
    mined_ = con.execute(
        f"SELECT count(*) FROM read_parquet('{file}') n JOIN qrels q ON q.example = n.example"
        " JOIN examples e ON e.id = n.example WHERE e.task = 'region_to_text'"
    ).fetchall()[0][0]
    wanted = {"triplet": mined_, "labeled-pair": positives + mined_}.get(form, positives)
    assert len(rows) == wanted == summary["rows"]["region_to_text/train"]
    first = rows[0]
    assert set(first["anchor"]) == {"text", "image"}  # given to the model as text, then image, then text of the box
    if form == "labeled-list":
        assert len(first["documents"]) == len(first[columns[-1]])
        assert scores or first["labels"] == [1, *[0] * (len(first["documents"]) - 1)]
    if scores and "scores" in first:
        assert first["scores"][0] == pytest.approx(0.75)
        assert first["scores"][1:] == sorted(first["scores"][1:], reverse=True)


def test_a_negative_of_another_kind_takes_its_score_along() -> None:
    sides = {"p": Side(("a pier",), None, 0), "i": Side((), "image", 0), "t": Side(("a road",), None, 0)}
    row = Row("e", "a_task", "a_corpus", "p", "image", ("p",), ("i", "t"), (0.9, 0.4), 0.7)
    job: Any = SimpleNamespace(
        examples=SimpleNamespace(rows=lambda _: [row]),
        flat=SimpleNamespace(query=lambda _, item: sides[item], target=sides.__getitem__),
        config=ExportConfig.model_construct(form="triplet", scores=True, negatives_per_example=1),
    )
    groups = pairs._by_shape(job, Span("a_task", "train", 0, 1, 0, 1))
    ((shapes, (found,)),) = groups.items()
    assert shapes == ("text", "text")
    (made,) = pairs._formed(job, *found)
    assert (made["negative"], made["scores"]) == (sides["t"], [0.7, 0.4])


def test_short_examples_are_left_out_and_counted_never_padded(home: Dataset, tmp_path: Path) -> None:
    summary = run(
        ExportConfig(dataset=home.path, out=tmp_path / "o", format="sentence-transformers", negatives_per_example=9)
    )
    assert summary["left_out"]["fewer negatives than negatives_per_example"] > 0
    assert not any(n for name, n in summary["rows"].items() if name.endswith("/train"))


def test_swift_lines_align_messages_and_images(home: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "swift"
    export(home, out, format="ms-swift")
    for file in (out / "train").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            asked = record["messages"][0]["content"].count("<image>")
            assert asked == len(record.get("images", ()))
            for side in ("positive", "negative"):
                messages = record[f"{side}_messages"]
                images = record.get(f"{side}_images", [[]] * len(messages))
                assert [m[0]["content"].count("<image>") for m in messages] == [len(i) for i in images]
                assert all((out / i).is_file() for paths in images for i in paths)


def test_ids_are_the_tables(home: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "ids"
    export(home, out, format="ids")
    rows = [r for f in sorted((out / "train").glob("*.parquet")) for r in pq.read_table(f).to_pylist()]
    negatives = pq.read_table(home.path / "mining/first/negatives.parquet").to_pylist()
    assert sorted((r["example"], n) for r in rows for n in r["negatives"]) == sorted(
        (n["example"], n["item"]) for n in negatives
    )
    items = {json.loads(line)["id"] for line in (out / "items.jsonl").read_text().splitlines()}
    assert items == set(home.read("items", ["id"]).column("id").to_pylist())


def test_a_killed_export_goes_on_and_ends_as_an_undisturbed_one(
    home: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(home, tmp_path / "whole", format="hf", rows_per_shard=4)
    real, calls = parquet.pq.ParquetWriter, 0

    def dies(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return real(*args, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(parquet.pq, "ParquetWriter", dies)
        export(home, tmp_path / "cut", format="hf", rows_per_shard=4)
    assert not list((tmp_path / "cut").rglob("*.tmp"))
    summary = export(home, tmp_path / "cut", format="hf", rows_per_shard=4)
    assert any("of an earlier call were kept" in line for line in summary["human"])
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    again = export(home, tmp_path / "cut", format="hf", rows_per_shard=4)
    assert any("nothing to do" in line for line in again["human"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["format=hf", "tasks=[region_to_txt]"], "Did you mean 'region_to_text'"),
        (["format=hf", "splits=[trian]"], "Did you mean 'train'"),
        (["format=hf", "negatives=frist"], "Did you mean 'first'"),
        (["format=mmeb", "box_codec=qwen2-vl"], "Did you mean 'qwen2vl'"),
        (["format=sentence-transformers", "negatives=none"], "needs mined negatives"),
        (["format=parquet"], "ids"),
        (["format=hf", "fromat=hf"], "Did you mean 'format'"),
    ],
)
def test_mistakes_are_told(home: Dataset, tmp_path: Path, options: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(load(ExportConfig, [f"dataset={home.path}", f"out={tmp_path / 'o'}", *options], "geovec-data export"))


def test_a_folder_in_use_is_left_alone(home: Dataset, tmp_path: Path) -> None:
    export(home, tmp_path / "o", format="ids")
    with pytest.raises(UserError, match="another format"):
        export(home, tmp_path / "o", format="hf")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").write_text("x")
    with pytest.raises(UserError, match="holds other files"):
        export(home, tmp_path / "other", format="hf")
