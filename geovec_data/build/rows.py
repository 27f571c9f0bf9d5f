"""From records to table rows: gives ids to a scene's examples and items and gathers columns for Arrow."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geovec_data import arrow, ids
from geovec_data.records import Box, Draft, Reject, Scene, Segments
from geovec_data.schema import arrow_schema
from geovec_data.untrusted.unicode import printable

if TYPE_CHECKING:
    from geovec_data.tasks.base import Task

Pair = tuple[str, str]


class Columns:
    """Rows of one table, gathered as tuples and handed to Arrow by column (several times faster than by row)."""

    def __init__(self, table: str) -> None:
        self._schema = arrow_schema(table)
        self._rows: list[tuple[Any, ...]] = []

    def add(self, *values: Any) -> None:
        """Add one row; values in the order of the schema, structs (boxes, pairs, segments) as tuples."""
        self._rows.append(values)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self) -> pa.Table:
        """Return the rows as an Arrow table and forget them."""
        if not self._rows:
            return arrow.empty(self._schema)
        columns = list(zip(*self._rows, strict=True))
        self._rows = []
        return arrow.table(columns, self._schema)


def pairs(mapping: Iterable[Pair], *, ordered: bool = False) -> Sequence[Pair]:
    """Return key/value pairs, sorted unless their order means something: equal maps are equal bytes."""
    return tuple(mapping) if ordered else sorted(mapping)


def wkb_polygon(ring: tuple[float, ...]) -> bytes | None:
    """Encode a ring ``(x, y, x, y, …)``, closed here, as a little-endian WKB polygon (OGC 06-103r4)."""
    if not ring:
        return None
    closed = ring if ring[:2] == ring[-2:] else ring + ring[:2]
    return struct.pack("<BIII", 1, 3, 1, len(closed) // 2) + struct.pack(f"<{len(closed)}d", *closed)


class Emitter:
    """Collects everything that is not image bytes: regions, items, examples, qrels, pool, rejects."""

    TABLES = ("regions", "items", "examples", "qrels", "pool", "rejects", "thumbs")

    def __init__(self, corpus: str, variants: dict[str, int]) -> None:
        self._corpus = corpus
        self._variants = variants
        self.tables = {name: Columns(name) for name in self.TABLES}
        self._items: set[str] = set()
        self._shared: set[tuple[str, str, str | None]] = set()
        self._recent: dict[Segments, str] = {}

    def reject(self, reject: Reject) -> None:
        """Add a reject."""
        path, detail = printable(reject.path), printable(reject.detail)
        self.tables["rejects"].add(reject.corpus, path, reject.stage, reject.code, detail, reject.level)

    def regions(self, scene: Scene) -> list[str]:
        """Add the scene's regions; returns their ids in order."""
        out = []
        for r in scene.regions:
            rid = ids.region_id(scene.image_id, r.box, r.category, r.polygon)
            out.append(rid)
            self.tables["regions"].add(
                rid, scene.image_id, r.box, r.polygon or None, r.visible, r.category,
                r.ancestors, pairs(r.attributes), r.expressions, r.captions, r.osm_type, r.osm_id,
                pairs(r.tags.items()), r.lon, r.lat, r.source_index, r.split,
            )  # fmt: skip
        return out

    def item(self, segments: Segments, regions: dict[Box, str]) -> str:
        """Add an item once per unit; returns its id."""
        known = self._recent.get(segments)
        if known is not None:
            return known
        iid = ids.item_id(segments)
        self._recent[segments] = iid
        if iid in self._items:
            return iid
        self._items.add(iid)
        image = box = None
        texts = []
        for s in segments:
            if s.kind == "text":
                texts.append(s.text or "")
            elif s.kind == "image":
                image = image or s.image
            elif s.kind == "box":
                box = box or s.box
        self.tables["items"].add(
            iid,
            segment_rows(segments),
            "+".join(dict.fromkeys([s.kind for s in segments])),
            image,
            None if box is None else regions.get(box),
            ids.text_key(" ".join(texts)) if texts else None,
        )
        return iid

    def candidate(self, task: type[Task], image: str, segments: Segments, key: str | None, by: dict[Box, str]) -> None:
        """Add a row of the pool; what belongs to the whole corpus is noted once per unit, not with every image."""
        item = self.item(segments, by)
        if task.pool_of == "corpus":
            if (task.name, item, key) in self._shared:
                return
            self._shared.add((task.name, item, key))
        self.tables["pool"].add(task.name, image, item, key)

    def next_scene(self) -> None:
        """Forget the items of the last scene; nearly all repeats are within one."""
        self._recent.clear()

    def example(self, scene: Scene, draft: Draft, regions: list[str], by_box: dict[Box, str], scene_key: str) -> None:
        """Add one example, its items and its qrels."""
        query = self.item(draft.query, by_box)
        positives = [self.item(p, by_box) for p in draft.positives]
        region = None if draft.region is None else regions[draft.region]
        # one question can be asked of several pools (the country and the city of an image); other ids name none
        pool = () if draft.pool_key is None else (draft.pool_key,)
        eid = ids.digest("example", draft.task, self._corpus, query, scene.image_id, region, *pool)
        variant = int(eid[:8], 16) % self._variants[draft.task]
        text = _own_text(draft)
        self.tables["examples"].add(
            eid, draft.task, self._corpus, f"{draft.task}/{variant}", query, scene.image_id, region, draft.scope,
            draft.pool_key, draft.class_key, None if text is None else ids.text_key(text), scene_key,
            draft.split or scene.split,
        )  # fmt: skip
        for positive in dict.fromkeys(positives):
            self.tables["qrels"].add(eid, positive)


def segment_rows(segments: Segments) -> list[tuple[Any, ...]]:
    """The `segments` column of an item: a tuple in the order of the schema for each."""
    return [(s.kind, s.text, s.image, s.box, s.lon, s.lat) for s in segments]


def _own_text(draft: Draft) -> str | None:
    """The text that is one side of an example by itself: equal texts are then equal in meaning.

    A question, a change or a text at a coordinate is not: what is right depends on the rest of the item. Nor is one
    of several classes: another image that shares it has other classes besides.
    """
    if draft.scope == "corpus" and len(draft.positives) > 1:
        return None
    for side in (draft.query, *draft.positives):
        kinds = {s.kind for s in side}
        if kinds == {"text"}:
            return side[0].text
    return None
