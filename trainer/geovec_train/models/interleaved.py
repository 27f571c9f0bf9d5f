"""What our encoders share: sentence-transformers' `Transformer` with faster passes, and a stock folder when saved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers.base.modules.transformer import Transformer

from geovec_train.models.inputs import Pixels


class Interleaved(Transformer):  # type: ignore[misc]
    """Embeds interleaved texts and images: chat messages, plain strings, PIL images, and lists of them.

    ``token_embeddings`` of shape (batch, tokens, hidden) come out; pooling and normalisation are modules of their
    own. In messages an image may be a PIL image, a uint8 array (height, width, 3), encoded bytes, or what
    transformers takes (path, URL).
    """

    pretrained: str | None = None  # pattern of the names of parameters that were pretrained

    @staticmethod
    @abstractmethod
    def fits(module: object) -> bool:
        """Tell whether `adopt` can take the module."""

    @classmethod
    def adopt(cls, module: Transformer) -> Self:
        """Return the same module (weights, tokenizer, settings shared) with the faster passes.

        Raises:
            ValueError: when it is no module of this kind.
        """
        if not cls.fits(module):
            raise ValueError(f"not what {cls.__name__} makes: run it as the stock Transformer module")
        new = cls.__new__(cls)
        new.__dict__.update(module.__dict__)
        return new

    def stock(self) -> Transformer:
        """Return the same module as sentence-transformers' own class, the form that is saved."""
        new = Transformer.__new__(Transformer)
        new.__dict__.update(self.__dict__)
        return new

    def freeze(self, blocks: int, pretrained: bool) -> None:
        """Say what is not trained.

        Args:
            blocks: blocks of the vision tower, from its beginning.
            pretrained: all that was pretrained.
        """

    @abstractmethod
    def fit(self, image: Any) -> Pixels:
        """Decode an image if need be and resize it to the model's size: uint8 (height, width, 3)."""

    @property
    @abstractmethod
    def side(self) -> int:
        """Images get about side × side pixels; settable to multiples of `factor`."""

    @side.setter
    @abstractmethod
    def side(self, side: int) -> None: ...

    @property
    @abstractmethod
    def factor(self) -> int:
        """Pixels along the side of a visual token."""

    @abstractmethod
    def cells(self, side: int, width: int, height: int) -> int:
        """Return the visual tokens of a picture, given in its own pixels, at a side."""

    @abstractmethod
    def room(self, before: Sequence[str]) -> int:
        """Return the most visual tokens of one picture in a sequence, after the longest of the texts before it."""

    def conversations(self, inputs: Sequence[Any], prompt: str | None) -> list[list[dict[str, Any]]]:
        """Return each input as a conversation, with the prompt before it."""
        modality, given, _ = self.input_formatter.parse_inputs(inputs)
        if modality != "message":
            _, given = self.input_formatter.batch_to_message(modality, given)
        messages: list[list[dict[str, Any]]] = given["message"]
        if prompt:
            messages = self.input_formatter.prepend_prompt_to_messages(messages, prompt)
        return messages

    def stock_way(self, inputs: Sequence[Any], prompt: str | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Prepare inputs as sentence-transformers does."""
        features: dict[str, Any] = super().preprocess(inputs, prompt=prompt, **kwargs)
        return features

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Return the tokens of texts, without any at their ends."""
        if not texts:
            return []
        out: list[list[int]] = self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return out


def pad(sequences: list[list[int]], filler: int) -> dict[str, Any]:
    """Return ``input_ids`` and ``attention_mask``, (sequences, longest), filled up on the right."""
    width = max(len(s) for s in sequences)
    ids = np.full((len(sequences), width), filler, dtype=np.int64)
    mask = np.zeros_like(ids)
    for n, sequence in enumerate(sequences):
        ids[n, : len(sequence)] = sequence
        mask[n, : len(sequence)] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
