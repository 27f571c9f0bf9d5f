"""The loss against the same loss written out plainly, and gradient caching against none."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from geovec_data.errors import UserError
from geovec_train.losses.loss import MaskedInfoNCE, masked_infonce, matryoshka
from geovec_train.models.tiny import build_tiny


def plain_loss(
    queries: Tensor, candidates: Tensor, plan: dict[str, Tensor], scale: float, symmetric: bool, hardness: float = 0.0
) -> float:
    """InfoNCE by loops over lists of numbers."""
    cosine = [[sum(a * b for a, b in zip(q, c, strict=True)) for c in candidates.tolist()] for q in queries.tolist()]
    positive = plan["positive"].tolist()
    batch, width = len(queries), len(candidates)
    also = plan.get("forward_also", torch.zeros(batch, width)).bool()
    also_back = plan.get("backward_also", torch.zeros(batch, batch)).bool()

    def mean(of: list[float]) -> float:
        return sum(of) / len(of)

    def one(right: list[float], wrong: list[float]) -> float:
        """Mean over positives of -log(e^s / (e^s + the negatives' weighted sum))."""
        weights = [math.exp(hardness * w) for w in wrong]
        weighted = sum(w / mean(weights) * math.exp(scale * c) for w, c in zip(weights, wrong, strict=True))
        return mean([-math.log(math.exp(scale * r) / (math.exp(scale * r) + weighted)) for r in right])

    forward, backward = [], []
    for i, p in enumerate(positive):
        wrong = [cosine[i][c] for c in range(width) if plan["forward"][i][c] and c != p]
        right = [cosine[i][p]] + [cosine[i][c] for c in range(width) if also[i][c]]
        if wrong:
            forward.append(one(right, wrong))
        wrong = [cosine[j][p] for j in range(batch) if plan["backward"][i][j] and j != i]
        right = [cosine[i][p]] + [cosine[j][p] for j in range(batch) if also_back[i][j]]
        if wrong:
            backward.append(one(right, wrong))
    directions = [forward, backward] if symmetric else [forward]
    return sum(mean(d) if d else 0.0 for d in directions) / len(directions)


def random_plan(seed: int, batch: int, candidates: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    positive = torch.randint(0, candidates, (batch,), generator=g)
    forward = torch.rand(batch, candidates, generator=g) < 0.6
    backward = torch.rand(batch, batch, generator=g) < 0.6
    forward[0] = False  # an example without any negative, as ragged negatives allow
    backward[1] = False
    forward[torch.arange(batch), positive] = True
    backward[torch.arange(batch), torch.arange(batch)] = True
    return {"positive": positive, "forward": forward, "backward": backward}


def with_further_positives(plan: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    more = {n: (torch.rand(plan[n].shape, generator=g) < 0.3) & ~plan[n] for n in ("forward", "backward")}
    return plan | {f"{n}_also": v for n, v in more.items()}


def unit(seed: int, rows: int, dim: int = 5) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=g, dtype=torch.float64), dim=1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("symmetric", [True, False])
def test_loss_equals_the_plain_one(seed: int, symmetric: bool) -> None:
    queries, candidates, plan = unit(seed, 7), unit(seed + 100, 11), random_plan(seed, 7, 11)
    expected = plain_loss(queries, candidates, plan, 9.0, symmetric)
    found = masked_infonce(queries, candidates, plan, torch.tensor(9.0, dtype=torch.float64), symmetric)
    assert float(found) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("hardness", [0.0, 2.5])
@pytest.mark.parametrize("further", [True, False])
def test_further_positives_and_hardness_equal_the_plain_ones(seed: int, hardness: float, further: bool) -> None:
    queries, candidates, plan = unit(seed, 7), unit(seed + 100, 11), random_plan(seed, 7, 11)
    if further:
        plan = with_further_positives(plan, seed)
        assert plan["forward_also"].any()
    scale = torch.tensor(9.0, dtype=torch.float64)
    found = masked_infonce(queries, candidates, plan, scale, True, hardness)
    assert float(found) == pytest.approx(plain_loss(queries, candidates, plan, 9.0, True, hardness), abs=1e-9)
    masked = {k: v for k, v in plan.items() if not k.endswith("_also")}
    if further or hardness:
        assert abs(float(found) - plain_loss(queries, candidates, masked, 9.0, True)) > 1e-3


def test_masking_and_counting_as_positive_give_different_gradients() -> None:
    plan = with_further_positives(random_plan(0, 7, 11), 0)
    masked = {k: v for k, v in plan.items() if not k.endswith("_also")}
    plan["forward_also"][:, 10], plan["forward"][:, 10] = True, False
    masked["forward"] = plan["forward"]
    plan["positive"] = masked["positive"] = plan["positive"].clamp(max=9)
    rows = torch.arange(7)
    plan["forward"][rows, plan["positive"]] = True
    plan["forward_also"][rows, plan["positive"]] = False
    for which, pulled in ((plan, True), (masked, False)):
        candidates = unit(5, 11).requires_grad_()
        scale = torch.tensor(9.0, dtype=torch.float64)
        torch.autograd.backward(masked_infonce(unit(4, 7), candidates, which, scale, False))
        assert candidates.grad is not None
        assert bool(candidates.grad[10].abs().max() > 0) is pulled


@pytest.mark.parametrize("dims", [(2,), (2, 4)])
def test_matryoshka_is_the_mean_over_prefixes(dims: tuple[int, ...]) -> None:
    queries, candidates, plan = unit(3, 7), unit(103, 11), random_plan(3, 7, 11)

    def cut(vectors: Tensor, n: int) -> Tensor:
        return torch.stack([v[:n] / math.sqrt(sum(x * x for x in v[:n].tolist())) for v in vectors])

    expected = [plain_loss(cut(queries, n), cut(candidates, n), plan, 9.0, True) for n in (5, *dims)]
    found = matryoshka(queries, candidates, plan, torch.tensor(9.0, dtype=torch.float64), True, 0.0, dims)
    assert float(found) == pytest.approx(sum(expected) / len(expected), abs=1e-9)


def test_masked_pairs_get_no_gradient() -> None:
    queries, candidates = unit(0, 3).requires_grad_(), unit(1, 4).requires_grad_()
    plan = {
        "positive": torch.tensor([0, 1, 2]),
        "forward": torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]]).bool(),
        "backward": torch.eye(3).bool(),
    }
    torch.autograd.backward(masked_infonce(queries, candidates, plan, torch.tensor(5.0), True))
    assert queries.grad is not None
    assert candidates.grad is not None
    assert queries.grad[2].abs().max() == 0  # no negative at all
    assert candidates.grad[3].abs().max() == 0  # masked for everyone
    assert candidates.grad[0].abs().max() > 0


