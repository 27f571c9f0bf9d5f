"""The vectorised policy against one written out in plain Python, on small worlds made by chance."""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from geovec_data.ids import normalise_text
from geovec_data.records import Segment
from tests.fixtures.world import World, text

CLASSES = {"airport": "airport", "Airports": "airport", "harbour": "harbor", "port": "harbor", "forest": "forest"}
NOUNS = ["planes", "ships", "trees", "terminal", "river", "field"]
HASHES = ["0f1e2d3c4b5a6978", "0f1e2d3c4b5a6979", "f0e1d2c3b4a59687", "8000000000000000"]
EMPTY = {"the"}


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    (x, y), (u, v) = (tuple(map(math.radians, p)) for p in (a, b))
    cosine = math.sin(y) * math.sin(v) + math.cos(y) * math.cos(v) * math.cos(x - u)
    return 6_371_008.8 * math.acos(min(1.0, cosine))


def words(caption: str) -> set[str]:
    return set(normalise_text(caption).split()) - EMPTY


def near(one: str, other: str) -> bool:
    a, b = words(one), words(other)
    return min(len(a), len(b)) >= 3 and len(a & b) >= 0.8 * len(a | b)


def within(less: str, more: str) -> bool:
    return len(words(less)) >= 3 and words(less) <= words(more)


def pictures(chance: random.Random) -> list[dict[str, Any]]:
    rows = []
    for n in range(9):
        captions = [" ".join(["the", *chance.sample(NOUNS, chance.randint(2, 5))]) for _ in range(chance.randint(1, 2))]
        rows.append(
            {
                "key": f"{n}.png",
                "captions": list(dict.fromkeys(captions)),
                "scene_class": chance.choice([*CLASSES, None]),
                "phash": chance.choice(HASHES),
                "lonlat": (8.0 + 0.0006 * chance.randint(0, 20), 47.0),
                "angle": chance.uniform(0, 90),
            }
        )
    return rows


def expected(
    query: dict[str, Any], candidate: dict[str, Any], asked: str, claimed: str, *, by_text: bool
) -> str | None:
    """Return the rule that drops a candidate picture for a caption, or a candidate caption for a picture.

    Args:
        query: the picture on the query's side (by_text: all that the caption is right for).
        candidate: the picture on the candidate's side.
        asked: by_text: the caption that asks.
        claimed: otherwise: the caption that is the candidate.
        by_text: whether a caption asks for pictures.
    """
    rights: list[dict[str, Any]] = query["all"]
    if by_text:
        if any(normalise_text(asked) == normalise_text(c) for c in candidate["captions"]):
            return "known_positive"
        right_texts = {asked, *(c for r in rights for c in r["captions"])}
        if any(near(c, r) for c in candidate["captions"] for r in right_texts):
            return "near_caption"
        if any(within(asked, c) for c in candidate["captions"]):
            return "near_caption"
        shown = [candidate]
    else:
        if claimed in query["captions"]:
            return "known_positive"
        right_texts = set(query["captions"])
        if any(near(claimed, r) or within(claimed, r) for r in right_texts):
            return "near_caption"
        shown = candidate["all"]
    pairs = [(s, r) for s in shown for r in (rights if by_text else [query]) if s is not r]
    flat = HASHES[3]
    if any(
        flat not in (s["phash"], r["phash"]) and (int(s["phash"], 16) ^ int(r["phash"], 16)).bit_count() <= 6
        for s, r in pairs
    ):
        return "near_image"
    if any(metres(s["lonlat"], r["lonlat"]) <= 2 * math.hypot(50, 50) for s, r in pairs):
        return "near_place"
    if any(
        s["scene_class"] and r["scene_class"] and CLASSES[s["scene_class"]] == CLASSES[r["scene_class"]]
        for s in shown
        for r in (rights if by_text else [query])
    ):
        return "same_class"
    return None


@pytest.mark.parametrize("seed", range(12))
def test_every_verdict_is_that_of_the_plain_policy(seed: int) -> None:
    rows = pictures(random.Random(seed))
    bearing = {c: [r for r in rows if c in r["captions"]] for r in rows for c in r["captions"]}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        asks: list[tuple[str, dict[str, Any], str]] = []
        for row in rows:
            (lon, lat), size = row["lonlat"], {"gsd": 1.0, "width": 100, "height": 100}
            image = world.image(
                row["key"], scene_class=row["scene_class"], phash=row["phash"], lon=lon, lat=lat, **size
            )
            seen = world.at(row["angle"], (Segment.of_image(image),), row["key"])
            said = [world.at(len(c) * 3.0, text(c)) for c in row["captions"]]
            asks.append((world.book.example("image_to_text", seen, said, image=image), row, ""))
            for caption, item in zip(row["captions"], said, strict=True):
                asks.append((world.book.example("text_to_image", item, [seen], image=image), row, caption))
        filler = world.image("filler", phash="00ff00ff00ff00ff", width=1, height=1)
        world.book.distractor("text_to_image", filler, world.at(90, (Segment.of_image(filler),), "filler"))
        world.mine(k=1)
        by_key = {r["key"]: r for r in rows}
        for example, row, asked in asks:
            for name, rule in world.verdicts(example).items():
                if name == "filler":
                    assert rule is None
                elif asked:
                    query = row | {"all": bearing[asked]}
                    assert rule == expected(query, by_key[name], asked, "", by_text=True), (asked, name)
                else:
                    query = row
                    query["all"] = [row]
                    assert rule == expected(query, {"all": bearing[name]}, "", name, by_text=False), (row["key"], name)
