"""What two processes do in `test_ranks`: the gradients of one batch, embedded by both, wrapped in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from geovec_train.losses.loss import MaskedInfoNCE
from geovec_train.models.tiny import build_tiny
from geovec_train.training.processes import Processes
from geovec_train.training.shards import Shards
from tests.geovec_train.losses.test_loss import random_plan, with_further_positives
from tests.geovec_train.models.test_encoder import message, picture

WORLD = 2
SHARES = {  # texts and pictures of each process
    "even": ((4, 3), (3, 3)),
    "uneven": ((5, 2), (2, 4)),
    "texts alone on one": ((2, 6), (5, 0)),
}
CASES = [
    *((shares, mini, "ddp") for shares in SHARES for mini in (0, 2)),
    ("even", 0, "fsdp"),  # sharded parameters are gathered in every forward pass: all processes have equally many
    ("even", 2, "fsdp"),
    *((shares, mini, "shards") for shares in SHARES for mini in (0, 2)),
]


def inputs() -> tuple[list[Any], list[Any]]:
    """Seven texts and six items with pictures."""
    seen = [message("see", picture(n)) for n in range(5)]
    return [f"pier {n}" for n in range(7)], [*seen, message(picture(9), "and", picture(8, 300, 90))]


def plan_of(shares: tuple[tuple[int, int], ...]) -> dict[str, torch.Tensor]:
    """Five queries, of the items with pictures; seven candidates, the texts; rows as the processes' items follow."""
    plan = with_further_positives(random_plan(3, 5, 7), 3)
    order: list[tuple[str, int]] = []
    at = {"text": 0, "seen": 0}
    for texts, seen in shares:
        for kind, count in (("text", texts), ("seen", seen)):
            order += [(kind, at[kind] + n) for n in range(count)]
            at[kind] += count
    row = {entry: n for n, entry in enumerate(order)}
    return plan | {
        "query": torch.tensor([row["seen", n] for n in range(5)]),
        "candidate": torch.tensor([row["text", n] for n in range(7)]),
        "shares": torch.tensor([sum(s) for s in shares]),
    }


def gradients(shares: tuple[tuple[int, int], ...], rank: int, mini: int, wrap: str) -> dict[str, torch.Tensor]:
    """Return the loss and all gradients, whole, of one process's backward pass."""
    model = build_tiny(["pier 0123456789 see and"], seed=0).train()
    texts, seen = inputs()
    first = [sum(s[k] for s in shares[:rank]) for k in (0, 1)]
    own = [texts[first[0] : first[0] + shares[rank][0]], seen[first[1] : first[1] + shares[rank][1]]]
    features = [model.preprocess(group) for group in own if group]
    wrapped: Any = model
    if wrap == "ddp":
        wrapped = DistributedDataParallel(model, find_unused_parameters=True, broadcast_buffers=False)
    elif wrap == "fsdp":
        for layer in model[0].model.language_model.layers:
            fully_shard(layer)
        fully_shard(model)
        assert all(isinstance(p, DTensor) for p in model.parameters())
    elif wrap == "shards":
        Shards(model, Processes(rank, WORLD)).divide()
        assert all(isinstance(p, DTensor) for p in model.parameters())
    filler = model.preprocess(["."]) if wrap == "shards" else None
    loss = MaskedInfoNCE(
        wrapped, temperature=0.1, learn_temperature=True, symmetric=True, mini_batch=mini, filler=filler
    )
    value = loss(features, plan_of(shares))
    torch.autograd.backward(value)
    out = {"loss": value.detach()}
    for name, p in [("log_scale", loss.log_scale), *model.named_parameters()]:
        if p.grad is not None:
            out[name] = p.grad.full_tensor() if isinstance(p.grad, DTensor) else p.grad
    return out


def work(rank: int, folder: Path) -> None:
    """Run every case in one process of the group and leave the first one's gradients in the folder."""
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(str(folder / "store"), WORLD)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=WORLD)
    for n, (shares, mini, wrap) in enumerate(CASES):
        found = gradients(SHARES[shares], rank, mini, wrap)
        torch.save(found, folder / f"{n}-{rank}.pt")
    torch.distributed.destroy_process_group()
