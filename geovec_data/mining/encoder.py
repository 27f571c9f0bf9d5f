"""Any SentenceTransformer as an encoder of items: found, identified by content, asked what it takes, loaded late.

What an encoder takes decides the form of an item. One that takes messages gets the interleaved item with its
instruction; one that does not (CLIP-like, text-only) gets the plain image or the plain text, without instruction.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.memory import fitting
from geovec_data.mining.cache import FOLDER, Key, Role, write_aside
from geovec_data.mining.copies import Copies
from geovec_data.mining.model_folder import first_line, model_type
from geovec_data.model_codecs import FAMILIES, chosen, own_codecs
from geovec_data.progress import say
from geovec_data.render import Codecs, to_message, to_text

_GPU = Path("/dev/nvidia0")


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of an encoder without loading it.

    Attributes:
        name: as the user gave it.
        fingerprint: sha256 over the names and contents of its files.
        modalities: what its input module takes: ``text``, ``image``, ``message``, …
        dimension: length of its vectors.
        box_codec: its own (`geovec_data.model_codecs`), where it has one.
        coordinate_codec: likewise.
        roles: whether it can embed the same words differently as a query and as a target.
    """

    name: str
    fingerprint: str
    modalities: tuple[str, ...]
    dimension: int
    box_codec: str | None = None
    coordinate_codec: str | None = None
    roles: bool = True

    @property
    def messages(self) -> bool:
        """Whether it takes chat messages, and so instructions and interleaved items."""
        return "message" in self.modalities

    def takes(self, modality: str) -> bool:
        """Tell whether it can embed items of a modality (``image+box``)."""
        kinds = set(modality.split("+"))
        if "image" in kinds and "image" not in self.modalities:
            return False
        if self.messages:
            return True
        return kinds == {"image"} or ("image" not in kinds and "text" in self.modalities)

    def codecs(self, box: str | None, coordinate: str | None) -> Codecs:
        """Return the codecs asked for, else its own, else Qwen2-VL's grid and ``lat_lon``."""
        return Codecs.named(
            chosen(box, self.box_codec, "qwen2vl"), chosen(coordinate, self.coordinate_codec, "lat_lon")
        )

    def key(self, role: Role, instruction: str | None, codecs: Codecs) -> Key:
        """Return what a vector of this encoder depends on, besides the item.

        Args:
            role: as what the item is embedded.
            instruction: the task's; only an encoder that takes messages is given it.
            codecs: how numbers become text.
        """
        said = instruction if self.messages else None
        if said is None and not self.roles:
            role = "target"  # the same words: an item that is query and target is embedded once
        return Key(self.fingerprint, role, said, codecs.name)

    def form(self, rendered: list[tuple[str, str]], image: Callable[[str], Any]) -> Any:
        """Make the model's input of rendered parts; `image` gives the picture of an image id."""
        if self.messages:
            return to_message(rendered, image)
        if rendered[0][0] == "image":
            return image(rendered[0][1])
        return to_text(rendered)


class Encoder:
    """A loaded encoder.

    Args:
        model: a SentenceTransformer, on its device.
        card: what is known of it.
    """

    def __init__(self, model: Any, card: Card) -> None:
        self.model = model.eval()
        self.card = card
        self._copies = Copies(self.model)

    @property
    def device(self) -> str:
        """The device that it runs on."""
        return str(self.model.device)

    def prepare(self, inputs: Sequence[Any], role: Role) -> Any:
        """Tokenise and resize a batch; runs off the device's critical path, in several threads beside `run`.

        Raises:
            MemoryFault: when it does not fit into memory.
        """
        with fitting(self.device), self._copies.one() as model:
            return model.preprocess(list(inputs), prompt=_prompt(model, role), task=_task(role))

    def run(self, features: Any, role: Role) -> Any:
        """Embed a prepared batch: float32 numpy, shape (batch, dimension), as the model gives them.

        Raises:
            MemoryFault: when it does not fit into memory.
        """
        import torch
        from sentence_transformers.util import batch_to_device

        with fitting(self.device), torch.inference_mode():
            out = self.model(batch_to_device(features, self.model.device), task=_task(role))
            vectors = out["sentence_embedding"].float().cpu().numpy()
        return vectors[:, : self.card.dimension]  # a model can be cut to its first dimensions (truncate_dim)


