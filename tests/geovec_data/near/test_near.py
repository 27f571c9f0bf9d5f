"""Near-duplicates among generated photographs; real chips are in `test_real_chips`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from geovec_data.near.look import COMPARED, FRAMES, coefficients, frame_hashes, turned
from geovec_data.near.pairs import near_pairs
from geovec_data.near.search import LEFT, RIGHT, candidates
from geovec_data.near.windows import MOST, STEP, index, operator, operators
from geovec_data.phash import SIDE, thumbnail
from tests.fixtures.photo import photo

COPIES = 60


def pictures(count: int, side: int = 160, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(photo(rng, side, side)) for _ in range(count)]


def thumbs(images: list[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([np.frombuffer(thumbnail(i.convert("L")), np.uint8) for i in images])


def reencoded(image: Image.Image, quality: int = 60) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def found(originals: list[Image.Image], copies: list[Image.Image]) -> set[tuple[int, int]]:
    """Pairs (original, copy) between two sides."""
    sides = np.repeat(np.array([LEFT, RIGHT], np.uint8), [len(originals), len(copies)])
    pairs = near_pairs(np.concatenate([thumbs(originals), thumbs(copies)]), sides)
    return set(zip(pairs.first.tolist(), (pairs.second - len(originals)).tolist(), strict=True))


@pytest.mark.parametrize("how", ["reencoded", "half", *list(Image.Transpose)])
def test_every_whole_copy_is_found_and_nothing_else(how: str | Image.Transpose) -> None:
    originals = pictures(COPIES)
    if how == "reencoded":
        copies = [reencoded(i) for i in originals]
    elif how == "half":
        copies = [i.reduce(2) for i in originals]
    else:
        copies = [reencoded(i.transpose(Image.Transpose(how))) for i in originals]
    assert found(originals, copies) == {(n, n) for n in range(COPIES)}


def test_crops_that_keep_seven_tenths_of_the_area_are_found_in_either_direction() -> None:
    originals = pictures(COPIES)
    rng = np.random.default_rng(5)
    crops = []
    for image in originals:
        width = int(rng.uniform(0.72, 1) * 160)
        height = int(np.ceil(0.7 * 160 * 160 / width))
        x, y = int(rng.integers(160 - width + 1)), int(rng.integers(160 - height + 1))
        crops.append(reencoded(image.crop((x, y, x + width, y + height)), 85))
    right = {(n, n) for n in range(COPIES)}
    for got in (found(originals, crops), {(b, a) for a, b in found(crops, originals)}):
        assert len(got & right) >= 0.95 * COPIES
        assert got <= right


def test_neighbours_that_share_no_ground_are_not_flagged() -> None:
    rng = np.random.default_rng(2)
    scene = Image.fromarray(photo(rng, 1600, 1600))
    chips = [scene.crop((x, y, x + 160, y + 160)) for x in range(0, 1600, 160) for y in range(0, 1600, 160)]
    assert found(chips[::2], chips[1::2]) == set()


def test_flat_images_are_left_out_and_counted() -> None:
    flat = [Image.new("L", (64, 64), 90)] * 3
    assert found(pictures(2) + flat, flat) == set()
    assert near_pairs(thumbs(flat)).flat == 3


def test_the_number_of_threads_and_the_sides_change_nothing_but_what_is_asked() -> None:
    images = pictures(40)
    every = thumbs(images + [reencoded(i) for i in images] + [i.transpose(Image.Transpose.ROTATE_90) for i in images])
    one, two = near_pairs(every), near_pairs(every, threads=3)
    assert one.first.tolist() == two.first.tolist()
    assert one.score.tolist() == two.score.tolist()
    assert len(one.first) == 3 * 40
    sides = np.repeat(np.array([LEFT, RIGHT, 0], np.uint8), 40)
    crossing = near_pairs(every, sides)
    wanted = [(a, b) for a, b in zip(one.first, one.second, strict=True) if sides[a] == LEFT and sides[b] == RIGHT]
    assert list(zip(crossing.first, crossing.second, strict=True)) == wanted
    both = near_pairs(every, np.full(len(every), LEFT | RIGHT, np.uint8))
    assert both.first.tolist() == one.first.tolist()
    assert len(near_pairs(every[:0]).first) == 0


def test_the_search_finds_what_comparing_all_with_all_finds() -> None:
    images = pictures(30)
    every = thumbs(images + [reencoded(i, 30) for i in images]).reshape(-1, SIDE, SIDE)
    coefs = coefficients(every.astype(np.float32))
    hashes = frame_hashes(coefs)
    got = candidates(every, coefs, np.arange(len(every)), 14, 1)
    near = np.argwhere(np.bitwise_count(hashes[0][:, None] ^ hashes[0][None]) <= 4)
    assert {(a, b) for a, b in near.tolist() if a != b} <= set(zip(got.base.tolist(), got.other.tolist(), strict=True))


@given(st.integers(0, FRAMES - 1), st.integers(0, 2**32 - 1))
def test_turning_pixels_turns_coefficients(frame: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (1, SIDE, SIDE)).astype(np.float32)
    there = coefficients(np.ascontiguousarray(turned(pixels, frame, pixels=True)))
    assert np.allclose(there, turned(coefficients(pixels), frame), atol=1e-2)


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_a_window_is_found_at_its_index(start: int, end: int) -> None:
    end = min(end, MOST - start)
    want = operator(start * STEP, 1 - (start + end) * STEP, COMPARED)
    got = operators(COMPARED)[index(np.array([start]), np.array([end]))][0]
    assert np.allclose(got, want, atol=1e-6)
    assert np.isclose(want[0].sum(), 1)
