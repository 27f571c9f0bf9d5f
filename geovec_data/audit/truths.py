"""What is known to be right, read from the dataset's tables and not through the policy's rules: it judges those."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from geovec_data.dataset import Dataset
from geovec_data.mining.classes import Classes
from geovec_data.mining.items import Bools, Ints, Items, Lists, spread
from geovec_data.mining.plan import TaskPlan

WITHHELD: dict[str, tuple[str, ...]] = {"class": ("same_class",), "osm": ("same_osm",)}
"""By truth, the rules of the policy that read it."""
AUDITED = ("cross_modal", "region")
"""Meta-tasks in which the truth makes a candidate right; elsewhere a place, an answer or a change decides."""


@dataclass(frozen=True, slots=True)
class Known:
    """The labels of a task's queries and candidates.

    Attributes:
        name: of the truth, for a person: ``scene class``, ``region category`` or ``OSM object``.
        query: labels by query item, with broader and narrower ones.
        item: labels by item.
        scenes: by item, images of the boxes that it shows or describes: another box of the query's image, which has
            its own words there, is no false negative.
        labels: what each number is called.
    """

    name: str
    query: Lists
    item: Lists
    scenes: Lists
    labels: list[str]

    def false(self, query: Ints, item: Ints, image: Ints) -> tuple[Bools, Bools]:
        """Tell of pairs which are false negatives, and which are known to be or not to be.

        Args:
            query: query item of each pair.
            item: candidate item of each pair.
            image: image of each pair's example.
        """
        shared = _share(self.query.take(query), self.item.take(item), len(query))
        pair = np.arange(len(query))
        same_scene = _share((pair, image), self.scenes.take(item), len(query))
        known = (np.diff(self.query.starts)[query] > 0) & (np.diff(self.item.starts)[item] > 0)
        return shared & ~same_scene, known

    def name_of(self, lists: Lists, index: int) -> str:
        """Name the labels of one query or item."""
        return ", ".join(self.labels[n] for n in lists.take(np.array([index]))[1])


def _share(one: tuple[Ints, Ints], other: tuple[Ints, Ints], pairs: int) -> Bools:
    """Tell of which pairs two lists of values, each with the number of its pair, share one; -1 is none."""
    width = 2 + max(int(one[1].max(initial=-1)), int(other[1].max(initial=-1)))
    left, right = (owner[value >= 0] * width + value[value >= 0] for owner, value in (one, other))
    out = np.zeros(pairs, np.bool_)
    out[np.intersect1d(left, right) // width] = True
    return out


def known(dataset: Dataset, items: Items, plan: TaskPlan, truth: str) -> Known | None:
    """Gather the labels of a task's queries and candidates; None where the dataset has none of that kind."""
    tables = _Tables.of(dataset)
    column = tables.osm if truth == "osm" else tables.category
    classes = Classes(tables.broader)
    codes: dict[str, int] = {}

    def code(name: str | None) -> int:
        if truth == "class":
            return classes.code(name)
        return codes.setdefault(name, len(codes)) if name else -1

    regions, images = items.region_ids.to_pylist(), items.image_ids.to_pylist()

    def shown(item: int) -> int:
        """Number the label of what an item shows itself; -1: it shows nothing, or what has no label."""
        if regions[item] is not None:
            return code(column.get(regions[item]))
        if truth == "class" and items.image[item] >= 0:
            return code(tables.scene.get(images[items.image[item]]))
        return -1

    used = np.unique(np.concatenate([plan.query, plan.pool]))
    own = np.full(len(items.ids), -1, np.int64)
    own[used] = [shown(item) for item in used.tolist()]
    query = plan.query[spread(np.diff(plan.positives.starts))]
    right = plan.positives.values
    of_query = _Labels(own, query, right)
    of_item = _Labels(own, right, query)
    if not len(of_query.label):
        return None
    label, query = of_query.label, of_query.item
    if truth == "class":
        position, label = classes.related().take(label)
        query = query[position]
    named = {*filter(None, column.values()), *filter(None, tables.scene.values())} if truth == "class" else set(codes)
    names = {code(name): name for name in sorted(named, reverse=True)}
    size = max(names, default=0) + 1
    return Known(
        {"osm": "OSM object", "class": "region category" if items.boxed[used].any() else "scene class"}[truth],
        Lists.of(query, label, len(items.ids)),
        Lists.of(of_item.item, of_item.label, len(items.ids)),
        _scenes(items, plan),
        [names.get(n, "") for n in range(size)],
    )


def _scenes(items: Items, plan: TaskPlan) -> Lists:
    """List by item the images of the boxes that it shows, or that it is linked with if it shows nothing."""
    image = np.where(items.boxed, items.image, -1).astype(np.int64)
    linked = _Labels(image, plan.positives.values, plan.query[spread(np.diff(plan.positives.starts))])
    return Lists.of(linked.item, linked.label, len(items.ids))


class _Labels:
    """Labels by item: of what it shows itself, else of what it is linked with.

    Args:
        own: label of what each item shows, or -1.
        one: items.
        other: what each of them is linked with.
    """

    def __init__(self, own: Ints, one: Ints, other: Ints) -> None:
        linked = (own[one] < 0) & (own[other] >= 0)
        shown = np.flatnonzero(own >= 0)
        self.item: Ints = np.concatenate([shown, one[linked]])
        self.label: Ints = np.concatenate([own[shown], own[other[linked]]])


@dataclass(frozen=True, slots=True)
class _Tables:
    scene: dict[str, str]
    category: dict[str | None, str]
    osm: dict[str | None, str]
    broader: dict[str, set[str]]

    @classmethod
    def of(cls, dataset: Dataset) -> _Tables:
        def rows(table: str, *columns: str) -> list[dict[str, Any]]:
            out: list[dict[str, Any]] = dataset.read(table, list(columns)).to_pylist()
            return out

        regions = rows("regions", "id", "category", "ancestors", "osm_type", "osm_id")
        broader: defaultdict[str, set[str]] = defaultdict(set)
        for r in regions:
            broader[r["category"]].update(r["ancestors"])
        images = rows("images", "id", "scene_class", "labels")
        return cls(
            {i["id"]: i["scene_class"] or " ".join(sorted(i["labels"])) for i in images},
            {r["id"]: r["category"] for r in regions},
            {r["id"]: f"{r['osm_type']}/{r['osm_id']}" for r in regions if r["osm_id"] is not None},
            dict(broader),
        )