def _prompt(model: Any, role: Role) -> str | None:
    # as encode_query and encode_document do: the model's own words for the role, else its default
    name = _task(role) if _task(role) in model.prompts else model.default_prompt_name
    return (model.prompts.get(name) or None) if name else None


def _roles(model: Any) -> bool:
    routed = any("task" in getattr(module, "forward_kwargs", ()) for module in model.modules())
    return routed or _prompt(model, "query") != _prompt(model, "target")


def _task(role: Role) -> str:
    return "query" if role == "query" else "document"


def read_card(name: str, mark: str, dataset: Path) -> Card | None:
    """Return what an earlier run learned of the encoder with this fingerprint; None: it must be loaded."""
    file = _card_file(dataset, mark)
    if not file.is_file():
        return None
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return Card(**facts | {"name": name, "modalities": tuple(facts["modalities"])})
    except (ValueError, TypeError, KeyError):  # of another version of GeoVec: the encoder is asked again
        return None


def load(name: str, folder: Path, mark: str, dataset: Path, device: str) -> Encoder:
    """Load the encoder with fingerprint `mark` and leave its card with the dataset.

    Raises:
        UserError: when sentence-transformers cannot load it.
    """
    if model_type(folder) in FAMILIES and not (folder / "modules.json").is_file():
        raise UserError(
            f"encoder={name} is a vision-language model, not an encoder yet. Make one of it, trained with geovec-train"
            f' model={name}, or as it is: python -c "import geovec_train;'
            f" geovec_train.load('{name}').save_pretrained('models/{folder.name}')\""
        )
    try:
        from sentence_transformers import SentenceTransformer

        with _quiet():
            model = SentenceTransformer(str(folder), device=device, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # whatever a stranger's folder makes the libraries raise
        raise UserError(
            f"encoder={name} does not load as a SentenceTransformer: {type(error).__name__}: {first_line(error)}"
        ) from error
    return keep(model, name, mark, dataset)


def keep(model: Any, name: str, mark: str, dataset: Path) -> Encoder:
    """Leave the card of a loaded model with the dataset, and return it as an encoder."""
    card = describe(model, name, mark)
    file = _card_file(dataset, mark)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_aside(file, json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n")
    return Encoder(model, card)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars for its files and its advice about its own classes from our user's screen."""
    from transformers.utils import logging as hf

    level = hf.get_verbosity()
    hf.set_verbosity_error()
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(level)


def describe(model: Any, name: str, mark: str) -> Card:
    """Make the card of a loaded model."""
    box, coordinate = own_codecs(model)
    # a model lists a pair of modalities as a tuple; items need the single ones and "message"
    return Card(
        name,
        mark,
        tuple(m for m in model.modalities if isinstance(m, str)),
        int(model.get_embedding_dimension()),
        box_codec=box,
        coordinate_codec=coordinate,
        roles=_roles(model),
    )


def pick_device(wanted: str) -> str:
    """Return the torch device for ``auto``, ``cpu``, ``cuda[:n]`` or ``mps``; a missing one is announced."""
    if wanted == "cpu":
        return wanted
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        shared = int(os.environ.get("WORLD_SIZE", "1")) > 1  # torchrun gives each process a device of its own
        mine = f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % cuda}" if cuda and shared else "cuda"
        if not cuda and _GPU.exists():
            say("there is a GPU, but this torch cannot use it (built without CUDA, or the driver is older);"
                " USING THE CPU, which is slower")  # fmt: skip
        return mine if cuda else "cpu"
    number = int(wanted.partition(":")[2] or 0)
    there = number < cuda if wanted.startswith("cuda") else torch.backends.mps.is_available()
    if not there:
        say(f"device={wanted}: there is no such device here; USING THE CPU, which is slower")
        return "cpu"
    return wanted


def _card_file(dataset: Path, mark: str) -> Path:
    return dataset / FOLDER / f"{mark[:12]}.json"
