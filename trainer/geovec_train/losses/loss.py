"""InfoNCE over a batch's candidates with a mask, in both directions, with or without gradient caching."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from geovec_data.errors import UserError

Plan = dict[str, Tensor]
MAX_SCALE = 100.0  # temperature 0.01, as CLIP limits it


def masked_infonce(
    queries: Tensor, candidates: Tensor, plan: Plan, scale: Tensor, symmetric: bool, hardness: float = 0.0
) -> Tensor:
    """Return the mean of -log softmax(positive | its negatives), over examples that have a negative at all.

    Where there are further positives (``forward_also``, ``backward_also``), an example's loss is the mean over its
    positives, each against the negatives alone: positives never push one another away. (The mean of logarithms is that
    of arXiv 2004.11362, whose denominator has the other positives too.)

    Args:
        queries: (batch, dim) unit vectors.
        candidates: (candidates, dim) unit vectors: the examples' positives and the mined negatives.
        plan: ``positive`` (batch,), ``forward`` and ``forward_also`` (batch, candidates), ``backward`` and
            ``backward_also`` (batch, batch), as `geovec_train.losses.masks.Masks` has them; what is ``also`` can be
            absent.
        scale: 1 / temperature.
        symmetric: also score each positive against the queries, and average both directions.
        hardness: negatives of an example weigh exp(hardness · cosine), 1 on average (arXiv 2010.04592); 0: all alike.

    Returns:
        The loss; 0 when no example has a negative.
    """
    cosines = queries @ candidates.T
    forward = _direction(cosines, scale, plan["forward"], plan["positive"], plan.get("forward_also"), hardness)
    if not symmetric:
        return forward
    rows = torch.arange(len(queries), device=queries.device)
    own = cosines[:, plan["positive"]].T
    backward = _direction(own, scale, plan["backward"], rows, plan.get("backward_also"), hardness)
    return (forward + backward) / 2


def _direction(
    cosines: Tensor, scale: Tensor, mask: Tensor, positive: Tensor, also: Tensor | None, hardness: float
) -> Tensor:
    """Return the loss of the rows; `mask` has their positive and their negatives, `also` their further positives."""
    contested = mask.sum(dim=1) > 1  # an example without a negative has loss 0 and would only dilute the mean
    if not bool(contested.any()):
        return (cosines * 0.0).sum()
    scores = scale * cosines
    if not hardness and (also is None or not bool(also.any())):
        each = F.cross_entropy(scores.masked_fill(~mask, -torch.inf), positive, reduction="none")
        return each[contested].mean()
    right = F.one_hot(positive, mask.shape[1]).bool()
    negative = (mask & ~right)[contested]
    right = (right if also is None else right | also)[contested]
    scores = scores[contested]
    logits = scores.masked_fill(~negative, -torch.inf)
    if hardness:
        weight = (hardness * cosines.detach()[contested]).masked_fill(~negative, -torch.inf)
        mean = weight.logsumexp(dim=1, keepdim=True) - negative.sum(dim=1, keepdim=True).to(weight.dtype).log()
        logits = (scores + weight - mean).masked_fill(~negative, -torch.inf)
    each = F.softplus(logits.logsumexp(dim=1, keepdim=True) - scores)
    return (each.masked_fill(~right, 0.0).sum(dim=1) / right.sum(dim=1)).mean()


def matryoshka(
    queries: Tensor,
    candidates: Tensor,
    plan: Plan,
    scale: Tensor,
    symmetric: bool,
    hardness: float,
    dims: Sequence[int],
) -> Tensor:
    """Return the mean of `masked_infonce` over the vectors and over their first `dims` numbers, made unit again."""
    losses = [masked_infonce(queries, candidates, plan, scale, symmetric, hardness)]
    for n in dims:
        q, c = (F.normalize(v[:, :n], dim=1) for v in (queries, candidates))
        losses.append(masked_infonce(q, c, plan, scale, symmetric, hardness))
    return torch.stack(losses).mean()


def gathered(items: Tensor, plan: Plan) -> Tensor:
    """Return the vectors of all processes, (items of all, dim); gradients go back to whose they are.

    Every process then has the whole loss. A vector's gradient comes back once from each of them, and what data parallel
    training does, averaging over processes, leaves the gradient of one process with the whole batch.

    Args:
        items: this process's vectors.
        plan: ``shares`` (processes,), how many vectors each has; absent: there is one process.
    """
    shares: list[int] = plan["shares"].tolist() if "shares" in plan else [len(items)]
    if len(shares) == 1:
        return items
    from sentence_transformers.util import all_gather_with_grad

    most = max(shares)
    every = all_gather_with_grad(F.pad(items, (0, 0, 0, most - len(items))))
    return torch.cat([every[n * most : n * most + count] for n, count in enumerate(shares)])


def _count(group: dict[str, Any]) -> int:
    """Return the items of a group; images without text are counted by their pixels."""
    return len(group["input_ids"] if "input_ids" in group else group["pixel_values"])


class MaskedInfoNCE(CachedLossMixin, nn.Module):  # type: ignore[misc]
    """The loss as a module that embeds the batch's items (each once) and scores them.

    Args:
        model: a SentenceTransformer.
        temperature: where the temperature starts.
        learn_temperature: whether it is trained.
        symmetric: see `masked_infonce`.
        mini_batch: items embedded at a time, with gradients cached (GradCache, arXiv 2101.06983), so that memory
            does not grow with the batch; 0: the whole batch at once. Gradients are equal.
        mini_batch_tokens: the same by tokens embedded at a time, a picture's visual ones among them (an item of more is
            embedded alone); 0: by items.
        hardness: see `masked_infonce`.
        dims: see `matryoshka`; empty: the whole vectors alone.
        filler: what ``model.preprocess`` gave for one item. Processes that have fewer forward passes than others then
            embed it until all have equally many, and it counts for nothing: parameters that are divided are put
            together by all processes at once. None: processes may differ, as under DDP.
    """

    model: Any
    log_scale: nn.Parameter

    def __init__(
        self,
        model: Any,
        *,
        temperature: float,
        learn_temperature: bool,
        symmetric: bool,
        mini_batch: int,
        mini_batch_tokens: int = 0,
        hardness: float = 0.0,
        dims: Sequence[int] = (),
        filler: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(1 / temperature), dtype=torch.float32), requires_grad=learn_temperature
        )
        self.symmetric, self.hardness, self.dims, self._filler = symmetric, hardness, tuple(dims), filler
        self.mini_batch_size = mini_batch or 1
        self.mini_batch_num_tokens = mini_batch_tokens or None
        self.uses_gradient_cache = mini_batch > 0 or mini_batch_tokens > 0

    @property
    def temperature(self) -> float:
        """The temperature now."""
        return float((-self.log_scale.detach()).exp().clamp(min=1 / MAX_SCALE))

    def forward(self, features: list[dict[str, Any]], plan: Plan) -> Tensor:
        """Return the loss of a batch.

        Args:
            features: what ``model.preprocess`` gave for each group of items.
            plan: ``query`` (batch,) and ``candidate`` (candidates,), rows into all items in group order, and what
                `masked_infonce` needs; in a group of processes also ``shares`` (processes,), the items of each.

        Raises:
            UserError: when mini-batches are asked for by tokens, and the features have none to count.
        """
        if self.mini_batch_num_tokens and not all("attention_mask" in group for group in features):
            raise UserError("mini_batch_tokens: this model's inputs are not counted in tokens; give mini_batch instead")
        if self._filler is not None and "shares" in plan:
            device = plan["shares"].device
            filler = {n: v.to(device) if isinstance(v, Tensor) else v for n, v in self._filler.items()}
            features = features + [filler] * self._lacking(features, device)
        if self.uses_gradient_cache:
            cached: Any = self.forward_cached  # of the mixin, which has no types
            loss: Tensor = cached(features, plan)
            return loss
        return self.calculate_loss([[part] for part in self._embed(features)], plan)

    def _lacking(self, features: list[dict[str, Any]], device: torch.device) -> int:
        """Return how many forward passes this process has fewer than another."""
        size = self.mini_batch_size if self.uses_gradient_cache else None
        own = sum(1 if size is None else -(-_count(group) // size) for group in features)
        most = torch.tensor(own, device=device)
        torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
        return int(most) - own

    def _embed(self, features: list[dict[str, Any]]) -> Iterator[Tensor]:
        # DistributedDataParallel looks for unused parameters in the graph of the last forward pass alone. Groups are in
        # an order in which the last, the items with an image, use all parameters that the others do.
        quiet = self.model.no_sync if isinstance(self.model, DistributedDataParallel) else nullcontext
        for n, group in enumerate(features):
            with nullcontext() if n == len(features) - 1 else quiet():
                yield self.model(dict(group))["sentence_embedding"]

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Plan | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Compute the loss from the items' embeddings; see `CachedLossMixin`."""
        assert labels is not None
        own = torch.cat([part for group in reps for part in group]).float()
        if self._filler is not None and "shares" in labels:
            count = int(labels["shares"][torch.distributed.get_rank()])
            own = own[:count] + 0 * own[count:].sum()
        items = gathered(own, labels)
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        queries, candidates = items[labels["query"]], items[labels["candidate"]]
        loss = matryoshka(queries, candidates, labels, scale, self.symmetric, self.hardness, self.dims)
        if with_backward:
            torch.autograd.backward(loss)
            loss = loss.detach()
        return loss
