"""The words of GeoVec as slotted types: Region, Question, Scene, Segment, Item, Example, Reject.

Conventions, everywhere: boxes are float pixels ``(x0, y0, x1, y1)``, origin top-left, half-open (a box that
covers the whole of a 800 px wide image has ``x1 == 800.0``). Coordinates are WGS84 degrees, ``(lon, lat)``.
Numbers stay numbers; a codec turns them into text only when an item is given to a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

Box = tuple[float, float, float, float]
Kind = Literal["text", "image", "box", "coordinate"]
Scope = Literal["split", "scene", "corpus"]
OsmType = Literal["node", "way", "relation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A labelled box in a scene.

    Attributes:
        box: float pixels, half-open; a reader may give it partly outside the image, the checks clip it.
        category: the corpus's own label, lower case, words separated by spaces.
        polygon: optional ring ``(x0, y0, x1, y1, …)`` in pixels, not closed; may reach outside the image.
        ancestors: broader categories, nearest first (``vehicle`` for ``car``).
        attributes: further facts as pairs, e.g. ``("status", "dead")``.
        expressions: referring expressions that single this region out in its scene.
        captions: sentences that say what this region is and need not single it out.
        visible: share of the object's area inside the image, 0–1; set by whoever clips.
        osm_type: OSM object type, with `osm_id` the object's identity.
        osm_id: OSM object id.
        tags: OSM tags.
        lon: longitude of the region's centre, WGS84 degrees, when known.
        lat: latitude of the region's centre.
        source_index: the corpus's own number of this object (DIOR-RSVG's split files use one).
        split: the corpus's official split of this object, when it splits by object.
    """

    box: Box
    category: str
    polygon: tuple[float, ...] = ()
    ancestors: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    expressions: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    visible: float = 1.0
    osm_type: OsmType | None = None
    osm_id: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    lon: float | None = None
    lat: float | None = None
    source_index: int | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about a scene and its right answers.

    Attributes:
        text: the question, as the corpus words it.
        answers: the right answers; nearly always one.
        kind: question type (``presence``, ``count``, …); answers are ranked among those of its kind.
        split: the corpus's official split of this question, when it splits by question.
        choices: the answers that questions of this kind can have, where the corpus states them.
    """

    text: str
    answers: tuple[str, ...]
    kind: str
    split: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One image and all that is known of it.

    A reader fills what the corpus says; the checks verify it against the pixels and fill `image_id`,
    `width`, `height`, `format`, `phash` and `thumb`. After the checks `data` is set and every box is inside the image.

    Attributes:
        key: unique in its corpus: the image's source-relative posix path, for a chip ``path#x0,y0,x1,y1``.
        corpus: recipe name of the corpus.
        path: source-relative posix path of the image file; it stays inside the root.
        data: encoded image bytes (JPEG, PNG, …); None until read from `path`.
        width: pixels; what the annotation claims before the checks, the truth after them; None: no claim.
        height: pixels, like `width`.
        captions: sentences about the whole image, in corpus order.
        scene_class: the class name, words separated by spaces.
        labels: all classes that hold, in a corpus that gives several to an image; `scene_class` is None then.
        attributes: facts about the whole scene as pairs, e.g. ``("colour", "blue")``.
        questions: questions about the scene with their answers.
        places: names of where it lies as ``(level, name)``, e.g. ``("city", "Kampala")``, widest level first.
        regions: labelled boxes.
        split: the corpus's official split (``train``, ``val``, ``test``), when it has one.
        parent: key of the image this chip was cut from, else `key`; the unit of lineage in its corpus.
        origin: the published image that this one is, or was cut from, named alike in all corpora: ``dota/P0706``;
            empty: the recipe's `origins` decide, else ``<corpus>/<parent>``. The unit of lineage across corpora.
        window: the chip's pixel window in its parent.
        crs: authority string (``EPSG:32617``) of `transform`.
        transform: affine ``(a, b, c, d, e, f)``: x = a·col + b·row + c, y = d·col + e·row + f, in `crs` units.
        footprint: ring ``(lon, lat, lon, lat, …)`` in WGS84, not closed.
        lon: longitude of the image centre.
        lat: latitude of the image centre.
        gsd: ground sample distance in metres per pixel.
        captured: capture time, ISO 8601, as the corpus states it.
        licence: overrides the recipe's licence for this image.
        attribution: overrides the recipe's attribution.
        synthetic: which texts were synthesised: ``captions``, ``expressions``, ``questions``, ``region_captions``.
        survey: what a map says of the image beyond its regions (`geovec_data.osm.survey.Survey`); texts are made of
            it, and it is not stored.
        image_id: content hash of `data`; empty before the checks.
        format: ``JPEG``, ``PNG``, ``TIFF``, …; empty before the checks.
        phash: 64-bit perceptual hash as 16 hex digits; empty before the checks.
        thumb: 32 × 32 grey pixels, row by row; empty before the checks, unless whoever encoded `data` made it.
    """

    key: str
    corpus: str
    path: str
    data: bytes | None = None
    width: int | None = None
    height: int | None = None
    captions: tuple[str, ...] = ()
    scene_class: str | None = None
    labels: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    questions: tuple[Question, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    regions: tuple[Region, ...] = ()
    split: str | None = None
    parent: str = ""
    origin: str = ""
    window: Box | None = None
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    footprint: tuple[float, ...] = ()
    lon: float | None = None
    lat: float | None = None
    gsd: float | None = None
    captured: str | None = None
    licence: str | None = None
    attribution: str | None = None
    synthetic: tuple[str, ...] = ()
    survey: object | None = None
    image_id: str = ""
    format: str = ""
    phash: str = ""
    thumb: bytes = b""


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of an item. Exactly the fields of its kind are set.

    A ``box`` segment speaks of the nearest ``image`` segment before it. Several tasks ask for the same segments of a
    scene, so the last ones made are kept.
    """

    kind: Kind
    text: str | None = None
    image: str | None = None
    box: Box | None = None
    lon: float | None = None
    lat: float | None = None

    @staticmethod
    @lru_cache(maxsize=1024)
    def of_text(text: str) -> Segment:
        """A text segment."""
        return Segment("text", text=text)

    @staticmethod
    @lru_cache(maxsize=1024)
    def of_image(image_id: str) -> Segment:
        """An image segment, by the image's content id."""
        return Segment("image", image=image_id)

    @staticmethod
    @lru_cache(maxsize=1024)
    def of_box(box: Box) -> Segment:
        """A box segment: float pixels ``x0, y0, x1, y1`` of the image before it."""
        return Segment("box", box=box)

    @staticmethod
    def of_coordinate(lon: float, lat: float) -> Segment:
        """A coordinate segment: WGS84 degrees."""
        return Segment("coordinate", lon=lon, lat=lat)


Segments = tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An ordered list of segments, the unit that is embedded; equal content is one item.

    Attributes:
        id: hash of the segments (`geovec_data.ids.item_id`).
        segments: the content, in order.
        modality: the kinds in order of first appearance, joined by ``+``.
        image_id: the first image of the item.
        region_id: the region that an ``[image, box]`` item shows.
        text_key: hash of the normalised text (`geovec_data.ids.text_key`), for items with text.
    """

    id: str
    segments: Segments
    modality: str
    image_id: str | None = None
    region_id: str | None = None
    text_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a task yields: one example of one meta-task, before ids are given.

    Attributes:
        task: task name (design: ``region_to_text``, ``text_to_image``, …).
        query: segments of the query item.
        positives: segments of each positive item; several are normal.
        region: index into ``scene.regions`` of the region it is about, or None.
        scope: candidate pool: ``split`` (all of the split), ``scene`` (only this scene's items) or ``corpus`` (the
            answers of the corpus, from all its splits: class names, answers of one kind of question).
        pool_key: under scope ``corpus``, the part of the corpus's answers it is ranked among; None: all of them.
        class_key: class or category shared with other examples whose positives are as right as this one's.
        split: official split of this very example, where the corpus splits by object.
    """

    task: str
    query: Segments
    positives: tuple[Segments, ...]
    region: int | None = None
    scope: Scope = "split"
    pool_key: str | None = None
    class_key: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An instruction, a query item and its group keys; its positives are rows of ``qrels``.

    Attributes:
        id: hash of task, corpus, query item, image and region.
        task: task name.
        corpus: recipe name.
        instruction: instruction id, ``<task>/<variant>``; variant 0 is the canonical one.
        query_item: item id.
        image_id: the scene's image.
        region_id: the region it is about.
        scope: candidate pool, ``split``, ``scene`` or ``corpus``.
        pool_key: see `Draft.pool_key`.
        class_key: see `Draft.class_key`.
        caption_key: `text_key` of the side that is a text by itself: examples that share it are right for each other.
        scene_key: lineage: hash of the origin.
        official_split: the corpus's own split, when it has one.
    """

    id: str
    task: str
    corpus: str
    instruction: str
    query_item: str
    image_id: str
    region_id: str | None = None
    scope: Scope = "split"
    pool_key: str | None = None
    class_key: str | None = None
    caption_key: str | None = None
    scene_key: str = ""
    official_split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that was not let in, and why.

    Attributes:
        corpus: recipe name.
        path: source-relative path of the offending file or record.
        stage: ``read``, ``check``, ``task`` or ``final``.
        code: a word from `geovec_data.build.ledger.CODES`.
        detail: one sentence that names the values found.
        level: ``scene``, ``region`` or ``text``: what was lost with it.
    """

    corpus: str
    path: str
    stage: Literal["read", "check", "task", "final"]
    code: str
    detail: str
    level: Literal["scene", "region", "text"] = "scene"
