"""From OSM tags to the category of a region: a small curated table of areas that can be seen from above.

Follows the OpenStreetMap wiki's Map Features. A key's ``*`` entry takes values the table does not name; without
it such values are passed over. Names are nouns that can be counted ("two grass areas"). Keys are tried in the
table's order, so a school building is a school building and not the school grounds around it.
"""

from __future__ import annotations

from collections.abc import Mapping

Label = tuple[str, ...]  # the category, then its ancestors, nearest first

_HOME = ("residential building", "building")
_FARM = ("farm building", "building")
_FAITH = ("place of worship", "building")
_WATER = ("water body",)
_GREEN = ("vegetation",)
_PITCH = ("sports pitch", "sports ground")

TABLE: dict[str, dict[str, Label]] = {
    "building": {
        "*": ("building",),
        "apartments": ("apartment building", *_HOME),
        "barn": ("barn", *_FARM),
        "bungalow": ("house", *_HOME),
        "carport": ("carport", "building"),
        "cathedral": ("cathedral", *_FAITH),
        "chapel": ("chapel", *_FAITH),
        "church": ("church", *_FAITH),
        "college": ("college building", "building"),
        "commercial": ("commercial building", "building"),
        "construction": ("building under construction", "building"),
        "detached": ("house", *_HOME),
        "dormitory": ("dormitory", *_HOME),
        "farm": _FARM,
        "farm_auxiliary": _FARM,
        "fire_station": ("fire station", "building"),
        "garage": ("garage", "building"),
        "garages": ("row of garages", "building"),
        "grandstand": ("grandstand", "building"),
        "greenhouse": ("greenhouse", "building"),
        "hangar": ("hangar", "building"),
        "hospital": ("hospital building", "building"),
        "hotel": ("hotel", "building"),
        "house": ("house", *_HOME),
        "hut": ("hut", "building"),
        "industrial": ("industrial building", "building"),
        "kindergarten": ("kindergarten", "building"),
        "mosque": ("mosque", *_FAITH),
        "office": ("office building", "building"),
        "parking": ("parking garage", "building"),
        "residential": _HOME,
        "retail": ("retail building", "building"),
        "roof": ("roof", "building"),
        "ruins": ("ruined building", "building"),
        "school": ("school building", "building"),
        "semidetached_house": ("house", *_HOME),
        "shed": ("shed", "building"),
        "shrine": ("shrine", *_FAITH),
        "stable": ("stable", *_FARM),
        "stadium": ("stadium", "building"),
        "storage_tank": ("storage tank", "building"),
        "synagogue": ("synagogue", *_FAITH),
        "temple": ("temple", *_FAITH),
        "terrace": ("row of houses", *_HOME),
        "train_station": ("train station", "building"),
        "university": ("university building", "building"),
        "warehouse": ("warehouse", "building"),
    },
    "aeroway": {
        "aerodrome": ("airport",),
        "apron": ("airport apron",),
        "helipad": ("helipad",),
        "runway": ("runway",),
        "taxiway": ("taxiway",),
        "terminal": ("airport terminal", "building"),
    },
    "leisure": {
        "garden": ("garden", *_GREEN),
        "golf_course": ("golf course", "sports ground"),
        "marina": ("marina",),
        "park": ("park",),
        "pitch": _PITCH,
        "playground": ("playground",),
        "sports_centre": ("sports centre", "sports ground"),
        "stadium": ("stadium", "sports ground"),
        "swimming_pool": ("swimming pool",),
        "track": ("running track", "sports ground"),
    },
    "amenity": {
        "bus_station": ("bus station",),
        "college": ("college grounds",),
        "fuel": ("fuel station",),
        "grave_yard": ("cemetery",),
        "hospital": ("hospital grounds",),
        "kindergarten": ("kindergarten grounds",),
        "marketplace": ("marketplace",),
        "parking": ("parking lot",),
        "school": ("school grounds",),
        "university": ("university grounds",),
    },
    "man_made": {
        "breakwater": ("breakwater",),
        "bridge": ("bridge",),
        "pier": ("pier",),
        "silo": ("silo",),
        "storage_tank": ("storage tank",),
        "wastewater_plant": ("wastewater plant",),
        "water_tower": ("water tower",),
        "water_works": ("water treatment plant",),
    },
    "power": {
        "plant": ("power plant",),
        "substation": ("electrical substation",),
    },
    "railway": {
        "platform": ("railway platform",),
    },
    "highway": {
        "footway": ("walkway",),
        "pedestrian": ("pedestrian square",),
        "rest_area": ("rest area",),
        "services": ("service area",),
    },
    "waterway": {
        "dock": ("dock", *_WATER),
        "riverbank": ("river", *_WATER),
    },
    "natural": {
        "bare_rock": ("rock area",),
        "beach": ("beach",),
        "glacier": ("glacier",),
        "grassland": ("grassland area", *_GREEN),
        "heath": ("heath", *_GREEN),
        "sand": ("sand area",),
        "scrub": ("scrub area", *_GREEN),
        "water": _WATER,
        "wetland": ("wetland",),
        "wood": ("forest", *_GREEN),
    },
    "landuse": {
        "allotments": ("allotment garden", *_GREEN),
        "basin": ("basin", *_WATER),
        "cemetery": ("cemetery",),
        "commercial": ("commercial area",),
        "construction": ("construction site",),
        "farmland": ("farm field",),
        "farmyard": ("farmyard",),
        "forest": ("forest", *_GREEN),
        "grass": ("grass area", *_GREEN),
        "industrial": ("industrial area",),
        "landfill": ("landfill",),
        "meadow": ("meadow", *_GREEN),
        "orchard": ("orchard", *_GREEN),
        "quarry": ("quarry",),
        "railway": ("railway yard",),
        "recreation_ground": ("recreation ground",),
        "reservoir": ("reservoir", *_WATER),
        "residential": ("residential area",),
        "retail": ("retail area",),
        "salt_pond": ("salt pond",),
        "vineyard": ("vineyard", *_GREEN),
    },
}

