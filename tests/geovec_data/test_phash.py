from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from geovec_data.phash import distance, phash
from tests.fixtures.photo import photo


def picture(seed: int, side: int = 256) -> Image.Image:
    return Image.fromarray(photo(np.random.default_rng(seed), side, side)).convert("L")


def reference(gray: Image.Image) -> str:
    """The definition, written out: DCT-II sums of cosines, bits above the median of the 8×8 lowest frequencies."""
    x = np.asarray(gray.resize((32, 32), Image.Resampling.BILINEAR)).astype(float)
    n = np.arange(32)
    low = np.array(
        [
            [
                (x * np.cos(np.pi * u * (2 * n[:, None] + 1) / 64) * np.cos(np.pi * v * (2 * n + 1) / 64)).sum()
                for v in range(8)
            ]
            for u in range(8)
        ]
    )
    bits = (low > np.median(low)).ravel()
    return f"{int(''.join('1' if b else '0' for b in bits), 2):016x}"


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_textbook_definition(seed: int) -> None:
    assert phash(picture(seed)) == reference(picture(seed))


def test_a_recompressed_and_shrunken_copy_is_near_and_another_picture_far() -> None:
    hashes = []
    for seed in range(12):
        image = picture(seed)
        buffer = io.BytesIO()
        image.resize((200, 200)).save(buffer, "JPEG", quality=60)
        assert distance(phash(image), phash(Image.open(buffer))) <= 6
        hashes.append(phash(image))
    far = [distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(far) > 10
    assert 26 < np.mean(far) < 38


def test_flat_images_of_any_shade_share_one_hash() -> None:
    # without exact sums the rounding noise of the DCT would decide 63 bits
    assert {phash(Image.new("L", (40, 30), shade)) for shade in (1, 77, 128, 255)} == {"8000000000000000"}
    assert phash(Image.new("L", (40, 30), 0)) == "0" * 16
