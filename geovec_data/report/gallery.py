"""Pictures for the report: an image stands in the page once, however many cards show it, and boxes are vectors over it.

A box is drawn in an ``<svg>`` whose viewBox is the source image in pixels, so the numbers in the page are the
numbers in the store: nothing is rescaled by hand.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from markupsafe import Markup
from PIL import Image

from geovec_data.records import Box
from geovec_data.render import decode_image

SIDE = 288  # pixels of the longer side of an embedded picture: sharp at the 180 css px it is shown at
QUALITY = 78


@dataclass(frozen=True, slots=True)
class Mark:
    """One outline over a picture.

    Attributes:
        box: float pixels of the source image, half-open.
        role: ``query``, ``positive``, ``negative`` or ``region``: colour and dash.
        polygon: ring ``x0, y0, x1, y1, …`` drawn finely inside it.
    """

    box: Box
    role: str
    polygon: tuple[float, ...] = ()


@dataclass
class Pictures:
    """The pictures of one page.

    Attributes:
        load: encoded bytes of an image id.
        limit: most bytes of pictures that the page may hold.
        held: image id → data URI, size of the source.
    """

    load: Callable[[str], bytes]
    limit: int = 5_000_000
    held: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    used: int = 0

    def show(self, image: str, label: str, marks: Iterable[Mark] = ()) -> Markup:
        """Return an ``<svg>`` of an image with marks over it.

        Args:
            image: image id.
            label: what a screen reader says.
            marks: outlines, in source pixels.
        """
        if image not in self.held:
            try:
                uri, width, height = thumbnail(self.load(image), SIDE if self.used < self.limit * 0.7 else SIDE // 2)
            except (OSError, Image.DecompressionBombError) as error:
                return Markup('<p class="absent">picture {} cannot be read: {}</p>').format(image, error)
            if self.used + len(uri) > self.limit:
                return Markup('<p class="absent">picture left out: the page is full</p>')
            self.held[image] = (uri, width, height)
            self.used += len(uri)
        _, width, height = self.held[image]
        return Markup(
            '<svg class="pic" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">'
            '<use href="#i{image}"/>{marks}</svg>'
        ).format(w=width, h=height, label=label, image=image, marks=Markup("").join(outline(m) for m in marks))

    def definitions(self) -> Markup:
        """Return the hidden ``<svg>`` that holds every picture once."""
        held = (
            Markup('<image id="i{i}" width="{w}" height="{h}" preserveAspectRatio="none" href="{uri}"/>').format(
                i=image, w=w, h=h, uri=uri
            )
            for image, (uri, w, h) in self.held.items()
        )
        return Markup('<svg class="store" width="0" height="0" aria-hidden="true"><defs>{}</defs></svg>').format(
            Markup("\n").join(held)
        )


def thumbnail(data: bytes, side: int) -> tuple[str, int, int]:
    """Reduce an encoded image.

    Args:
        data: encoded bytes.
        side: most pixels of the longer side.

    Returns:
        A WebP data URI, and width and height of the *source* in pixels.
    """
    with Image.open(io.BytesIO(data)) as source:
        width, height = source.size
    picture = decode_image(data, side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode(), width, height


def outline(mark: Mark) -> Markup:
    """Return the shapes of a mark: a dark halo under a bright line, so that it reads on any ground."""
    x0, y0, x1, y1 = mark.box
    shape = Markup('<rect x="{x}" y="{y}" width="{w}" height="{h}" class="{c}"/>')
    numbers = {"x": number(x0), "y": number(y0), "w": number(x1 - x0), "h": number(y1 - y0)}
    out = shape.format(**numbers, c="halo") + shape.format(**numbers, c=f"mark {mark.role}")
    if mark.polygon:
        points = " ".join(
            f"{number(x)},{number(y)}" for x, y in zip(mark.polygon[::2], mark.polygon[1::2], strict=True)
        )
        out += Markup('<polygon points="{p}" class="ring {c}"/>').format(p=points, c=mark.role)
    return out


def number(value: float) -> str:
    """Write a number for SVG with at most three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
