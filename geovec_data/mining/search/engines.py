"""Who multiplies and selects: the CPU's cores, each alone, or an accelerator that keeps tiles while they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from geovec_data.errors import ResourceFault
from geovec_data.mining.search.corpus import Corpus, Floats
from geovec_data.mining.search.form import Form
from geovec_data.progress import say

if TYPE_CHECKING:
    import torch

TILE_BYTES = 64 << 20  # of corpus vectors
SCORE_BYTES = 32 << 20  # of one tile of scores; every CPU thread has one
_FREE = 8  # an accelerator's tiles, of vectors and of scores, may each have this part of its free memory
_MOST = 2 << 30
_LEAST = 64  # vectors of the smallest tile that is tried when memory runs out

_CORES = Lock()  # a search takes all cores, and sets torch's threads
Work = Callable[[slice], None]


class Engine(Protocol):
    """Multiplies parts of the queries by a tile of the corpus."""

    tile_bytes: int
    score_bytes: int

    def queries(self, vectors: Floats) -> Any:
        """Bring the queries of one search to where they are multiplied."""
        ...

    def tile(self, corpus: Corpus, start: int, k: int) -> tuple[Any, int]:
        """Return the tile of the corpus that begins at `start`, and its end; it has at least k vectors, or all."""
        ...

    def product(self, part: Any, tile: Any) -> torch.Tensor:
        """Return the scores, shape (len(part), vectors of the tile)."""
        ...

    def each(self, work: Work, count: int, high: int) -> None:
        """Do the work for every row of `count`, about `high` rows at a time."""
        ...


class Cpu:
    """The CPU: parts are shared among threads that work alone, without a barrier after every step.

    Numpy's BLAS multiplies 32-bit numbers: on the processors measured it is up to a third faster than torch's.
    """

    def __init__(self, form: Form, tile_bytes: int | None = None, score_bytes: int | None = None) -> None:
        self.tile_bytes, self.score_bytes = tile_bytes or TILE_BYTES, score_bytes or SCORE_BYTES
        self._form = form

    def queries(self, vectors: Floats) -> Any:
        """See `Engine.queries`."""
        return self._form.cut(vectors) if self._form.precision == "fp32" else self._form.tensor(vectors, query=True)

    def tile(self, corpus: Corpus, start: int, k: int) -> tuple[Any, int]:
        """See `Engine.tile`."""
        stop = min(len(corpus), start + max(k, self.tile_bytes // (4 * corpus.dimension)))
        tile = corpus.tile(start, stop)
        return (self._form.cut(tile) if self._form.precision == "fp32" else self._form.tensor(tile, query=False)), stop

    def product(self, part: Any, tile: Any) -> torch.Tensor:
        """See `Engine.product`."""
        import torch

        if self._form.precision == "fp32":
            return torch.from_numpy(part @ tile.T)
        if self._form.precision == "int8":
            if _has_int8():
                return torch._int_mm(part, tile.T).float()
            return torch.from_numpy(part.numpy().astype(np.float32) @ tile.numpy().astype(np.float32).T)
        out: torch.Tensor = (part @ tile.T).float()
        return out

    def each(self, work: Work, count: int, high: int) -> None:
        """See `Engine.each`."""
        import torch

        def alone(top: int) -> None:
            with torch.inference_mode():
                work(slice(top, min(count, top + high)))

        with _CORES, _single_threads() as pool:
            list(pool.map(alone, range(0, count, high)))


@cache
def _has_int8() -> bool:
    """Tell whether the CPU multiplies int8 (VNNI): without, 32-bit numbers are faster."""
    import torch

    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return hasattr(torch, "_int_mm") and bool(known.get("avx512_vnni") or known.get("amx_int8"))


@contextmanager
def _single_threads() -> Iterator[ThreadPoolExecutor]:
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

    threads = torch.get_num_threads()
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool
    torch.set_num_threads(threads)  # what the workers set is what threads made later would start with


class Accelerator:
    """A GPU: tiles stay in its memory from one block of queries to the next, as many as fit.

    When memory runs out, what is kept is given up and the tile halved, which is said.

    Args:
        device: torch device.
        form: how vectors are compared.
        tile_bytes: of a tile of corpus vectors; None: by the free memory.
        score_bytes: of a tile of scores; None: by the free memory.
    """

    def __init__(self, device: str, form: Form, tile_bytes: int | None = None, score_bytes: int | None = None) -> None:
        self._device, self._form = device, form
        self._room = _free_memory(device)
        share = min(_MOST, self._room // _FREE)
        self.tile_bytes, self.score_bytes = tile_bytes or share, score_bytes or share
        self._kept: dict[tuple[int, int], torch.Tensor] = {}
        self._high: int | None = None

    def queries(self, vectors: Floats) -> Any:
        """See `Engine.queries`."""
        return self._form.tensor(vectors, query=True).to(self._device)

    def tile(self, corpus: Corpus, start: int, k: int) -> tuple[Any, int]:
        """See `Engine.tile`."""
        import torch

        while True:
            wide = self.tile_bytes // (4 * corpus.dimension)
            stop = min(len(corpus), start + max(k, wide))
            if (start, stop) in self._kept:
                return self._kept[start, stop], stop
            try:
                there = self._form.tensor(corpus.tile(start, stop), query=False).to(self._device)
            except torch.OutOfMemoryError:
                if wide < 2 * max(k, _LEAST):
                    raise ResourceFault(self._message("a tile of vectors")) from None
                self.tile_bytes //= 2
                self._shrunk(f"tiles of {wide // 2:,} vectors")
                continue
            held = sum(t.numel() * t.element_size() for t in (*self._kept.values(), there))
            if held < self._room // 3:  # the exact search of what is unsure keeps as much
                self._kept[start, stop] = there
            return there, stop

    def product(self, part: Any, tile: Any) -> torch.Tensor:
        """See `Engine.product`; int8 is multiplied in 16 bits, for which every GPU has fast units."""
        import torch

        if self._form.precision == "int8":
            part, tile = part.to(torch.float16) / 127, tile.to(torch.float16) / 127
        out: torch.Tensor = part @ tile.T
        return out

    def each(self, work: Work, count: int, high: int) -> None:
        """See `Engine.each`."""
        import torch

        top = 0
        with torch.inference_mode(), _whole_sums():
            while top < count:
                rows = min(high, self._high or high)
                try:
                    work(slice(top, min(count, top + rows)))
                except torch.OutOfMemoryError:
                    if rows == 1:
                        raise ResourceFault(self._message("one query's scores")) from None
                    self._high = rows // 2
                    self._shrunk(f"{self._high:,} queries at a time")
                    continue
                top += rows

    def _shrunk(self, to: str) -> None:
        import torch

        say(f"{self._device} is out of memory: the search goes on with {to}")
        self._kept.clear()
        self._room //= 2  # what else uses the device needs it
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _message(self, what: str) -> str:
        return f"{self._device} has too little memory for {what}; free some of it, or search with device=cpu"


@contextmanager
def _whole_sums() -> Iterator[None]:
    """Let sums of 16-bit products be kept in 32 bits, on which `Form.error` counts."""
    import torch

    matmul = torch.backends.cuda.matmul
    before = matmul.allow_fp16_reduced_precision_reduction, matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_fp16_reduced_precision_reduction = matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        matmul.allow_fp16_reduced_precision_reduction, matmul.allow_bf16_reduced_precision_reduction = before


def _free_memory(device: str) -> int:
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return 4 << 30  # mps shares the computer's memory and does not say


def engine(device: str, form: Form, tile_bytes: int | None = None, score_bytes: int | None = None) -> Engine:
    """Return the engine of a torch device."""
    kind = Cpu(form, tile_bytes, score_bytes) if device == "cpu" else None
    return kind or Accelerator(device, form, tile_bytes, score_bytes)
