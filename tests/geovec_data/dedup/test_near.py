from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geovec_data.dedup.near import settle
from geovec_data.near.pairs import NearPairs
from geovec_data.recipe.files import find_recipe
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures import corpora
from tests.fixtures.dataset import build


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """RSICD's fixture, and a corpus with the same pictures at half their size."""
    folder = tmp_path_factory.mktemp("two")
    (source,) = corpora.write("rsicd", folder / "rsicd")
    root = source.partition("=")[2]
    shutil.copytree(root, folder / "small")
    for file in sorted((folder / "small" / "RSICD_images").glob("*.jpg")):
        try:
            with Image.open(file) as image:
                half = image.convert("RGB").reduce(2)
        except OSError:  # the fixture has broken files
            continue
        half.save(file, quality=70)
    tree = yaml.safe_load(find_recipe("rsicd").read_text(encoding="utf-8")) | {"name": "another"}
    (folder / "another.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    roots = [f"sources.rsicd.root={root}", f"sources.another.root={folder / 'small'}"]
    more = ("units=4", "workers=1", "checks.max_reject_fraction=1")
    return [f"recipe=[rsicd,{folder / 'another.yaml'}]", *roots, *more]


def test_the_larger_image_stays_and_the_other_goes_with_its_examples(two: list[str], tmp_path: Path) -> None:
    out = f"out={tmp_path / 'out'}"
    before = build(*two, out).manifest.counts
    assert "near_duplicates" not in before
    reported = build(*two, out, "dedup.near=report").manifest
    found = reported.counts.pop("near_duplicates")
    assert found["pairs"] >= found["images"] > 0
    assert {k: v for k, v in reported.counts.items() if k != "digest"} == {
        k: v for k, v in before.items() if k != "digest"
    }
    dataset = build(*two, out, "dedup.near=drop")
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    con = dataset.connect()
    rows = con.execute("SELECT corpus, path, detail FROM rejects WHERE code = 'near_duplicate'").fetchall()
    assert len(rows) == found["images"]
    kept = {(c, k) for c, k in con.execute("SELECT corpus, key FROM images").fetchall()}
    for corpus, path, detail in rows:
        assert corpus == "another"
        assert f"a near-duplicate of rsicd: {path} " in detail
        assert ("rsicd", path) in kept
        assert ("another", path) not in kept
    gone = [(p,) for _, p, _ in rows]
    assert dataset.manifest.counts["rows"]["images"] == before["rows"]["images"] - len(gone)
    assert dataset.manifest.counts["corpora"]["rsicd"] == before["corpora"]["rsicd"]
    assert any(f"{len(gone)} images were left out" in note for note in dataset.manifest.notes)


def test_the_preferred_corpus_stays_although_smaller(two: list[str], tmp_path: Path) -> None:
    dataset = build(*two, f"out={tmp_path / 'out'}", "dedup.near=drop", "dedup.prefer=another")
    rows = dataset.connect().execute("SELECT DISTINCT corpus FROM rejects WHERE code = 'near_duplicate'").fetchall()
    assert rows == [("rsicd",)]


@given(st.sets(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda p: p[0] < p[1])))
def test_what_goes_is_near_to_what_stays_and_nothing_near_stays_together(edges: set[tuple[int, int]]) -> None:
    first, second = (np.array([e[k] for e in sorted(edges)], dtype=np.int64) for k in (0, 1))
    stays, _ = settle(NearPairs(second, first, np.ones(len(first), dtype=np.float32), 0), 15)
    for n in range(15):
        if stays[n] >= 0:
            assert (stays[n], n) in edges  # the better one, and near
            assert stays[stays[n]] < 0
    assert not any(stays[a] < 0 and stays[b] < 0 for a, b in edges)
