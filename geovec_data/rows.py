"""From records to table rows: gives ids to a scene's examples and items and gathers columns for Arrow."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from geovec_data import ids
from geovec_data.records import Box, Draft, Reject, Scene, Segments
from geovec_data.schema import TABLES, arrow_schema

Struct = dict[str, Any]


class Columns:
    """Rows of one table, held as columns (several times faster to hand to Arrow than rows of dictionaries)."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._columns: list[list[Any]] = [[] for _ in TABLES[table]]

    def add(self, *values: Any) -> None:
        """Add one row; values in the order of the schema."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(self._columns[0])

    def take(self) -> pa.Table:
        """Return the rows as an Arrow table and forget them."""
        schema = arrow_schema(self.table)
        arrays = [pa.array(c, type=f.type) for c, f in zip(self._columns, schema, strict=True)]
        self._columns = [[] for _ in self._columns]
        return pa.Table.from_arrays(arrays, schema=schema)


def box_struct(box: Box | None) -> Struct | None:
    """Return a box as the schema's struct."""
    return None if box is None else {"x0": box[0], "y0": box[1], "x1": box[2], "y1": box[3]}


def pairs(mapping: Iterable[tuple[str, str]]) -> list[Struct]:
    """Return key/value pairs in sorted order, so that equal maps are equal bytes."""
    return [{"key": k, "value": v} for k, v in sorted(mapping)]


def wkb_polygon(ring: tuple[float, ...]) -> bytes | None:
    """Encode a ring ``(x, y, x, y, …)``, closed here, as a little-endian WKB polygon (OGC 06-103r4)."""
    if not ring:
        return None
    closed = ring if ring[:2] == ring[-2:] else ring + ring[:2]
    return struct.pack("<BIII", 1, 3, 1, len(closed) // 2) + struct.pack(f"<{len(closed)}d", *closed)


class Emitter:
    """Collects everything that is not image bytes: regions, items, examples, qrels, pool, rejects."""

    TABLES = ("regions", "items", "examples", "qrels", "pool", "rejects")

    def __init__(self, corpus: str, variants: dict[str, int]) -> None:
        self._corpus = corpus
        self._variants = variants
        self.tables = {name: Columns(name) for name in self.TABLES}
        self._items: set[str] = set()

    def reject(self, reject: Reject) -> None:
        """Add a reject."""
        self.tables["rejects"].add(reject.corpus, reject.path, reject.stage, reject.code, reject.detail, reject.level)

    def regions(self, scene: Scene) -> list[str]:
        """Add the scene's regions; returns their ids in order."""
        out = []
        for r in scene.regions:
            rid = ids.region_id(scene.image_id, r.box, r.category, r.polygon)
            out.append(rid)
            self.tables["regions"].add(
                rid, scene.image_id, box_struct(r.box), list(r.polygon) or None, r.visible, r.category,
                list(r.ancestors), pairs(r.attributes), list(r.expressions), r.osm_type, r.osm_id,
                pairs(r.tags.items()), r.lon, r.lat, r.source_index, r.split,
            )  # fmt: skip
        return out

    def item(self, segments: Segments, regions: dict[Box, str]) -> str:
        """Add an item once per unit; returns its id."""
        iid = ids.item_id(segments)
        if iid in self._items:
            return iid
        self._items.add(iid)
        kinds = dict.fromkeys(s.kind for s in segments)
        image = next((s.image for s in segments if s.kind == "image"), None)
        box = next((s.box for s in segments if s.kind == "box"), None)
        text = " ".join(s.text or "" for s in segments if s.kind == "text")
        self.tables["items"].add(
            iid,
            [
                {"kind": s.kind, "text": s.text, "image": s.image, "box": box_struct(s.box), "lon": s.lon, "lat": s.lat}
                for s in segments
            ],
            "+".join(kinds),
            image,
            None if box is None else regions.get(box),
            ids.text_key(text) if "text" in kinds else None,
        )
        return iid

    def example(self, scene: Scene, draft: Draft, regions: list[str], by_box: dict[Box, str], scene_key: str) -> None:
        """Add one example, its items and its qrels."""
        query = self.item(draft.query, by_box)
        positives = [self.item(p, by_box) for p in draft.positives]
        region = None if draft.region is None else regions[draft.region]
        eid = ids.digest("example", draft.task, self._corpus, query, scene.image_id, region)
        variant = int(eid[:8], 16) % self._variants[draft.task]
        sides = (draft.query, *draft.positives)
        texts = [s.text or "" for side in sides for s in side if s.kind == "text"]
        self.tables["examples"].add(
            eid, draft.task, self._corpus, f"{draft.task}/{variant}", query, scene.image_id, region, draft.scope,
            draft.class_key, ids.text_key(texts[0]) if texts else None, scene_key, draft.split or scene.split,
        )  # fmt: skip
        for positive in dict.fromkeys(positives):
            self.tables["qrels"].add(eid, positive)
