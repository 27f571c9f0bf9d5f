"""The gate's rules over hand-written tables: what is a pair, what is listed, what is dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from geovec_data.build.rows import wkb_polygon
from geovec_data.leaks.drop import REWRITTEN
from geovec_data.leaks.gate import Gate, Verdict
from geovec_data.leaks.options import LeakOptions, Policy, Rule
from geovec_data.leaks.words import leak_words
from geovec_data.schema import arrow_schema


@dataclass
class Tables:
    """A dataset of few rows, as the gate sees it."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {t: [] for t in ("images", "image_splits", "examples", "splits", "items", "qrels")}
    )

    def image(self, name: str, split: str, reason: str = "official", **more: Any) -> None:
        """Add an image `name` = id in a split."""
        row = {"id": name, "corpus": "a", "key": name, "parent": name, "origin": f"a/{name}", **more}
        self.rows["images"].append(row)
        self.rows["image_splits"].append({"image": name, "split": split, "reason": reason})

    def caption(self, image: str, split: str, text: str) -> None:
        """Add a text_to_image example."""
        example = f"{image}/{split}/{text}"
        self.rows["items"].append({"id": text, "segments": [{"kind": "text", "text": text}], "text_key": text.lower()})
        self.rows["examples"].append({"id": example, "task": "text_to_image", "query": text, "image": image})
        self.rows["splits"].append({"example": example, "split": split, "reason": "official"})

    def check(self, known: dict[str, tuple[Rule, ...]] | None = None, **options: Any) -> Checked:
        """Run the gate."""
        con = duckdb.connect()
        for table, rows in self.rows.items():
            schema = pa.schema([f.with_nullable(True) for f in arrow_schema(table)])
            con.register(f"_{table}", pa.Table.from_pylist(rows, schema=schema))
            con.execute(f"CREATE TABLE {table} AS SELECT DISTINCT * FROM _{table}")
        gate = Gate(con, (), LeakOptions(**options), 1)
        dropped = gate.look()
        return Checked(con, dropped, gate.verdict(known or {}))


@dataclass
class Checked:
    """What the gate left."""

    con: duckdb.DuckDBPyConnection
    dropped: bool
    verdict: Verdict

    def pairs(self, rule: str) -> list[tuple[str, str]]:
        """(train, held out) of a rule, in order."""
        sql = "SELECT train, held_out FROM leaks WHERE rule = ? ORDER BY ALL"
        return [(t, h) for t, h in self.con.execute(sql, [rule]).fetchall()]

    def after(self, table: str) -> dict[str, tuple[str, str]]:
        """Id → split and reason, after what was dropped."""
        return {i: (s, r) for i, s, r in self.con.execute(REWRITTEN[table]).fetchall()}


def square(lon: float, lat: float, side: float = 0.001) -> bytes | None:
    return wkb_polygon((lon, lat, lon + side, lat, lon + side, lat + side, lon, lat + side))


def window(x: float, y: float, side: float = 100) -> dict[str, float]:
    return {"x0": x, "y0": y, "x1": x + side, "y1": y + side}


def test_an_image_on_both_sides_fails_even_where_only_an_example_says_so() -> None:
    t = Tables()
    t.image("one", "train")
    t.caption("one", "test", "of a second corpus")
    t.image("two", "val")
    done = t.check()
    assert done.pairs("image") == [("one", "one")]
    assert done.verdict.fault is not None
    assert "leaks.image=drop_train" in done.verdict.fault
    assert "image: 1 of 2 held-out images" in done.verdict.fault


def test_dropping_takes_one_side_and_leaves_the_other() -> None:
    for policy, split in (("drop_train", "train"), ("drop_test", "test")):
        t = Tables()
        t.image("one", "train")
        t.caption("one", "train", "kept or not")
        t.caption("one", "test", "of a second corpus")
        done = t.check(image=policy)
        assert done.verdict.fault is None
        assert done.dropped
        assert done.verdict.rules["image"]["dropped"] == 1
        for example, (now, reason) in done.after("splits").items():
            was = example.split("/")[1]
            assert (now, reason) == (("unused", "leak: image") if was == split else (was, "official"))


def test_images_of_one_origin_are_a_pair_and_of_another_are_not() -> None:
    t = Tables()
    t.image("tile0", "train", origin="dota/P1")
    t.image("tile1", "val", origin="dota/P1", corpus="b")
    t.image("tile2", "val", origin="dota/P2")
    t.image("tile3", "unused", origin="dota/P2")
    done = t.check()
    assert done.pairs("lineage") == [("tile0", "tile1")]
    assert "dota/P1" in (done.verdict.fault or "")


