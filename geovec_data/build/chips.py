"""Cutting big images into chips, with their labels: lossless, and honest about objects that a cut divides.

A chip keeps the regions of which at least `min_visible` lies inside it, with that share recorded; a crown cut in
half stands in both chips. A region that reaches the limit in no chip is a reject; one that is kept somewhere is
not, though other chips show slivers of it. Texts about the whole image (captions, its class, expressions that hold
among all its regions) would be false of a part: they are rejects too, and a chip starts without.

A chip whose edge shows a category that none of its regions has says so (attribute ``partly shown``): it is no example
of a scene without it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from geovec_data.build.checks import CheckOptions, check_regions, scene_fault
from geovec_data.build.ledger import Ledger
from geovec_data.geometry.clip import visible_part
from geovec_data.phash import thumbnail
from geovec_data.rasters.georef import Placement
from geovec_data.records import Box, Region, Reject, Scene
from geovec_data.untrusted import images

Window = tuple[int, int, int, int]

PARTLY_SHOWN = "partly shown"  # attribute of a chip: a category of which it shows too little to keep a region


class ChipOptions(BaseModel):
    """How images are cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int = Field(256, ge=16, description="side of a chip in pixels; smaller images stay whole")
    overlap: int = Field(0, ge=0, description="pixels that neighbouring chips share")
    edge: Literal["keep", "shift", "drop"] = Field(
        "keep",
        description="the strip left at the right and lower edge: keep: a narrower chip; shift: a full chip moved back"
        " over its neighbour; drop: none",
    )
    min_edge: float = Field(0.5, ge=0, le=1, description="edge=keep: drop strips under this share of a chip")

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> ChipOptions:
        if self.overlap >= self.size:
            raise ValueError(f"overlap={self.overlap} must be smaller than size={self.size}")
        return self


def cut(scene: Scene, root: Path, options: ChipOptions, checks: CheckOptions | None = None) -> Iterator[Scene | Reject]:
    """Cut a scene into chips.

    Args:
        scene: as read; ``data`` None means that ``root/path`` is read.
        root: the corpus's folder.
        options: size, overlap and edge rule.
        checks: limits; `min_visible` decides which regions a chip keeps.

    Yields:
        The scene itself, untouched, when it is no larger than a chip. Else chips in row order, PNG-encoded, with key
        ``<key>#x0,y0,x1,y1``, `parent`, `window`, and position; and a `Reject` for each thing that is in no chip.
    """
    checks = checks or CheckOptions()
    ledger = Ledger(scene)
    try:
        data = images.read_bytes(root, scene.path, checks.max_bytes) if scene.data is None else scene.data
        image = images.open_image(data, checks.max_pixels)
        width, height = image.size
        if width <= options.size and height <= options.size:
            yield replace(scene, data=data)
            return
        if fault := scene_fault(scene, width, height):
            raise images.BadImage(*fault)
        pixels = images.decode_pixels(image)
    except images.BadImage as bad:
        ledger.add(bad.code, bad.detail)
        yield from ledger.rejects
        return
    regions = check_regions(scene, width, height, checks, ledger)
    best = [0.0] * len(regions)
    for window in windows(width, height, options):
        yield _chip(scene, pixels, window, regions, best, checks.min_visible)
    _report_lost(scene, regions, best, checks.min_visible, ledger)
    yield from ledger.rejects


