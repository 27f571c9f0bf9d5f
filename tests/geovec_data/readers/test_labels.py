from __future__ import annotations

from geovec_data.readers._labels import LabelOptions, Labels, words


def test_labels_are_words_with_broader_categories_nearest_first() -> None:
    options = LabelOptions(
        names={"plane": "airplane", "Dead": {"category": "tree", "attributes": {"status": "dead"}}},  # type: ignore[dict-item]
        parents={"vehicle": ("truck", "car"), "truck": ("dump-truck",), "loop": ("a",), "a": ("loop",)},
    )
    labels = Labels(options)
    assert words(" Expressway-Service_area ") == "expressway service area"
    assert labels("Dump-Truck")["ancestors"] == ("truck", "vehicle")
    assert labels("plane") == {"category": "airplane", "ancestors": (), "attributes": ()}
    assert labels("dead")["attributes"] == (("status", "dead"),)
    assert labels("dead", difficult=True)["attributes"] == (("difficult", "yes"), ("status", "dead"))
    assert labels("a")["ancestors"] == ("loop",)  # a circle of a user's recipe ends
