"""The thumbnails that units leave in staging, for who compares looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geovec_data.phash import SIDE
from geovec_data.store.staging import mapped


def thumbnails(files: Sequence[Path], images: list[str]) -> NDArray[np.uint8]:
    """Read the thumbnails of images, (images, SIDE²), in their order; without DuckDB, which would copy them twice."""
    place = {image: n for n, image in enumerate(images)}
    out = np.zeros((len(images), SIDE * SIDE), dtype=np.uint8)
    for file in files:
        for batch in mapped(file).to_batches():
            _, offsets, pixels = batch.column("thumb").buffers()
            first = int(np.frombuffer(offsets, dtype=np.int32)[batch.column("thumb").offset])
            seen = np.frombuffer(pixels, dtype=np.uint8)[first : first + batch.num_rows * SIDE * SIDE]
            rows = np.array([place.get(image, -1) for image in batch.column("image").to_pylist()], dtype=np.int64)
            out[rows[rows >= 0]] = seen.reshape(-1, SIDE * SIDE)[rows >= 0]
    return out
