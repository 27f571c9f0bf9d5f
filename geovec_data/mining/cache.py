"""Vectors that were computed once, kept for ever: ``embeddings/<key>/`` in the dataset.

A store belongs to one encoder (content of its folder), role, instruction and pair of codecs: whatever changes a
vector changes the key. It is a set of immutable Arrow files, each written aside and renamed, so kill -9 leaves
only whole files; a lock that dies with its process keeps two encoders from doing the same work.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geovec_data.errors import DataFault, ResourceFault, UserError
from geovec_data.progress import say

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Role = Literal["query", "target"]

FOLDER = "embeddings"
_SUFFIX = ".arrow"


@dataclass(frozen=True, slots=True)
class Key:
    """All that a vector depends on, besides the item.

    Attributes:
        encoder: fingerprint of the encoder's folder: weights, processor, tokenizer, settings.
        role: ``query`` or ``target``: an encoder can treat them differently.
        instruction: the text rendered before the item, or None.
        codecs: name of the pair of codecs.
    """

    encoder: str
    role: Role
    instruction: str | None
    codecs: str

    @property
    def name(self) -> str:
        """Name of the store's folder: encoder, role and a hash of the whole key."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.encoder[:12]}-{self.role}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class EmbeddingStore:
    """The vectors of one key; unit length, float32.

    Args:
        dataset: the dataset directory.
        key: what the vectors depend on.
    """

    def __init__(self, dataset: Path, key: Key) -> None:
        self.folder = dataset / FOLDER / key.name
        self.key = key
        self._parts: list[Floats] = []
        self._names = pa.array([], pa.string())
        self._starts: Ints = np.zeros(1, np.int64)
        self._seen: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Map the files that were added since; nothing is read but the ids."""
        names = [self._names]
        for file in sorted(self.folder.glob(f"*{_SUFFIX}")):
            if file.name in self._seen:
                continue
            try:
                table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
            except (pa.ArrowInvalid, OSError) as error:
                say(f"{file} is damaged ({error}); removed, its items are embedded again")
                file.unlink(missing_ok=True)
                continue
            self._seen.add(file.name)
            batch = table.combine_chunks()
            vectors = batch.column("vector").chunk(0)
            flat = vectors.flatten().to_numpy(zero_copy_only=True)
            self._parts.append(flat.reshape(len(batch), vectors.type.list_size))
            names.append(batch.column("id").chunk(0))
        self._names = pa.concat_arrays(names)
        self._starts = np.cumsum([0, *(len(p) for p in self._parts)])

    def __len__(self) -> int:
        return len(self._names)

    @property
    def dimension(self) -> int | None:
        """Length of a vector; None while the store is empty."""
        return self._parts[0].shape[1] if self._parts else None

    def check(self, dimension: int, encoder: str) -> None:
        """Check that every vector is as long as the encoder's.

        Raises:
            UserError: when some are not.
        """
        strange = sorted({part.shape[1] for part in self._parts} - {dimension})
        if strange:
            raise UserError(
                f"encoder={encoder} gives vectors of {dimension} dimensions, but {self.folder} holds some of"
                f" {', '.join(map(str, strange))}: was the folder copied from elsewhere, or is the encoder loaded by"
                " another version of sentence-transformers? Remove that folder; its items are embedded again"
            )

    def missing(self, ids: pa.StringArray) -> pa.StringArray:
        """Return those of the ids that have no vector yet, in the given order."""
        return ids.filter(pc.invert(pc.is_in(ids, value_set=self._names)))

    def locate(self, ids: pa.StringArray) -> Ints:
        """Return the place of each id's vector, for `take`.

        Raises:
            KeyError: when one has no vector.
        """
        where = pc.index_in(ids, value_set=self._names)
        if where.null_count:
            raise KeyError(f"{where.null_count} items have no vector in {self.folder}")
        places: Ints = where.to_numpy().astype(np.int64)
        return places

    def take(self, places: Ints) -> Floats:
        """Return the vectors at places, shape (n, dimension).

        Raises:
            DataFault: when one is not finite: the encoder's never are, so the file is damaged.
        """
        out = np.empty((len(places), self.dimension or 0), np.float32)
        part = np.searchsorted(self._starts, places, side="right") - 1
        order = np.argsort(part, kind="stable")
        used, first = np.unique(part[order], return_index=True)
        for n, chosen in zip(used, np.split(order, first[1:]), strict=False):  # of nothing, one empty piece
            rows = places[chosen] - self._starts[n]
            if len(rows) == len(places):
                np.take(self._parts[n], rows, axis=0, out=out)
            else:
                out[chosen] = self._parts[n][rows]
        if not np.isfinite(out.sum()):
            self._refuse(places[~np.isfinite(out).all(axis=1)])
        return out

    def _refuse(self, places: Ints) -> None:
        ids = self._names.take(pa.array(places[:5])).to_pylist()
        raise DataFault(
            f"{self.folder} holds NaN or infinite vectors for {len(places)} items asked for: {', '.join(ids)}"
            f"{', …' if len(places) > 5 else ''}; remove that folder, and its items are embedded again"
        )

    def add(self, ids: Sequence[str], vectors: Floats) -> None:
        """Write one file of vectors; it is there whole or not at all.

        Args:
            ids: item ids.
            vectors: unit length, shape (len(ids), dimension).

        Raises:
            ResourceFault: when the disk refuses; what was added before stays.
        """
        flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
        column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        batch = pa.record_batch([pa.array(ids, pa.string()), column], names=["id", "vector"])
        name = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:24] + _SUFFIX
        aside = self.folder / f".{os.getpid()}-{name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as sink:
                with pa.ipc.new_file(sink, batch.schema) as writer:
                    writer.write_batch(batch)
                os.fsync(sink.fileno())
            aside.replace(self.folder / name)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise ResourceFault(
                f"cannot write vectors to {self.folder} ({error.strerror or error}); make room or give write access"
                " and run again: what was embedded so far is kept"
            ) from error

    def describe(self, facts: dict[str, Any]) -> None:
        """Write what the store holds beside it, for a person who looks."""
        text = json.dumps(asdict(self.key) | facts, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        write_aside(self.folder / "key.json", text)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store's lock; another process that embeds into it is waited for."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / ".lock").open("a")
        except OSError as error:
            raise ResourceFault(f"cannot write to {self.folder}: {error.strerror or error}") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another process embeds into {self.folder.name}: waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
            for stale in self.folder.glob(f".*{_SUFFIX}"):  # of a process that was killed: the lock is ours
                stale.unlink(missing_ok=True)
            self.refresh()
            yield
            self.refresh()


def write_aside(file: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    aside = file.with_name(f".{file.name}.{os.getpid()}-{os.urandom(4).hex()}")  # machines share process numbers
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
