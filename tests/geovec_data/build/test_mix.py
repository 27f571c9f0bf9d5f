"""Several corpora in one dataset: what one is does not depend on which others are there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from geovec_data.build.build import run
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault
from geovec_data.recipe.compose import load_build
from geovec_data.recipe.files import find_recipe
from geovec_data.report.config import ReportConfig
from geovec_data.report.report import run as report
from geovec_data.stats import StatsConfig
from geovec_data.stats import run as stats_of
from geovec_data.store.journal import Journal, UnitRecord
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures import corpora
from tests.fixtures.dataset import build
from tests.fixtures.rebuilt import snapshot

COMMON = ("units=4", "workers=1", "checks.max_reject_fraction=1")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    root = tmp_path_factory.mktemp("places")
    return {name: corpora.write_many([name], root) for name in ("rsicd", "rsvg", "osm")}


def arguments(places: dict[str, list[str]], names: str, out: Path, *more: str) -> list[str]:
    given = [a for n in names.split(",") for a in places[n]]
    return [f"recipe=[{names}]", *given, f"out={out}", *COMMON, *more]


def rows_of(dataset: Dataset, corpus: str) -> dict[str, list[Any]]:
    """Every row that belongs to a corpus, its images' bytes included."""
    con = dataset.connect()
    of = "SELECT id FROM images WHERE corpus = $c"
    queries = {
        "images": "SELECT * FROM images WHERE corpus = $c",
        "image_splits": f"SELECT * FROM image_splits WHERE image IN ({of})",
        "regions": f"SELECT * FROM regions WHERE image IN ({of})",
        "examples": "SELECT * FROM example_splits WHERE corpus = $c",
        "queries": "SELECT i.* FROM items i WHERE id IN (SELECT query FROM examples WHERE corpus = $c)",
        "qrels": "SELECT q.* FROM qrels q JOIN examples e ON e.id = q.example WHERE e.corpus = $c",
        "targets": "SELECT i.* FROM items i WHERE id IN"
        " (SELECT q.item FROM qrels q JOIN examples e ON e.id = q.example WHERE e.corpus = $c)",
        "pool": f"SELECT * FROM pool WHERE image IN ({of})",
        "rejects": "SELECT * FROM rejects WHERE corpus = $c",
    }
    rows = {k: sorted(con.execute(q, {"c": corpus}).fetchall(), key=repr) for k, q in queries.items()}
    rows["bytes"] = [dataset.images.get(r[0]) for r in rows["images"]]
    return rows


def test_two_corpora_become_one_sound_dataset(places: dict[str, list[str]], tmp_path: Path) -> None:
    dataset = build(*arguments(places, "rsvg,rsicd", tmp_path / "out"))
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    m = dataset.manifest
    assert [s.corpus for s in m.sources] == ["rsicd", "rsvg"]
    assert set(m.recipe["corpora"]) == {"rsicd", "rsvg"}
    assert m.recipe["name"] == "rsicd+rsvg"
    assert set(m.tasks) == {*m.recipe["corpora"]["rsicd"]["tasks"], *m.recipe["corpora"]["rsvg"]["tasks"]}
    assert m.counts["rows"]["images"] == sum(c["images"] for c in m.counts["corpora"].values())


def test_each_corpus_is_what_it_is_alone(places: dict[str, list[str]], tmp_path: Path) -> None:
    both = build(*arguments(places, "rsicd,rsvg", tmp_path / "both"))
    for name in ("rsicd", "rsvg"):
        alone = build(*arguments(places, name, tmp_path / name))
        assert rows_of(both, name) == rows_of(alone, name)
        assert both.manifest.recipe["corpora"][name] == alone.manifest.recipe["corpora"][name]


def test_neither_order_nor_workers_change_a_byte(places: dict[str, list[str]], tmp_path: Path) -> None:
    one = build(*arguments(places, "rsvg,osm,rsicd", tmp_path / "one"))
    three = build(*arguments(places, "rsicd,rsvg,osm", tmp_path / "three", "workers=3")[:-1])
    assert snapshot(one.path) == snapshot(three.path)


