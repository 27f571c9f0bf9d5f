"""Captions for scenes that have labels and no captions: what is there, how many, and where most of it lies."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from geovec_data.expressions.check import Checker
from geovec_data.expressions.grammar import PLACES
from geovec_data.expressions.model import Expression, Rank
from geovec_data.expressions.truth import Predicates
from geovec_data.records import Scene
from geovec_data.words import listed, number, plural, with_article

_KINDS = 3  # categories named in one sentence
_MOST_HALF, _MOST_QUARTER = 0.75, 0.6  # shares from which "mostly" is said of a half, a quarter of the image
_MANY = 4  # with fewer there is no "mostly"
_OPENINGS = ("an aerial image with", "an overhead view of", "a remote sensing image showing", "a scene with")


def synthesise_captions(scene: Scene) -> Scene:
    """Give a scene captions that say nothing but what its labels say.

    A scene that has captions, or no regions, stays as it is: what nobody labelled may yet be there. Equal scenes
    get equal captions: the wording is drawn with the image's id as seed.

    Args:
        scene: a checked scene: width, height and content id are set, boxes lie inside.

    Returns:
        The scene with one or two captions and ``captions`` among `Scene.synthetic`.
    """
    if scene.captions or not scene.regions:
        return scene
    assert scene.width
    assert scene.height
    seed = hashlib.sha256(f"captions/{scene.image_id}".encode()).digest()
    rng = random.Random(int.from_bytes(seed[:8], "big"))
    facts = Predicates(scene.regions, scene.width, scene.height)
    counts = sorted(Counter(r.category for r in scene.regions).items(), key=lambda kind: (-kind[1], kind[0]))
    captions = [_overview(scene, facts, counts, rng)]
    captions += [" ".join(_capital(s) + "." for s in details)] if (details := list(_details(facts, counts))) else []
    return replace(scene, captions=tuple(captions), synthetic=(*scene.synthetic, "captions"))


def _overview(scene: Scene, facts: Predicates, counts: list[tuple[str, int]], rng: random.Random) -> str:
    """One sentence: what, how many, where most of all objects lie."""
    things = [_counted(kind, n) for kind, n in counts[:_KINDS]]
    if more := sum(n for _, n in counts[_KINDS:]):
        things.append("one more object" if more == 1 else f"{number(more)} more objects")
    opening = rng.choice(_OPENINGS)
    if scene.scene_class:
        opening = f"an aerial image of {with_article(scene.scene_class)} with"
    where = _where(facts, np.ones(len(scene.regions), np.bool_))
    return f"{opening} {listed(things)}" + (f"{' ' if len(scene.regions) == 1 else ', '}{where}" if where else "")


def _details(facts: Predicates, counts: list[tuple[str, int]]) -> Iterator[str]:
    """A sentence on each kind: how many in each quarter of the image, and where its largest is."""
    checker = Checker(facts)
    for kind, n in counts[:_KINDS]:
        of_it = np.array([r.category == kind for r in facts.regions])
        if n == 1:
            place = _place(facts, int(np.flatnonzero(of_it)[0]))
            clauses = [f"{_counted(kind, 1)} is {place}"] if place else []
        else:
            quarters = [(name, int(mask.sum())) for name, mask in _quarters(facts, of_it).items() if mask.any()]
            name, k = quarters[0]
            if len(quarters) == 1:
                clauses = [f"the {_counted(kind, n)} are {'both' if n == 2 else 'all'} in the {name}"]
            else:
                told = [f"{number(k)} {'is' if k == 1 else 'are'} in the {name}"]
                told += [f"{number(k)} in the {name}" for name, k in quarters[1:]]
                clauses = [f"of the {_counted(kind, n)}, {listed(told)}"]
        largest = checker.only(Expression(category=kind, rank=Rank("largest")))
        if largest is not None and of_it[largest] and (place := _place(facts, largest)):
            clauses.append(f"the largest is {place}")
        if clauses:
            yield "; ".join(clauses)


def _counted(kind: str, n: int) -> str:
    return with_article(kind) if n == 1 else f"{number(n)} {plural(kind)}"


def _place(facts: Predicates, index: int) -> str | None:
    """Where one region surely lies: a cell of the grid before a side."""
    fit = [name for name in PLACES if facts.place(name)[index] == 1]
    return PLACES[max(fit, key=lambda name: len(name.split()))][0] if fit else None


def _where(facts: Predicates, chosen: npt.NDArray[np.bool_]) -> str | None:
    """Where the chosen regions lie together, or None when they lie nowhere in particular."""
    n = int(chosen.sum())
    if n == 1:
        return _place(facts, int(np.flatnonzero(chosen)[0]))
    if n < _MANY:
        return None
    quarters = {name: float(mask.mean()) for name, mask in _quarters(facts, chosen).items()}
    name, share = max(quarters.items(), key=lambda q: q[1])
    if share >= _MOST_QUARTER:
        return f"mostly in the {name}"
    halves = {
        side: sum(v for q, v in quarters.items() if word in q.split())
        for side, word in (("on the left", "left"), ("on the right", "right"),
                           ("in the upper half", "upper"), ("in the lower half", "lower"))
    }  # fmt: skip
    name, share = max(halves.items(), key=lambda h: h[1])
    if share >= _MOST_HALF:
        return f"mostly {name}"
    return "spread over the image" if min(quarters.values()) >= 0.1 and n >= 2 * _MANY else None


def _quarters(facts: Predicates, chosen: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which of the chosen regions have their centre in each quarter of the image."""
    left, upper = (facts.centres[chosen] < facts.size / 2).T
    rows, columns = {"upper": upper, "lower": ~upper}, {"left": left, "right": ~left}
    return {f"{row} {column}": y & x for row, y in rows.items() for column, x in columns.items()}


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
