"""No file a stranger wrote makes a build crash or hang, and nothing is lost without a word.

Every shipped recipe's fixture is spoilt file by file; a build then ends well, or with a message that names the file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.checks import CODES
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, GeoVecError
from geovec_data.recipe import recipe_names
from geovec_data.render import decode_image
from geovec_data.verify import VerifyConfig
from geovec_data.verify import run as verify
from tests.fixtures import corpora
from tests.fixtures.dataset import build
from tests.recipes.hostile import ANNOTATIONS, BROKEN_IMAGES, ODD_IMAGES, annotations_of, images_of

LIMIT_S = 60  # of one test; a parser that hangs would take for ever


def built(recipe: str, source: list[str], out: Path) -> Dataset:
    return build(f"recipe={recipe}", *source, f"out={out}", "workers=1", "units=2", "checks.max_reject_fraction=1")


def sound(dataset: Dataset) -> None:
    """What came in is whole: references hold, reasons are known, every picture decodes."""
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    for reject in dataset.read("rejects").to_pylist():
        assert reject["code"] in CODES
        assert reject["detail"].strip()
    for image in dataset.read("images", ["id"]).column("id").to_pylist():
        assert decode_image(dataset.images.get(image)).mode == "RGB"


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("recipe", recipe_names())
def test_images_gone_wrong_are_refused_one_by_one_and_odd_ones_are_taken(recipe: str, tmp_path: Path) -> None:
    source = corpora.write(recipe, tmp_path / "corpus")
    images = images_of(tmp_path / "corpus")
    if not images:
        pytest.skip(f"the images of {recipe} lie inside its tables or archives")
    ways = {**BROKEN_IMAGES, **ODD_IMAGES}
    for path, spoil in zip(images, ways.values(), strict=False):
        spoil(path)
    try:
        dataset = built(recipe, source, tmp_path / "out")
    except GeoVecError as error:
        assert str(error).strip()  # fixtures with fewer images than ways can end without a single good one
        return
    sound(dataset)


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("way", ANNOTATIONS)
@pytest.mark.parametrize("recipe", recipe_names())
def test_annotations_gone_wrong_are_refused_or_told(recipe: str, way: str, tmp_path: Path) -> None:
    source = corpora.write(recipe, tmp_path / "corpus")
    files = annotations_of(tmp_path / "corpus")
    if not files:
        pytest.skip(f"{recipe} has no annotation files")
    spoilt = files[:: max(1, len(files) // 3)]  # of many files a few, of few all
    for path in spoilt:
        ANNOTATIONS[way](path)
    try:
        dataset = built(recipe, source, tmp_path / "out")
    except GeoVecError as error:
        refused = isinstance(error, DataFault) and str(tmp_path / "out" / "rejects") in str(error)
        named = [p.name for p in spoilt] + [str(tmp_path / "corpus")]
        assert refused or any(name in str(error) for name in named), error
        return
    sound(dataset)
