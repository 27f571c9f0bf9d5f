"""BigEarthNet's class names: the 43 of CORINE Land Cover, level 3, and the 19 that its authors made of them.

Nomenclature: Sumbul et al., "BigEarthNet-MM" (2021), table 1, and the authors' ``label_indices.json``
(https://git.tu-berlin.de/rsim/BigEarthNet-S2_19-classes_models). Eleven of the 43 have no place among the 19.
"""

from __future__ import annotations

_AGRICULTURE = "land principally occupied by agriculture, with significant areas of natural vegetation"

NINETEEN: dict[str, tuple[str, ...]] = {
    "urban fabric": ("continuous urban fabric", "discontinuous urban fabric"),
    "industrial or commercial units": ("industrial or commercial units",),
    "arable land": ("non-irrigated arable land", "permanently irrigated land", "rice fields"),
    "permanent crops": (
        "vineyards",
        "fruit trees and berry plantations",
        "olive groves",
        "annual crops associated with permanent crops",
    ),
    "pastures": ("pastures",),
    "complex cultivation patterns": ("complex cultivation patterns",),
    _AGRICULTURE: (_AGRICULTURE,),
    "agro-forestry areas": ("agro-forestry areas",),
    "broad-leaved forest": ("broad-leaved forest",),
    "coniferous forest": ("coniferous forest",),
    "mixed forest": ("mixed forest",),
    "natural grassland and sparsely vegetated areas": ("natural grassland", "sparsely vegetated areas"),
    "moors, heathland and sclerophyllous vegetation": ("moors and heathland", "sclerophyllous vegetation"),
    "transitional woodland, shrub": ("transitional woodland/shrub",),
    "beaches, dunes, sands": ("beaches, dunes, sands",),
    "inland wetlands": ("inland marshes", "peatbogs"),
    "coastal wetlands": ("salt marshes", "salines"),
    "inland waters": ("water courses", "water bodies"),
    "marine waters": ("coastal lagoons", "estuaries", "sea and ocean"),
}
DROPPED = (
    "road and rail networks and associated land",
    "port areas",
    "airports",
    "mineral extraction sites",
    "dump sites",
    "construction sites",
    "green urban areas",
    "sport and leisure facilities",
    "bare rock",
    "burnt areas",
    "intertidal flats",
)
FORTY_THREE: dict[str, str | None] = {
    **{old: new for new, olds in NINETEEN.items() for old in olds},
    **dict.fromkeys(DROPPED),
}


def labels_of(names: list[str], classes: int) -> tuple[str, ...]:
    """Turn an image's labels into the nomenclature asked for, each once, in lower case.

    Args:
        names: labels of either nomenclature, as the metadata spells them.
        classes: 43 keeps the 43; 19 maps them, and drops those that have no place there.

    Raises:
        ValueError: for a name that neither nomenclature has, or one of the 19 where 43 are asked for.
    """
    out: dict[str, None] = {}
    for name in names:
        label = " ".join(name.lower().split())
        if classes == 43:
            if label not in FORTY_THREE:
                raise ValueError(f"{name!r} is none of the 43 classes")
            out[label] = None
        elif label in NINETEEN:
            out[label] = None
        elif label not in FORTY_THREE:
            raise ValueError(f"{name!r} is none of the 43 or 19 classes")
        elif (new := FORTY_THREE[label]) is not None:
            out[new] = None
    return tuple(out)