def test_a_corpus_added_later_redoes_and_moves_nothing(places: dict[str, list[str]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = build(*arguments(places, "rsicd,rsvg", out))
    rows = {name: rows_of(before, name) for name in ("rsicd", "rsvg")}
    staged = {p: p.stat().st_mtime_ns for p in (out / "staging").rglob("*") if p.is_file()}
    summary = run(load_build(arguments(places, "osm,rsicd,rsvg", out), "geovec-data build"))
    assert {n: c["units_done"] for n, c in summary["corpora"].items()} == {
        "osm": summary["corpora"]["osm"]["units"],
        "rsicd": 0,
        "rsvg": 0,
    }
    assert staged == {p: p.stat().st_mtime_ns for p in staged}
    assert rows == {name: rows_of(Dataset(out), name) for name in rows}
    assert snapshot(out) == snapshot(build(*arguments(places, "osm,rsicd,rsvg", tmp_path / "fresh")).path)
    again = run(load_build(arguments(places, "rsvg,osm,rsicd", out), "geovec-data build"))
    assert again["unchanged"]


def test_a_build_that_died_in_its_second_corpus_goes_on_there(
    places: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    add = Journal.add

    def die(self: Journal, record: UnitRecord) -> None:
        if record.unit.startswith("rsvg"):
            raise KeyboardInterrupt
        add(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", die)
        with pytest.raises(KeyboardInterrupt):
            build(*arguments(places, "rsicd,rsvg", out))
    summary = run(load_build(arguments(places, "rsvg,rsicd", out), "geovec-data build"))
    assert summary["corpora"]["rsicd"]["units_done"] == 0
    assert summary["corpora"]["rsvg"]["units_done"] == summary["corpora"]["rsvg"]["units"] - 1
    assert snapshot(out) == snapshot(build(*arguments(places, "rsicd,rsvg", tmp_path / "whole")).path)


def test_a_corpus_taken_out_leaves_nothing_behind(places: dict[str, list[str]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*arguments(places, "rsicd,rsvg", out))
    summary = run(load_build(arguments(places, "rsvg", out), "geovec-data build"))
    assert summary["units_done"] == 0
    assert {p.name.rpartition("-")[0] for p in (out / "staging").iterdir()} == {"rsvg"}


def test_every_corpus_keeps_its_own_split(places: dict[str, list[str]], tmp_path: Path) -> None:
    more = ("corpora.rsvg.split=official", "corpora.rsicd.split=image", "corpora.rsicd.split.test=0.5")
    more += ("leaks.image=report",)  # DIOR-RSVG's official split is by object
    dataset = build(*arguments(places, "rsicd,rsvg", tmp_path / "out", *more))
    con = dataset.connect()
    reasons = con.execute(
        "SELECT DISTINCT i.corpus, s.reason FROM image_splits s JOIN images i ON i.id = s.image ORDER BY ALL"
    ).fetchall()
    assert reasons == [("rsicd", "hash of origin"), ("rsvg", "official")]
    own = con.execute("SELECT DISTINCT corpus, reason FROM example_splits ORDER BY ALL").fetchall()
    assert own == [("rsicd", "hash of origin"), ("rsvg", "official")]


def test_one_picture_in_two_corpora_is_kept_once(places: dict[str, list[str]], tmp_path: Path) -> None:
    root = Path(places["rsicd"][0].partition("=")[2])
    recipe = tmp_path / "copy.yaml"
    recipe.write_text(find_recipe("rsicd").read_text().replace("name: rsicd", "name: copy"))
    dataset = build(
        f"recipe=rsicd,{recipe}", f"sources.rsicd.root={root}", f"sources.copy.root={root}",
        f"out={tmp_path / 'out'}", *COMMON,
    )  # fmt: skip
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    counts = dataset.manifest.counts["corpora"]
    assert counts["rsicd"]["images"] == 0
    assert counts["rsicd"]["rejects_by_level"]["scene"]["duplicate_image"] == counts["copy"]["images"]
    assert counts["rsicd"]["examples"] == counts["copy"]["examples"]


def test_faults_are_judged_by_corpus(places: dict[str, list[str]], tmp_path: Path) -> None:
    harmed = tmp_path / "harmed"
    shutil.copytree(Path(places["rsicd"][0].partition("=")[2]), harmed)
    for file in sorted((harmed / "RSICD_images").iterdir())[:6]:
        file.write_bytes(file.read_bytes()[:200])
    given = [*places["rsvg"], f"sources.rsicd.root={harmed}", f"out={tmp_path / 'out'}", "units=4", "workers=1"]
    with pytest.raises(DataFault, match=r"rsicd: 6 of \d+ scenes are faulty.*corpora.rsicd.checks.max_reject_fraction"):
        build("recipe=rsicd,rsvg", *given, "corpora.rsvg.checks.max_reject_fraction=1")
    failed = json.loads((tmp_path / "out" / "summary.json").read_text())["failed"]
    assert "rsvg" not in failed
    build("recipe=rsicd,rsvg", *given, "checks.max_reject_fraction=1")


def test_dry_run_tells_every_corpus(places: dict[str, list[str]], tmp_path: Path) -> None:
    summary = run(load_build(arguments(places, "rsicd,rsvg", tmp_path / "o", "dry_run=true"), "geovec-data build"))
    assert not (tmp_path / "o").exists()
    assert set(summary["corpora"]) == {"rsicd", "rsvg"}
    assert summary["entries"] == sum(c["entries"] for c in summary["corpora"].values())
    assert any(line.startswith("rsvg: ") for line in summary["human"])


def test_card_stats_catalog_verify_and_report_tell_every_corpus(places: dict[str, list[str]], tmp_path: Path) -> None:
    dataset = build(
        *arguments(places, "rsicd,rsvg", tmp_path / "out", "corpora.rsvg.weight=2.5", "corpora.rsicd.cap=9")
    )
    counts = dataset.manifest.counts["corpora"]
    card = (dataset.path / "README.md").read_text()
    assert "# DIOR-RSVG" not in card
    assert "RSICD, DIOR-RSVG, as a GeoVec dataset" in card
    stats = "\n".join(stats_of(StatsConfig(dataset=dataset.path))["human"])
    sound = "\n".join(verify(VerifyConfig(dataset=dataset.path))["human"])
    report(ReportConfig(dataset=dataset.path))
    page = (dataset.path / "report.html").read_text()
    for name, found in counts.items():
        assert f"| {name} | {found['images']} | {found['regions']} | {found['examples']} |" in card
        assert any(
            line.split()[:3] == [name, str(found["images"]), str(found["regions"])] for line in stats.splitlines()
        )
        assert f"  {name}: {found['images']} images, {found['regions']} regions, {found['examples']} examples" in sound
        assert f"<tr><th>{name}</th>" in page
    assert "2.5" in stats
    with duckdb.connect(str(dataset.path / "catalog.duckdb"), read_only=True) as con:
        listed = dict(con.execute("SELECT corpus, sum(examples)::INT FROM statistics GROUP BY 1").fetchall())
    assert listed == {name: found["examples"] for name, found in counts.items()}


def test_verify_finds_rows_of_a_corpus_that_the_manifest_does_not_name(
    places: dict[str, list[str]], tmp_path: Path
) -> None:
    dataset = build(*arguments(places, "rsicd,rsvg", tmp_path / "out"))
    manifest = json.loads((dataset.path / "manifest.json").read_text())
    manifest["sources"] = [s for s in manifest["sources"] if s["corpus"] != "rsvg"]
    manifest["counts"]["corpora"]["rsicd"]["examples"] += 1
    (dataset.path / "manifest.json").write_text(json.dumps(manifest))
    faults = verify(VerifyConfig(dataset=dataset.path))["faults"]
    assert any("images.corpus 'rsvg' is in no manifest.sources" in f for f in faults)
    assert any("manifest counts.corpora.rsicd.examples: says" in f for f in faults)
