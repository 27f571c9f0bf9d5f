"""The same questions asked by mteb: its figures are those of `geovec-eval` where nothing is tied."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.records import Segment
from geovec_data.render import Codecs
from geovec_train.evaluation.evaluate import EvalConfig, run
from geovec_train.evaluation.mteb_encoder import mteb_encoder
from geovec_train.evaluation.mteb_tasks import Source, mteb_tasks
from geovec_train.evaluation.pools import pools
from tests.fixtures.handmade import Book, Painting, painted

installed = pytest.mark.skipif(
    importlib.util.find_spec("mteb") is None, reason="mteb is not installed (pip install 'geovec[mteb]')"
)
SAME = {
    "P@1": "precision_at_1",
    "R@5": "hit_rate_at_5",
    "R@10": "hit_rate_at_10",
    "MRR": "mrr_at_1000",
    "nDCG@10": "ndcg_at_10",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted(tmp_path_factory.mktemp("mteb (1)") / "data", scenes=18)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from geovec_train.models.load import save_model
    from geovec_train.models.tiny import build_tiny

    out = tmp_path_factory.mktemp("model") / "tiny"
    save_model(build_tiny(["the red block", "a blue block and a white block", "field harbour"], seed=0, side=56), out)
    return out


def sources(path: Path) -> dict[tuple[str, str], Source]:
    dataset = Dataset(path)
    con = dataset.connect()
    found = {(p.task, p.scope): Source(dataset, p, Codecs.named()) for p in pools(dataset, con, "test")}
    con.close()
    return found


def test_rows_hold_what_a_row_of_geovec_eval_asks(dataset: Path, tmp_path: Path) -> None:
    made = sources(dataset)
    region = made["region_to_text", "split"]
    assert region.forms == (("image", "text"), ("text",))
    rows = region.rows(tmp_path)
    assert rows["top_ranked"] is None
    assert len(rows["queries"]) == len(region.pool.queries) == 12
    assert rows["queries"][0]["image"].size == (96, 64)
    assert rows["queries"][0]["text"].startswith("<|box_start|>(")
    assert rows["corpus"]["id"] == region.pool.items
    right = {q: set(d) for q, d in rows["relevant_docs"].items()}
    assert right == {
        q: {region.pool.items[i] for i in p} for q, p in zip(region.pool.queries, region.pool.positives, strict=True)
    }
    assert made["scene_class", "corpus"].forms == (("image",), ("text",))
    assert made["image_to_coordinate", "split"].forms == (("image",), ("text",))


def test_a_query_is_ranked_among_the_candidates_of_its_scene(dataset: Path, tmp_path: Path) -> None:
    source = sources(dataset)["text_to_region", "scene"]
    rows = source.rows(tmp_path)
    assert set(rows["top_ranked"]) == set(rows["queries"]["id"]) == set(rows["relevant_docs"])
    assert {len(c) for c in rows["top_ranked"].values()} == {3}
    assert len(set(rows["queries"]["id"])) == len(source.pool.queries) > len(set(source.pool.queries))


def test_a_composition_is_not_ranked_against_its_own_picture(tmp_path: Path) -> None:
    book = Book()
    images = [book.image(Painting(f"{n}.png", background=(n, 0, 0), split="test")) for n in range(3)]
    for a, b in ((0, 1), (1, 2)):
        query = (Segment.of_image(images[a]), Segment.of_text("but darker"))
        book.example("composed_to_image", query, [(Segment.of_image(images[b]),)], image=images[a], split="test")
    book.distractor("composed_to_image", images[0], (Segment.of_image(images[0]),))
    source = sources(book.write(tmp_path / "d"))["composed_to_image", "split"]
    rows = source.rows(tmp_path)
    assert {len(c) for c in rows["top_ranked"].values()} == {2}


@pytest.mark.parametrize("query", ["text first", "two pictures"])
def test_items_of_another_form_are_refused(tmp_path: Path, query: str) -> None:
    book = Book()
    a, b = (book.image(Painting(f"{n}.png", background=(n, 0, 0), split="test")) for n in range(2))
    text, picture = Segment.of_text("but darker"), Segment.of_image(a)
    segments = (text, picture) if query == "text first" else (picture, Segment.of_image(b), text)
    book.example("composed_to_image", segments, [(Segment.of_image(b),)], image=a, split="test")
    why = sources(book.write(tmp_path / "d"))["composed_to_image", "split"].refused()
    assert why is not None
    assert "queries are of a form" in why


def test_without_mteb_the_way_out_is_told(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(UserError, match=r"pip install 'geovec\[mteb\]'"):
        mteb_tasks(dataset)
    with pytest.raises(UserError, match=r"pip install 'geovec\[mteb\]'"):
        mteb_encoder("any")


@installed
def test_mteb_gives_the_figures_of_geovec_eval(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    import mteb

    asked: Any = mteb_tasks(dataset)
    found = mteb.evaluate(mteb_encoder(tiny, device="cpu"), asked, cache=None, show_progress_bar=False)
    scores = run(EvalConfig(dataset=dataset, model=str(tiny), out=tmp_path, device="cpu", bootstrap=0))
    rows = {f"{r['task']}.{r['scope']}": r["metrics"] for r in scores["tasks"] if not r["subset"]}
    assert len(asked) == len(rows) == 9
    for result in found.task_results:
        _, task, scope = result.task_name.rsplit(".", 2)
        for ours, theirs in SAME.items():
            value = result.scores["test"][0][theirs]
            assert value == pytest.approx(rows[f"{task}.{scope}"][ours]["value"], abs=2e-5), (result.task_name, ours)
