"""Room for the arrays of one thread's chunks, used again by the next: asked of the system each time they cost more."""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

from geovec_data.near.windows import Floats


class _Space(threading.local):
    """One array of numbers and one of truth values, as large as the largest that was asked for."""

    def __init__(self) -> None:
        self._floats, self._flags = np.empty(0, np.float32), np.empty(0, np.bool_)

    def floats(self, shape: tuple[int, ...]) -> Floats:
        """Return an array of no particular content, which holds until the next is asked for."""
        if self._floats.size < (size := math.prod(shape)):
            self._floats = np.empty(size, np.float32)
        return self._floats[:size].reshape(shape)

    def flags(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Do the same for truth values."""
        if self._flags.size < (size := math.prod(shape)):
            self._flags = np.empty(size, np.bool_)
        return self._flags[:size].reshape(shape)


SPACE = _Space()
