"""What is let into a dataset: one image and its labels at a time; what is refused leaves a reason behind.

A bad image loses its scene, a bad region only itself, an empty or repeated sentence only itself; each loss is a
`Reject`. A scene that ends without regions or captions is still a scene.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from geovec_data import ids
from geovec_data.build.ledger import Ledger
from geovec_data.build.questions import check_questions
from geovec_data.geometry.clip import visible_part
from geovec_data.phash import hash_of, thumbnail
from geovec_data.records import Region, Reject, Scene
from geovec_data.untrusted import images
from geovec_data.untrusted.unicode import no_unicode


class CheckOptions(BaseModel):
    """Limits of the checks."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    min_visible: float = Field(0.3, ge=0, le=1, description="least share of an object inside the image or chip")
    min_side: float = Field(1.0, ge=0, description="least width and height of a clipped box, pixels")
    max_pixels: int = Field(2**28, ge=1, description="most pixels an image may have")
    max_bytes: int = Field(2**30, ge=1, description="most bytes an image file may have")


def check(scene: Scene, root: Path, options: CheckOptions) -> tuple[Scene | None, list[Reject]]:
    """Verify a scene against its pixels, clip its regions and fill what only the pixels tell.

    Args:
        scene: as read; ``data`` None means that ``root/path`` is read.
        root: the corpus's folder; no path may leave it.
        options: the limits.

    Returns:
        The scene with `data`, `image_id`, `format`, `width`, `height`, `phash` and `thumb` set, every box inside
        the image and every text once; or None. And the rejects: of level ``scene`` exactly when the scene is None.
    """
    ledger = Ledger(scene)
    try:
        if (text := no_unicode(scene)) is not None:
            raise images.BadImage("no_unicode", f"{text!r} is no Unicode text")
        data = images.read_bytes(root, scene.path, options.max_bytes) if scene.data is None else scene.data
        image = images.open_image(data, options.max_pixels)
        width, height = image.size
        if fault := scene_fault(scene, width, height):
            raise images.BadImage(*fault)
        name = images.format_name(image)
        # who encoded the bytes has made the thumbnail of the same pixels, and need not prove that they can be decoded
        thumb = scene.thumb or thumbnail(images.decode_gray(image))
    except images.BadImage as bad:
        ledger.add(bad.code, bad.detail)
        return None, ledger.rejects
    regions = check_regions(scene, width, height, options, ledger)
    captions = check_texts(scene.captions, "caption", ledger) if scene.captions else ()
    questions = check_questions(scene.questions, ledger) if scene.questions else ()
    scene_class = scene.scene_class
    if scene_class is not None and not scene_class.strip():
        ledger.add("empty_text", "the scene class is empty", "text")
        scene_class = None
    checked = replace(
        scene,
        data=data,
        image_id=ids.image_id(data),
        format=name,
        width=width,
        height=height,
        phash=hash_of(thumb),
        thumb=thumb,
        regions=regions,
        captions=captions,
        questions=questions,
        scene_class=scene_class,
    )
    return checked, ledger.rejects


def scene_fault(scene: Scene, width: int, height: int) -> tuple[str, str] | None:
    """Compare a scene's claims with the image's true size and with the Earth; None when they hold.

    Returns:
        The code and the detail of the fault. A wrong position refuses the scene, as labels may follow from it.
    """
    claim = (scene.width, scene.height)
    if (scene.width or width, scene.height or height) != (width, height):
        return "size_mismatch", f"annotation says {claim[0]}×{claim[1]}, the image has {width}×{height} pixels"
    if not _on_earth(scene.lon, scene.lat):
        return "bad_coordinate", f"centre lon {scene.lon}, lat {scene.lat}"
    pairs = zip(scene.footprint[::2], scene.footprint[1::2], strict=True)
    if not all(_on_earth(lon, lat) for lon, lat in pairs):
        return "bad_coordinate", f"footprint {scene.footprint}"
    if scene.transform is not None and not all(map(math.isfinite, scene.transform)):
        return "bad_coordinate", f"transform {scene.transform}"
    return None


