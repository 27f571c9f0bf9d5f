"""Any encoder as a Python object that embeds items: what mining, training and evaluation do, for a user's own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sentence_transformers import SentenceTransformer

from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault, UserError
from geovec_data.mining.cache import Role
from geovec_data.mining.encoder import Encoder, describe
from geovec_data.records import Segments
from geovec_data.render import Codecs, decode_image, parts
from geovec_train.given import Given, Reader
from geovec_train.models.load import load as load_model
from geovec_train.models.load import save_model

ROLES: tuple[Role, ...] = ("query", "target")


class Embedder(SentenceTransformer):  # type: ignore[misc]
    """A SentenceTransformer that also takes items: see `encode_items`."""

    def encode_items(
        self,
        items: Sequence[Any],
        *,
        instruction: str | None = None,
        dataset: Dataset | str | Path | None = None,
        role: Role | None = None,
        batch_size: int = 32,
    ) -> NDArray[np.float32]:
        """Embed items, each rendered for this model: chat template, box and coordinate codec, instruction.

        An item is a text; an image (PIL image, encoded bytes, uint8 array or `Path`); a dictionary with any of
        ``text``, ``image`` (also a path as a string), ``box`` (``x0, y0, x1, y1`` in pixels of the image, half-open),
        ``coordinate`` (``lon, lat``, WGS84 degrees) and ``instruction`` (words, or the name of a task that the model
        was trained on), rendered in the order image, box, text, coordinate; a list of these, in their order; a chat
        message, taken as it is; or a record of a dataset (`geovec_data.records.Item`, or its segments).

        Args:
            items: the items.
            instruction: before each item that has none of its own, except chat messages; words, or a task's name.
            dataset: where the images of records are.
            role: ``query`` or ``target``, for models that embed them differently; None: what has an instruction is a
                query.
            batch_size: items per forward pass.

        Returns:
            Unit vectors, float32 (items, dimensions), in the order of the items.

        Raises:
            UserError: for an item that is none, or is nothing that the model takes; says which.
            ResourceFault: when a batch does not fit into memory.
        """
        if isinstance(items, (str, bytes, dict)):
            raise UserError("encode_items takes a list of items; for one item: encode_items([item])")
        encoder = Encoder(self, describe(self, "model", ""))
        reader = Reader(self.prompts)
        said = None if instruction is None else self.prompts.get(instruction, instruction)
        given = [reader.read(item, n) for n, item in enumerate(items)]
        home = Dataset(dataset) if isinstance(dataset, (str, Path)) else dataset
        shown = _Pictures(reader.pictures, home)
        codecs = encoder.card.codecs(None, None)
        inputs: list[Any] = []
        roles: list[Role] = []
        for n, item in enumerate(given):
            own = item.instruction or said
            roles.append(role or ("target" if own is None or item.message is not None else "query"))
            inputs.append(_input(encoder, item, n, own, codecs, shown))
        out = np.empty((len(items), encoder.card.dimension), np.float32)
        for each in ROLES:
            chosen = [n for n, r in enumerate(roles) if r == each]
            for start in range(0, len(chosen), batch_size):
                rows = chosen[start : start + batch_size]
                out[rows] = _run(encoder, [inputs[n] for n in rows], each)
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            bad = int(np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))[0])
            raise UserError(f"item {bad}: the model gives no finite vector for it; has its training diverged?")
        unit: NDArray[np.float32] = out / norms
        return unit

    def save_pretrained(self, path: str, *_: Any, **__: Any) -> None:
        """Save as a stock sentence-transformers folder, as `geovec-train` does."""
        save_model(self, Path(path))


class _Pictures:
    """Pictures and their sizes by image id: those that came with the items, and those of the dataset."""

    def __init__(self, given: dict[str, Image.Image], dataset: Dataset | None) -> None:
        self._given, self._dataset = given, dataset

    def size(self, image: str) -> tuple[int, int]:
        return self._given[image].size if image in self._given else self._home(image).images.size(image)

    def get(self, image: str) -> Image.Image:
        if image in self._given:
            return self._given[image]
        return decode_image(self._home(image).images.get(image))

    def _home(self, image: str) -> Dataset:
        if self._dataset is None:
            raise UserError(f"image {image} is one of a dataset: say which, encode_items(…, dataset=…)")
        return self._dataset


def _input(encoder: Encoder, item: Given, number: int, said: str | None, codecs: Codecs, shown: _Pictures) -> Any:
    card = encoder.card
    if item.message is not None:
        if not card.messages:
            raise UserError(f"item {number}: this model takes no chat messages, but {', '.join(card.modalities)}")
        return item.message
    modality = "+".join(dict.fromkeys(s.kind for s in item.segments))
    if not card.takes(modality):
        raise UserError(f"item {number} is {modality}; this model takes {', '.join(card.modalities)}")
    try:
        rendered = _rendered(item.segments, said if card.messages else None, codecs, shown)
    except (ValueError, KeyError) as error:  # a box outside its image, an image that the dataset does not have
        raise UserError(f"item {number}: {error}") from error
    return card.form(rendered, shown.get)


def _rendered(segments: Segments, said: str | None, codecs: Codecs, shown: _Pictures) -> list[tuple[str, str]]:
    return parts(segments, instruction=said, codecs=codecs, size=shown.size)


def _run(encoder: Encoder, inputs: list[Any], role: Role) -> NDArray[np.float32]:
    try:
        vectors: NDArray[np.float32] = encoder.run(encoder.prepare(inputs, role), role)
    except ResourceFault as error:
        raise ResourceFault(f"too little memory for {len(inputs)} items at once; give a smaller batch_size") from error
    return vectors


def load(path: str | Path, *, device: str | None = None) -> Embedder:
    """Load an encoder: a run of `geovec-train`, any SentenceTransformer, a preset (``qwen2vl_2b``) or a hub name.

    Args:
        path: folder or name.
        device: ``cpu``, ``cuda``, …; None: the best there is.

    Raises:
        UserError: when there is no such model, or it does not load.
    """
    model = load_model(path, device=device)
    return Embedder(
        modules=list(model),
        prompts=model.prompts,
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
        truncate_dim=model.truncate_dim,
        device=str(model.device),
    )
