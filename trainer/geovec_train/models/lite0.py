"""EfficientNet-Lite0 as transformers' EfficientNet: its weights under other names, and a faster pass through them.

Architecture and weights: https://github.com/tensorflow/tpu, models/official/efficientnet/lite (Apache-2.0), after Tan
and Le, arXiv 1905.11946. Against EfficientNet-B0 it has neither squeeze-and-excitation nor swish: ReLU6 throughout.
transformers has no such network, but its EfficientNet with ``hidden_act="relu6"`` and every squeeze-and-excitation gate
wide open (sigmoid(30) is 1 in float32) computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 32  # pixels a cell of the feature map stands for
CHANNELS = 1280
MEAN, STD = 127 / 255, 128 / 255  # the published preprocessing: (value - 127) / 128
OPEN = 30.0

# names in the published PyTorch conversion: names in transformers' EfficientNetModel
_OUTSIDE = {
    "_conv_stem": "embeddings.convolution",
    "_bn0": "embeddings.batchnorm",
    "_conv_head": "encoder.top_conv",
    "_bn1": "encoder.top_bn",
}
_IN_BLOCK = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}


def lite0_config(**smaller: Any) -> Any:
    """Return EfficientNet-Lite0 as an ``EfficientNetConfig``; `smaller` sets other sizes (tests)."""
    from transformers import EfficientNetConfig

    options = {
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "hidden_act": "relu6",
        "hidden_dim": CHANNELS,
        "image_size": 224,
        "drop_connect_rate": 0.0,
        "dropout_rate": 0.0,
    }
    config = EfficientNetConfig(**(options | smaller))
    config.hidden_size = config.hidden_dim  # what FastVLM's projector asks for
    return config


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the published weights under transformers' names; the classifier (``_fc``) is left out.

    Raises:
        ValueError: for a name that is none of EfficientNet-Lite's.
    """
    out = {}
    for name, value in weights.items():
        *outer, layer, kind = name.split(".")
        if layer == "_fc" and not outer:
            continue
        table = _IN_BLOCK if outer else _OUTSIDE
        if layer not in table or (outer and (len(outer) != 2 or outer[0] != "_blocks")):
            raise ValueError(f"{name} is no weight of EfficientNet-Lite")
        block = f"encoder.blocks.{outer[1]}." if outer else ""
        out[f"{block}{table[layer]}.{kind}"] = value
    return out


@torch.no_grad()
def open_gates(tower: Any) -> None:
    """Let every squeeze-and-excitation pass its input on unchanged, and keep it so in training."""
    for block in tower.encoder.blocks:
        gate = block.squeeze_excite
        for layer in (gate.reduce, gate.expand):
            layer.weight.zero_()
            layer.bias.zero_()
        gate.expand.bias.fill_(OPEN)
        gate.requires_grad_(False)


def see(tower: Any, pixels: Tensor, frozen: int = 0) -> Tensor:
    """Run the tower with its batch statistics fixed and the open gates skipped.

    Args:
        tower: an EfficientNetModel made of EfficientNet-Lite weights.
        pixels: (images, 3, height, width) normalised; sides are multiples of 32.
        frozen: blocks at the beginning (the stem with the first) that get no gradient.

    Returns:
        (images, height/32 · width/32, channels), row by row.
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
        stem = tower.embeddings
        hidden = F.relu6(_convolved(stem.convolution, stem.batchnorm, stem.padding(pixels)))
    for n, block in enumerate(tower.encoder.blocks):
        with torch.set_grad_enabled(torch.is_grad_enabled() and n >= frozen):
            hidden = _block(block, hidden)
    encoder = tower.encoder
    top = F.relu6(_convolved(encoder.top_conv, encoder.top_bn, hidden))
    return top.flatten(2).transpose(1, 2)


def _block(block: Any, hidden: Tensor) -> Tensor:
    given = hidden
    if block.expand:
        hidden = F.relu6(_convolved(block.expansion.expand_conv, block.expansion.expand_bn, hidden))
    depthwise = block.depthwise_conv
    if depthwise.stride == 2:
        hidden = depthwise.depthwise_conv_pad(hidden)
    hidden = F.relu6(_convolved(depthwise.depthwise_conv, depthwise.depthwise_norm, hidden))
    hidden = _convolved(block.projection.project_conv, block.projection.project_bn, hidden)
    return hidden + given if block.projection.apply_dropout else hidden


def _convolved(convolution: Any, norm: Any, hidden: Tensor) -> Tensor:
    """Convolve with the batch normalisation, whose statistics stay, folded into the kernel."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return F.conv2d(
        hidden,
        convolution.weight * scale[:, None, None, None],
        norm.bias - norm.running_mean * scale,
        convolution.stride,
        convolution.padding,
        convolution.dilation,
        convolution.groups,
    )
