"""No file a stranger wrote makes a build crash or hang, and nothing is lost without a word.

Every shipped recipe's fixture is spoilt file by file; a build then ends well, or with a message that names the file.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from geovec_data.build.ledger import CODES
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, GeoVecError
from geovec_data.recipe.files import recipe_names
from geovec_data.render import decode_image
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
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


HOW = st.sampled_from(["flip", "cut", "double", "insert"])
MUTATIONS = st.lists(st.tuples(st.floats(0, 1), HOW, st.binary(max_size=6)))


def mutated(data: bytes, steps: list[tuple[float, str, bytes]]) -> bytes:
    """Spoil bytes at places that hypothesis draws: overwrite, cut out, repeat, insert."""
    for where, how, what in steps:
        at = int(where * len(data))
        match how:
            case "flip":
                data = data[:at] + what + data[at + len(what) :]
            case "cut":
                data = data[:at] + data[at + 1 + 7 * len(what) :]
            case "double":
                data = data[:at] + data[max(0, at - 40) : at] + data[at:]
            case _:
                data = data[:at] + what + data[at:]
    return data


@pytest.mark.slow
@pytest.mark.timeout(10 * LIMIT_S)
@pytest.mark.parametrize("recipe", recipe_names())
@settings(
    max_examples=6, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@given(data=st.data())
def test_no_mutation_of_a_file_crashes_a_build(recipe: str, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "corpus"
        source = corpora.write(recipe, root)
        path = data.draw(st.sampled_from(sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())))
        path.write_bytes(mutated(path.read_bytes(), data.draw(MUTATIONS)))
        try:
            dataset = built(recipe, source, Path(folder) / "out")
        except GeoVecError as error:
            assert str(error).strip()
            return
        sound(dataset)
