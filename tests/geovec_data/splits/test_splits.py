"""What holds for every split: no order matters, no image that is added moves another, no origin stands in two."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_data.splits import Placed, assign
from geovec_data.splits.by_time import suggest_dates
from geovec_data.splits.options import SplitOptions

OPTIONS = {
    "image": SplitOptions(method="image", train=0.4, val=0.3, test=0.3),
    "stratified": SplitOptions(method="stratified", train=0.4, val=0.3, test=0.3),
    "official": SplitOptions(method="official"),
    "place": SplitOptions(method="place", train=0.4, val=0.3, test=0.3, place_level="city"),
    "time": SplitOptions(method="time", before=("2018-01-01", "2020")),
}
CITIES = [None, "", "Kampala", "kampala ", "Atlanta", "Las Vegas", "Banepa", "São Paulo"]
TIMES = [None, "", "2017", "2019-05", "2018-01-01", "2020-06-01T12:00:00Z", "2017-12-31T23:30-05:00", "last week"]


def whole(n: int, **more: str | None) -> Placed:
    return Placed(f"i{n}", "c", f"{n}.jpg", f"c/{n}.jpg", **more)  # type: ignore[arg-type]


def split_of(images: list[Placed], options: SplitOptions) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {}
    for image, split, reason in assign(images, options):
        assert reason
        out.setdefault(image, set()).add(split)
    return out


@st.composite
def corpora(draw: st.DrawFn) -> list[Placed]:
    """Images of a few origins; an origin has one place and one time, as it is one published image."""
    facts = draw(st.lists(st.tuples(st.sampled_from(CITIES), st.sampled_from(TIMES)), min_size=1, max_size=12))
    names = draw(st.sampled_from(["c/airport_{0}.jpg", "c/{0}", "c/tile_{0}_b", "c/x{0}y"]))
    chosen = draw(st.lists(st.integers(0, len(facts) - 1), min_size=1, max_size=40))
    splits = draw(st.lists(st.sampled_from([None, "train", "val", "test"]), min_size=40, max_size=40))
    return [
        Placed(f"i{n}", "c", f"p{o}", names.format(o), official=splits[n], place=facts[o][0], captured=facts[o][1])
        for n, o in enumerate(chosen)
    ]


@pytest.mark.parametrize("method", OPTIONS)
@given(images=corpora(), data=st.data())
def test_order_and_additions_move_nothing(method: str, images: list[Placed], data: st.DataObject) -> None:
    everything = split_of(images, OPTIONS[method])
    assert set(everything) == {p.image for p in images}
    some = data.draw(st.permutations(images))[: data.draw(st.integers(0, len(images)))]
    assert split_of(some, OPTIONS[method]) == {p.image: everything[p.image] for p in some}


@pytest.mark.parametrize("method", ["image", "stratified", "place", "time"])
@given(images=corpora())
def test_no_origin_is_in_two_splits(method: str, images: list[Placed]) -> None:
    found: dict[str, set[str]] = {}
    got = split_of(images, OPTIONS[method])
    for p in images:
        found.setdefault(p.origin, set()).update(got[p.image] - {"unused"})
    assert all(len(splits) <= 1 for splits in found.values())


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(CITIES), st.sampled_from(TIMES)), max_size=40))
def test_an_origin_that_falls_into_two_splits_is_left_out(rows: list[tuple[int, str | None, str | None]]) -> None:
    images = [Placed(f"i{n}", "c", "p", f"c/{o}", place=c, captured=t) for n, (o, c, t) in enumerate(rows)]
    for method in ("place", "time"):
        got = split_of(images, OPTIONS[method])
        for origin in {p.origin for p in images}:
            assert len({s for p in images if p.origin == origin for s in got[p.image]} - {"unused"}) <= 1


def test_shares_are_near_what_was_asked() -> None:
    options = SplitOptions(method="image", train=0.7, val=0.2, test=0.1)
    got = Counter(s for _, s, _ in assign([whole(n) for n in range(5000)], options))
    for name, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        assert abs(got[name] / 5000 - share) < 4 * math.sqrt(share * (1 - share) / 5000)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 300), st.integers(0, 50))
def test_a_numbered_class_has_the_wanted_shares(first: int, step: int, count: int, seed: int) -> None:
    options = SplitOptions(method="stratified", seed=seed)
    series = [Placed(f"i{n}", "c", "p", f"c/airport_{first + step * n:04d}.jpg") for n in range(count)]
    got = Counter(s for _, s, _ in assign(series, options))
    for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert abs(got[name] - share * count) < (3.5 if step == 1 else 8)


def test_leading_zeros_and_suffixes_do_not_part_two_corpora() -> None:
    options = OPTIONS["stratified"]
    for n in range(30):
        names = [f"resisc45/airport_{n:03d}", f"resisc45/airport_{n:03d}.jpg", f"resisc45/airport_{n}.jp2"]
        assert len({s for _, s, _ in assign([Placed(f"i{n}", "c", "p", name) for name in names], options)}) == 1


def test_places_differ_by_their_words_only() -> None:
    options = OPTIONS["place"]
    got = split_of([whole(n, place=c) for n, c in enumerate(CITIES)], options)
    assert got["i0"] == got["i1"] == {"unused"}
    assert got["i2"] == got["i3"]
    many = [whole(n, place=f"city {n % 40}") for n in range(400)]
    rows = {i: s for i, s, _ in assign(many, options)}
    assert {s: len({n % 40 for n in range(400) if rows[f"i{n}"] == s}) for s in set(rows.values())}.keys() == {
        "train",
        "val",
        "test",
    }
    assert all(rows[f"i{n}"] == rows[f"i{n % 40}"] for n in range(400))


def test_time_is_cut_at_the_stated_dates() -> None:
    rows = [(i, s, r) for i, s, r in assign([whole(n, captured=t) for n, t in enumerate(TIMES)], OPTIONS["time"])]
    assert [(s, r) for _, s, r in rows] == [
        ("unused", "no capture time"),
        ("unused", "no capture time"),
        ("train", "captured before 2018-01-01"),
        ("val", "captured from 2018-01-01 before 2020"),
        ("val", "captured from 2018-01-01 before 2020"),
        ("test", "captured from 2020"),
        ("val", "captured from 2018-01-01 before 2020"),  # 2018-01-01 04:30 in UTC
        ("unused", "capture time is no ISO 8601"),
    ]


def test_a_time_too_coarse_for_the_dates_is_unused() -> None:
    options = SplitOptions(method="time", before=("2018-06-15",))
    got = [(s, r) for _, s, r in assign([whole(0, captured="2018"), whole(1, captured="2018-06-15T00:00")], options)]
    assert got == [("unused", "captured in a span that 2018-06-15 cuts"), ("test", "captured from 2018-06-15")]


@pytest.mark.parametrize("before", [(), ("soon",), ("2019", "2018"), ("2018", "2018"), ("2017", "2018", "2019")])
def test_dates_that_cannot_cut_are_refused(before: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"split\.before"):
        list(assign([whole(0)], SplitOptions(method="time", before=before)))


def test_dates_are_suggested_from_the_shares() -> None:
    images = [whole(n, captured=f"2018-{1 + n // 10:02d}-{1 + n % 10:02d}") for n in range(100)]
    said = suggest_dates([*images, whole(100)], SplitOptions(method="time", train=0.5, val=0.2, test=0.3))
    assert "100 images have a capture time, 2018-01-01 to 2018-10-10" in said
    dates = tuple(said.rpartition("split.before=")[2].split(","))
    got = Counter(s for _, s, _ in assign(images, SplitOptions(method="time", before=dates)))
    assert got == {"train": 50, "val": 20, "test": 30}


def test_official_split_by_object_puts_an_image_into_several() -> None:
    images = [
        Placed("a", "c", "a", "c/a", "train"),
        Placed("b", "c", "b", "c/b", None, ("test", "train")),
        Placed("c", "c", "c", "c/c"),
    ]
    got = sorted(assign(images, SplitOptions(method="official")))
    assert [(i, s) for i, s, _ in got] == [("a", "train"), ("b", "test"), ("b", "train"), ("c", "unused")]


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="all 0"):
        SplitOptions(train=0, val=0, test=0)
    with pytest.raises(ValueError, match="larger blocks"):
        SplitOptions(method="blocks", block=1, buffer=1000)
    assert SplitOptions.model_validate({"before": [2018, "2019-05"]}).before == ("2018", "2019-05")
