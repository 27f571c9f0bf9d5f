"""Compositions of a built dataset against what its labels say, worked out one pair of images at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geovec_data.compositions.check import Facts
from geovec_data.compositions.phrases import meanings
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures import corpora
from tests.fixtures.dataset import build
from tests.fixtures.photo import photo

CATEGORIES = ("ship", "harbor", "storage tank", "car")
Labels = dict[str, Facts]


def write_labelled(root: Path, images: int = 40, seed: int = 0) -> None:
    """A corpus in VOC layout whose images have random sets of a few categories."""
    rng = np.random.default_rng(seed)
    for name in ("Annotations", "JPEGImages"):
        (root / name).mkdir(parents=True)
    for n in range(images):
        Image.fromarray(photo(np.random.default_rng([seed, n]), 48, 48)).save(root / "JPEGImages" / f"{n:05d}.jpg")
        present = [c for c in CATEGORIES if rng.random() < 0.5]
        objects = "".join(
            f"<object><name>{c}</name><bndbox><xmin>{1 + 9 * i}</xmin><ymin>2</ymin><xmax>{8 + 9 * i}</xmax>"
            "<ymax>20</ymax></bndbox></object>"
            for i, c in enumerate(present)
        )
        (root / "Annotations" / f"{n:05d}.xml").write_text(
            f"<annotation><filename>{n:05d}.jpg</filename><size><width>48</width><height>48</height><depth>3</depth>"
            f"</size>{objects}</annotation>"
        )


def composed(folder: Path, *arguments: str, workers: int = 1) -> Dataset:
    root = folder / "corpus"
    if not root.exists():
        write_labelled(root)
    out = folder / f"dataset-{len(list(folder.iterdir()))}"
    given = (f"source.root={root}", f"out={out}", f"workers={workers}", "units=4")
    split = ("split.train=0.6", "split.val=0.2", "split.test=0.2")
    return build("recipe=rsvg", "tasks=[composed_to_image]", *given, *split, *arguments)


def facts_of(dataset: Dataset) -> tuple[Labels, dict[str, str]]:
    con = dataset.connect()
    sets = con.execute("SELECT image, list(category) FROM regions GROUP BY image").fetchall()
    splits = con.execute("SELECT image, split FROM image_splits").fetchall()
    return {i: Facts(categories=frozenset(c)) for i, c in sets}, dict(splits)


def asked_of(dataset: Dataset) -> list[tuple[str, str, str, str, frozenset[str]]]:
    """Query image, text, split of the example, its id, images of its positives."""
    con = dataset.connect()
    return [
        (image, next(s["text"] for s in segments if s["text"]), split, example, frozenset(shown))
        for image, segments, split, example, shown in con.execute(
            "SELECT e.image, any_value(q.segments), e.split, e.id, list(x.image) FROM example_splits e"
            " JOIN items q ON q.id = e.query JOIN qrels r ON r.example = e.id JOIN items x ON x.id = r.item"
            " WHERE e.task = 'composed_to_image' GROUP BY e.image, e.split, e.id ORDER BY e.id"
        ).fetchall()
    ]


def expected(dataset: Dataset) -> set[tuple[str, str, str, frozenset[str]]]:
    """Every change of every image that another image of its split shows: image, kind, category, those images."""
    labels, splits = facts_of(dataset)
    out = set()
    for image, facts in labels.items():
        for category in CATEGORIES:
            wanted = facts.categories ^ {category}
            found = {
                i
                for i, f in labels.items()
                if i != image and f.categories == wanted and splits[i] == splits[image] != "unused"
            }
            if found and wanted:
                kind = "without" if category in facts.categories else "with"
                out.add((image, kind, category, frozenset(found)))
    return out


def test_all_changes_are_found_with_all_their_answers(tmp_path: Path) -> None:
    dataset = composed(tmp_path, "compose.per_image=0")
    _, splits = facts_of(dataset)
    found = set()
    for image, text, split, _, answers in asked_of(dataset):
        (change,) = meanings(text, CATEGORIES, [])
        found.add((image, change.kind, change.name, answers))
        assert split == splits[image]
        assert image not in answers
    assert found == expected(dataset)
    assert len(found) > 40
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    wordings = {text.split()[0] for _, text, *_ in asked_of(dataset)}
    assert {"without", "with", "remove", "add", "the", "like"} == wordings


def test_every_image_of_the_split_is_a_candidate(tmp_path: Path) -> None:
    dataset = composed(tmp_path)
    pool = dataset.read("pool").to_pylist()
    assert {p["image"] for p in pool} == set(dataset.read("images", ["id"]).column("id").to_pylist())


def test_the_caps_bound_what_is_asked(tmp_path: Path) -> None:
    every = asked_of(composed(tmp_path, "compose.per_image=0"))
    two = asked_of(composed(tmp_path, "compose.per_image=2"))
    most = max(sum(i == image for i, *_ in two) for image, *_ in two)
    assert most == 2
    assert {e for *_, e, _ in two} < {e for *_, e, _ in every}  # a cap takes away and changes nothing else
    few = asked_of(composed(tmp_path, "compose.per_image=0", "compose.most_targets=1"))
    assert few
    assert all(len(answers) == 1 for *_, answers in few)
    one = asked_of(composed(tmp_path, "compose.per_image=0", "compose.per_change=1"))
    assert {e for *_, e, _ in one} < {e for *_, e, _ in every}


def test_equal_labels_give_equal_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    first, second = composed(tmp_path), composed(tmp_path, workers=2)
    for table in ("items", "examples", "qrels", "splits", "pool"):
        digests = [[hashlib.sha256(f.read_bytes()).hexdigest() for f in d.files(table)] for d in (first, second)]
        assert digests[0] == digests[1]
    assert len(first.files("examples")) == 2  # a first part of what single scenes gave, then the compositions


def test_an_image_with_a_refused_label_is_neither_asked_nor_an_answer(tmp_path: Path) -> None:
    write_labelled(tmp_path / "corpus")
    annotation = tmp_path / "corpus" / "Annotations" / "00003.xml"
    tiny = (
        "<object><name>car</name><bndbox><xmin>40</xmin><ymin>40</ymin><xmax>41</xmax><ymax>41</ymax></bndbox></object>"
    )
    annotation.write_text(annotation.read_text().replace("</annotation>", tiny + "</annotation>"))
    dataset = composed(tmp_path, "compose.per_image=0", "checks.min_side=3")
    con = dataset.connect()
    (image,) = con.execute("SELECT id FROM images WHERE path LIKE '%00003%'").fetchone() or ("",)
    assert con.execute("SELECT count(*) FROM rejects WHERE code = 'too_small'").fetchall() == [(1,)]
    for asked, _, _, _, answers in asked_of(dataset):
        assert image not in {asked, *answers}


def test_a_derivation_that_the_labels_do_not_bear_out_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geovec_data.compositions import derive

    monkeypatch.setattr(derive, "_MOVES", derive._MOVES.replace("'without', category", "'with', category"))
    with pytest.raises(DataFault, match="do not bear out"):
        composed(tmp_path)


def test_changing_how_compositions_are_made_redoes_the_final_stage_alone(tmp_path: Path) -> None:
    write_labelled(tmp_path / "corpus")
    given = ["recipe=rsvg", "tasks=[composed_to_image]", f"source.root={tmp_path / 'corpus'}", f"out={tmp_path / 'd'}"]
    first = len(asked_of(build(*given, "workers=1", "units=4")))
    units = {f: f.stat().st_mtime_ns for f in (tmp_path / "d" / "staging").glob("*/unit.json")}
    second = len(asked_of(build(*given, "workers=1", "units=4", "compose.per_image=1")))
    assert second < first
    assert {f: f.stat().st_mtime_ns for f in units} == units


def test_patterncom_follows_the_authors_protocol(tmp_path: Path) -> None:
    """Another value of the attribute, within the class or those that count as one; the bare value is the text."""
    corpora.write("patterncom", tmp_path / "corpus")
    given = (f"source.root={tmp_path / 'corpus'}", f"out={tmp_path / 'd'}", "workers=1", "units=2")
    dataset = build("recipe=patterncom", *given, "checks.max_reject_fraction=1")
    shown: dict[str, Any] = {
        i: Path(p).stem for i, p in dataset.connect().execute("SELECT id, path FROM images").fetchall()
    }
    found = {(shown[image], text): {shown[a] for a in answers} for image, text, _, _, answers in asked_of(dataset)}
    assert found["swimmingpool001", "rectangular"] == {"swimmingpool003"}
    assert found["swimmingpool003", "oval"] == {"swimmingpool001", "swimmingpool002"}
    assert found["denseresidential001", "sparse"] == {f"sparseresidential00{n}" for n in (1, 2, 3)}
    assert found["tenniscourt002", "blue"] == {"tenniscourt001", "tenniscourt003"}
    assert not any(image in ("swimmingpool005", "tenniscourt004") for image, _ in found)  # no table names them
    assert len(found) == 16


def test_a_chip_that_shows_part_of_a_thing_is_no_example_of_a_scene_without_it(tmp_path: Path) -> None:
    write_labelled(tmp_path / "corpus")
    dataset = composed(tmp_path, "compose.per_image=0", "chip.size=24", "checks.min_visible=0.6")
    con = dataset.connect()
    partly = con.execute("SELECT id FROM images WHERE len(attributes) > 0").fetchall()
    assert partly
    labels, _ = facts_of(dataset)
    for image, _, _, _, answers in asked_of(dataset):
        assert not {image, *answers} & {i for (i,) in partly}
    assert len(labels) > len(partly)
