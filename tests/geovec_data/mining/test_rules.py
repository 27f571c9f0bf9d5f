"""The rules that read the dataset's tables: classes, words, looks, places and objects, each on rows made for it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from geovec_data.mining.classes import Classes, canonical
from geovec_data.records import Segment, Segments
from tests.fixtures.world import World, region, text

PHOTO = "0f1e2d3c4b5a6978"  # 32 bits set


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def square(lon: float, lat: float, side: float) -> bytes:
    ring = [(lon, lat), (lon + side, lat), (lon + side, lat + side), (lon, lat + side), (lon, lat)]
    return struct.pack("<BIII", 1, 3, 1, 5) + b"".join(struct.pack("<dd", *p) for p in ring)


def found(world: World, rows: list[dict[str, Any]], **policy: Any) -> list[str | None]:
    """Mine text_to_image over images of these columns; what was said of all but the first, whose caption asks."""
    first = ""
    for n, columns in enumerate(rows):
        image = world.image(f"{n}.png", **columns)
        shown = world.at(5 + n, (Segment.of_image(image),), str(n))
        asked = world.at(n, text(f"caption {n}"))
        example = world.book.example("text_to_image", asked, [shown], image=image)
        first = first or example
    filler = world.image("filler.png")
    world.book.distractor("text_to_image", filler, world.at(80, (Segment.of_image(filler),), "filler"))
    world.mine(k=1, policy=policy)
    said = world.verdicts(first)
    assert said["filler"] is None
    return [said[str(n)] for n in range(1, len(rows))]


def test_one_class_under_several_names(world: World) -> None:
    names = ["airport", "Airports", "harbour", "sea port", "port"]
    assert found(world, [{"scene_class": n} for n in names]) == ["same_class", None, None, None]
    assert canonical("Storage-Tanks") == canonical("storagetank") == "storagetank"
    assert canonical("baseball diamonds") == "baseballdiamond"
    classes = Classes({})
    assert classes.code("harbor") == classes.code("Port") != classes.code("airport")
    assert classes.code("...") == classes.code(None) == -1


def test_the_rule_of_classes_can_be_withheld(world: World) -> None:
    assert found(world, [{"scene_class": "airport"}] * 2, same_class="off") == [None]


def test_of_several_labels_only_an_equal_set_is_the_same(world: World) -> None:
    sets = [["forest", "lake"], ["lake", "forest"], ["forest"]]
    assert found(world, [{"labels": labels} for labels in sets]) == ["same_class", None]


def test_broader_and_narrower_classes_are_related_and_siblings_are_not(world: World) -> None:
    a = world.image("a")
    car = world.object(a, (0, 0, 9, 9), "car", ancestors=["vehicle"])
    first = world.book.example("region_to_text", world.at(0, car), [world.at(3, text("small red thing"))], image=a)
    for n, (name, above) in enumerate([("vehicle", []), ("truck", ["vehicle"]), ("cars", []), ("ship", [])]):
        image = world.image(name)
        shown = world.object(image, (0, 0, 9, 9), name, ancestors=above)
        world.book.example("region_to_text", world.at(40, shown), [world.at(10 + n, text(f"it {n}"))], image=image)
    world.mine(k=1)
    said = world.verdicts(first)
    assert [said[f"it {n}"] for n in range(4)] == ["same_class", None, "same_class", None]


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        ("many planes are parked near a very large white terminal in the airport", "near_caption"),  # one word more
        ("planes parked near the terminal", "near_caption"),  # claims less
        ("two planes are parked near a small terminal", None),
        ("a terminal", None),  # too short to claim anything
    ],
)
def test_nearly_the_same_words(world: World, other: str, rule: str | None) -> None:
    a, b = world.image("a"), world.image("b")
    seen = world.at(0, (Segment.of_image(a),))
    said = "many planes are parked near a large white terminal in an airport"
    first = world.book.example("image_to_text", seen, [world.at(3, text(said))], image=a)
    world.book.example("image_to_text", world.at(90, (Segment.of_image(b),)), [world.at(4, text(other))], image=b)
    world.book.distractor("image_to_text", b, world.at(80, text("a field of wheat by the sea")))
    world.mine(k=1)
    assert world.verdicts(first)[other] == rule


def test_an_image_whose_caption_says_more_is_found_by_a_caption_that_says_less(world: World) -> None:
    a, b, c = (world.image(k) for k in "abc")
    less, more = "planes parked near a terminal", "white planes parked near a large terminal with cars"
    examples = []
    for n, (image, said) in enumerate(((a, less), (b, more), (c, "a wheat field"))):
        shown = world.at(10 + n, (Segment.of_image(image),), said)
        examples.append(world.book.example("text_to_image", world.at(n, text(said)), [shown], image=image))
    world.mine(k=1)
    assert world.verdicts(examples[0])[more] == "near_caption"
    assert world.verdicts(examples[1])[less] is None  # that image need not show the cars


def expressions(world: World, *others: tuple[str, bool]) -> str:
    """Regions with expressions; the first asks, the others are in its scene or in another one."""
    a, b = world.image("a"), world.image("b")
    first = world.book.example(
        "region_to_text",
        world.at(0, region(a, 0, 0, 9, 9)),
        [world.at(3, text("The small white plane on the left"))],
        image=a,
    )
    for n, (said, here) in enumerate(others):
        image = a if here else b
        shown = world.at(60, region(image, 20 + 10 * n, 0, 29 + 10 * n, 9))
        world.book.example("region_to_text", shown, [world.at(4 + n, text(said))], image=image)
    world.mine(k=1, policy={"relative_margin": 0.0})
    return first


def test_an_expression_of_another_scene_can_be_true_of_this_region(world: World) -> None:
    first = expressions(
        world,
        ("the white plane on the right", True),
        ("the small white plane at the top", False),
        ("the long grey ship on the left", False),
    )
    assert world.verdicts(first) == {
        "The small white plane on the left": "known_positive",
        "the white plane on the right": None,  # another region of this scene: kept, and no score is asked
        "the small white plane at the top": "scene_expression",
        "the long grey ship on the left": None,
    }
    assert [n["kind"] for n in world.negatives(first)] == ["region"]


def test_text_of_an_overlapping_box_is_no_negative(world: World) -> None:
    a = world.image("a")
    first = world.book.example(
        "region_to_text", world.at(0, region(a, 0, 0, 20, 20)), [world.at(3, text("a tank"))], image=a
    )
    for n, box in enumerate(((1, 0, 20, 20), (4, 4, 8, 8), (30, 0, 40, 9))):
        world.book.example(
            "region_to_text", world.at(60, region(a, *box)), [world.at(4 + n, text(f"round {n}"))], image=a
        )
    world.mine(k=1)
    said = world.verdicts(first)
    assert [said[f"round {n}"] for n in range(3)] == ["region_overlap", "region_overlap", None]


def test_near_duplicates_by_hash(world: World) -> None:
    near, far = f"{int(PHOTO, 16) ^ 0b111111:016x}", f"{int(PHOTO, 16) ^ 0b1111111:016x}"
    hashes = [PHOTO, near, far, "8" + "0" * 15]
    assert found(world, [{"phash": h} for h in hashes]) == ["near_image", None, None]


def test_flat_images_are_not_near_duplicates(world: World) -> None:
    assert found(world, [{"phash": "8" + "0" * 15}] * 2) == [None]


def test_cuts_of_one_published_image(world: World) -> None:
    window = dict(zip(("x0", "y0", "x1", "y1"), (0.0, 0.0, 50.0, 50.0), strict=True))
    beside, over = (window | {"x0": x, "x1": x + 50} for x in (50.0, 40.0))
    rows = [
        {"origin": "dota/P1", "parent": "P1", "window": window},
        {"origin": "dota/P1", "parent": "P1", "window": beside},
        {"origin": "dota/P1", "parent": "P1", "window": over},
        {"origin": "dota/P1", "parent": "P1.png", "corpus": "other"},
    ]
    assert found(world, rows) == [None, "overlapping_ground", "same_origin"]


def test_ground_and_distance(world: World) -> None:
    chip = {"gsd": 1.0, "width": 100, "height": 100}  # half a diagonal is 71 m
    rows = [{"footprint": square(8.0, 47.0, 0.001), "lon": 8.0005, "lat": 47.0005}]
    rows.append({"footprint": square(8.0005, 47.0005, 0.001), "lon": 8.001, "lat": 47.001})
    rows.append(chip | {"lon": 8.0005, "lat": 47.0005 + 0.00110})  # 122 m north: 67 + 71 m is more
    rows.append(chip | {"lon": 8.0005, "lat": 47.0005 + 0.00135})  # 150 m north
    assert found(world, rows) == ["overlapping_ground", "near_place", None]


def test_distance_is_an_option(world: World) -> None:
    rows = [{"lon": 179.999, "lat": 0.0}, {"lon": -179.999, "lat": 0.0}, {"lon": 179.0, "lat": 0.0}]
    assert found(world, rows, near_metres=300.0) == ["near_place", None]


def test_a_coordinate_as_near_as_the_chip_is_large(world: World) -> None:
    chip = {"gsd": 1.0, "width": 100, "height": 100, "scene_class": "airport"}
    first = ""
    for n, lat in enumerate((47.0, 47.0005, 47.01)):
        image = world.image(f"{n}", lon=8.0, lat=lat, **chip)
        place: Segments = (Segment.of_coordinate(8.0, lat),)
        seen = world.at(n, (Segment.of_image(image),))
        example = world.book.example("image_to_coordinate", seen, [world.at(10 + n, place, str(n))], image=image)
        first = first or example
    world.mine(k=1)
    # the same class elsewhere is no answer to "where is it?"
    assert world.verdicts(first) == {"0": "known_positive", "1": "near_place", "2": None}


def test_one_osm_object_in_two_images(world: World) -> None:
    a, b = world.image("a"), world.image("b")
    here = world.object(a, (0, 0, 9, 9), "church", osm_type="way", osm_id=7)
    there = world.object(b, (5, 5, 14, 14), "school", osm_type="way", osm_id=7)
    node = world.object(b, (30, 5, 39, 14), "school", osm_type="node", osm_id=7)
    first = world.book.example("text_to_region", world.at(0, text("it")), [world.at(3, here, "here")], image=a)
    world.book.distractor("text_to_region", b, world.at(4, there, "there"))
    world.book.distractor("text_to_region", b, world.at(5, node, "node"))
    world.mine(k=1)
    assert world.verdicts(first) == {"here": "known_positive", "there": "same_osm", "node": None}


def test_answers_are_options(world: World) -> None:
    first = expressions(world, ("the white plane on the right", True), ("a ship", False))
    assert [n["name"] for n in world.negatives(first)] == ["the white plane on the right"]
    world.mine(k=1, overwrite=True, policy={"other_box": "off", "relative_margin": 0.0, "near_caption": "promote"})
    said = world.verdicts(first)
    assert said["the white plane on the right"] == "scene_expression"  # undecided, the rules after it are asked


def test_promoted_candidates_come_first_and_are_counted(world: World) -> None:
    a, b = world.image("a"), world.image("b")
    right = world.at(2, region(a, 0, 0, 20, 20), "right")
    first = world.book.example("text_to_region", world.at(0, text("the tank")), [right], image=a)
    world.book.distractor("text_to_region", b, world.at(5, region(b, 0, 0, 20, 20), "elsewhere"))
    world.book.distractor("text_to_region", a, world.at(50, region(a, 40, 0, 60, 20), "beside"))
    facts = world.mine(k=2, policy={"other_box": "promote"})
    assert [n["name"] for n in world.negatives(first)] == ["beside", "elsewhere"]
    assert facts["tasks"]["text_to_region"]["promotes"] == {"other_box": 1}


@pytest.mark.parametrize(
    ("policy", "dropped"),
    [
        ({"absolute_margin": 0.1}, {"50": "absolute_margin", "62": "absolute_margin"}),
        ({"percentage": 0.95}, {"50": "percentage"}),
        ({"percentage": 0.95, "against": "highest"}, {}),
        ({"min_rank": 1}, {"50": "rank_range"}),
        ({"min_rank": 1, "max_rank": 2}, {"50": "rank_range", "70": "rank_range", "91": "rank_range"}),
    ],
)
def test_further_score_rules(world: World, policy: dict[str, Any], dropped: dict[str, str]) -> None:
    a = world.image("a")
    positives = [world.at(60, text("right")), world.at(2, text("righter"))]
    first = world.book.example("image_to_text", world.at(0, (Segment.of_image(a),)), positives, image=a)
    for degrees in (50, 62, 70, 91):
        world.book.distractor("image_to_text", a, world.at(degrees, text(str(degrees))))
    world.mine(k=1, policy=policy)
    said = world.verdicts(first)
    assert {name: rule for name, rule in said.items() if rule and name.isdigit()} == dropped
