"""Inputs of `mining_policy.py`: a captioned dataset on the map, with vectors in its store, and a first mining run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mining_inputs import batches
from geovec_data.ids import digest, item_id, text_key
from geovec_data.mining.cache import FOLDER, EmbeddingStore, Key
from geovec_data.mining.encoder import Card
from geovec_data.mining.mine import MineConfig
from geovec_data.mining.mine import run as mine
from geovec_data.mining.model_folder import fingerprint
from geovec_data.mining.policy import RULE_NAMES
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.search.making import SearchMaker
from geovec_data.records import Segment
from geovec_data.render import Codecs
from geovec_data.schema import BUILD_TABLES
from geovec_data.store.manifest import Manifest, TaskInfo
from geovec_data.store.writer import write_stream

DIMENSION = 32
CAPTIONS = 5  # of an image
CLASSES = 45
WORDS = 2000  # that captions are made of, few of them often
PLACES = 500  # around which images lie
TASK = "text_to_image"


def generate(work: Path, images: int, depth: int) -> None:
    """Write a dataset of `images` with five captions each, vectors, and the run `first` with `depth` candidates."""
    if not (work / "encoder").is_dir():  # written last
        _write(work, images)
    off = dict.fromkeys((name for name in RULE_NAMES if name in PolicyConfig.model_fields and _answers(name)), "off")
    whole = SearchMaker.over
    SearchMaker.over = lambda _, corpus: Drawn(len(corpus))  # type: ignore[method-assign, assignment]
    try:
        mine(config(work, run="first", depth=depth, k=1, policy=off))
    finally:
        SearchMaker.over = whole  # type: ignore[method-assign]


def _answers(rule: str) -> bool:
    return PolicyConfig.model_fields[rule].default in ("drop", "keep", "promote")


class Drawn:
    """In place of a search: candidates by chance, of falling scores. To judge them takes as long as the nearest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rng = np.random.default_rng(5)

    def search(self, queries: Any, k: int) -> tuple[Any, Any]:
        """See `geovec_data.mining.search.corpus.Searcher`."""
        scores = np.sort(self._rng.uniform(0.3, 0.95, (len(queries), k)).astype(np.float32), axis=1)[:, ::-1]
        first = self._rng.integers(0, self._size, (len(queries), 1))
        step = self._rng.integers(1, self._size // k, (len(queries), 1))
        return np.ascontiguousarray(scores), (first + step * np.arange(k)) % self._size


def _write(work: Path, images: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rng = np.random.default_rng(11)
    scene = rng.integers(0, CLASSES, images)
    shown = [digest("image", str(n)) for n in range(images)]
    said = _captions(rng, scene)
    queries = [item_id((Segment.of_text(t),)) for t in said]
    targets = [item_id((Segment.of_image(i),)) for i in shown]
    _dataset(work / "dataset", rng, scene, shown, said, queries, targets)
    _vectors(work, rng, scene, queries, targets)


def config(work: Path, **options: Any) -> MineConfig:
    """Return the options of a run."""
    fixed = {"dataset": work / "dataset", "encoder": str(work / "encoder"), "device": "cpu"}
    return MineConfig.model_validate(fixed | options)


def _captions(rng: np.random.Generator, scene: Any) -> list[str]:
    """Ten words each, of frequencies as in speech, and the name of the class in half of them."""
    often = 1 / np.arange(10, WORDS + 10)
    chosen = rng.choice(WORDS, (len(scene) * CAPTIONS, 10), p=often / often.sum())
    names = [f"w{n}" for n in range(WORDS)]
    named = rng.random(len(chosen)) < 0.5
    return [
        " ".join([*(names[w] for w in row), *([f"class{scene[n // CAPTIONS]}"] if named[n] else []), f"n{n % 97}"])
        for n, row in enumerate(chosen)
    ]


def _dataset(
    path: Path, rng: np.random.Generator, scene: Any, shown: list[str], said: list[str], queries: Any, targets: Any
) -> None:
    owner = np.arange(len(said)) // CAPTIONS
    places = np.stack([rng.uniform(-170, 170, PLACES), rng.uniform(-60, 60, PLACES)], axis=1)
    lon, lat = (places[rng.integers(0, PLACES, len(shown))] + rng.normal(0, 0.5, (len(shown), 2))).T
    looks = rng.integers(0, 1 << 63, len(shown))

    def images() -> Iterator[dict[str, Any]]:
        for n, image in enumerate(shown):
            west, south, east, north = lon[n] - 0.002, lat[n] - 0.002, lon[n] + 0.002, lat[n] + 0.002
            ring = np.array([[west, south], [east, south], [east, north], [west, north], [west, south]])
            yield {
                "id": image, "bytes": b"", "format": "PNG", "width": 256, "height": 256, "phash": f"{looks[n]:016x}",
                "corpus": "bench", "key": f"{n}.png", "path": f"{n}.png", "parent": f"{n}.png", "origin": f"bench/{n}",
                "scene_class": f"class{scene[n]}", "licence": "none", "attribution": "none",
                "footprint": b"\x01\x03\0\0\0\x01\0\0\0\x05\0\0\0" + ring.tobytes(), "lon": lon[n], "lat": lat[n],
                "gsd": 1.7,
            } | {key: [] for key in ("labels", "attributes", "places", "captions", "synthetic")}  # fmt: skip

    def items() -> Iterator[dict[str, Any]]:
        nothing = dict.fromkeys(("text", "image", "box", "lon", "lat"))
        for image, item in zip(shown, targets, strict=True):
            segment = nothing | {"kind": "image", "image": image}
            yield {"id": item, "segments": [segment], "modality": "image", "image": image}
        for text, item in zip(said, queries, strict=True):
            segment = nothing | {"kind": "text", "text": text}
            yield {"id": item, "segments": [segment], "modality": "text", "text_key": text_key(text)}

    names = [digest("example", q, str(n)) for n, q in enumerate(queries)]
    fixed = {"task": TASK, "corpus": "bench", "instruction": f"{TASK}/0", "scope": "split"}
    tables: dict[str, Iterator[dict[str, Any]]] = {
        "images": images(),
        "items": _once(items()),
        "examples": (
            fixed | {"id": e, "query": q, "image": shown[i], "scene_key": shown[i]}
            for e, q, i in zip(names, queries, owner, strict=True)
        ),
        "qrels": ({"example": e, "item": targets[i]} for e, i in zip(names, owner, strict=True)),
        "splits": ({"example": e, "split": "train", "reason": "benchmark"} for e in names),
        "image_splits": ({"image": i, "split": "train", "reason": "benchmark"} for i in shown),
    }
    shards = []
    for table in BUILD_TABLES:
        shards += write_stream(path, table, batches(table, tables.get(table, ())))
    info = TaskInfo(meta_task="cross_modal", query_kind="text", target_kind="image", instructions=("Find it.",))
    manifest = Manifest(
        schema_version=1, tool="benchmark", fingerprint="0" * 64, recipe={}, sources=(), tasks={TASK: info}, counts={},
        leaks={}, notes=(), shards=tuple(shards),
    )  # fmt: skip
    (path / "manifest.json").write_text(manifest.text(), encoding="utf-8")


def _once(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for row in rows:
        if row["id"] not in seen:
            seen.add(row["id"])
            yield row


def _vectors(work: Path, rng: np.random.Generator, scene: Any, queries: list[str], targets: list[str]) -> None:
    encoder = work / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}", encoding="utf-8")
    mark = fingerprint(encoder)
    centres = rng.standard_normal((CLASSES, DIMENSION), dtype=np.float32)
    of_images = centres[scene] + rng.standard_normal((len(scene), DIMENSION), dtype=np.float32)
    own = np.repeat(of_images, CAPTIONS, axis=0)
    of_captions = own + np.float32(0.5) * rng.standard_normal(own.shape, dtype=np.float32)
    first = np.unique(np.array(queries), return_index=True)[1]
    codecs = Codecs.named().name
    for role, names, vectors in (
        ("query", [queries[n] for n in first], of_captions[first]),
        ("target", targets, of_images),
    ):
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        EmbeddingStore(work / "dataset", Key(mark, role, None, codecs)).add(names, vectors)  # type: ignore[arg-type]
    card = Card("benchmark", mark, ("text", "image"), DIMENSION)
    (work / "dataset" / FOLDER / f"{mark[:12]}.json").write_text(json.dumps(asdict(card)), encoding="utf-8")
