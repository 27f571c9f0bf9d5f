"""Inputs of `mining_search.py`: vectors, a dataset with these vectors in its store, and a stub for the peer."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from dataclasses import asdict
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
    asked, right = _dataset(work / "dataset", n)
    _store(work, asked, right, queries, corpus)


def _dataset(path: Path, n: int) -> tuple[list[str], list[str]]:
    anchors, positives = texts(n)
    rows, names = [], []
    for text in (*anchors, *positives):
        names.append(item_id((Segment.of_text(text),)))
        segment = {"kind": "text", "text": text, "image": None, "box": None, "lon": None, "lat": None}
        rows.append({"id": names[-1], "segments": [segment], "modality": "text", "text_key": text_key(text)})
    examples = [digest("example", name) for name in names[:n]]
    tables = {
        "items": rows,
        "examples": [
            {
                "id": e,
                "task": TASK,
                "corpus": "bench",
                "instruction": f"{TASK}/0",
                "query": q,
                "image": "0" * 32,
            }
            | {"scope": "split", "scene_key": e}
            for e, q in zip(examples, names[:n], strict=True)
        ],
        "qrels": [{"example": e, "item": i} for e, i in zip(examples, names[n:], strict=True)],
        "splits": [{"example": e, "split": "train", "reason": "benchmark"} for e in examples],
    }
    shards = []
    for table in BUILD_TABLES:
        whole = pa.Table.from_pylist(tables.get(table, []), schema=arrow_schema(table))
        shards += write_stream(path, table, whole.to_batches())
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
    return names[:n], names[n:]


def _store(work: Path, asked: list[str], right: list[str], queries: Any, corpus: Any) -> None:
    encoder = work / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}", encoding="utf-8")
    mark = fingerprint(encoder)
    card = Card("benchmark", mark, ("text",), DIMENSION)
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
