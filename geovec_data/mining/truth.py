"""What is right for each query of a task, and what else is known of its queries and candidates."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geovec_data.mining.facts import Facts
from geovec_data.mining.items import NONE, Bools, Ints, Lists, Numbers, spread
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.words import Words

if TYPE_CHECKING:
    from geovec_data.mining.neighbourhood import Neighbourhood
    from geovec_data.mining.rescore import Second

MOST = 16
"""Most pictures, or texts, of one item that the rules look at one by one.

A caption of thousands of images would make the policy's work quadratic. Rules that compare for equality (known
positives, texts, images, classes) know them all.
"""
_OPEN = ("cross_modal", "region", "geo")


class Truth:
    """What is right for each query of a task: the union over all examples, twins of the query included.

    Args:
        plan: the task.
        facts: the dataset's columns.
        words: of its texts.

    Attributes:
        open: whether texts and pictures of the task describe one another, so that what is known of a picture is known
            of the texts that it is linked with; not so for class names and answers, which are right for thousands.
        place_decides: whether the place, not the content, makes a candidate right.
        boxed: whether candidates or queries have boxes.
        neighbourhood: what is like what, where vectors are at hand; else None.
        second: the scores of a second model, where one is asked; else None.
    """

    def __init__(self, plan: TaskPlan, facts: Facts, words: Words) -> None:
        self.plan = plan
        self.items = items = facts.items
        self.facts = facts
        self.words = words
        self.neighbourhood: Neighbourhood | None = None
        self.second: Second | None = None
        self.open = plan.meta_task in _OPEN and bool((plan.answer_set == NONE).all())
        self.place_decides = plan.meta_task == "geo"
        _, self._group = np.unique(items.twins[plan.query], return_inverse=True)
        self._groups = int(self._group.max(initial=-1)) + 1
        self._example = spread(np.diff(plan.positives.starts))
        self._pairs = (self._group[self._example], plan.positives.values)
        self._queries = (self._group, plan.query)
        self.regional = bool(items.boxed[plan.pool].any())
        self.boxed = self.regional or bool(items.boxed[plan.query].any())
        self.positives = self._lists((self._pairs[0], items.twins[self._pairs[1]]))
        self.texts = self._lists(self._pairs, self._queries, of=items.text)
        self.images = self._lists(self._pairs, self._queries, of=items.image)

    def _lists(self, *pairs: tuple[Ints, Ints], of: Numbers | None = None) -> Lists:
        group = np.concatenate([g for g, _ in pairs])
        value = np.concatenate([v for _, v in pairs])
        if of is not None:
            value = of[value].astype(np.int64)
            group, value = group[value != NONE], value[value != NONE]
        return Lists.of(group, value, self._groups)

    def group(self, examples: Ints) -> Ints:
        """Return the query group of each example (position in the plan)."""
        out: Ints = self._group[examples]
        return out

    @cached_property
    def _shows(self) -> Bools:
        """Whether each item shows an image or states a place."""
        out: Bools = (self.items.image != NONE) | ~np.isnan(self.items.coordinate[:, 0])
        return out

    @cached_property
    def _linked(self) -> tuple[Ints, Ints]:
        """Pairs (candidate, query that it is right for)."""
        if not self.open:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return self._pairs[1], self.plan.query[self._example]

    @cached_property
    def faces(self) -> Lists:
        """By item: itself if it shows something, and what it is linked with if it has no image; at most `MOST`."""
        own = np.flatnonzero(self._shows)
        item, query = self._linked
        chosen = (self.items.image[item] == NONE) & self._shows[query]
        rows, values = np.concatenate([own, item[chosen]]), np.concatenate([own, query[chosen]])
        return Lists.of(rows, values, len(self.items.ids)).first(MOST)

    @cached_property
    def subjects(self) -> Lists:
        """By group: its queries and positives that show something; at most `MOST`."""
        group, item = (np.concatenate(v) for v in zip(self._queries, self._pairs, strict=True))
        shown = self._shows[item]
        return Lists.of(group[shown], item[shown], self._groups).first(MOST)

    @cached_property
    def said(self) -> Lists:
        """By item: its own text, else the texts of the queries that it is right for; at most `MOST`."""
        text = self.items.text.astype(np.int64)
        own = np.flatnonzero(text != NONE)
        item, query = self._linked
        chosen = (text[item] == NONE) & (text[query] != NONE)
        rows = np.concatenate([own, item[chosen]])
        return Lists.of(rows, np.concatenate([text[own], text[query[chosen]]]), len(text)).first(MOST)

    @cached_property
    def right_texts(self) -> Lists:
        """By group: the texts of its queries and positives, and those linked with positives; at most `MOST`."""
        position, text = self.said.take(self._pairs[1])
        linked = Lists.of(self._pairs[0][position], text, self._groups)
        rows = np.concatenate([spread(np.diff(v.starts)) for v in (self.texts, linked)])
        return Lists.of(rows, np.concatenate([self.texts.values, linked.values]), self._groups).first(MOST)

    @cached_property
    def item_classes(self) -> Lists:
        """By item: the classes of what it shows, of all that it is linked with, or that it names."""
        shown = self.facts.item_class
        own = np.flatnonzero(shown != NONE)
        rows, classes = [own], [shown[own]]
        if self.plan.meta_task == "classification":
            pool = self.plan.pool[self.items.text[self.plan.pool] != NONE]
            rows.append(pool)
            classes.append(np.array([self.facts.classes.code(self.items.texts[t]) for t in self.items.text[pool]]))
        item, query = self._linked
        chosen = (shown[item] == NONE) & (shown[query] != NONE)
        rows.append(item[chosen])
        classes.append(shown[query[chosen]])
        row, value = np.concatenate(rows), np.concatenate(classes).astype(np.int64)
        return Lists.of(row[value != NONE], value[value != NONE], len(shown))

    @cached_property
    def classes(self) -> Lists:
        """By group: the classes of its queries and positives, with their broader and narrower ones."""
        if self.plan.meta_task == "classification":  # the name is the truth, the image's class is the same again
            group, item = self._pairs
        else:
            group, item = (np.concatenate(v) for v in zip(self._queries, self._pairs, strict=True))
            shown = self.items.image[item] != NONE  # what shows nothing is linked with the classes of others, too
            group, item = group[shown], item[shown]
        position, code = self.item_classes.take(item)
        group, code = self.facts.classes.widened(group[position], code)
        return Lists.of(group, code, self._groups)