def test_parts_that_blocks_divide_are_judged_by_the_ground_they_share() -> None:
    t = Tables()
    for name, split, x in (("left", "train", 0), ("right", "val", 100), ("over", "test", 60)):
        t.image(name, split, "hash of block", parent="big", origin="a/big", window=window(x, 0))
    t.image("elsewhere", "test", "official", origin="a/big", corpus="b")
    done = t.check(listed=5)
    assert done.pairs("lineage") == [("left", "elsewhere")]
    assert done.pairs("footprint") == [("left", "over")]
    assert t.check(footprint_buffer=1).pairs("footprint") == [("left", "over"), ("left", "right")]


def test_ground_overlaps_by_area_and_neighbours_that_touch_do_not() -> None:
    t = Tables()
    t.image("here", "train", footprint=square(10.0, 50.0))
    t.image("beside", "val", footprint=square(10.001, 50.0))
    t.image("over", "val", footprint=square(10.0005, 50.0005))
    t.image("far", "test", footprint=square(10.0011, 50.0))  # 7 m further on
    assert t.check().pairs("footprint") == [("here", "over")]
    assert t.check(footprint_buffer=5).pairs("footprint") == [("here", "beside"), ("here", "over")]
    assert len(t.check(footprint_buffer=8).pairs("footprint")) == 3


def test_images_without_ground_are_owned_up_to() -> None:
    t = Tables()
    t.image("here", "train", footprint=square(10.0, 50.0))
    t.image("part", "train", window=window(0, 0))
    assert "compared" not in leak_words("footprint", t.check().verdict.rules["footprint"])
    t.image("one", "train")
    t.image("two", "val")
    words = leak_words("footprint", t.check().verdict.rules["footprint"])
    assert words.endswith("0 of 1 held-out images (2 images have no known ground and were not compared)")


def test_captions_are_compared_normalised_and_only_reported() -> None:
    t = Tables()
    t.image("one", "train")
    t.image("two", "val")
    t.image("three", "test")
    t.caption("one", "train", "Many planes")
    t.caption("two", "val", "many planes")
    t.caption("three", "test", "no planes")
    done = t.check()
    assert done.verdict.fault is None
    assert done.pairs("caption") == [("one", "two")]
    assert done.verdict.rules["caption"]["count"] == 1
    assert t.check(caption="fail").verdict.fault is not None
    dropped = t.check(caption="drop_test").after("splits")
    assert dropped["two/val/many planes"] == ("unused", "leak: caption")
    assert dropped["three/test/no planes"][0] == "test"


@pytest.mark.parametrize("policy", [None, "fail"])
def test_what_a_recipe_knows_of_itself_is_reported_unless_the_user_says_fail(policy: Policy | None) -> None:
    t = Tables()
    t.image("one", "train", origin="x/1")
    t.image("two", "val", origin="x/1")
    done = t.check({"a": ("lineage",)}, lineage=policy)
    assert (done.verdict.fault is None) == (policy is None)
    assert done.verdict.rules["lineage"]["known"] == (1 if policy is None else 0)
    t.image("three", "val", origin="x/1", corpus="b")
    assert t.check({"a": ("lineage",), "b": ("lineage",)}).verdict.fault is not None, "another corpus is not known"


def test_a_long_listing_is_cut_and_says_how_many_there_are() -> None:
    t = Tables()
    for n in range(20):
        t.image(f"t{n:02}", "train", origin="x/1", footprint=square(1.0 + n * 1e-5, 2.0))
        t.caption(f"t{n:02}", "train", "the same")
    t.image("held", "test", origin="x/1", footprint=square(1.0, 2.0))
    t.caption("held", "test", "the same")
    done = t.check(listed=3)
    for rule in ("lineage", "footprint", "caption"):
        assert len(done.pairs(rule)) == 3, rule
        found = done.verdict.rules[rule]
        assert (found["pairs"], found["listed"], found["count"]) == (20, 3, 1), rule
    assert t.check(listed=3, footprint="drop_train").verdict.rules["footprint"]["dropped"] == 20


def test_what_was_dropped_leaks_no_more_by_the_other_rules() -> None:
    t = Tables()
    t.image("one", "train", origin="x/1", footprint=square(1, 1))
    t.image("two", "val", origin="x/1", footprint=square(1, 1))
    done = t.check(footprint="drop_test")
    assert done.verdict.fault is None
    assert done.pairs("lineage") == []
    assert done.after("image_splits")["two"] == ("unused", "leak: footprint")
