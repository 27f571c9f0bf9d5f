from __future__ import annotations

from dataclasses import replace

import pytest

from geovec_data.errors import UserError
from geovec_data.records import Draft, Question, Region, Scene, Segment
from geovec_data.tasks import get_task, task_names

IMAGE = Segment.of_image("i" * 32)
TREE = Region(box=(0, 0, 10, 10), category="tree", expressions=("the tree on the left", "The tree, on the left!"))
POOL = Region(box=(50, 0, 90, 30), category="pool", expressions=("the only pool", "the pool on the right"))
BARE = Region(box=(30, 40, 44, 60), category="tree")
ROAD = Question(text="Is there a road?", answers=("no",), kind="presence", choices=("yes", "no"))
TREES = Question(text="How many trees are there?", answers=("2",), kind="count")
SCENE = Scene(
    key="a.png", corpus="c", path="a.png", image_id="i" * 32, width=100, height=80, regions=(TREE, POOL, BARE),
    captions=("a garden", "A garden.", "trees around a pool", " !"), scene_class="park", lon=8.5, lat=47.4,
    questions=(ROAD, TREES), places=(("country", "Switzerland"), ("city", "Zurich")),
)  # fmt: skip


def drafts(task: str, scene: Scene = SCENE) -> list[Draft]:
    return list(get_task(task)().drafts(scene))


def text(value: str) -> tuple[Segment, ...]:
    return (Segment.of_text(value),)


def boxed(region: Region) -> tuple[Segment, ...]:
    return (IMAGE, Segment.of_box(region.box))


def test_the_table_of_the_design() -> None:
    table = {name: (get_task(name).query_kind, get_task(name).target_kind) for name in task_names()}
    assert table == {
        "scene_class": ("image", "text"),
        "image_to_text": ("image", "text"),
        "text_to_image": ("text", "image"),
        "region_to_text": ("image+box", "text"),
        "text_to_region": ("text", "image+box"),
        "expression_to_region": ("image+text", "image+box"),
        "image_to_coordinate": ("image", "coordinate"),
        "coordinate_to_image": ("coordinate", "image"),
        "geo_text_to_image": ("text+coordinate", "image"),
        "text_to_geo_image": ("text", "image+coordinate"),
        "image_to_place": ("image", "text"),
        "question_answer": ("image+text", "text"),
        "composed_to_image": ("image+text", "image"),
    }
    for name in task_names():
        task = get_task(name)
        assert task.meta_task in {"classification", "cross_modal", "compositional", "vqa", "region", "geo"}
        assert 3 <= len(set(task.instructions)) == len(task.instructions) <= 5
        assert task.needs


SCOPES = {
    **dict.fromkeys(("text_to_region", "expression_to_region"), "scene"),
    **dict.fromkeys(("scene_class", "question_answer", "image_to_place"), "corpus"),
}
ALONE = [name for name in task_names() if not get_task(name).composed]  # tasks that one scene has examples of


@pytest.mark.parametrize("name", ALONE)
def test_every_draft_is_of_the_stated_kinds_and_names_its_task(name: str) -> None:
    task = get_task(name)
    found = drafts(name)
    assert found
    for draft in found:
        assert draft.task == name
        assert "+".join(s.kind for s in draft.query) == task.query_kind
        assert draft.positives
        for positive in draft.positives:
            assert "+".join(s.kind for s in positive) == task.target_kind
        assert len(set(draft.positives)) == len(draft.positives)
        assert draft.scope == SCOPES.get(name, "split")


@pytest.mark.parametrize("name", ALONE)
def test_a_scene_of_which_nothing_is_known_gives_nothing(name: str) -> None:
    bare = Scene(key="b", corpus="c", path="b", image_id="j" * 32, width=5, height=5)
    assert drafts(name, bare) == []
    assert list(get_task(name)().pool(bare)) == []


def test_captions_that_differ_in_no_word_are_one() -> None:
    (one,) = drafts("image_to_text")
    assert one.positives == (text("a garden"), text("trees around a pool"))
    assert [d.query for d in drafts("text_to_image")] == [text("a garden"), text("trees around a pool")]
    assert all(d.positives == ((IMAGE,),) for d in drafts("text_to_image"))


def test_scene_class_carries_its_class_as_group() -> None:
    (one,) = drafts("scene_class")
    assert (one.query, one.positives, one.class_key) == ((IMAGE,), (text("park"),), "park")


def test_a_region_with_expressions_is_one_example_with_all_of_them() -> None:
    first, second = drafts("region_to_text")
    assert first.query == boxed(TREE)
    assert first.positives == (text("the tree on the left"),)
    assert second.positives == (text("the only pool"), text("the pool on the right"))
    assert [(d.region, d.class_key) for d in (first, second)] == [(0, "tree"), (1, "pool")]


