from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geovec_data import ids
from geovec_data.expressions import grammar, synthesise
from geovec_data.expressions import model as m
from geovec_data.expressions.check import Checker
from geovec_data.expressions.emit import predicates
from geovec_data.expressions.model import Expression, Rank
from geovec_data.expressions.parse import Lexicon, parse
from geovec_data.records import Box, Region, Scene
from tests.fixtures.drawn import ORCHARD, PAINT, H, W, a_scene, only, painted, tree
from tests.fixtures.referee import Referee

CATEGORIES = ("tree", "building", "vehicle", "large vehicle")


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Scene, Image.Image]:
    """Boxes on a coarse grid, so that equal places, equal sizes and duplicates are common."""
    regions, colours = [], {}
    for i in range(draw(st.integers(1, 14))):
        x0, y0 = draw(st.integers(0, 18)) * 10, draw(st.integers(0, 14)) * 10
        w, h = draw(st.integers(1, 4)) * 10, draw(st.integers(1, 4)) * 10
        box: Box = (x0, y0, min(x0 + w, W), min(y0 + h, H))
        category = draw(st.sampled_from(CATEGORIES))
        more: dict[str, object] = {}
        if draw(st.booleans()):
            more["attributes"] = (("status", draw(st.sampled_from(("dead", "alive")))),)
        if category == "building" and draw(st.booleans()):
            more |= {"category": "house", "ancestors": ("building",)}
        if draw(st.integers(0, 4)) == 0:
            more["visible"] = draw(st.sampled_from((0.3, 0.5, 0.9)))
        if draw(st.integers(0, 4)) == 0:
            more["polygon"] = (box[0], box[1], box[2], box[1], box[2], box[3])
        if draw(st.integers(0, 1)):
            colours[i] = draw(st.sampled_from(sorted(PAINT)))
        regions.append(replace(Region(box=box, category=category), **more))  # type: ignore[arg-type]
    scene = a_scene(*regions)
    return scene, painted(scene, colours)


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(1, 3), st.integers(0, 99))
def test_every_text_read_back_singles_out_its_own_region_in_a_second_opinion(
    made: tuple[Scene, Image.Image], per_region: int, seed: int
) -> None:
    scene, image = made
    out = synthesise(scene, image, seed_key=str(seed), per_region=per_region)
    referee = Referee(scene.regions, (W, H), predicates(scene, image).colours)
    lexicon = Lexicon.of(scene.regions)
    for index, region in enumerate(out.regions):
        assert len({ids.text_key(t) for t in region.expressions}) == len(region.expressions) <= per_region
        for text in region.expressions:
            expression = parse(text, lexicon)
            assert expression is not None, text
            assert referee.fits(expression) == [i == index for i in range(len(out.regions))], text


@st.composite
def structures(draw: st.DrawFn, anchors: int = 1) -> Expression:
    some = lambda values: draw(st.none() | st.sampled_from(values))
    e = Expression(
        category=draw(st.sampled_from(("tree", "building", "house"))), size=some(("large", "small")),
        colour=some(("red", "blue", "green", "gray")), place=some(tuple(m.PLACES)), edge=some(m.SIDES),
        attributes=draw(st.sampled_from(((), (("status", "dead"),)))),
    )  # fmt: skip
    if anchors and draw(st.booleans()):
        anchor = draw(structures(anchors=anchors - 1))
        direction = some(tuple(m.DIRECTIONS))
        e = replace(e, anchor=anchor, direction=direction, nearest=direction is None or draw(st.booleans()))
    if not e.nearest:
        form = draw(st.sampled_from(("plain", "only", "rank", "two")))
        kinds = grammar.COMPARATIVES if form == "two" else grammar.SUPERLATIVES
        if form == "only":
            e = replace(e, count=1)
        elif form != "plain":
            kind = draw(st.sampled_from(tuple(kinds)))
            n = 1 if form == "two" or kind == "isolated" else draw(st.integers(1, m.MAX_RANK))
            e = replace(e, rank=Rank(kind, n), count=2 if form == "two" else None)
    return e


@settings(deadline=None)
@given(structures(), st.integers())
def test_parsing_undoes_rendering_whatever_the_choice_of_words(expression: Expression, seed: int) -> None:
    lexicon = Lexicon(("building", "house", "tree"), (("status", "dead"),))
    assert parse(grammar.render(expression, random.Random(seed).choice), lexicon) == expression


