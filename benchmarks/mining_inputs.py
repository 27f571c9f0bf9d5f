"""Inputs of `mining_search.py`: vectors, a dataset with these vectors in its store, and a stub for the peer."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geovec_data.ids import digest, item_id, text_key
from geovec_data.mining.cache import FOLDER, EmbeddingStore, Key
from geovec_data.mining.encoder import Card
from geovec_data.mining.model_folder import fingerprint
from geovec_data.records import Segment
from geovec_data.render import Codecs
from geovec_data.schema import BUILD_TABLES, arrow_schema
from geovec_data.store.manifest import Manifest, TaskInfo
from geovec_data.store.writer import write_stream

DIMENSION = 256
TASK = "text_to_text"
RUN = "default"
ROWS = 20_000  # made at a time


def texts(n: int) -> tuple[list[str], list[str]]:
    """Return the texts of n queries and their positives."""
    return [f"query {i}" for i in range(n)], [f"passage {i}" for i in range(n)]


def vectors(work: Path) -> tuple[Any, Any]:
    """Read queries and corpus, float32, unit length, shape (n, 256)."""
    return np.load(work / "queries.npy"), np.load(work / "corpus.npy")


def generate(work: Path, kind: str, n: int) -> None:
    """Write vectors and a dataset that has them in its store; query i's positive is candidate i.

    Clustered: n / 100 centres, members near them and in cluster order, the hard case for thresholds that rise
    while a corpus is scanned.
    """
    if (work / "dataset" / "manifest.json").is_file():
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rng = np.random.default_rng(7)
    corpus = rng.standard_normal((n, DIMENSION), dtype=np.float32)
    if kind == "clustered":
        centres = rng.standard_normal((max(1, n // 100), DIMENSION), dtype=np.float32)
        corpus = centres[np.sort(rng.integers(0, len(centres), n))] + np.float32(0.3) * corpus
    queries = corpus + np.float32(0.5) * rng.standard_normal((n, DIMENSION), dtype=np.float32)
    for array, name in ((queries, "queries"), (corpus, "corpus")):
        array /= np.linalg.norm(array, axis=1, keepdims=True)
        np.save(work / f"{name}.npy", array)
    asked, right = write_dataset(work / "dataset", np.arange(n))
    write_store(work, asked, right, queries, corpus)


def write_dataset(path: Path, owner: Any) -> tuple[list[str], list[str]]:
    """Write a dataset of texts; candidate i is right for query ``owner[i]``. Returns the ids of both."""
    count = int(owner.max()) + 1
    anchors, positives = texts(count)[0], texts(len(owner))[1]
    names = [item_id((Segment.of_text(text),)) for text in (*anchors, *positives)]
    examples = [digest("example", name) for name in names[:count]]

    def items() -> Iterator[dict[str, Any]]:
        for text, name in zip((*anchors, *positives), names, strict=True):
            segment = {"kind": "text", "text": text, "image": None, "box": None, "lon": None, "lat": None}
            yield {"id": name, "segments": [segment], "modality": "text", "text_key": text_key(text)}

    fixed = {"task": TASK, "corpus": "bench", "instruction": f"{TASK}/0", "image": "0" * 32, "scope": "split"}
    tables: dict[str, Iterable[dict[str, Any]]] = {
        "items": items(),
        "examples": (fixed | {"id": e, "query": q, "scene_key": e} for e, q in zip(examples, names, strict=False)),
        "qrels": ({"example": examples[o], "item": i} for o, i in zip(owner, names[count:], strict=True)),
        "splits": ({"example": e, "split": "train", "reason": "benchmark"} for e in examples),
    }
    shards = []
    for table in BUILD_TABLES:
        shards += write_stream(path, table, batches(table, tables.get(table, ())))
    info = TaskInfo(meta_task="cross_modal", query_kind="text", target_kind="text", instructions=("Find it.",))
    manifest = Manifest(
        schema_version=1,
        tool="benchmark",
        fingerprint="0" * 64,
        recipe={},
        sources=(),
        tasks={TASK: info},
        counts={},
        leaks={},
        notes=(),
        shards=tuple(shards),
    )
    (path / "manifest.json").write_text(manifest.text(), encoding="utf-8")
    return names[:count], names[count:]


def batches(table: str, rows: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Yield rows of a table in batches."""
    left = iter(rows)
    while some := list(islice(left, ROWS)):
        yield from pa.Table.from_pylist(some, schema=arrow_schema(table)).to_batches()


def write_store(work: Path, asked: list[str], right: list[str], queries: Any, corpus: Any) -> None:
    """Write an encoder's vectors of queries and candidates where a mining run looks for them."""
    encoder = work / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}", encoding="utf-8")
    mark = fingerprint(encoder)
    card = Card("benchmark", mark, ("text",), queries.shape[1])
    codecs = Codecs.named().name
    for role, names, array in (("query", asked, queries), ("target", right, corpus)):
        store = EmbeddingStore(work / "dataset", Key(mark, role, None, codecs))  # type: ignore[arg-type]
        for start in range(0, len(names), 8192):
            store.add(names[start : start + 8192], array[start : start + 8192])
    file = work / "dataset" / FOLDER / f"{mark[:12]}.json"
    file.write_text(json.dumps(asdict(card)), encoding="utf-8")


def forget_run(work: Path) -> None:
    """Remove the mining run, so that the next one does its work."""
    shutil.rmtree(work / "dataset" / "mining", ignore_errors=True)


def candidates(work: Path, k: int) -> tuple[Any, Any]:
    """Return the run's first k candidates of each query as corpus rows, and their scores, shape (n, k)."""
    table = pq.read_table(work / "dataset" / "mining" / RUN / "candidates.parquet")
    table = table.filter(pc.less(table["rank"], k))
    anchors, positives = texts(len(np.load(work / "queries.npy", mmap_mode="r")))
    order = pa.array([digest("example", item_id((Segment.of_text(t),))) for t in anchors])
    passages = pa.array([item_id((Segment.of_text(t),)) for t in positives])
    example = pc.index_in(table["example"], value_set=order).to_numpy()
    item = pc.index_in(table["item"], value_set=passages).to_numpy()
    place = np.lexsort((table["rank"].to_numpy(), example))
    shape = (len(anchors), -1)
    return item[place].reshape(shape), table["score"].to_numpy()[place].reshape(shape)


def stub_encoder(anchors: list[str], queries: Any, positives: list[str], corpus: Any) -> Any:
    """Return a SentenceTransformer whose encode looks vectors up."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    known = dict(zip(anchors, queries, strict=True)) | dict(zip(positives, corpus, strict=True))

    class Lookup(SentenceTransformer):  # type: ignore[misc]
        def encode_query(self, inputs: list[str], **_: Any) -> Any:
            return np.stack([known[text] for text in inputs])

        encode_document = encode_query

    nothing = StaticEmbedding(Tokenizer(WordLevel({"x": 0}, unk_token="x")), embedding_dim=DIMENSION)
    return Lookup(modules=[nothing], device="cpu")


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    names = ("torch", "numpy", "pyarrow", "sentence-transformers", "faiss-cpu")
    return {name: importlib.metadata.version(name) for name in names}
