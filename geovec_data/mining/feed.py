"""Batches for an encoder, prepared ahead of it: images decoded and texts tokenised while the device works.

Items are taken in windows that follow the order of the images on disk, so that a row group is read once; within a
window they are sorted by image size and text length, so that a batch has little padding. Whole batches are prepared
side by side, each in a thread of its own, and come out in order.
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
from geovec_data.mining.cache import Key
from geovec_data.mining.encoder import Encoder
from geovec_data.mining.model_folder import first_line
from geovec_data.render import Codecs, decode_image, parts
from geovec_data.untrusted.images import BadImage

Parts = list[tuple[str, str]]
Batch = tuple[list[str], Any]

WINDOW = 4096  # items that are rendered and sorted at once
AHEAD = 2  # prepared batches that wait for the device, beside those that threads are at
_PICTURES = 64  # decoded images kept: regions of one image follow one another


class Feed:
    """Prepares batches in threads, a few batches ahead of who iterates.

    Iterating (inside ``with``) yields the item ids of a batch and the features that `Encoder.prepare` made.

    Args:
        encoder: whose input is prepared.
        dataset: where items and images are.
        key: says role and instruction.
        ids: the items.
        codecs: how numbers become text.
        batch: items per batch.
        workers: threads that decode images and prepare batches.

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
        self._queue: queue.Queue[Future[Batch] | BaseException | None] = queue.Queue(AHEAD + workers)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="prepare")
        self._thread = threading.Thread(target=self._produce, name="render", daemon=True)
        self._reading = threading.Lock()
        self._showing = threading.Lock()
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

    def __iter__(self) -> Iterator[Batch]:
        while True:
            asked = time.monotonic()
            got = self._queue.get()
            made = got.result() if isinstance(got, Future) else got
            self.waited += time.monotonic() - asked
            if made is None:
                return
            if isinstance(made, BaseException):
                raise made
            yield made

    def _produce(self) -> None:
        try:
            for ids, rendered in self._batches():
                if self._stop.is_set():
                    return
                self._queue.put(self._pool.submit(self._prepare, ids, rendered))
            self._queue.put(None)
        except BaseException as error:  # handed to the thread that iterates, which raises it
            self._queue.put(error)

    def _prepare(self, ids: list[str], rendered: list[Parts]) -> Batch:
        inputs = [self._encoder.card.form(r, self._picture) for r in rendered]
        return ids, self._encoder.prepare(inputs, self._key.role)

    def _batches(self) -> Iterator[tuple[list[str], list[Parts]]]:
        size, items = self._dataset.images.size, self._dataset.items
        order, position = disk_order(self._dataset, self._ids)
        for start in range(0, len(order), WINDOW):
            window = []
            for n in order[start : start + WINDOW]:
                i = self._ids[int(n)].as_py()
                segments = items.segments(i)
                rendered = parts(segments, instruction=self._key.instruction, codecs=self._codecs, size=size)
                pixels = sum(w * h for w, h in (size(v) for kind, v in rendered if kind == "image"))
                letters = sum(len(v) for kind, v in rendered if kind != "image")
                # text lengths are compared roughly, so that regions of one image stay together
                window.append(((-pixels, -(letters // 16), int(position[n]), i), rendered))
            window.sort(key=lambda entry: entry[0])
            for at in range(0, len(window), self._batch):
                some = window[at : at + self._batch]
                yield [key[3] for key, _ in some], [rendered for _, rendered in some]

    def _picture(self, image: str) -> Image.Image:
        """Return an image, decoded by the thread that asks for it first; others wait for that one."""
        with self._showing:
            held = self._pictures.pop(image, None)
            picture = self._pictures[image] = held or Future()
            while len(self._pictures) > _PICTURES:
                self._pictures.popitem(last=False)
        if held is None:
            try:
                picture.set_result(self._decode(image))
            except BaseException as error:  # whoever waits for the image raises it too
                picture.set_exception(error)
        return picture.result()

    def _decode(self, image: str) -> Image.Image:
        with self._reading:
            data = self._dataset.images.get(image)
        try:
            return decode_image(data)
        except BadImage as error:
            raise DataFault(
                f"{self._dataset.path}: image {image} does not decode ({first_line(error)}); run: geovec-data verify"
            ) from error


def disk_order(dataset: Dataset, ids: pa.StringArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order items by where their images lie; an item without an image comes first.

    Args:
        dataset: where items and images are.
        ids: item ids.

    Returns:
        The order, and the place on disk of each item's image, -1 where there is none; both of shape (len(ids),).
    """
    table = dataset.items.table
    images = table["image"].take(pc.index_in(ids, value_set=table["id"])).combine_chunks()
    coded = images.dictionary_encode()
    places = [dataset.images.position(i) for i in coded.dictionary.to_pylist()]
    codes = np.asarray(pc.fill_null(coded.indices, len(places)))
    position = np.array([*places, -1], np.int64)[codes]
    return np.argsort(position, kind="stable"), position
