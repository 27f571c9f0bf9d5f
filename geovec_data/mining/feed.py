"""Batches for an encoder, prepared ahead of it: images decoded and texts tokenised while the device works.

Items are taken in windows that follow the order of the images on disk, so that a row group is read once; within a
window they are sorted by image size and text length, so that a batch has little padding.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault
from geovec_data.images import BadImage
from geovec_data.mining.cache import Key
from geovec_data.mining.encoder import Encoder
from geovec_data.mining.model_folder import first_line
from geovec_data.render import Codecs, decode_image, parts

Parts = list[tuple[str, str]]

WINDOW = 4096  # items that are rendered and sorted at once
AHEAD = 3  # prepared batches that wait for the device
_PICTURES = 64  # decoded images kept: regions of one image follow one another


class Feed:
    """Prepares batches in a thread of its own, images in several, a few batches ahead of who iterates.

    Iterating (inside ``with``) yields the item ids of a batch and the features that `Encoder.prepare` made.

    Args:
        encoder: whose input is prepared.
        dataset: where items and images are.
        key: says role and instruction.
        ids: the items.
        codecs: how numbers become text.
        batch: items per batch.
        workers: threads that decode images.

    Attributes:
        waited: seconds for which the iterating side had to wait.
    """

    def __init__(
        self,
        encoder: Encoder,
        dataset: Dataset,
        key: Key,
        ids: pa.StringArray,
        codecs: Codecs,
        batch: int,
        workers: int,
    ) -> None:
        self._encoder = encoder
        self._dataset = dataset
        self._key = key
        self._codecs = codecs
        self._batch = batch
        self._ids = ids
        self._queue: queue.Queue[tuple[list[str], Any] | BaseException | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._thread = threading.Thread(target=self._produce, name="prepare", daemon=True)
        self._reading = threading.Lock()
        self._pictures: OrderedDict[str, Future[Image.Image]] = OrderedDict()
        self.waited = 0.0

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():  # it may be blocked on a full queue
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[list[str], Any]]:
        while True:
            asked = time.monotonic()
            got = self._queue.get()
            self.waited += time.monotonic() - asked
            if got is None:
                return
            if isinstance(got, BaseException):
                raise got
            yield got

    def _produce(self) -> None:
        try:
            batches = self._batches()
            ahead: list[tuple[list[str], list[Parts], list[Future[Image.Image]]]] = []
            done = False
            while not self._stop.is_set():
                while not done and len(ahead) < 2:  # the next batch's images decode while this one is tokenised
                    coming = next(batches, None)
                    done = coming is None
                    if coming is not None:
                        ahead.append((*coming, [self._picture(i) for i in _image_ids(coming[1])]))
                if not ahead:
                    break
                ids, rendered, pictures = ahead.pop(0)
                shown = dict(zip(_image_ids(rendered), (p.result() for p in pictures), strict=True))
                inputs = [self._encoder.card.form(r, shown.__getitem__) for r in rendered]
                self._queue.put((ids, self._encoder.prepare(inputs, self._key.role)))
            self._queue.put(None)
        except BaseException as error:  # handed to the thread that iterates, which raises it
            self._queue.put(error)

    def _batches(self) -> Iterator[tuple[list[str], list[Parts]]]:
        size, items = self._dataset.images.size, self._dataset.items
        order, position = self._disk_order()
        for start in range(0, len(order), WINDOW):
            window = []
            for n in order[start : start + WINDOW]:
                i = self._ids[int(n)].as_py()
                segments = items.segments(i)
                rendered = parts(segments, instruction=self._key.instruction, codecs=self._codecs, size=size)
                pixels = sum(w * h for w, h in (size(v) for kind, v in rendered if kind == "image"))
                letters = sum(len(v) for kind, v in rendered if kind == "text")
                # text lengths are compared roughly, so that regions of one image stay together
                window.append(((-pixels, -(letters // 16), int(position[n]), i), rendered))
            window.sort(key=lambda entry: entry[0])
            for at in range(0, len(window), self._batch):
                some = window[at : at + self._batch]
                yield [key[3] for key, _ in some], [rendered for _, rendered in some]

    def _disk_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order the items by where their images lie; an item without an image comes first."""
        table = self._dataset.items.table
        images = table["image"].take(pc.index_in(self._ids, value_set=table["id"])).combine_chunks()
        coded = images.dictionary_encode()
        places = [self._dataset.images.position(i) for i in coded.dictionary.to_pylist()]
        codes = np.asarray(pc.fill_null(coded.indices, len(places)))
        position = np.array([*places, -1], np.int64)[codes]
        return np.argsort(position, kind="stable"), position

    def _picture(self, image: str) -> Future[Image.Image]:
        held = self._pictures.pop(image, None) or self._pool.submit(self._decode, image)
        self._pictures[image] = held
        while len(self._pictures) > _PICTURES:
            self._pictures.popitem(last=False)
        return held

    def _decode(self, image: str) -> Image.Image:
        with self._reading:
            data = self._dataset.images.get(image)
        try:
            return decode_image(data)
        except BadImage as error:
            raise DataFault(
                f"{self._dataset.path}: image {image} does not decode ({first_line(error)}); run: geovec-data verify"
            ) from error


def _image_ids(rendered: list[Parts]) -> list[str]:
    return list(dict.fromkeys(value for row in rendered for kind, value in row if kind == "image"))
