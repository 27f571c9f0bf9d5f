"""Compositions of scenes that a map labels: a kind is gone only where the map is known to be complete in it."""

from __future__ import annotations

import random
from dataclasses import replace

import duckdb
import pytest

from geovec_data.compositions.check import Facts, supported
from geovec_data.compositions.derive import derive
from geovec_data.compositions.mapped import (
    ALSO,
    AMOUNTS,
    LACKS,
    LEVEL,
    SHOWS,
    Amount,
    amount_of,
    amount_pair,
    amounts,
    facts,
)
from geovec_data.osm.composable import composable
from geovec_data.osm.survey import Survey, Thing
from geovec_data.osm.tag_table import table

KINDS = ("building", "road", "pier", "railway track")
Known = dict[str, tuple[frozenset[str], frozenset[str], Amount | None]]


def scenes(count: int, seed: int) -> Known:
    """Scenes that show, or are known to lack, random ones of the kinds, and perhaps the amount of buildings."""
    rng = random.Random(seed)
    out: Known = {}
    for n in range(count):
        said = {k: rng.choice((SHOWS, SHOWS, LACKS, "")) for k in KINDS}
        said["park"] = rng.choice((SHOWS, ""))
        shows, lacks = (frozenset(k for k in said if said[k] == s) for s in (SHOWS, LACKS))
        out[f"i{n:02d}"] = (shows, lacks, rng.choice((*AMOUNTS, None)) if "building" in shows else None)
    return out


def derived(known: Known, per_target: int = 0) -> set[tuple[str, str, str, str, frozenset[str]]]:
    """What the derivation asks: image, kind of change, name, the amount after it, images that answer it."""
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE images (id VARCHAR, corpus VARCHAR, scene_class VARCHAR, key VARCHAR,"
        " attributes STRUCT(key VARCHAR, value VARCHAR)[])"
    )
    con.execute("CREATE TABLE image_splits (image VARCHAR, split VARCHAR)")
    con.execute("CREATE TABLE regions (image VARCHAR, category VARCHAR)")
    con.execute("CREATE TABLE rejects (corpus VARCHAR, path VARCHAR, level VARCHAR, code VARCHAR)")
    con.execute(
        "CREATE TABLE composed_corpora (corpus VARCHAR, per_image BIGINT, per_change BIGINT, per_target BIGINT,"
        " most_targets BIGINT)"
    )
    con.execute("CREATE TABLE merged_classes (corpus VARCHAR, name VARCHAR, class VARCHAR)")
    con.execute("INSERT INTO composed_corpora VALUES ('osm', 0, 0, ?, 0)", [per_target])
    for image, (shows, lacks, amount) in known.items():
        pairs = [(LEVEL, "0.3"), *((ALSO if k == "park" else SHOWS, k) for k in shows), *((LACKS, k) for k in lacks)]
        pairs += [amount_pair("building", amount)] if amount else []
        rows = [{"key": k, "value": v} for k, v in pairs]
        con.execute("INSERT INTO images VALUES (?, 'osm', NULL, ?, ?)", [image, image, rows])
        con.execute("INSERT INTO image_splits VALUES (?, 'train')", [image])
        con.execute("INSERT INTO regions VALUES (?, 'house')", [image])
    con.execute("INSERT INTO rejects VALUES ('osm', 'i00', 'region', 'low_visibility')")
    derive(con)
    asked = con.execute(
        "SELECT c.image, c.kind, c.name, if(c.kind = 'amount', c.after, ''), list(s.image) FROM chosen c JOIN states s"
        " ON s.space = c.space AND s.state = c.after AND s.image <> c.image GROUP BY ALL"
    ).fetchall()
    return {(image, kind, name, amount, frozenset(found)) for image, kind, name, amount, found in asked}


@pytest.mark.parametrize("seed", range(4))
def test_a_kind_is_gone_only_where_it_is_known_to_be_lacking(seed: int) -> None:
    known = scenes(30, seed)
    expected = set()
    for image, (shows, lacks, amount) in known.items():
        for after in {*AMOUNTS} - {amount} if amount else ():
            if found := {i for i, (s, _, a) in known.items() if s == shows and a == after}:
                expected.add((image, "amount", "building", after, frozenset(found)))
        for kind in KINDS:
            if kind in shows:
                change, wanted = "without", shows - {kind}
                found = {i for i, (s, absent, _) in known.items() if s == wanted and kind in absent}
            elif kind in lacks:
                change, wanted = "with", shows | {kind}
                found = {i for i, (s, _, _) in known.items() if s == wanted}
            else:
                continue
            if found:
                expected.add((image, change, kind, "", frozenset(found)))
    assert derived(known) == expected
    assert expected


def test_no_image_answers_more_queries_of_a_change_than_it_may() -> None:
    everything = frozenset({"road", "pier"})
    known: Known = {f"i{n}": (everything, frozenset(), None) for n in range(9)}
    known["bare"] = (frozenset({"road"}), frozenset({"pier"}), None)
    for per_target, queries in ((0, 9), (4, 4)):
        found = [image for image, kind, *_ in derived(known, per_target) if kind == "without"]
        assert len(found) == queries


def test_the_checker_wants_the_lacking_known() -> None:
    query = Facts(categories=frozenset({"road", "pier"}), lacks=frozenset())
    for lacks, right in ((frozenset({"pier"}), True), (frozenset[str](), False)):
        target = Facts(categories=frozenset({"road"}), lacks=lacks)
        assert supported("without piers", query, target, KINDS, ()) is right
        assert supported("with piers", target, query, KINDS, ()) is right


def test_what_a_survey_shows_and_lacks() -> None:
    entries = table().entries

    def thing(tag: str, *, visible: float = 1.0) -> Thing:
        return Thing(
            entry=entries[tag], form="area", share=0.01, visible=visible, box=(0, 0, 20, 20), whole=100, seen=100,
            sure=True,
        )  # fmt: skip

    survey = Survey(
        things=(thing("building=house"), thing("leisure=swimming_pool", visible=0.1), thing("landuse=residential")),
        width=200, height=200, gsd=0.5, level=0.4,
        complete=dict.fromkeys(("building", "swimming pool", "pier", "park", "vegetation", "road", "house"), 0.9) | {
            "railway track": 0.3
        },
    )  # fmt: skip
    found = facts(composable(survey))
    assert found is not None
    assert found[0] == {"building"}, "no sliver of a pool, nor of a use of land"
    assert found[1] == {"pier", "road"}, "a sliver is not lacking, and of parks and plants nothing is denied"
    assert (LEVEL, "0.4") in set(composable(survey))
    assert amounts(composable(survey)) == {("building", "one")}
    cut = replace(survey, things=(*survey.things, thing("building=house", visible=0.2)))
    assert not amounts(composable(cut)), "a house that is cut off may be counted or not"
    assert facts((("colour", "blue"),)) is None


@pytest.mark.parametrize(
    ("surely", "at_most", "said"),
    [
        (0, 1, None),
        (1, 1, "one"),
        (1, 2, None),
        (2, 2, "few"),
        (4, 5, "few"),
        (4, 6, None),
        (6, 8, "half a dozen"),
        (6, 9, None),
        (8, 8, None),
        (11, 14, "dozen"),
        (11, 18, None),
        (16, 16, None),
        (20, 25, "twenty"),
        (30, 40, "dozens"),
    ],
)
def test_an_amount_is_said_where_no_other_word_would_do(surely: int, at_most: int, said: str | None) -> None:
    assert amount_of(surely, at_most) == said
