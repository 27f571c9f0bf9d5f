"""The mini encoder's input module: stock weights and outputs (within 1e-5), in fewer passes.

What is faster: images stay uint8 until they are on the device; a picture that several items show is seen once; batch
normalisation is folded into the kernels, which also keeps its statistics as they were pretrained; gates that are always
open are skipped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from sentence_transformers.base.modules.transformer import Transformer
from torch import Tensor

from geovec_train.models.inputs import Pixels, as_picture, pieces
from geovec_train.models.interleaved import Interleaved, pad
from geovec_train.models.lite0 import SCALE, see
from geovec_train.models.mini import CHAT_TEMPLATE, CONTROL, NUMBERED

_log = logging.getLogger(__name__)


class MiniEncoder(Interleaved):
    """A FastVLM of EfficientNet-Lite and BERT; see `geovec_train.models.mini`.

    Attributes:
        frozen: blocks of the vision tower, from the stem on, that get no gradient.
        cut: texts that were too long so far and lost their end.
    """

    pretrained = r"\.(?:vision_tower|language_model)\."
    frozen: int = 0
    cut: int = 0

    def freeze(self, blocks: int, pretrained: bool) -> None:
        """Say what is not trained: of what is pretrained, all or the first `blocks` of the vision tower.

        Never trained are the open gates and BERT's pooler, which the vectors do not depend on.
        """
        tower, language = self.model.vision_tower, self.model.language_model
        every = len(tower.encoder.blocks)
        for part in (tower, language):
            part.requires_grad_(not pretrained)
        for block in tower.encoder.blocks:
            block.squeeze_excite.requires_grad_(False)
        if language.pooler is not None:
            language.pooler.requires_grad_(False)
        self.frozen = every if pretrained else min(blocks, every)
        if self.frozen:
            tower.embeddings.requires_grad_(False)
        for block in tower.encoder.blocks[: self.frozen]:
            block.requires_grad_(False)

    @staticmethod
    def fits(module: object) -> bool:
        """Tell whether `adopt` can take the module."""
        return (
            isinstance(module, Transformer)
            and module.config.model_type == "fast_vlm"
            and getattr(module.processor, "chat_template", None) == CHAT_TEMPLATE
        )

    @property
    def side(self) -> int:
        """Images get side × side pixels; settable to multiples of `factor`."""
        return int(self.processor.image_processor.size["height"])

    @side.setter
    def side(self, side: int) -> None:
        self.processor.image_processor.size = {"height": side, "width": side}
        self.config.image_seq_length = (side // SCALE) ** 2

    @property
    def factor(self) -> int:
        """Pixels along the side of a visual token."""
        return SCALE

    def fit(self, image: Any) -> Pixels:
        """Decode an image if need be and resize it to a square: uint8 (side, side, 3)."""
        picture = as_picture(image)
        size = (self.side, self.side)
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling(self.processor.image_processor.resample))
        return np.asarray(picture)

    def cells(self, side: int, width: int, height: int) -> int:
        """Return the visual tokens of a picture, which do not depend on its shape."""
        return (side // SCALE) ** 2

    def room(self, before: Sequence[str]) -> int:
        """Return the most visual tokens, with which no text is left: pictures stand before it, and its end is cut."""
        return self._longest - 2

    @property
    def _longest(self) -> int:
        return int(self.max_seq_length or self.config.text_config.max_position_embeddings)

    # -- preparing ---------------------------------------------------------------------------------------------

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """Turn inputs into features.

        A sequence longer than the model's positions loses the end of its text, as in sentence-transformers.

        Args:
            inputs: strings, PIL images, arrays, chat messages or lists of messages.
            prompt: text put before each input.
            **kwargs: with ``processing_kwargs`` or ``max_length`` the stock (slower) way is taken.

        Returns:
            ``input_ids`` and ``attention_mask`` (batch, tokens), ``pixel_values`` (images, side, side, 3) uint8,
            ``num_images_per_sample`` (batch,), and ``image_ids`` (batch, most images of an item; -1 fills): equal
            numbers are one picture, seen once.

        Raises:
            ValueError: when an item has more pictures than a sequence can hold.
        """
        if not inputs:
            return {}
        if kwargs.get("processing_kwargs") or kwargs.get("max_length"):
            return self.stock_way(inputs, prompt, kwargs)
        rows = [pieces(conversation, CONTROL) for conversation in self.conversations(inputs, prompt)]
        ids = iter(self.tokenise([piece for row in rows for piece in row if isinstance(piece, str)]))
        numbered = self.tokenizer.convert_tokens_to_ids(list(NUMBERED))
        cells = (self.side // SCALE) ** 2
        longest = self._longest
        most_pictures = min(len(numbered), self.room(()) // cells)
        fitted: dict[int, Pixels] = {}  # by object: one picture in many items is resized once
        shown: list[list[int]] = []
        sequences: list[list[int]] = []
        for row in rows:
            own = [piece.value for piece in row if not isinstance(piece, str)]
            fitted |= {id(value): self.fit(value) for value in own if id(value) not in fitted}
            shown.append([id(value) for value in own])
            head = [self.tokenizer.bos_token_id, *[self.config.image_token_id] * (cells * len(own))]
            if len(own) > most_pictures:
                raise ValueError(
                    f"an item of {len(own)} pictures: at {cells} visual tokens each, {most_pictures} fit into {longest}"
                    " positions. A smaller side has fewer tokens"
                )
            marks = iter(numbered)
            text = [t for piece in row for t in (next(ids) if isinstance(piece, str) else [next(marks)])]
            if len(head) + len(text) + 1 > longest:
                self._tell_cut(longest)
            sequences.append([*[*head, *text][: longest - 1], self.tokenizer.eos_token_id])
        features = pad(sequences, self.tokenizer.pad_token_id)
        if fitted:
            number = {key: n for n, key in enumerate(fitted)}
            most = max(map(len, shown))
            features["pixel_values"] = torch.from_numpy(np.stack([fitted[key] for row in shown for key in row]))
            features["num_images_per_sample"] = torch.tensor([len(keys) for keys in shown])
            features["image_ids"] = torch.tensor(
                [[number[key] for key in keys] + [-1] * (most - len(keys)) for keys in shown]
            )
        features["modality"] = "message"
        return features

    def _tell_cut(self, longest: int) -> None:
        if not self.cut:
            _log.warning("an item is longer than %d tokens: the end of its text is left out", longest)
        self.cut += 1

    # -- running -----------------------------------------------------------------------------------------------

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add ``token_embeddings`` (batch, tokens, hidden) to the features that `preprocess` made."""
        pixels = features.get("pixel_values")
        if pixels is not None and "image_ids" not in features:  # prepared the stock way
            out: dict[str, Any] = super().forward(features, **kwargs)
            return out
        ids = features["input_ids"]
        hidden = self.model.get_input_embeddings()(ids)
        if pixels is not None and len(pixels):
            hidden = hidden.masked_scatter(
                (ids == self.config.image_token_id).unsqueeze(-1),
                self._seen(pixels, features["image_ids"]).to(hidden.dtype),
            )
        result = self.model.language_model(inputs_embeds=hidden, attention_mask=features["attention_mask"])
        features["token_embeddings"] = result.last_hidden_state
        return features

    def _seen(self, pixels: Tensor, image_ids: Tensor) -> Tensor:
        """Return the visual tokens of all images, one after the other: (images · cells, hidden)."""
        numbers: list[int] = image_ids[image_ids >= 0].tolist()
        first = {number: n for n, number in reversed(list(enumerate(numbers)))}
        row = {number: n for n, number in enumerate(first)}
        settings = self.processor.image_processor
        mean, std = (torch.tensor(v, device=pixels.device) for v in (settings.image_mean, settings.image_std))
        values = pixels[list(first.values())].float()
        # channels stay last in memory: torch's convolutions are faster so
        scaled = torch.addcmul(-mean / std, values, settings.rescale_factor / std).permute(0, 3, 1, 2)
        tokens = self.model.multi_modal_projector(see(self.model.vision_tower, scaled, self.frozen))
        return tokens[[row[number] for number in numbers]].flatten(0, 1)  # type: ignore[no-any-return]