def test_without_any_expression_a_region_is_described_by_its_category() -> None:
    scene = replace(SCENE, regions=(BARE, replace(POOL, expressions=(), category="expressway service area")))
    assert [d.positives for d in drafts("region_to_text", scene)] == [
        (text("a tree"),),
        (text("an expressway service area"),),
    ]
    assert drafts("text_to_region", scene) == []


@pytest.mark.parametrize("name", ["text_to_region", "expression_to_region"])
def test_a_search_for_a_region_sees_all_regions_of_the_scene(name: str) -> None:
    before = () if name == "text_to_region" else (IMAGE,)
    found = drafts(name)
    assert [d.query for d in found] == [
        (*before, *text(t)) for t in ("the tree on the left", "the only pool", "the pool on the right")
    ]
    assert [d.positives for d in found] == [(boxed(TREE),), (boxed(POOL),), (boxed(POOL),)]
    assert [d.region for d in found] == [0, 1, 1]
    assert list(get_task(name)().pool(SCENE)) == [(boxed(TREE), None), (boxed(POOL), None), (boxed(BARE), None)]


@pytest.mark.parametrize("name", ["text_to_region", "expression_to_region"])
def test_an_expression_that_the_corpus_gives_twice_has_two_answers_unless_the_official_split_parts_them(
    name: str,
) -> None:
    twice = replace(BARE, expressions=("the tree on the LEFT",))
    (one,) = drafts(name, replace(SCENE, regions=(TREE, twice)))
    assert one.positives == (boxed(TREE), boxed(BARE))
    parted = (replace(TREE, split="train"), replace(twice, split="test"))
    assert [(d.split, d.positives) for d in drafts(name, replace(SCENE, regions=parted))] == [
        ("train", (boxed(TREE),)),
        ("test", (boxed(BARE),)),
    ]


def test_the_official_split_of_an_object_goes_with_its_example() -> None:
    (one,) = drafts("region_to_text", replace(SCENE, regions=(replace(TREE, split="val"),)))
    assert one.split == "val"


def test_coordinates_keep_full_precision_and_order() -> None:
    place = (Segment.of_coordinate(8.5, 47.4),)
    (there,), (back,) = drafts("image_to_coordinate"), drafts("coordinate_to_image")
    assert (there.query, there.positives) == ((IMAGE,), (place,))
    assert (back.query, back.positives) == (place, ((IMAGE,),))
    assert drafts("image_to_coordinate", replace(SCENE, lat=None)) == []


def test_a_question_is_asked_among_the_answers_of_its_kind() -> None:
    road, trees = drafts("question_answer")
    assert (road.query, road.positives) == ((IMAGE, *text("Is there a road?")), (text("no"),))
    assert (road.pool_key, trees.pool_key) == ("presence", "count")
    stated = list(get_task("question_answer")().pool(SCENE))
    assert stated == [(text("no"), "presence"), (text("yes"), "presence")]
    assert get_task("question_answer").pool_of == "corpus"


def test_a_place_is_named_at_every_level() -> None:
    country, city = drafts("image_to_place")
    assert (country.positives, country.pool_key) == ((text("Switzerland"),), "country")
    assert (city.positives, city.pool_key) == ((text("Zurich"),), "city")


def test_a_text_at_a_place_is_searched_both_ways() -> None:
    place = Segment.of_coordinate(8.5, 47.4)
    garden, _ = drafts("geo_text_to_image")
    assert (garden.query, garden.positives) == ((*text("a garden"), place), ((IMAGE,),))
    garden, _ = drafts("text_to_geo_image")
    assert (garden.query, garden.positives) == (text("a garden"), ((IMAGE, place),))
    (named,) = drafts("geo_text_to_image", replace(SCENE, captions=()))
    assert named.query == (*text("park"), place)
    labelled = drafts("text_to_geo_image", replace(SCENE, captions=(), scene_class=None, labels=("sea", "sand")))
    assert [d.query for d in labelled] == [text("sea"), text("sand")]
    assert drafts("geo_text_to_image", replace(SCENE, lon=None, lat=None)) == []


def test_a_composition_needs_other_scenes_and_every_image_is_a_candidate() -> None:
    assert drafts("composed_to_image") == []
    assert list(get_task("composed_to_image")().pool(SCENE)) == [((IMAGE,), None)]


def test_an_unknown_task_is_the_users_mistake_and_the_nearest_is_named() -> None:
    with pytest.raises(UserError, match="Did you mean 'region_to_text'"):
        get_task("region_to_txt")
