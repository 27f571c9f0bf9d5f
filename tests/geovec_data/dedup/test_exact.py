from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.recipe.files import find_recipe
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures import corpora
from tests.fixtures.dataset import build

COMMON = ("units=4", "workers=1", "checks.max_reject_fraction=1")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """RSICD's fixture, and a corpus of other terms that publishes the same files."""
    folder = tmp_path_factory.mktemp("two")
    source = corpora.write("rsicd", folder / "rsicd")
    (root,) = [a.partition("=")[2] for a in source]
    shutil.copytree(root, folder / "copy")
    tree = yaml.safe_load(find_recipe("rsicd").read_text(encoding="utf-8"))
    tree |= {"name": "another", "licence": {"name": "CC-BY-4.0", "attribution": "Another Team"}}
    (folder / "another.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    roots = [f"sources.rsicd.root={root}", f"sources.another.root={folder / 'copy'}"]
    return [f"recipe=[rsicd,{folder / 'another.yaml'}]", *roots, *COMMON]


def terms(dataset: Dataset) -> set[tuple[str, str, str]]:
    return set(dataset.connect().execute("SELECT corpus, licence, attribution FROM images").fetchall())


def test_a_copy_in_two_corpora_binds_to_both_terms(two: list[str], tmp_path: Path) -> None:
    dataset = build(*two, f"out={tmp_path / 'out'}")
    ((corpus, licence, attribution),) = terms(dataset)
    assert corpus == "another"  # as many labels: the first by name
    assert licence == "CC-BY-4.0; academic use, no licence stated"
    assert attribution.startswith("Another Team; RSICD")
    assert dataset.manifest.counts["corpora"]["rsicd"]["examples"] > 0  # its labels are all here
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    details = dataset.connect().execute("SELECT detail FROM rejects WHERE corpus = 'rsicd' AND stage = 'final'")
    assert all("byte-identical to another: " in d for (d,) in details.fetchall())


def test_the_preferred_corpus_keeps_its_row_and_no_unit_is_redone(two: list[str], tmp_path: Path) -> None:
    out = f"out={tmp_path / 'out'}"
    build(*two, out)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "staging").rglob("*.*")}
    dataset = build(*two, out, "dedup.prefer=rsicd")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "staging").rglob("*.*")} == before
    ((corpus, licence, _),) = terms(dataset)
    assert (corpus, licence) == ("rsicd", "academic use, no licence stated; CC-BY-4.0")
    assert dataset.manifest.recipe["dedup"]["prefer"] == ["rsicd"]


def test_an_unknown_corpus_is_told(two: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"dedup\.prefer names no corpus of this build: 'rsicdd'\. Did you mean 'rsicd'"
    ):
        build(*two, f"out={tmp_path / 'out'}", "dedup.prefer=rsicdd")
