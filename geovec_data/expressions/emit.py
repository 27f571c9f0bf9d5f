"""Fills in expressions for the regions of a scene that have none."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from geovec_data import ids
from geovec_data.expressions import grammar
from geovec_data.expressions.check import Checker
from geovec_data.expressions.colour import COLOURS, shares
from geovec_data.expressions.describe import Describer, Proposal, Style, length
from geovec_data.expressions.model import PLACES, Expression
from geovec_data.expressions.parse import Lexicon, parse
from geovec_data.expressions.truth import Beyond, Predicates
from geovec_data.records import Region, Scene

# How often a construction is chosen where several are to be had: plain words first, counting last.
_WEIGHTS: dict[Style, float] = {
    "plain": 4.0, "pair": 3.0, "rank": 3.0, "neighbour": 2.5, "direction": 2.0, "ordinal": 1.0,
}  # fmt: skip
_TRIES = 12  # wordings tried for one expression of one region


def predicates(
    scene: Scene,
    pixels: Image.Image | np.ndarray | None,
    beyond: Beyond | None = None,
) -> Predicates:
    """The facts of a checked scene.

    Args:
        scene: its width and height are set and its boxes lie inside.
        pixels: the image, RGB or convertible; None leaves colours undecided.
        beyond: what else is known of the scene.
    """
    assert scene.width and scene.height
    colours = beyond.colours if beyond else None
    if colours is None and pixels is not None:
        rgb = np.asarray(pixels.convert("RGB") if isinstance(pixels, Image.Image) else pixels)
        colours = [shares(rgb, region) for region in scene.regions]
    return Predicates(scene.regions, scene.width, scene.height, colours, beyond)


def synthesise(
    scene: Scene,
    pixels: Image.Image | np.ndarray | None,
    seed_key: str,
    per_region: int = 1,
    beyond: Beyond | None = None,
) -> Scene:
    """Give the scene's regions referring expressions, where they have none and where one can be found.

    Every expression has been evaluated against all regions of the scene and singles out its own; its text reads
    back as the very structure that was evaluated. A region for which there is none stays without.

    Args:
        scene: a checked scene: width, height and content id are set, boxes lie inside.
        pixels: the image, for colours; RGB, or 8-bit of shape ``(height, width, 3)``. None: no colours.
        seed_key: with the region's id it decides among what could be said; equal keys give equal texts.
        per_region: how many different expressions at most.
        beyond: what else is known of the scene; None: its regions are all that there is.

    Returns:
        The scene with `Region.expressions`, and ``expressions`` among `Scene.synthetic` if any was made.
    """
    if all(region.expressions for region in scene.regions):
        return scene
    facts = predicates(scene, pixels, beyond)
    checker = Checker(facts)
    found = Describer(facts, checker).run()
    lexicon = Lexicon.of(facts.regions)
    regions: list[Region] = []
    made = False
    for index, region in enumerate(scene.regions):
        if region.expressions or index not in found:
            regions.append(region)
            continue
        identity = ids.region_id(scene.image_id, region.box, region.category, region.polygon)
        seed = hashlib.sha256(f"{seed_key}/{identity}".encode()).digest()
        writer = _Writer(facts, checker, lexicon, random.Random(int.from_bytes(seed[:8], "big")))
        texts = tuple(writer.texts(index, found[index], per_region))
        made |= bool(texts)
        regions.append(replace(region, expressions=texts))
    synthetic = scene.synthetic
    if made and "expressions" not in synthetic:
        synthetic = (*synthetic, "expressions")
    return replace(scene, regions=tuple(regions), synthetic=synthetic)


class _Writer:
    """Chooses among the proposals for one region and words them."""

    def __init__(self, facts: Predicates, checker: Checker, lexicon: Lexicon, rng: random.Random) -> None:
        self._facts = facts
        self._checker = checker
        self._lexicon = lexicon
        self._rng = rng

    def texts(self, index: int, proposals: Sequence[Proposal], wanted: int) -> Iterator[str]:
        """Up to `wanted` texts, different in structure as long as there are such."""
        by_style: dict[Style, list[Expression]] = {}
        for proposal in proposals:
            by_style.setdefault(proposal.style, []).append(proposal.expression)
        seen: set[str] = set()
        tries = 0
        while len(seen) < wanted and by_style and tries < _TRIES * wanted:
            tries += 1
            styles = list(by_style)
            style = self._rng.choices(styles, [_WEIGHTS[s] for s in styles])[0]
            choices = by_style[style]
            at = self._rng.choices(range(len(choices)), [1 / (1 + length(e)) ** 2 for e in choices])[0]
            expression = choices.pop(at)
            if not choices:
                del by_style[style]
            text = self._word(index, self._adorned(index, expression))
            if text is not None and ids.text_key(text) not in seen:
                seen.add(ids.text_key(text))
                yield text

    def _word(self, index: int, expression: Expression) -> str | None:
        """The text of an expression that reads back as itself and singles the region out."""
        text = grammar.render(expression, self._rng.choice)
        read = parse(text, self._lexicon)
        return text if read == expression and self._checker.only(read) == index else None

    def _adorned(self, index: int, expression: Expression) -> Expression:
        """Now and then add what is true of the region though it was not needed: people do, and it helps search."""
        out = expression
        plain = expression.rank is None and not expression.nearest
        if plain and out.count is None and not out.size and self._rng.random() < 0.25:
            out = replace(out, count=1)
        if out.colour is None and self._rng.random() < 0.5:
            sure = [c for c in COLOURS if self._facts.colour(c)[index] == 1]
            out = replace(out, colour=sure[0]) if sure else out
        if plain and not (out.place or out.edge or out.anchor) and self._rng.random() < 0.6:
            fit = [p for p in PLACES if self._facts.place(p)[index] == 1]
            out = replace(out, place=self._rng.choice(fit)) if fit else out
        return out if self._checker.only(out) == index else expression