def windows(width: int, height: int, options: ChipOptions) -> list[Window]:
    """Return the windows ``(x0, y0, x1, y1)`` of an image, row by row."""
    rows = _spans(height, options)
    return [(x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in _spans(width, options)]


def _spans(length: int, options: ChipOptions) -> list[tuple[int, int]]:
    size, step = options.size, options.size - options.overlap
    if length <= size:
        return [(0, length)]
    full = (length - size) // step + 1
    spans = [(i * step, i * step + size) for i in range(full)]
    rest = length - spans[-1][1]  # pixels that no full chip covers
    if rest == 0 or options.edge == "drop":
        return spans
    if options.edge == "shift":
        return [*spans, (length - size, length)]
    start = full * step
    return [*spans, (start, length)] if length - start >= options.min_edge * size else spans


def _chip(
    scene: Scene, pixels: Image.Image, window: Window, regions: tuple[Region, ...], best: list[float], limit: float
) -> Scene:
    x0, y0, x1, y1 = window
    frame: Box = (float(x0), float(y0), float(x1), float(y1))
    kept: list[Region] = []
    for i, region in enumerate(regions):
        box, share = visible_part(region.box, region.polygon, frame)
        # as in the checks: a polygon tells the share of the whole, a box clipped before only that of its rest
        visible = min(share, region.visible) if region.polygon else share * region.visible
        best[i] = max(best[i], visible)
        if box is not None and visible >= limit:
            kept.append(_moved(region, box, visible, x0, y0))
    buffer = io.BytesIO()
    cropped = pixels.crop(window)
    cropped.save(buffer, "PNG")
    base = replace(
        scene,
        key=f"{scene.key}#{x0},{y0},{x1},{y1}",
        data=buffer.getvalue(),
        thumb=thumbnail(cropped.convert("L")),
        width=x1 - x0,
        height=y1 - y0,
        regions=tuple(kept),
        captions=(),
        scene_class=None,
        labels=(),
        attributes=tuple((PARTLY_SHOWN, category) for category in _partly_shown(scene, frame, kept)),
        questions=(),
        survey=None,
        parent=scene.parent or scene.key,
        window=frame if scene.window is None else _shift(frame, scene.window[0], scene.window[1]),
        synthetic=tuple(s for s in scene.synthetic if s not in ("captions", "expressions")),
        footprint=(),
        lon=None,
        lat=None,
    )
    return _placed(base, window)


def _partly_shown(scene: Scene, frame: Box, kept: list[Region]) -> list[str]:
    """Name the categories that reach into the frame, as the corpus labels them, and that no kept region has."""
    x0, y0, x1, y1 = frame
    touching = {
        r.category for r in scene.regions if r.box[0] < x1 and r.box[2] > x0 and r.box[1] < y1 and r.box[3] > y0
    }
    return sorted(touching - {r.category for r in kept} - {""})


def _shift(box: Box, dx: float, dy: float) -> Box:
    return (box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy)


def _moved(region: Region, box: Box, visible: float, x0: int, y0: int) -> Region:
    moved = tuple(v - (y0 if i % 2 else x0) for i, v in enumerate(region.polygon))
    return replace(region, box=_shift(box, -x0, -y0), polygon=moved, visible=visible, expressions=(), captions=())


def _placed(scene: Scene, window: Window) -> Scene:
    """Move the position of the whole image to the chip; a bare centre cannot be moved and is dropped."""
    if scene.crs is None or scene.transform is None:
        return scene
    x0, y0, x1, y1 = window
    place = Placement(scene.crs, scene.transform, 0, 0, "chip").window(x0, y0, x1 - x0, y1 - y0)
    lon, lat = place.center()
    return replace(scene, transform=place.transform, footprint=place.footprint(), lon=lon, lat=lat)


def _report_lost(scene: Scene, regions: tuple[Region, ...], best: list[float], limit: float, ledger: Ledger) -> None:
    for number, (region, share) in enumerate(zip(regions, best, strict=True)):
        if share < limit or math.isclose(share, 0.0):
            detail = f"region {number} ({region.category}): {share:.3f} visible in its best chip, min_visible={limit}"
            ledger.add("low_visibility", detail, "region")
        for text in region.expressions:
            ledger.add("whole_image_text", f"region {number}: expression {text!r}", "text")
    for text in scene.captions:
        ledger.add("whole_image_text", f"caption {text!r}", "text")
    if scene.scene_class is not None:
        ledger.add("whole_image_text", f"scene class {scene.scene_class!r}", "text")
    for label in scene.labels:
        ledger.add("whole_image_text", f"label {label!r}", "text")
    for key, value in scene.attributes:
        ledger.add("whole_image_text", f"attribute {key}: {value}", "text")
    for question in scene.questions:
        ledger.add("whole_image_text", f"question {question.text!r}", "text")
