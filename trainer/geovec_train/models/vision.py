"""Qwen2-VL's vision tower over a batch of images: those of one size together, and each picture once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb_vision


def see(visual: Any, pixels: Tensor, grids: Tensor, image_ids: Tensor) -> Tensor:
    """Turn pictures into visual tokens.

    Args:
        visual: the vision tower of a Qwen2-VL model.
        pixels: (patches, 3·patch²) normalised patches of all images, one after the other.
        grids: (images, 3) time, rows and columns of patches of each image.
        image_ids: numbers of the pictures, in image order where they are not -1; equal numbers, equal pictures.

    Returns:
        (patches / merge², hidden) visual tokens of all images, one after the other.
    """
    shapes: list[tuple[int, int]] = [(h, w) for _, h, w in grids.tolist()]
    numbers: list[int] = image_ids[image_ids >= 0].tolist()
    first: dict[int, int] = {}  # picture → the image that shows it first
    for n, number in enumerate(numbers):
        first.setdefault(number, n)
    groups: dict[tuple[int, int], list[int]] = {}
    for n in first.values():
        groups.setdefault(shapes[n], []).append(n)
    chunks = torch.split(pixels, [h * w for h, w in shapes])
    seen = {
        shape: _tower(visual, torch.stack([chunks[n] for n in members]), shape) for shape, members in groups.items()
    }
    if len(groups) == 1:
        (shape,) = groups
        row = {number: at for at, number in enumerate(first)}
        return seen[shape][[row[number] for number in numbers]].flatten(0, 1)
    tokens = {n: tokens for shape, members in groups.items() for n, tokens in zip(members, seen[shape], strict=True)}
    return torch.cat([tokens[first[number]] for number in numbers])


def _tower(visual: Any, patches: Tensor, shape: tuple[int, int]) -> Tensor:
    """Run images of one size: (images, patches, 3·patch²) → (images, tokens, hidden)."""
    weight = visual.patch_embed.proj.weight.flatten(1)
    hidden = F.linear(patches.to(weight.dtype), weight)
    images, count, _ = hidden.shape
    cos, sin = _rope(visual, shape, hidden)
    for block in visual.blocks:
        attention = block.attn
        q, k, v = (
            attention.qkv(block.norm1(hidden)).view(images, count, 3, attention.num_heads, attention.head_dim).unbind(2)
        )
        q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), scale=attention.scaling
        )
        hidden = hidden + attention.proj(mixed.transpose(1, 2).flatten(2))
        hidden = hidden + block.mlp(block.norm2(hidden))
    merged: Tensor = visual.merger(hidden)
    return merged.view(images, count // visual.spatial_merge_size**2, -1)


def _rope(visual: Any, shape: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine (patches, head dimension) of Qwen2-VL's axial rotary positions, in patch order.

    Half of the frequencies turn with the row, half with the column; patches run merge block by merge block.
    """
    rows, columns = shape
    merge, size = visual.spatial_merge_size, visual.blocks[0].attn.head_dim // 2
    theta = (getattr(visual.config, "rope_parameters", None) or {}).get("rope_theta", 10_000.0)
    frequency = 1.0 / theta ** (torch.arange(0, size, 2, device=like.device, dtype=torch.float32) / size)
    row, column = torch.meshgrid(
        torch.arange(rows, device=like.device), torch.arange(columns, device=like.device), indexing="ij"
    )
    angles = []
    for axis in (row, column):
        blocks = axis.reshape(rows // merge, merge, columns // merge, merge).transpose(1, 2)
        angles.append(torch.outer(blocks.flatten().float(), frequency))
    both = torch.cat([*angles, *angles], dim=1)
    return both.cos(), both.sin()
