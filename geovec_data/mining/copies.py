"""Copies of a model that prepare batches side by side: weights are shared, tokenizers and processors are not.

A tokenizer cannot serve two threads: it keeps its padding and truncation in itself ("Already borrowed").
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Any

from geovec_data.mining.model_folder import first_line
from geovec_data.progress import say


class Copies:
    """Lends a model to one thread at a time, and copies of it to others that ask meanwhile.

    Args:
        model: the model; it is lent first, so that one thread costs no copy.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._free.put(model)
        self._copying = threading.Lock()
        self._copies = True

    @contextmanager
    def one(self) -> Iterator[Any]:
        """Lend a model for the time of the block."""
        try:
            model = self._free.get_nowait()
        except Empty:
            model = self._copy()
        try:
            yield model
        finally:
            self._free.put(model)

    def _copy(self) -> Any:
        with self._copying:
            if self._copies:
                shared = {id(t): t for t in chain(self._model.parameters(), self._model.buffers())}
                try:
                    return copy.deepcopy(self._model, shared)
                except Exception as error:  # whatever a stranger's module says to being copied
                    self._copies = False
                    say(f"the encoder cannot be copied ({first_line(error)}): one thread prepares its batches")
        return self._free.get()
