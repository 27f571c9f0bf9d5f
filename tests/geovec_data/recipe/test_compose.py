"""How a build of several corpora is written, and what a mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.build.build import run
from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.recipe.compose import load_build
from geovec_data.recipe.describe import DescribeConfig, describe
from geovec_data.recipe.recipe import BuildConfig
from tests.fixtures import corpora

TWO = ("recipe=rsicd,rsvg", "sources.rsicd.root=/a", "sources.rsvg.root=/b", "out=o")


def composed(*arguments: str) -> BuildConfig:
    return load_build(list(arguments), "geovec-data build")


@pytest.mark.parametrize("said", ["rsvg,rsicd", "[rsicd,rsvg]", "[rsvg, 'rsicd']"])
def test_lists_are_written_as_one_likes(said: str) -> None:
    config = composed(f"recipe={said}", *TWO[1:])
    assert config == composed(*TWO)
    assert [c.name for c in config.corpora] == ["rsicd", "rsvg"]


def test_plain_options_hold_for_all_and_what_is_said_of_one_wins() -> None:
    config = composed(
        *TWO, "split.seed=5", "corpora.rsvg.split.seed=6", "corpora.rsvg.split=blocks", "cap=7", "units=3"
    )
    rsicd, rsvg = config.corpora
    assert (rsicd.split.seed, rsvg.split.seed) == (5, 6)
    assert (rsicd.split.method, rsvg.split.method) == ("official", "blocks")
    assert {c.cap for c in config.corpora} == {7}
    assert {c.units for c in config.corpora} == {3}


def test_lists_and_free_options_of_one_corpus() -> None:
    config = composed(
        *TWO, "corpora.rsicd.tasks=[scene_class]", "corpora.rsvg.checks.min_visible=0.5", "corpora.rsvg.weight=2"
    )
    rsicd, rsvg = config.corpora
    assert rsicd.tasks == ("scene_class",)
    assert (rsvg.checks.model_extra, rsicd.checks.model_extra) == ({"min_visible": 0.5}, {})
    assert (rsicd.weight, rsvg.weight) == (1.0, 2.0)


def test_one_recipe_takes_both_forms_of_its_place() -> None:
    assert composed("recipe=rsicd", "source.root=/a", "out=o") == composed(
        "recipe=rsicd", "sources.rsicd.root=/a", "out=o"
    )
    assert composed("recipe=rsvg", "sources.rsvg=sample", "out=o").corpora[0].source.kind == "sample"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*TWO[:1], "sources.rsgv.root=/a", "out=o"), "Did you mean 'sources.rsvg.root'"),
        ((*TWO, "sources.rsvg.rot=/a"), "Did you mean 'sources.rsvg.root'"),
        ((*TWO, "sorces.rsvg.root=/a"), "Did you mean 'sources.rsvg.root'"),
        ((*TWO, "corpora.rsvg.split.metod=image"), "Did you mean 'corpora.rsvg.split.method'"),
        ((*TWO, "corpora.rsvg.reader.imges=[a]"), "Did you mean 'corpora.rsvg.reader.images'"),
        ((*TWO, "corpora.rsvg.cap=many"), "corpora.rsvg.cap='many'"),
        ((*TWO, "corpora.rsvg=3"), "say which option"),
        ((*TWO, "sources.osm.imagery=/a"), "recipe=[rsicd,rsvg,osm]"),
        ((*TWO, "source.root=/a"), "say which: sources.rsicd.root=… or sources.rsvg.root=…"),
        ((*TWO, "weight=2"), "say which: corpora.rsicd.weight=… or corpora.rsvg.weight=…"),
        ((*TWO, "corpora.rsvg.workers=2"), "holds for the whole build"),
        ((*TWO, "sources.rsvg.root=/c"), "given twice"),
        ((*TWO, "recipe=osm"), "recipe=[rsicd,rsvg,osm]"),
        (("recipe=rsicd,rsicd", "out=o"), "two recipes are of the corpus 'rsicd'"),
        (("recipe=[rsmeb_train,rsvg]", "out=o"), "rsvg of rsmeb_train"),
        (("recipe=rsicd", "source.root=/a", "sources.rsicd.root=/a", "out=o"), "given twice"),
        ((*TWO[:2], "out=o"), "  rsvg                 sources.rsvg.root=<folder>"),
        ((*TWO[:2], "out=o"), "Or skip_missing=true"),
        ((TWO[0], "skip_missing=true", "out=o"), "Give at least one"),
        (("recipe=rsmeb_trian", "out=o"), "Did you mean 'rsmeb_train'"),
        ((TWO[0], "sources.rsicd=sample", "sources.rsvg=sample", "out=o"), "give sources.rsicd.root="),
    ],
)
def test_mistakes_are_named_with_the_way_out(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError) as caught:
        composed(*arguments)
    assert words in str(caught.value)


def test_a_place_that_is_not_there_names_its_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sources\.rsicd\.root=\S*none does not exist"):
        run(composed(TWO[0], f"sources.rsicd.root={tmp_path / 'none'}", "sources.rsvg.root=/", f"out={tmp_path / 'o'}"))
    (tmp_path / "empty").mkdir()
    places = corpora.write_many(["rsvg"], tmp_path)
    with pytest.raises(UserError, match=r"corpus rsicd: .*not of the expected layout"):
        run(composed(TWO[0], f"sources.rsicd.root={tmp_path / 'empty'}", *places, f"out={tmp_path / 'o'}"))


def own_mix(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(f"name: mine\ntitle: Mine\nsummary: A mix of my own.\nmix:\n{text}")
    return file


def test_a_mix_of_ones_own_gives_weights_caps_and_overrides(tmp_path: Path) -> None:
    copy = (Path(__file__).parents[3] / "recipes" / "rsicd.yaml").read_text().replace("name: rsicd", "name: copy")
    (tmp_path / "copy.yaml").write_text(copy)
    file = own_mix(
        tmp_path,
        "  rsvg: {weight: 2, cap: 20, split: {method: official}, source: {root: /b}}\n"
        "  copy: {recipe: copy.yaml, tasks: [scene_class]}\n",
    )
    config = composed(f"recipe={file}", "sources.copy.root=/a", "corpora.rsvg.cap=30", "out=o")
    copied, rsvg = config.corpora
    assert (config.name, config.title) == ("mine", "Mine")
    assert (copied.name, copied.tasks) == ("copy", ("scene_class",))
    assert (rsvg.weight, rsvg.cap, rsvg.split.method, rsvg.source.root) == (2.0, 30, "official", Path("/b"))
    said = describe(DescribeConfig(recipe=str(file)))["human"]
    assert any("rsvg" in line and "20" in line for line in said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  rsgv: {}\n", "Did you mean 'rsvg'"),
        ("  rsvg: {wieght: 2}\n", "Did you mean 'corpora.rsvg.weight'"),
        ("  rsvg: {recipe: rsicd}\n", "is of the corpus 'rsicd'"),
        ("  mine: {recipe: mine.yaml}\n", "is a mix itself"),
        ("  rsvg: {weight: -1}\n", "weight=-1"),
        ("  rsvg: 3\n", "mix.rsvg"),
    ],
)
def test_mistakes_in_a_mix_are_told(text: str, words: str, tmp_path: Path) -> None:
    file = own_mix(tmp_path, text + "  rsicd: {}\n")
    with pytest.raises(UserError) as caught:
        composed(f"recipe={file}", "sources.rsicd.root=/a", "sources.rsvg.root=/b", "out=o")
    assert words in str(caught.value)


def test_skipped_corpora_are_said_everywhere(tmp_path: Path) -> None:
    file = own_mix(tmp_path, "  rsicd: {}\n  rsvg: {}\n  osm: {}\n")
    places = corpora.write_many(["rsicd"], tmp_path)
    common = (
        f"recipe={file}",
        *places,
        f"out={tmp_path / 'o'}",
        "units=2",
        "workers=1",
        "checks.max_reject_fraction=1",
    )
    with pytest.raises(UserError, match="2 of 3 corpora"):
        composed(*common)
    summary = run(composed(*common, "skip_missing=true"))
    assert summary["skipped"] == ["osm", "rsvg"]
    manifest = Dataset(tmp_path / "o").manifest
    assert manifest.recipe["skipped"] == ["osm", "rsvg"]
    assert "not in this dataset" in (tmp_path / "o" / "README.md").read_text()
    assert [s.corpus for s in manifest.sources] == ["rsicd"]


def test_what_is_wrong_in_a_file_of_ones_own_is_told_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    whole = (Path(__file__).parents[3] / "recipes" / "rsicd.yaml").read_text(encoding="utf-8")
    file.write_text(whole.replace("licence:", "lisence:"), encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml: .*lisence.*Did you mean .*licence"):
        composed(f"recipe={file}", f"source.root={tmp_path}", f"out={tmp_path / 'out'}")
    file.write_text(whole, encoding="utf-8")
    with pytest.raises(UserError, match=r"^unknown option 'cpa'"):  # the file is sound: nothing of it is said
        composed(f"recipe={file}", f"source.root={tmp_path}", f"out={tmp_path / 'out'}", "cpa=3")
