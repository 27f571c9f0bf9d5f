"""The tiny encoder's input module: Qwen2-VL's own modules, run in batches instead of image by image.

It is sentence-transformers' `Transformer` with faster `preprocess` and `forward` and equal outputs (within 3e-6,
tested), so what is saved is a stock sentence-transformers folder: `SentenceTransformer(path)` loads it with neither
this package nor `trust_remote_code`. (sentence-transformers 6 refuses to import any other module class.)

What is faster: images stay uint8 until they are on the device; patch embedding is one matrix product; images of
equal size share one attention call; rope positions are computed while the batch is prepared; with right padding
and causal attention no attention mask is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.modules.transformer import Transformer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from geovec_train.models.inputs import CHAT_TEMPLATE, Pixels, as_picture, patchify, pieces, resize, rope_positions
from geovec_train.models.interleaved import Interleaved, pad
from geovec_train.models.vision import see

_IMAGE_TOKENS = ("vision_start", "image_pad", "vision_end")


class InterleavedEncoder(Interleaved):
    """A Qwen2-VL from scratch, with right padding and GeoVec's chat template."""

    @staticmethod
    def fits(module: object) -> bool:
        """Tell whether `adopt` can take the module."""
        return (
            isinstance(module, Transformer)
            and module.config.model_type == "qwen2_vl"
            and module.tokenizer.padding_side == "right"
            and getattr(module.processor, "chat_template", None) == CHAT_TEMPLATE
        )

    @property
    def side(self) -> int:
        """Images get about side × side pixels; settable to multiples of `factor`."""
        return int(self.processor.image_processor.size["longest_edge"] ** 0.5)

    @side.setter
    def side(self, side: int) -> None:
        self.processor.image_processor.size = {"shortest_edge": side**2, "longest_edge": side**2}

    @property
    def factor(self) -> int:
        """Pixels along the side of a visual token."""
        settings = self.processor.image_processor
        return int(settings.patch_size * settings.merge_size)

    def fit(self, image: Any) -> Pixels:
        """Decode an image if need be and resize it to the model's size: uint8 (height, width, 3)."""
        return resize(as_picture(image), self.processor.image_processor)

    def cells(self, side: int, width: int, height: int) -> int:
        """Return the visual tokens of a picture; one that is enlarged can have more than a square of that side."""
        height, width = smart_resize(height, width, factor=self.factor, min_pixels=side**2, max_pixels=side**2)
        return int(height * width // self.factor**2)

    def room(self, before: Sequence[str]) -> int:
        """Return the most visual tokens: of a sequence that is too long, the end is cut, so not of text after it."""
        ends = 3  # of the picture, two, and of the sequence
        return int(self.max_seq_length) - ends - max(map(len, self.tokenise(list(before))), default=0)

    # -- preparing ---------------------------------------------------------------------------------------------

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """Turn inputs into features.

        Args:
            inputs: strings, PIL images, arrays, chat messages or lists of messages.
            prompt: text put before each input.
            **kwargs: with ``processing_kwargs`` or ``max_length`` the stock (slower) way is taken.

        Returns:
            ``input_ids`` and ``attention_mask`` (batch, tokens), ``position_ids`` (batch, tokens, 3), ``pixel_values``
            (patches, 3·14·14, uint8), ``image_grid_thw`` (images, 3), ``num_images_per_sample`` (batch,), and
            ``image_ids`` (batch, most images of an item; -1 fills): equal numbers are one picture, seen once.
        """
        if not inputs:
            return {}
        rows = [pieces(conversation) for conversation in self.conversations(inputs, prompt)]
        if kwargs.get("processing_kwargs") or kwargs.get("max_length"):
            return self.stock_way(inputs, prompt, kwargs)
        texts = [piece for row in rows for piece in row if isinstance(piece, str)]
        ids = iter(self.tokenise(texts))
        cut: dict[int, tuple[Pixels, tuple[int, int]]] = {}  # by object: one picture in many items is cut once
        shown: list[list[int]] = []
        merge = self.processor.image_processor.merge_size
        sequences: list[list[int]] = []
        positions: list[NDArray[np.int64]] = []
        start, fill, end = (self.tokenizer.convert_tokens_to_ids(f"<|{t}|>") for t in _IMAGE_TOKENS)
        for row in rows:
            sequence: list[int] = []
            spans: list[tuple[int, int, int]] = []
            shown.append([])
            for piece in row:
                if isinstance(piece, str):
                    sequence += next(ids)
                    continue
                own = id(piece.value)
                if own not in cut:
                    cut[own] = patchify(self.fit(piece.value), self.processor.image_processor)
                shown[-1].append(own)
                h, w = (n // merge for n in cut[own][1])
                spans.append((len(sequence) + 1, h, w))
                sequence += [start, *[fill] * (h * w), end]
            sequence.append(self.tokenizer.eos_token_id)
            if len(sequence) > self.max_seq_length:
                return self.stock_way(inputs, prompt, kwargs)
            sequences.append(sequence)
            positions.append(rope_positions(len(sequence), spans))
        features = _pad(sequences, positions, self.tokenizer.pad_token_id)
        if cut:
            every = [own for row_ids in shown for own in row_ids]
            number = {own: n for n, own in enumerate(cut)}
            most = max(len(row_ids) for row_ids in shown)
            features["pixel_values"] = torch.from_numpy(np.concatenate([cut[own][0] for own in every]))
            features["image_grid_thw"] = torch.tensor([(1, *cut[own][1]) for own in every])
            features["num_images_per_sample"] = torch.tensor([len(row_ids) for row_ids in shown])
            features["image_ids"] = torch.tensor(
                [[number[own] for own in row_ids] + [-1] * (most - len(row_ids)) for row_ids in shown]
            )
        features["modality"] = "message"
        return features

    # -- running -----------------------------------------------------------------------------------------------

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add ``token_embeddings`` (batch, tokens, hidden) to the features that `preprocess` made."""
        if "position_ids" not in features:  # prepared the stock way
            out: dict[str, Any] = super().forward(features, **kwargs)
            return out
        ids = features["input_ids"]
        hidden = self.model.get_input_embeddings()(ids)
        if features.get("pixel_values") is not None and len(features["pixel_values"]):
            seen = see(
                self.model.visual,
                self._normalise(features["pixel_values"]),
                features["image_grid_thw"],
                features["image_ids"],
            )
            places = (ids == self.config.image_token_id).unsqueeze(-1)
            hidden = hidden.masked_scatter(places, seen.to(hidden.dtype))
        result = self.model.language_model(
            inputs_embeds=hidden,
            position_ids=features["position_ids"].permute(2, 0, 1),
            # no mask: padding is on the right and attention is causal, so no real token looks at padding
            attention_mask={"full_attention": None},
            use_cache=False,
        )
        features["token_embeddings"] = result.last_hidden_state
        return features

    def _normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        settings = self.processor.image_processor
        mean = torch.tensor(settings.image_mean, device=pixels.device)
        std = torch.tensor(settings.image_std, device=pixels.device)
        per_channel = pixels.shape[1] // len(mean)  # features of a patch run channel by channel
        scale = (settings.rescale_factor / std).repeat_interleave(per_channel)
        shift = (-mean / std).repeat_interleave(per_channel)
        return torch.addcmul(shift, pixels.float(), scale)


def _pad(sequences: list[list[int]], positions: list[NDArray[np.int64]], filler: int) -> dict[str, Any]:
    features = pad(sequences, filler)
    where = np.zeros((*features["input_ids"].shape, 3), dtype=np.int64)
    for n, position in enumerate(positions):
        where[n, : len(position)] = position
    return {**features, "position_ids": torch.from_numpy(where)}
