"""The leak gate as a user meets it: a build that fails, says why and where, and the ways out."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from geovec_data.build.build import run
from geovec_data.cli import main
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError
from geovec_data.recipe.compose import load_build
from geovec_data.recipe.recipe import BuildConfig
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures.parks import write_parks


def config(root: Path, *more: str) -> BuildConfig:
    out = f"out={root.parent / 'out'}"
    return load_build(["recipe=rsicd", f"source.root={root}", out, "workers=1", "units=2", *more], "geovec-data build")


def test_a_mirrored_copy_fails_the_build_and_the_listing_names_the_pair(tmp_path: Path) -> None:
    root = write_parks(tmp_path / "corpus", Image.Transpose.FLIP_LEFT_RIGHT)
    with pytest.raises(DataFault) as caught:
        run(config(root))
    said = str(caught.value)
    assert "near: 1 of 6 held-out images" in said
    assert "leaks.near=drop_train" in said
    assert "park_0.jpg (train)" in said
    assert "park_3.jpg (val)" in said
    listed = pq.read_table(tmp_path / "out" / "leaks").to_pylist()
    near = [r for r in listed if r["rule"] == "near"]
    assert [(r["train_key"], r["held_out_key"], r["policy"]) for r in near] == [
        ("rsicd/RSICD_images/park_0.jpg", "rsicd/RSICD_images/park_3.jpg", "fail")
    ]
    assert near[0]["score"] > 0.9
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["leaks"]["near"]["failing"] == 1
    with pytest.raises(UserError, match=r"the last build here failed its checks .*: build again as it says"):
        Dataset(tmp_path / "out")


@pytest.mark.parametrize(("policy", "unused"), [("drop_train", "park_0"), ("drop_test", "park_3"), ("report", None)])
def test_the_ways_out_redo_the_final_stage_only(tmp_path: Path, policy: str, unused: str | None) -> None:
    root = write_parks(tmp_path / "corpus", Image.Transpose.ROTATE_90)
    with pytest.raises(DataFault):
        run(config(root))
    summary = run(config(root, f"leaks.near={policy}"))
    assert summary["units_done"] == 0
    dataset = Dataset(tmp_path / "out")
    con = dataset.connect()
    gone = con.execute(
        "SELECT i.path, s.reason FROM image_splits s JOIN images i ON i.id = s.image WHERE s.split = 'unused'"
    ).fetchall()
    assert gone == ([(f"RSICD_images/{unused}.jpg", "leak: near")] if unused else [])
    examples = con.execute("SELECT count(*) FROM example_splits WHERE reason = 'leak: near'").fetchall()[0][0]
    assert examples == {"park_0": 4, "park_3": 3, None: 0}[unused], "captions, all captions, class"
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    assert "near (a re-encoded, resized, turned, mirrored or cropped copy): 1 of 6" in (
        dataset.path / "README.md"
    ).read_text(encoding="utf-8")
    assert run(config(root, f"leaks.near={policy}"))["unchanged"]


def test_a_shared_caption_is_reported_and_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_parks(tmp_path / "corpus")
    arguments = ["recipe=rsicd", f"source.root={root}", f"out={tmp_path / 'out'}", "workers=1"]
    assert main(["build", *arguments]) == 0
    assert (
        "leak: caption (a caption in the same words): 2 of 6 held-out images, 8 pairs; report"
        in capsys.readouterr().out
    )
    assert main(["stats", f"dataset={tmp_path / 'out'}"]) == 0
    assert "near (a re-encoded" in capsys.readouterr().out


def test_verify_sees_a_leak_that_the_listing_does_not_name(tmp_path: Path) -> None:
    root = write_parks(tmp_path / "corpus")
    run(config(root))
    dataset = Dataset(tmp_path / "out")
    from geovec_data.leaks.unlisted import UNLISTED

    con = dataset.connect()
    con.execute("CREATE TEMP TABLE listing AS SELECT * FROM leaks")
    for what, sql in UNLISTED.items():
        assert con.execute(sql).fetchall() == [], what
    con.execute("DELETE FROM listing WHERE rule = 'caption'")
    emptied = UNLISTED["image with a caption on both sides of the split is not in leaks"].replace(
        "FROM leaks", "FROM listing"
    )
    assert len(con.execute(emptied).fetchall()) == 2