def test_a_batch_without_negatives_costs_nothing_and_is_finite() -> None:
    queries = unit(0, 2).requires_grad_()
    plan = {"positive": torch.tensor([0, 1]), "forward": torch.eye(2).bool(), "backward": torch.eye(2).bool()}
    loss = masked_infonce(queries, unit(1, 2), plan, torch.tensor(5.0), True)
    torch.autograd.backward(loss)
    assert float(loss.detach()) == 0
    assert queries.grad is not None
    assert torch.isfinite(queries.grad).all()


class Drop(torch.nn.Module):
    """Dropout on the embeddings' way, as a module of the stack."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        features["token_embeddings"] = self.drop(features["token_embeddings"])
        return features


def gradients(
    model: SentenceTransformer, mini_batch: int, chunks: int = 0, tokens: int = 0
) -> tuple[float, dict[str, Tensor]]:
    loss = MaskedInfoNCE(
        model, temperature=0.1, learn_temperature=True, symmetric=True, mini_batch=mini_batch, mini_batch_tokens=tokens
    )
    from tests.geovec_train.models.test_encoder import message, picture

    texts, seen = [f"pier {n}" for n in range(7)], [message("see", picture(n)) for n in range(4)]
    seen.append(message(picture(9), "and", picture(8, 300, 90)))
    features = [model.preprocess(texts), model.preprocess(seen)]
    plan = random_plan(3, 5, 7)
    plan |= {"query": torch.tensor([7, 8, 9, 10, 11]), "candidate": torch.arange(7)}
    torch.manual_seed(0)
    if chunks:  # without the cache, embedding in the same pieces, so that dropout draws the same numbers
        pieces = (
            [texts[i : i + chunks] for i in range(0, 7, chunks)],
            [seen[i : i + chunks] for i in range(0, 5, chunks)],
        )
        reps = [[model(model.preprocess(p))["sentence_embedding"] for p in group] for group in pieces]
        value = loss.calculate_loss(reps, plan)
    else:
        value = loss(features, plan)
    model.zero_grad()
    torch.autograd.backward(value)
    grads = {n: p.grad.clone() for n, p in loss.named_parameters() if p.grad is not None}
    assert grads.keys() >= {"log_scale"}
    return float(value.detach()), grads


@pytest.mark.parametrize("mini_batch", [1, 3, 64])
def test_gradient_caching_equals_plain_training(mini_batch: int) -> None:
    model = build_tiny(["pier 0123456789 see and"], seed=0).train()
    plain, expected = gradients(model, 0)
    cached, found = gradients(model, mini_batch)
    assert cached == pytest.approx(plain, abs=1e-6)
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        assert torch.allclose(found[name], grad, atol=3e-6, rtol=1e-4), name


@pytest.mark.parametrize("tokens", [1, 40, 10_000])
def test_mini_batches_by_tokens_equal_plain_training_and_keep_to_the_budget(
    tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_tiny(["pier 0123456789 see and"], seed=0).train()
    plain, expected = gradients(model, 0)
    real, seen = type(model).forward, []

    def forward(self: SentenceTransformer, features: dict[str, Any], **options: Any) -> Any:
        seen.append(features["attention_mask"].sum(dim=1).tolist())
        return real(self, features, **options)

    monkeypatch.setattr(type(model), "forward", forward)
    cached, found = gradients(model, 0, tokens=tokens)
    assert all(sum(lengths) <= tokens or len(lengths) == 1 for lengths in seen)
    assert {1: 24, 10_000: 4}.get(tokens, len(seen)) == len(seen)  # twice each; texts and pictures apart
    assert cached == pytest.approx(plain, abs=1e-6)
    for name, grad in expected.items():
        assert torch.allclose(found[name], grad, atol=3e-6, rtol=1e-4), name


def test_a_model_that_counts_no_tokens_is_told() -> None:
    model = build_tiny(["pier"], seed=0)
    loss = MaskedInfoNCE(
        model, temperature=0.1, learn_temperature=True, symmetric=True, mini_batch=0, mini_batch_tokens=9
    )
    with pytest.raises(UserError, match=r"mini_batch_tokens: .* give mini_batch instead"):
        loss([{"pixel_values": torch.zeros(2, 3)}], random_plan(0, 2, 2))


def test_gradient_caching_replays_dropout() -> None:
    tiny = build_tiny(["pier 0123456789 see and"], seed=0)
    model = SentenceTransformer(modules=[tiny[0], Drop(), tiny[1], tiny[2]], device="cpu").train()
    plain, expected = gradients(model, 0, chunks=3)
    cached, found = gradients(model, 3)
    assert cached == pytest.approx(plain, abs=1e-6)
    for name, grad in expected.items():
        assert torch.allclose(found[name], grad, atol=3e-6, rtol=1e-4), name
    model.eval()
    assert gradients(model, 3)[0] != pytest.approx(plain, abs=1e-3)
