"""Parameters, gradients and optimizer state divided among the processes of a run: torch's FSDP2 (`fully_shard`).

Each block of the text model is put together for its own forward and backward pass and then divided again; what lies
outside (embeddings, vision tower, projector) is a group of its own that stays whole from forward to backward pass. A
batch without a picture leaves the vision tower without gradients, and a group must have the same ones in all processes:
so every forward pass touches all of that group's parameters with a factor of nought.

The first process keeps a whole copy on the CPU, which is saved, scored and mined with.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from geovec_data.errors import UserError
from geovec_train.training.processes import Processes

OPTIMIZER_FILE = "optimizer.pt"  # as transformers calls it
_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Shards:
    """Divides a model, and puts it together again for who saves it.

    Args:
        model: the SentenceTransformer; it is whole until `divide`.
        ranks: the processes of the run.
    """

    def __init__(self, model: Any, ranks: Processes) -> None:
        self._model, self._ranks = model, ranks
        self._twin: Any = None
        self.divided = False

    @property
    def whole(self) -> Any:
        """The model as it was when last put together; for the first process."""
        return self._twin if self.divided else self._model

    def divide(self) -> None:
        """Divide the model; all processes must have equal weights."""
        if self.divided:
            return
        if self._ranks.first:
            self._twin = copy.deepcopy(self._model).cpu()
        device = next(self._model.parameters()).device.type
        mesh = init_device_mesh(device, (self._ranks.world,))
        layers = blocks(self._model)
        inside = {id(m) for layer in layers for m in layer.modules()}
        rest = [m for m in self._model.modules() if id(m) not in inside]

        def touch(_module: nn.Module, _given: Any, features: dict[str, Any]) -> dict[str, Any]:
            name = "token_embeddings" if "token_embeddings" in features else "sentence_embedding"
            nought: Tensor | int = sum(
                p.reshape(-1)[0] for m in rest for p in m.parameters(recurse=False) if p.requires_grad
            )
            return features | {name: features[name] + torch.as_tensor(0 * nought).to(features[name].dtype)}

        self._model[0].register_forward_hook(touch)
        for layer in layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(self._model, mesh=mesh)
        self.divided = True

    def gather(self) -> None:
        """Put the model together in the first process; all processes call it."""
        if not self.divided:
            return
        state = get_model_state_dict(self._model, options=_WHOLE)
        if self._twin is not None:
            self._twin.load_state_dict(state)

    def save_optimizer(self, loss: nn.Module, optimizer: torch.optim.Optimizer, folder: Path) -> None:
        """Write the whole state of the optimizer into a checkpoint; all processes call it.

        Args:
            loss: the loss, which holds the model and all else that is trained.
            optimizer: the optimizer.
            folder: the checkpoint.
        """
        state = get_optimizer_state_dict(loss, optimizer, options=_WHOLE)
        if self._ranks.first:
            torch.save(state, folder / OPTIMIZER_FILE)

    def load_optimizer(self, loss: nn.Module, optimizer: torch.optim.Optimizer, folder: Path) -> None:
        """Read what `save_optimizer` wrote; every process takes its part."""
        state = torch.load(folder / OPTIMIZER_FILE, map_location="cpu", weights_only=True)
        set_optimizer_state_dict(
            loss, optimizer, optim_state_dict=state, options=StateDictOptions(full_state_dict=True)
        )


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of the text model, which every item passes: those that hold most of the parameters.

    Raises:
        UserError: for a model without a list of alike blocks.
    """
    lists = [
        m
        for name, m in model.named_modules()
        if isinstance(m, nn.ModuleList) and len(m) > 1 and len({type(b) for b in m}) == 1 and "vis" not in name
    ]
    if not lists:
        raise UserError("shard=true: this model has no blocks to divide; leave it out")
    most = max(lists, key=lambda m: sum(p.numel() for p in m.parameters()))
    return list(most)
