"""Whether labels cover an image. Outside of them, nothing drawn does not mean nothing there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.osm.labels.antimeridian import area_of
from geovec_data.osm.labels.feature import Bounds, Feature
from geovec_data.rasters.georef import Placement


@dataclass(frozen=True, slots=True)
class Coverage:
    """The area that labels cover.

    Attributes:
        stated: shapely area (lon, lat) that the user or the files say they cover.
        hull: convex hulls of the features of files that do not say. It cuts the corners of the outermost images,
            as features do not reach into them, so less of an image needs to lie in it.
        least: least share of an image in `stated`.
        least_hull: least share of an image in `stated` and `hull` together.
    """

    stated: Any
    hull: Any
    least: float
    least_hull: float

    @staticmethod
    def of(index: Any, extent: Bounds | None, least: float, least_hull: float) -> Coverage:
        """Take the extents of a `LabelIndex`, or the one that the user gives."""
        import shapely

        if extent is not None:
            return Coverage(area_of(extent), shapely.Polygon(), least, least_hull)
        stated, hull = index.extents()
        return Coverage(stated, hull, least, least_hull)

    def fault(self, placement: Placement, features: Iterable[Feature]) -> str | None:
        """Say why the labels do not cover an image, or None when they do.

        Args:
            placement: where the image lies.
            features: those whose bounds touch it.
        """
        footprint = footprint_of(placement)
        share = footprint.intersection(self.stated).area / footprint.area
        if share >= self.least:
            return None
        if self.hull.is_empty:
            near = _near(self.stated, footprint)
            return f"{share:.0%} of it lies in the labels' extent {near}, min_covered={self.least}"
        if not any(f.geometry is not None and f.geometry.intersects(footprint) for f in features):
            return "no label touches it, and the labels do not state what area they cover (reader.extent can)"
        share = footprint.intersection(self.stated.union(self.hull)).area / footprint.area
        if share < self.least_hull:
            return f"{share:.0%} of it lies in the hull of the labels, min_covered_hull={self.least_hull}"
        return None

    def holds(self, placement: Placement) -> bool:
        """Tell whether an image lies wholly, up to `least`, in what is stated and the hull of the rest."""
        footprint = footprint_of(placement)
        share = footprint.intersection(self.stated.union(self.hull)).area / footprint.area
        return bool(share >= self.least)


def require_overlap(images: Iterable[Placement | str], coverage: Coverage, imagery: Path, labels: Path) -> None:
    """Check that at least one image meets the labels; stops at the first that does.

    Args:
        images: placements, or why an image has none.
        coverage: of the labels.
        imagery: for the message.
        labels: for the message.

    Raises:
        UserError: when no image can be placed, or none meets the labels; names both extents.
    """
    import shapely

    covered = shapely.union_all([coverage.stated, coverage.hull])
    seen, fault = shapely.Polygon(), ""
    for image in images:
        if isinstance(image, str):
            fault = fault or image
            continue
        footprint = footprint_of(image)
        if footprint.intersects(covered):
            return
        seen = shapely.box(*shapely.union_all([seen, footprint]).bounds)
    if seen.is_empty:
        raise UserError(f"source.imagery={imagery}: no image can be used. {fault}")
    raise UserError(
        f"no image of source.imagery={imagery} lies where source.labels={labels} has labels: images"
        f" {_text(seen.bounds)}, labels {_text(covered.bounds)} (west,south,east,north). Labels of another place, or a"
        " wrong reader.crs?"
    )


@lru_cache(maxsize=64)
def footprint_of(placement: Placement) -> Any:
    """Return the footprint as a shapely area (lon, lat) within ±180; in two parts across the antimeridian."""
    import shapely
    from shapely import affinity

    ring = placement.footprint()
    shape = shapely.Polygon([*zip(ring[::2], ring[1::2], strict=True)])
    west, _, east, _ = shape.bounds
    if west >= -180.0 and east <= 180.0:
        return shape
    worlds = [affinity.translate(shape, xoff=by) for by in (-360.0, 0.0, 360.0)]
    return shapely.union_all(shapely.intersection(worlds, shapely.box(-180.0, -90.0, 180.0, 90.0)))


def _near(stated: Any, footprint: Any) -> str:
    """Name the bounds of the stated part that is nearest to an image."""
    import shapely

    parts = shapely.get_parts(stated)
    return _text(min(parts, key=lambda p: float(p.distance(footprint))).bounds) if len(parts) else "(none)"


def _text(bounds: Bounds) -> str:
    return ",".join(f"{v:.4f}" for v in bounds)
