"""No content of an annotation file makes a region reader raise: every record is a scene or a reject."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.build.ledger import CODES
from geovec_data.errors import UserError
from geovec_data.records import Scene
from tests.fixtures.corpora.geochat_instruct import talk
from tests.fixtures.reading import make

WORDS = ["1", "0", "-3.5", "nan", "1e999", "9" * 5000, "ship", "(1,2),(3,4),1", "٣", ""]
LINES = st.lists(st.lists(st.sampled_from(WORDS)).map(" ".join), max_size=6).map("\n".join)
XML = st.lists(
    st.sampled_from(
        ["<object>", "</object>", "<points>", "</points>", "<point>1,2</point>", "<point>1</point>", "<point/>",
         "<point>1e999,nan</point>", "<possibleresult><name>A220</name></possibleresult>", "\0", "&x;"]
    )
).map(lambda parts: f"<annotation><objects>{''.join(parts)}</objects></annotation>")  # fmt: skip
ODD = st.one_of(
    st.sampled_from([None, True, -1, 0, 7, 10**400, 1.5, float("nan"), float("inf"), [], {}, [[]], [{}], "\0"]),
    st.sampled_from(["", "a.png", "../a.png", "1,2,3,4", "human", "gpt", "{<1><2><3><4>|<5>}", "<p>ship</p>", "!"]),
    st.sampled_from(["{<" + "9" * 400 + "><2><3><4>}", "test", [1, 2, 3, 4], [10**400] * 8, ["x"], {"size": [2, 2]}]),
)
RLE = {"size": [10, 20], "counts": [31, 2, 167]}
REFS = [{"ann_id": 2, "split": "train", "sentences": [{"raw": "the ship"}, {"sent": "it"}]}]
COCO = {
    "images": [{"id": 5, "file_name": "a.png", "width": 20, "height": 10}],
    "categories": [{"id": 1, "name": "ship", "supercategory": "vessel"}],
    "annotations": [
        {"id": 2, "image_id": 5, "category_id": 1, "bbox": [1, 1, 3, 3], "segmentation": [[1, 1, 4, 1, 4, 4]]},
        {"id": 3, "image_id": 5, "categories_id": 1, "category_id": 1, "segmentation": [RLE], "iscrowd": 1},
    ],
}
DOCUMENTS: dict[str, tuple[str, Any]] = {
    "vrsbench": (
        "Annotations_train/a.json",
        {
            "caption": "x", "qa_pairs": [{"question": "x?", "answer": "y", "type": "z"}],
            "objects": [{"obj_cls": "ship", "obj_corner": [0.1, 0.1, 0.5, 0.1, 0.5, 0.5, 0.1, 0.5],
                         "referring_sentence": "x"},
                        {"obj_cls": "ship", "obj_coord": [0.1, 0.1, 0.5, 0.5]}],
        },
    ),
    "conversation_json": (
        "GeoChat_Instruct.json",
        [talk("a.png", "[refer] where is <p>the ship</p>?", "{<1><2><30><40>|<9>}", "Is it?", "Yes"),
         talk("a.png", "[grounding] Describe", "<p>a ship</p> {<1><2><30><40>|<9>}<delim>{<5><6><7><8>} there")],
    ),
    "xview_geojson": (
        "xView_train.geojson",
        {"features": [{"properties": {"image_id": "a.png", "bounds_imcoords": "1,1,4,4", "type_id": 73}}]},
    ),
    "coco_json": ("instances.json", COCO),
    "refcoco": ("x/refs.json", REFS),
}  # fmt: skip
ONE_FOLDER = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def nodes(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all nodes of a JSON tree, the root's first."""
    yield path
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from nodes(tree[key], (*path, key))


@st.composite
def spoiled(draw: st.DrawFn, tree: Any) -> Any:
    """A document of which one or two nodes are replaced by something odd."""
    out = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(nodes(out))))
        if not path:
            return draw(ODD)
        holder = out
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = copy.deepcopy(draw(ODD))
    return out


def survive(reader: str, root: Path, **options: Any) -> None:
    """Read all entries and check every scene."""
    if not (root / "a.png").exists():
        Image.new("RGB", (20, 10)).save(root / "a.png")
    made = make(reader, root, images=["."], **options)
    try:
        entries = list(made.entries())
    except UserError as told:
        assert str(root) in str(told)
        return
    for entry in entries:
        json.dumps(entry.payload)  # a payload is part of the fingerprint
        for out in made.read(entry):
            rejects = check(out, root, CheckOptions())[1] if isinstance(out, Scene) else [out]
            assert {r.code for r in rejects} <= CODES.keys()


def put(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("reader", "file"),
    [("dota_txt", "labelTxt/a.txt"), ("yolo_txt", "labels/a.txt"), ("nwpu_txt", "ground truth/a.txt")],
)
@ONE_FOLDER
@given(text=LINES)
def test_lines_of_any_words(reader: str, file: str, text: str, tmp_path: Path) -> None:
    put(tmp_path, "classes.names", "car\nship\n")
    put(tmp_path, file, text)
    survive(reader, tmp_path)


@ONE_FOLDER
@given(text=XML)
def test_fair1m_elements_in_any_order(text: str, tmp_path: Path) -> None:
    put(tmp_path, "labelXml/a.xml", text)
    survive("fair1m_xml", tmp_path)


@pytest.mark.parametrize("reader", DOCUMENTS)
@ONE_FOLDER
@given(data=st.data())
def test_documents_with_odd_values_anywhere(reader: str, data: st.DataObject, tmp_path: Path) -> None:
    file, tree = DOCUMENTS[reader]
    options = {}
    if reader == "refcoco":
        options = {"refs": file}
        put(tmp_path, "x/instances.json", json.dumps(data.draw(spoiled(COCO))))
    put(tmp_path, file, json.dumps(data.draw(spoiled(tree))))
    survive(reader, tmp_path, **options)


@pytest.mark.parametrize("reader", DOCUMENTS)
def test_the_documents_are_good_before_they_are_spoiled(reader: str, tmp_path: Path) -> None:
    file, tree = DOCUMENTS[reader]
    put(tmp_path, "x/instances.json", json.dumps(COCO))
    put(tmp_path, file, json.dumps(tree))
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    made = make(reader, tmp_path, images=["."], **({"refs": file} if reader == "refcoco" else {}))
    (scene,) = [out for entry in made.entries() for out in made.read(entry)]
    assert scene.regions
