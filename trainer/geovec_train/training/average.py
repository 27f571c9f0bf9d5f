"""A running average of the weights (EMA): what is scored, mined with and saved in the end, where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

FILE = "average.safetensors"


class Average(TrainerCallback):  # type: ignore[misc]
    """Follows the weights of a model; ``decay`` 0 is the weights themselves.

    In the first steps the decay is (1 + step) / (10 + step) where that is less, so that the untrained weights do not
    stay in the average.

    Args:
        model: the model that is trained.
        decay: how much of the average stays at each step, under 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._mean: dict[str, Tensor] = {}
        if decay:
            self._mean = {n: p.detach().clone().float() for n, p in self._trained()}

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((n, p) for n, p in self._model.named_parameters() if p.requires_grad)

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the step's weights in."""
        decay = min(self._decay, (1 + state.global_step) / (10 + state.global_step))
        for name, parameter in self._trained() if self._mean else ():
            mean = self._mean[name] = self._mean[name].to(parameter.device)
            mean.lerp_(parameter.detach().float(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have the average while the block runs."""
        own = {n: p.detach().clone() for n, p in self._trained() if n in self._mean}
        self._put(self._mean)
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, weights: dict[str, Tensor]) -> None:
        for name, parameter in self._trained():
            if name in weights:
                parameter.copy_(weights[name])

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint."""
        if self._mean:
            save_file({n: t.contiguous() for n, t in self._mean.items()}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read the average of a checkpoint."""
        if self._mean:
            self._mean = load_file(folder / FILE)