KEYS: tuple[str, ...] = tuple(TABLE)

_SPORT: dict[str, Label] = {
    "american_football": ("american football field", *_PITCH),
    "baseball": ("baseball field", *_PITCH),
    "basketball": ("basketball court", *_PITCH),
    "soccer": ("soccer field", *_PITCH),
    "softball": ("baseball field", *_PITCH),
    "tennis": ("tennis court", *_PITCH),
}
_WATER_KIND = ("lake", "pond", "river", "canal", "reservoir", "basin")
# A building=yes is known better by what is in all of it; small uses (a shop in a tower) say nothing of the building.
_BUILDING_USE: dict[tuple[str, str], str] = {
    ("amenity", "college"): "college",
    ("amenity", "fire_station"): "fire_station",
    ("amenity", "hospital"): "hospital",
    ("amenity", "kindergarten"): "kindergarten",
    ("amenity", "parking"): "parking",
    ("amenity", "school"): "school",
    ("amenity", "university"): "university",
    ("man_made", "storage_tank"): "storage_tank",
    ("tourism", "hotel"): "hotel",
}
# A closed way with one of these is a line (a loop path, a running track's lane) unless it also says area=yes.
_LINE_UNLESS_AREA = {
    ("aeroway", "taxiway"),
    ("highway", "footway"),
    ("highway", "pedestrian"),
    ("leisure", "track"),
    ("man_made", "breakwater"),
    ("man_made", "pier"),
    ("railway", "platform"),
}
_NO = ("no", "")


def label_of(tags: Mapping[str, str], keys: tuple[str, ...], is_way: bool) -> Label | None:
    """Return the category and its ancestors, or None when the table has nothing for these tags.

    Args:
        tags: OSM tags.
        keys: which keys of `TABLE` are wanted.
        is_way: the feature is a closed way, so that line-like values need ``area=yes``.
    """
    if _hidden(tags):
        return None
    for key, values in TABLE.items():
        value = tags.get(key, "no").split(";")[0].strip()
        if key not in keys or value in _NO:
            continue
        if is_way and (key, value) in _LINE_UNLESS_AREA and tags.get("area") != "yes":
            continue
        label = values.get(value) or values.get("*")
        if label is not None:
            return _refined(key, value, label, tags)
    return None


def _refined(key: str, value: str, label: Label, tags: Mapping[str, str]) -> Label:
    if label == ("building",):
        for (k, v), kind in _BUILDING_USE.items():
            if tags.get(k) == v:
                return TABLE["building"][kind]
    if (key, value) == ("leisure", "pitch"):
        return _SPORT.get(tags.get("sport", "").split(";")[0], label)
    if (key, value) == ("natural", "water") and tags.get("water") in _WATER_KIND:
        return (tags["water"], *_WATER)
    return label


def _hidden(tags: Mapping[str, str]) -> bool:
    """Tell whether the feature lies under the ground, where no image shows it."""
    under = tags.get("location") == "underground" or tags.get("parking") == "underground"
    low = tags.get("layer", "").startswith("-") and ("building" in tags or "amenity" in tags)
    return under or low or tags.get("tunnel") == "yes" or tags.get("indoor") == "yes"