@settings(max_examples=100, deadline=None)
@given(scenes(), structures())
def test_the_checker_and_the_second_opinion_agree_on_any_expression(
    made: tuple[Scene, Image.Image], expression: Expression
) -> None:
    scene, image = made
    facts = predicates(scene, image)
    verdicts = Referee(scene.regions, (W, H), facts.colours).fits(expression)
    unique = verdicts.index(True) if [v for v in verdicts if v is not False] == [True] else None
    assert Checker(facts).only(expression) == unique


def test_two_labels_on_one_box_are_told_apart_by_nothing() -> None:
    out = synthesise(a_scene(tree(40, 40), tree(40, 40)), None, seed_key="s")
    assert [r.expressions for r in out.regions] == [(), ()]
    assert out.synthetic == ()


def test_colours_that_the_pixels_show_are_used_and_others_are_not() -> None:
    scene = a_scene(*(tree(30 + 45 * i, 80, 30, 30, "building") for i in range(4)))
    image = painted(scene, {0: "white", 1: "red", 2: "white", 3: "blue"})
    assert only(scene, "the red building", image) == 1
    assert only(scene, "the blue building", image) == 3
    assert only(scene, "the white building", image) is None
    assert only(scene, "the rightmost white building", image) == 2
    assert only(scene, "the red building") is None  # without pixels nothing is known
    texts = {t for s in range(40) for r in synthesise(scene, image, seed_key=str(s)).regions for t in r.expressions}
    assert any("red" in t for t in texts)
    assert not any("green" in t for t in texts)


def test_what_the_corpus_gave_stays_and_only_the_rest_is_synthesised() -> None:
    given_ = tree(40, 40, expressions=("An old oak.",))
    out = synthesise(a_scene(given_, tree(140, 120)), None, seed_key="s")
    assert out.regions[0] == given_
    assert out.regions[1].expressions
    assert out.synthetic == ("expressions",)
    untouched = a_scene(given_)
    assert synthesise(untouched, None, seed_key="s") is untouched


def test_the_same_key_gives_the_same_words_and_another_key_others() -> None:
    image = painted(ORCHARD, {1: "red"})
    first = synthesise(ORCHARD, image, seed_key="a")
    assert synthesise(ORCHARD, np.asarray(image), seed_key="a") == first
    others = {synthesise(ORCHARD, image, seed_key=str(k)).regions[1].expressions for k in range(12)}
    assert len(others) > 4


def test_a_crowd_of_crowns_is_mostly_described() -> None:
    rng = random.Random(4)
    crowd = [  # a plantation: 8 × 8 crowns, none quite in line
        tree(30 + 55 * i + rng.uniform(-15, 15), 30 + 55 * j + rng.uniform(-15, 15), *[rng.uniform(14, 50)] * 2)
        for i in range(8)
        for j in range(8)
    ]
    out = synthesise(a_scene(*crowd, size=(445, 445)), None, seed_key="s")
    assert sum(bool(r.expressions) for r in out.regions) >= 0.6 * len(crowd)
    texts = [t for r in out.regions for t in r.expressions]
    assert len(set(texts)) == len(texts)


@pytest.mark.real
@pytest.mark.parametrize("name", ["OSBS_029.tif", "SOAP_061.png"])
def test_real_crowns_are_described_and_the_second_opinion_agrees(real_data: Path, name: str) -> None:
    path = real_data / "open" / "neon_trees" / name
    image = Image.open(path).convert("RGB")
    boxes = [
        (o.findtext("name", ""), [float(o.findtext(f"bndbox/{k}", "nan")) for k in ("xmin", "ymin", "xmax", "ymax")])
        for o in ET.parse(path.with_suffix(".xml")).getroot().iter("object")
    ]
    nouns = {"Tree": "tree", "Dead": "dead tree", "Alive": "living tree"}
    regions = [Region(box=(b[0], b[1], b[2], b[3]), category=nouns[n]) for n, b in boxes]
    scene = a_scene(*regions, size=image.size)
    out = synthesise(scene, image, seed_key="s")
    referee = Referee(regions, image.size, predicates(scene, image).colours)
    described = [(i, t) for i, r in enumerate(out.regions) for t in r.expressions]
    assert len(described) >= 0.8 * len(regions)
    for index, text in described:
        expression = parse(text, Lexicon.of(regions))
        assert expression is not None
        assert referee.fits(expression) == [i == index for i in range(len(regions))], text
