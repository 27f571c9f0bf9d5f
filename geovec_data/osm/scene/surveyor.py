"""Looks an image up on the map: its regions, what else it shows, how complete the map is there, where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from geovec_data.osm.completeness import Completeness
from geovec_data.osm.labels.coverage import Coverage, footprint_of
from geovec_data.osm.labels.feature import Feature
from geovec_data.osm.places import LEVELS, place_of
from geovec_data.osm.scene.regions import RegionOptions, survey_of
from geovec_data.osm.survey import Survey
from geovec_data.rasters.georef import Placement

Loss = tuple[str, str]  # code and detail of a reject


class Surveyor:
    """Surveys images, one after the other, against one map.

    Args:
        index: the `LabelIndex`.
        coverage: the area that the labels cover.
        options: what becomes a region.
        level: completeness from which absence and number are believed.
    """

    def __init__(self, index: Any, coverage: Coverage, options: RegionOptions, level: float) -> None:
        self._options = options
        self._level = level
        covered = coverage.stated.union(coverage.hull)
        self._completeness = Completeness(index.query, covered, options.keys)

    def look(
        self, features: Iterable[Feature], placement: Placement, seen: Any = None
    ) -> tuple[dict[str, Any], list[Loss]]:
        """Return the fields of the image's scene that come from the map, and what was left out.

        Args:
            features: those whose bounds touch the image.
            placement: where the image lies.
            seen: shapely area, in pixels, of the image that holds data; None: all of it.
        """
        features = list(features)
        found = survey_of(features, placement, self._options, seen)
        around = self._completeness.around(footprint_of(placement))
        survey = Survey(
            things=tuple(found.things),
            width=placement.width,
            height=placement.height,
            gsd=placement.gsd(),
            complete=around.share,
            density=around.density,
            level=self._level,
        )
        fields = {
            "regions": tuple(found.regions),
            "survey": survey,
            "places": places_at(features, placement),
        }
        losses = [("unknown_tag", f"{name}: {tag}") for name, tag in found.unknown]
        losses += [("below_gsd", f"{name}: {what} at {survey.gsd:.2f} m") for name, what in found.blurred]
        return fields, losses


def places_at(features: Iterable[Feature], placement: Placement) -> tuple[tuple[str, str], ...]:
    """Return the (level, name) of the named areas that hold the image's centre, the widest level first."""
    import shapely

    center = shapely.Point(*placement.center())
    named = {
        place
        for f in features
        if f.form == "area" and f.geometry is not None and (place := place_of(f.tags)) and f.geometry.covers(center)
    }
    return tuple(sorted(named, key=lambda place: (LEVELS.index(place[0]), place[1])))