def _on_earth(lon: float | None, lat: float | None) -> bool:
    if lon is None or lat is None:
        return lon is lat
    return -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0  # false for NaN


def check_texts(texts: tuple[str, ...], what: str, ledger: Ledger) -> tuple[str, ...]:
    """Drop empty texts and those that repeat an earlier one in all but case, punctuation and blanks."""
    kept: dict[str, str] = {}
    for text in texts:
        words = ids.normalise_text(text)
        if not words:
            ledger.add("empty_text", f"{what} {text!r} has no word", "text")
        elif words in kept:
            ledger.add("duplicate_text", f"{what} {text!r} repeats {kept[words]!r}", "text")
        else:
            kept[words] = text.strip()
    return tuple(kept.values())


def check_regions(scene: Scene, width: int, height: int, options: CheckOptions, ledger: Ledger) -> tuple[Region, ...]:
    """Clip a scene's regions to the image and drop the bad ones, each with its reason.

    Args:
        scene: its regions, in pixels of the image.
        width: true width in pixels.
        height: true height in pixels.
        options: the limits.
        ledger: takes the rejects.

    Returns:
        Regions inside ``(0, 0, width, height)``, `visible` set, no two with the same box and category.
    """
    frame = (0.0, 0.0, float(width), float(height))
    kept: dict[tuple[object, ...], Region] = {}
    for number, region in enumerate(scene.regions):
        where = f"region {number} ({region.category or 'unnamed'})"
        if fault := _region_fault(region):
            ledger.add(fault[0], f"{where}: {fault[1]}", "region")
            continue
        box, share = visible_part(region.box, region.polygon, frame)
        # a polygon tells the share of the whole object; a box may have been cut before, so the shares multiply
        visible = min(region.visible, share) if region.polygon else region.visible * share
        if box is None:
            ledger.add("outside_image", f"{where}: box {region.box} in an image of {width}×{height}", "region")
        elif visible < options.min_visible:
            ledger.add("low_visibility", f"{where}: {visible:.3f} visible, min_visible={options.min_visible}", "region")
        elif min(box[2] - box[0], box[3] - box[1]) < options.min_side:
            ledger.add("too_small", f"{where}: box {box}, min_side={options.min_side}", "region")
        else:
            texts = check_texts(region.expressions, f"{where}: expression", ledger) if region.expressions else ()
            if (box, visible, texts) != (region.box, region.visible, region.expressions):
                region = replace(region, box=box, visible=visible, expressions=texts)
            _keep(kept, region, where, ledger)
    return tuple(kept.values())


def _keep(kept: dict[tuple[object, ...], Region], region: Region, where: str, ledger: Ledger) -> None:
    """Keep a region; of a second one with the same box and category only new expressions survive."""
    key = (region.box, region.category)
    first = kept.setdefault(key, region)
    if first is region:
        return
    known = {ids.normalise_text(t) for t in first.expressions}
    fresh = tuple(t for t in region.expressions if ids.normalise_text(t) not in known)
    if fresh and first.split == region.split:
        kept[key] = replace(first, expressions=first.expressions + fresh)
        fate = "; its expressions went to the first"
    else:
        fate = f"; lost with it: {fresh}" if fresh else ""
    ledger.add("duplicate_region", f"{where}: same box {region.box} and category as an earlier one{fate}", "region")


def _region_fault(region: Region) -> tuple[str, str] | None:
    x0, y0, x1, y1 = region.box
    if region.polygon and (len(region.polygon) < 6 or len(region.polygon) % 2):
        return "bad_annotation", f"polygon of {len(region.polygon)} numbers"
    if not all(map(math.isfinite, (*region.box, *region.polygon, region.visible))):
        return "bad_coordinate", f"box {region.box}" + (f", polygon {region.polygon}" if region.polygon else "")
    if not _on_earth(region.lon, region.lat):
        return "bad_coordinate", f"centre lon {region.lon}, lat {region.lat}"
    if x1 < x0 or y1 < y0:
        return "inverted_box", f"box {region.box}"
    if x1 == x0 or y1 == y0:
        return "empty_box", f"box {region.box}"
    if not region.category.strip():
        return "empty_text", "no category"
    return None
