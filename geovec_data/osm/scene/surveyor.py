"""Looks an image up on the map: its regions, what else it shows, how complete the map is there, where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from geovec_data.compositions.mapped import STATED
from geovec_data.osm.completeness import Completeness
from geovec_data.osm.labels.coverage import Coverage, footprint_of
from geovec_data.osm.labels.feature import Feature
from geovec_data.osm.places import LEVELS, place_of
from geovec_data.osm.scene.regions import RegionOptions, survey_of
from geovec_data.osm.stated import nouns_of
from geovec_data.osm.survey import Survey, Thing
from geovec_data.rasters.georef import Placement

Loss = tuple[str, str]  # code and detail of a reject


class Surveyor:
    """Surveys images, one after the other, against one map.

    Args:
        index: the `LabelIndex`.
        coverage: the area that the labels cover.
        options: what becomes a region.
        level: completeness from which absence and number are believed.
        complete: tag keys that the user states to be mapped completely.
    """

    def __init__(
        self, index: Any, coverage: Coverage, options: RegionOptions, level: float, complete: tuple[str, ...] = ()
    ) -> None:
        self._options = options
        self._level = level
        self._coverage = coverage
        self._complete = complete
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
        stated = self._stated(features, placement)
        survey = Survey(
            things=tuple(found.things),
            width=placement.width,
            height=placement.height,
            gsd=placement.gsd(),
            complete=around.share,
            density=around.density,
            level=self._level,
            stated=nouns_of(stated) & self._spoken_of(stated, found.things, around.found),
        )
        fields = {
            "regions": tuple(found.regions),
            "survey": survey,
            "places": places_at(features, placement),
            "attributes": tuple((STATED, key) for key in stated),
        }
        losses = [("unknown_tag", f"{name}: {tag}") for name, tag in found.unknown]
        losses += [("below_gsd", f"{name}: {what} at {survey.gsd:.2f} m") for name, what in found.blurred]
        return fields, losses

    @staticmethod
    def _spoken_of(stated: tuple[str, ...], things: list[Thing], around: frozenset[str]) -> frozenset[str]:
        """The nouns that a statement is of use for: of what is here or around, and of the key itself.

        Otherwise it would be denied of every image that it shows any of what is nowhere near.
        """
        return around.union(stated, *(t.entry.label for t in things))

    def _stated(self, features: list[Feature], placement: Placement) -> tuple[str, ...]:
        """The keys whose completeness the user's statement vouches for in an image.

        None where the image reaches over the labels' edge; not that of a feature whose geometry is lost.
        """
        if not self._complete or not self._coverage.holds(placement):
            return ()
        lost = {key for f in features if f.fault for key in f.tags}
        return tuple(key for key in sorted(set(self._complete)) if key not in lost)


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
