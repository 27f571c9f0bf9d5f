from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data import words
from geovec_data.expressions.captions import synthesise_captions
from geovec_data.records import Region, Scene

W, H = 200, 100
NUMBERS = {words.number(n): n for n in range(1, 13)}
QUARTERS = ("upper left", "upper right", "lower left", "lower right")


def region(x: float, y: float, side: float = 10, category: str = "tree") -> Region:
    return Region(box=(x - side / 2, y - side / 2, x + side / 2, y + side / 2), category=category)


def a_scene(*regions: Region, image: str = "0" * 32, **more: object) -> Scene:
    return Scene(key="k", corpus="c", path="p", image_id=image, width=W, height=H, regions=regions, **more)  # type: ignore[arg-type]


def quarter(r: Region) -> str:
    x, y = (r.box[0] + r.box[2]) / 2, (r.box[1] + r.box[3]) / 2
    return f"{'upper' if y < H / 2 else 'lower'} {'left' if x < W / 2 else 'right'}"


def as_number(word: str) -> int:
    return NUMBERS.get(word) or (1 if word in ("a", "an") else int(word))


@given(
    st.lists(
        st.builds(
            region, st.integers(10, W - 10), st.integers(10, H - 10), st.sampled_from((4, 8, 16)),
            st.sampled_from(("tree", "storage tank", "airport", "bus")),
        ),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_every_count_and_every_whereabouts_is_true(regions: list[Region]) -> None:
    scene = synthesise_captions(a_scene(*regions))
    assert scene.synthetic == ("captions",)
    overview, *details = scene.captions
    kinds = sorted({r.category for r in regions})
    counted = {k: sum(r.category == k for r in regions) for k in kinds}
    named = 0
    for kind, n in counted.items():
        noun = kind if n == 1 else words.plural(kind)
        if match := re.search(rf"\b(\w+) {noun}\b", overview):
            assert as_number(match[1]) == n, overview
            named += 1
    assert named == min(3, len(kinds))
    if match := re.search(r"\b(\w+) more objects?\b", overview):
        assert as_number(match[1]) == min(counted.values())
    if match := re.search(r"mostly (.+)$", overview):
        place = match[1].removeprefix("in the ").removeprefix("on the ").removesuffix(" half")
        share = sum(set(place.split()) <= set(quarter(r).split()) for r in regions) / len(regions)
        assert share >= (0.6 if place in QUARTERS else 0.75), overview
    for sentence in re.findall(r"[^.]+", " ".join(details)):
        if match := re.search(r"of the \w+ ([a-z ]+?), (.+?)(;|$)", sentence.strip().lower()):
            kind = next(k for k in kinds if match[1] == words.plural(k))
            of_it = [quarter(r) for r in regions if r.category == kind]
            told = {
                q: as_number(n)
                for n, q in re.findall(r"(\w+) (?:is |are )?in the ([a-z]+ [a-z]+?)(?=,| and|$)", match[2])
            }
            assert told == {q: of_it.count(q) for q in QUARTERS if q in of_it}, sentence
        elif match := re.search(
            r"the (\w+) ([a-z ]+?) are (both|all) in the ([a-z]+ [a-z]+)", sentence.strip().lower()
        ):
            of_it = [quarter(r) for r in regions if words.plural(r.category) == match[2]]
            assert of_it == [match[4]] * as_number(match[1]), sentence


def test_a_caption_reads_like_this() -> None:
    scene = synthesise_captions(a_scene(*(region(20 + 12 * i, 20) for i in range(4)), region(170, 80, 30, "bus")))
    assert scene.captions[0].endswith("four trees and a bus, mostly in the upper left")
    assert scene.captions[1] == "The four trees are all in the upper left. A bus is in the lower right."


def test_the_class_of_the_scene_opens_its_caption() -> None:
    scene = synthesise_captions(a_scene(region(50, 50), scene_class="orchard"))
    assert scene.captions[0] == "an aerial image of an orchard with a tree in the middle left"


@pytest.mark.parametrize("scene", [a_scene(), a_scene(region(50, 50), captions=("A tree.",))])
def test_without_labels_or_with_captions_nothing_is_added(scene: Scene) -> None:
    assert synthesise_captions(scene) is scene


def test_equal_scenes_get_equal_captions_and_openings_vary() -> None:
    scene = a_scene(region(50, 50), region(150, 60))
    assert synthesise_captions(scene) == synthesise_captions(scene)
    openings = {synthesise_captions(a_scene(region(50, 50), image=f"{i:032x}")).captions[0] for i in range(20)}
    assert len(openings) > 2


@pytest.mark.parametrize(
    ("one", "many"),
    [("tree", "trees"),
     ("storage tank", "storage tanks"), ("bus", "buses"), ("bush", "bushes"), ("factory", "factories"),
     ("highway", "highways"), ("aircraft", "aircraft"), ("church", "churches"), ("people", "people")],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert words.plural(one) == many


def test_small_words() -> None:
    assert [words.with_article(w) for w in ("tree", "airport", "Old oak", "university")] == [
        "a tree", "an airport", "an Old oak", "a university",
    ]  # fmt: skip
    assert [words.number(n) for n in (0, 2, 12, 13)] == ["no", "two", "twelve", "13"]
    assert [words.listed(p) for p in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
