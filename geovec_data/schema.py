"""The dataset's tables, defined once: Arrow schemas, JSON Schema and catalog SQL all derive from here.

`SCHEMA_VERSION` counts incompatible changes; a dataset written by a newer one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 1
THUMB_SIDE = 32  # pixels

POINTS = pa.list_(pa.float64())
STRINGS = pa.list_(pa.string())
PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
BOX = pa.struct([("x0", pa.float64()), ("y0", pa.float64()), ("x1", pa.float64()), ("y1", pa.float64())])
SEGMENT = pa.struct(
    [
        ("kind", pa.string()),
        ("text", pa.string()),
        ("image", pa.string()),
        ("box", BOX),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
    ]
)
SEGMENTS = pa.list_(SEGMENT)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, Arrow type, meaning, and whether it may be null."""

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False


def _c(name: str, type_: pa.DataType, doc: str, *, null: bool = False) -> Column:
    return Column(name, type_, doc, null)


_S, _F, _I = pa.string(), pa.float64(), pa.int32()

TABLES: dict[str, tuple[Column, ...]] = {
    "images": (
        _c("id", _S, "first 32 hex digits of the sha256 of `bytes`"),
        _c("bytes", pa.binary(), "the encoded image, as the corpus has it (a chip: losslessly encoded)"),
        _c("format", _S, "JPEG, PNG, TIFF, …"),
        _c("width", _I, "pixels"),
        _c("height", _I, "pixels"),
        _c("phash", _S, "64-bit DCT perceptual hash, 16 hex digits"),
        _c("corpus", _S, "recipe name"),
        _c("key", _S, "unique in the corpus: source path, for a chip `path#x0,y0,x1,y1`"),
        _c("path", _S, "source-relative path of the image file"),
        _c("parent", _S, "key of the image that a chip was cut from, else `key`"),
        _c("origin", _S, "lineage across corpora: the published image it is or was cut from, e.g. `dota/P0706`"),
        _c("window", BOX, "the chip's pixel window in its parent", null=True),
        _c("scene_class", _S, "class of the scene", null=True),
        _c("labels", STRINGS, "all classes that hold, in a corpus that gives several to an image"),
        _c("attributes", PAIRS, "facts about the whole scene"),
        _c("places", PAIRS, "names of where it lies: level (country, city, …) and name, widest first"),
        _c("captions", STRINGS, "sentences about the whole image"),
        _c("official_split", _S, "the corpus's own split", null=True),
        _c("licence", _S, "licence of this image"),
        _c("attribution", _S, "whom to credit"),
        _c("captured", _S, "capture time, ISO 8601", null=True),
        _c("crs", _S, "authority string of `transform`", null=True),
        _c("transform", POINTS, "affine a, b, c, d, e, f: x = a·col + b·row + c, y = d·col + e·row + f", null=True),
        _c("footprint", pa.binary(), "WKB polygon, WGS84 lon/lat; the GeoParquet geometry", null=True),
        _c("lon", _F, "longitude of the centre, WGS84 degrees", null=True),
        _c("lat", _F, "latitude of the centre, WGS84 degrees", null=True),
        _c("gsd", _F, "ground sample distance, metres per pixel", null=True),
        _c("synthetic", STRINGS, "which texts were synthesised: captions, expressions, questions, region_captions"),
    ),
    "regions": (
        _c("id", _S, "hash of image, box, category, polygon"),
        _c("image", _S, "image id"),
        _c("box", BOX, "float pixels, origin top-left, half-open, clipped to the image"),
        _c(
            "polygon",
            POINTS,
            "outer ring x0, y0, x1, y1, … in pixels; may reach outside the image (recipe osm: clipped to it)",
            null=True,
        ),
        _c("visible", _F, "share of the object's area inside the image"),
        _c("category", _S, "the corpus's label"),
        _c("ancestors", STRINGS, "broader categories, nearest first"),
        _c("attributes", PAIRS, "further facts"),
        _c("expressions", STRINGS, "referring expressions, unique in the scene"),
        _c("captions", STRINGS, "what the region is, not unique"),
        _c("osm_type", _S, "node, way or relation", null=True),
        _c("osm_id", pa.int64(), "OSM object id", null=True),
        _c("tags", PAIRS, "OSM tags"),
        _c("lon", _F, "longitude of the centre", null=True),
        _c("lat", _F, "latitude of the centre", null=True),
        _c("source_index", pa.int64(), "the corpus's own number of the object", null=True),
        _c("official_split", _S, "the corpus's own split of the object", null=True),
    ),
    "items": (
        _c("id", _S, "hash of the segments"),
        _c("segments", SEGMENTS, "ordered text, image, box and coordinate segments"),
        _c("modality", _S, "kinds in order of first appearance, joined by +"),
        _c("image", _S, "first image of the item", null=True),
        _c("region", _S, "region shown by an [image, box] item", null=True),
        _c("text_key", _S, "hash of the normalised text", null=True),
    ),
    "examples": (
        _c("id", _S, "hash of task, corpus, query item, image and region"),
        _c("task", _S, "task name"),
        _c("corpus", _S, "recipe name"),
        _c("instruction", _S, "instruction id `<task>/<variant>`; texts are in the manifest; 0 is canonical"),
        _c("query", _S, "item id"),
        _c("image", _S, "the scene's image id"),
        _c("region", _S, "the region it is about", null=True),
        _c("scope", _S, "candidate pool: split, scene or corpus"),
        _c("pool_key", _S, "under scope corpus: the part of the corpus's answers it is ranked among", null=True),
        _c("class_key", _S, "class or category", null=True),
        _c("caption_key", _S, "hash of the normalised text that is one side by itself", null=True),
        _c("scene_key", _S, "lineage: hash of the origin"),
        _c("official_split", _S, "the corpus's own split", null=True),
    ),
    "qrels": (
        _c("example", _S, "example id"),
        _c("item", _S, "a positive item's id"),
    ),
    "pool": (
        _c("task", _S, "task name"),
        _c("image", _S, "the scene's image id"),
        _c("item", _S, "a candidate item that may be no example's positive (a region without expression)"),
        _c("pool_key", _S, "as in examples", null=True),
    ),
    "splits": (
        _c("example", _S, "example id"),
        _c("split", _S, "train, val, test, or unused"),
        _c("reason", _S, "the rule that decided"),
    ),
    "image_splits": (
        _c("image", _S, "image id"),
        _c("split", _S, "train, val, test, or unused; an official split by object can name several"),
        _c("reason", _S, "the rule that decided"),
    ),
    "leaks": (
        _c("rule", _S, "image, near, lineage, footprint or caption"),
        _c("train", _S, "id of the image in train"),
        _c("held_out", _S, "id of the image in val or test"),
        _c("split", _S, "val or test"),
        _c("train_key", _S, "corpus and key of the first"),
        _c("held_out_key", _S, "corpus and key of the second"),
        _c("score", _F, "near: concordance of the thumbnails; else 1"),
        _c("detail", _S, "what they share"),
        _c("partners", _I, "training images that the rule found for `held_out` (caption: for this caption of it)"),
        _c(
            "policy",
            _S,
            "what the gate did: fail, drop_train, drop_test, report, or known (reported, as the recipe says)",
        ),
    ),
    "rejects": (
        _c("corpus", _S, "recipe name"),
        _c("path", _S, "source-relative path of the file or record"),
        _c("stage", _S, "read, check, task or final"),
        _c("code", _S, "the reason, one word"),
        _c("detail", _S, "the reason, one sentence"),
        _c("level", _S, "what was lost: scene, region or text"),
    ),
    "thumbs": (
        _c("image", _S, "image id; this table stays in staging"),
        _c("thumb", pa.binary(), "the image as 32 × 32 grey pixels, row by row"),
    ),
    "candidates": (
        _c("example", _S, "example id"),
        _c("item", _S, "candidate item id"),
        _c("source", _S, "what found it: search, region, geo or random"),
        _c("rank", _I, "0 is what its source found first; of search, the most similar"),
        _c("score", pa.float32(), "cosine similarity to the query (or to the positive: run settings say)"),
        _c("dropped_by", _S, "the policy's rule that took it; null: kept", null=True),
    ),
    "positive_scores": (
        _c("example", _S, "example id"),
        _c("low", pa.float32(), "cosine similarity of its least similar positive"),
        _c("high", pa.float32(), "cosine similarity of its most similar positive"),
    ),
    "negatives": (
        _c("example", _S, "example id"),
        _c("item", _S, "negative item id"),
        _c("rank", _I, "0 is the hardest kept"),
        _c("score", pa.float32(), "cosine similarity of the negative"),
        _c("positive_score", pa.float32(), "cosine similarity of the example's least similar positive"),
        _c("kind", _S, "hard, region, geo or random"),
        _c("run", _S, "mining run"),
    ),
}

BUILD_TABLES = ("images", "regions", "items", "examples", "qrels", "pool", "splits", "image_splits", "leaks", "rejects")


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table of the dataset."""
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in TABLES[table]])
