"""In what form vectors are multiplied: all their dimensions in 32 bits, or fewer of either, to be scored again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geovec_data.mining.search.corpus import Floats

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16", "int8"]

_STEPS = 127  # of an int8 on either side of zero
_ROUNDING = {"fp32": 2.0**-24, "bf16": 2.0**-8, "fp16": 2.0**-11}  # largest relative error of one rounding


@dataclass(frozen=True, slots=True)
class Form:
    """How vectors are compared.

    Attributes:
        dims: their first so many dimensions alone, brought back to unit length (of a Matryoshka encoder these say
            most); None: all.
        precision: of the numbers that are multiplied.
        limit: int8: components of corpus vectors beyond it are cut off.
    """

    dims: int | None = None
    precision: Precision = "fp32"
    limit: float = 1.0

    @property
    def rough(self) -> bool:
        """Whether scores in this form must be scored again."""
        return self.dims is not None or self.precision != "fp32"

    @property
    def error(self) -> float | None:
        """How far a score of unit vectors can be from the one in 32 bits; None: unknown.

        Either vector's rounding moves it by at most that share of both lengths (Cauchy-Schwarz), and the sum is
        rounded once more when it is written in the same form.
        """
        if self.dims is not None or self.precision == "int8":
            return None
        return 3.5 * _ROUNDING[self.precision]

    def cut(self, vectors: Floats) -> Floats:
        """Return the dimensions that count, at unit length."""
        if self.dims is None or self.dims >= vectors.shape[1]:
            return vectors
        some = vectors[:, : self.dims]
        # a vector whose first dimensions are all zero is near nothing
        norms = np.maximum(np.linalg.norm(some, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        out: Floats = some / norms
        return out

    def fitted(self, vectors: Floats) -> Form:
        """Return the form with int8's limit taken from some of the corpus."""
        if self.precision != "int8":
            return self
        largest = float(np.abs(self.cut(vectors)).max(initial=0.0))
        return Form(self.dims, self.precision, largest or 1.0)

    def tensor(self, vectors: Floats, *, query: bool) -> torch.Tensor:
        """Bring vectors into the form; a query's int8 has a scale of its own, which moves no rank."""
        import torch

        cut = np.ascontiguousarray(self.cut(vectors))
        if self.precision == "int8":
            limit: Any = np.maximum(np.abs(cut).max(1, keepdims=True), 1e-30) if query else self.limit
            return torch.from_numpy(np.clip(np.rint(cut * (_STEPS / limit)), -_STEPS, _STEPS).astype(np.int8))
        kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        return torch.from_numpy(cut).to(kinds[self.precision])
