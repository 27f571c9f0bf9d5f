"""InfoNCE over a batch's candidates with a mask, in both directions, with or without gradient caching."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from torch import Tensor, nn

Plan = dict[str, Tensor]
MAX_SCALE = 100.0  # temperature 0.01, as CLIP limits it


def masked_infonce(queries: Tensor, candidates: Tensor, plan: Plan, scale: Tensor, symmetric: bool) -> Tensor:
    """Return the mean of -log softmax(positive | allowed candidates), over examples that have a negative at all.

    Args:
        queries: (batch, dim) unit vectors.
        candidates: (candidates, dim) unit vectors: the examples' positives and the mined negatives.
        plan: ``positive`` (batch,), ``forward`` (batch, candidates) and ``backward`` (batch, batch), as
            `geovec_train.masks.allowed` gives them.
        scale: 1 / temperature.
        symmetric: also score each positive against the queries, and average both directions.

    Returns:
        The loss; 0 when no example has a negative.
    """
    scores = scale * queries @ candidates.T
    forward = _direction(scores, plan["forward"], plan["positive"])
    if not symmetric:
        return forward
    rows = torch.arange(len(queries), device=queries.device)
    backward = _direction(scores[:, plan["positive"]].T, plan["backward"], rows)
    return (forward + backward) / 2


def _direction(scores: Tensor, mask: Tensor, positive: Tensor) -> Tensor:
    scores = scores.masked_fill(~mask, -torch.inf)
    each = F.cross_entropy(scores, positive, reduction="none")
    contested = mask.sum(dim=1) > 1
    # an example without a negative has loss 0 and would only dilute the mean
    return each[contested].mean() if bool(contested.any()) else (each * 0.0).sum()


class MaskedInfoNCE(CachedLossMixin, nn.Module):  # type: ignore[misc]
    """The loss as a module that embeds the batch's items (each once) and scores them.

    Args:
        model: a SentenceTransformer.
        temperature: where the temperature starts.
        learn_temperature: whether it is trained.
        symmetric: see `masked_infonce`.
        mini_batch: items embedded at a time, with gradients cached (GradCache, arXiv 2101.06983), so that memory
            does not grow with the batch; 0: the whole batch at once. Gradients are equal.
    """

    model: Any
    log_scale: nn.Parameter

    def __init__(
        self, model: Any, *, temperature: float, learn_temperature: bool, symmetric: bool, mini_batch: int
    ) -> None:
        super().__init__()
        self.model = model
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(1 / temperature), dtype=torch.float32), requires_grad=learn_temperature
        )
        self.symmetric = symmetric
        self.mini_batch_size = mini_batch
        self.uses_gradient_cache = mini_batch > 0

    @property
    def temperature(self) -> float:
        """The temperature now."""
        return float((-self.log_scale.detach()).exp().clamp(min=1 / MAX_SCALE))

    def forward(self, features: list[dict[str, Any]], plan: Plan) -> Tensor:
        """Return the loss of a batch.

        Args:
            features: what ``model.preprocess`` gave for each group of items.
            plan: ``query`` (batch,) and ``candidate`` (candidates,), rows into all items in group order, and what
                `masked_infonce` needs.
        """
        if self.mini_batch_size:
            cached: Any = self.forward_cached  # of the mixin, which has no types
            loss: Tensor = cached(features, plan)
            return loss
        return self.calculate_loss([[self.model(dict(f))["sentence_embedding"]] for f in features], plan)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Plan | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Compute the loss from the items' embeddings; see `CachedLossMixin`."""
        assert labels is not None
        items = torch.cat([part for group in reps for part in group]).float()
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        loss = masked_infonce(items[labels["query"]], items[labels["candidate"]], labels, scale, self.symmetric)
        if with_backward:
            torch.autograd.backward(loss)
            loss = loss.detach()
        return loss
