"""FAIR1M's XML: rotated boxes of fine classes, one file per image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from geovec_data.geometry.clip import bounds
from geovec_data.readers._images import with_position
from geovec_data.readers._paired import Malformed, PairedOptions, PairedReader, floats
from geovec_data.readers.base import Entry
from geovec_data.records import Region, Reject, Scene
from geovec_data.untrusted import safe_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class Fair1mXmlOptions(PairedOptions):
    """Options of the reader `fair1m_xml`."""

    annotations: tuple[str, ...] = Field(
        ("*/*/labelXml/*.xml", "*/*/labelXmls/*.xml", "*/labelXml/*.xml", "*/labelXmls/*.xml", "labelXml/*.xml"),
        description="globs of the XML files",
    )
    images: tuple[str, ...] = Field(
        ("train/part1/images", "train/part2/images", "train/images", "validation/images", "images"),
        description="folders with the images; of several images of one name the one beside the XML is taken",
    )
    georeference: bool = Field(True, description="take the position from the GeoTIFF's tags where it has them")


class Fair1mXml(PairedReader):
    """Reads ``<objects><object><possibleresult><name>`` and ``<points><point>x,y``.

    Format: Sun et al., "FAIR1M: A Benchmark Dataset for Fine-grained Object Recognition in High-Resolution Remote
    Sensing Imagery" (ISPRS 2022) and the files of its competition. A ring has five points, the last is the first
    again. Points are taken as pixels from the image's top left corner, unshifted; the ring becomes the polygon, its
    upright hull the box. The files state no image size that could be checked.
    """

    name = "fair1m_xml"
    layout = """\
<root>/
  train/part1/images/0.tif          train/part2/… and validation/… alike
  train/part1/labelXml/0.xml        <objects><object><possibleresult><name>, <points><point>x,y"""
    Options = Fair1mXmlOptions
    options: Fair1mXmlOptions

    def parse(self, data: bytes, scene: Scene, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one XML file; see `PairedReader.parse`."""
        try:
            tree = safe_xml.parse(data)
        except safe_xml.XmlFault as error:
            raise Malformed(f"not readable as XML: {type(error).__name__}: {error}") from error
        if tree.tag != "annotation" or tree.find("objects") is None:
            raise Malformed(f"root element is <{tree.tag}>, expected <annotation> with <objects>")
        regions: list[Region] = []
        for number, element in enumerate(tree.iterfind("objects/object")):
            try:
                regions.append(self._region(element))
            except Malformed as error:
                yield self.reject(entry, f"object {number}: {error}", "region")
        scene = replace(scene, regions=tuple(regions))
        yield with_position(self.root, scene) if self.options.georeference and scene.path == scene.key else scene

    def _region(self, element: Element) -> Region:
        points = [floats((p.text or "").split(",")) for p in element.iterfind("points/point")]
        if any(len(p) != 2 for p in points):
            raise Malformed("a <point> is not x,y")
        if len(points) > 1 and points[0] == points[-1]:
            points.pop()
        if len(points) < 3:
            raise Malformed(f"{len(points)} different points are no ring")
        ring = tuple(v for p in points for v in p)
        return Region(box=bounds(ring), polygon=ring, **self.labels(element.findtext("possibleresult/name") or ""))
