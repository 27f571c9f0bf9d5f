"""The report: every section is there, nothing is loaded, nothing of a stranger's text is markup, absence is said."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from geovec_data.errors import UserError
from geovec_data.records import Segment
from geovec_data.report.config import ReportConfig
from geovec_data.report.report import run, web_address
from tests.fixtures.handmade import Book, Painting, painted
from tests.fixtures.jobs import mined, scored, trained

SECTIONS = ("dataset", "counts", "scenes", "examples", "splits", "rejects", "mining", "training", "scores")
LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping", "cite", "manifest"}


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.section: str | None = None
        self.text: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs)["id"]
        self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        if self.section:
            self.text[self.section] = self.text.get(self.section, "") + data

    def texts(self, section: str) -> str:
        return " ".join(self.text[section].split())


def report(dataset: Path, **options: Any) -> str:
    summary = run(ReportConfig(dataset=dataset, **options))
    html = Path(summary["out"]).read_text(encoding="utf-8")
    assert summary["bytes"] == len(html.encode())
    return html


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("full report (1)=~")
    leaks = {
        "image": {"count": 0, "of": 9, "unit": "images", "samples": []},
        "caption": {
            "count": 1234, "of": 5678, "unit": "captions", "samples": ["a"], "note": "reported apart",
            "pairs": 77, "policy": "report", "meaning": "the same words",
        },
    }  # fmt: skip
    dataset = painted(root / "data", notes=("captions are synthesised; these are smoke figures",), leaks=leaks)
    mined(dataset)
    trained(root / "warm")
    model = trained(root / "final", model=str(root / "warm"))
    scored(model, dataset, notes=("only 3 parent images",))
    return report(dataset, model=model)


def test_every_section_is_there_and_says_its_numbers(full: str) -> None:
    page = Elements(full)
    assert tuple(a["id"] for tag, a in page.tags if tag == "section") == SECTIONS
    targets = {str(a["href"])[1:] for tag, a in page.tags if tag == "a" and str(a["href"]).startswith("#")}
    assert targets == set(SECTIONS)
    assert "captions are synthesised; these are smoke figures" in full
    assert "CC0-1.0" in page.texts("dataset")
    assert "version 1, written by geovec 0.1.0" in page.texts("dataset")
    assert re.search(r"region_to_text image\+box → text 6 6 6 18", page.texts("counts"))
    assert "8 of 9 images" in page.texts("scenes")
    for task in ("image_to_text", "scene_class", "coordinate_to_image", "expression_to_region"):
        assert task in page.texts("examples")
    assert "47.00000° N" in page.texts("examples")
    assert "1,234 5,678 captions 77 report the same words reported apart a" in page.texts("splits")
    assert "outside region 1 a.png: box (900, 3, 920, 40)" in page.texts("rejects")
    assert "Run first, encoder runs/warm" in page.texts("mining")
    assert "known positive 40" in page.texts("mining")
    assert "positive 0.750" in page.texts("mining")
    assert "region 0.800" in page.texts("mining")
    assert page.texts("training").index("warm") < page.texts("training").index("final")
    assert "30.0 20.0–40.0 · chance 1.0" in page.texts("scores")
    assert "4 of the scene (median)" in page.texts("scores")
    assert "not applicable: takes no image" in page.texts("scores")
    assert "only 3 parent images" in page.texts("scores")


def test_nothing_is_loaded_from_anywhere(full: str) -> None:
    page = Elements(full)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert name not in LOADING, (tag, name)
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "xlink:href") and tag != "a":
                assert str(value).startswith(("#", "data:image/webp;base64,")), (tag, value)
    style = full[full.index("<style>") : full.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in full


def test_a_picture_stands_in_the_page_once(full: str) -> None:
    ids = re.findall(r'<image id="i(\w+)"', full)
    assert len(ids) == len(set(ids)) == 9
    used = re.findall(r'<use href="#i(\w+)"', full)
    assert set(used) == set(ids)
    assert len(used) > 40


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}</style>"])
def test_a_strangers_text_is_never_markup(tmp_path: Path, evil: str) -> None:
    book = Book(corpus=evil)
    painting = Painting(
        evil, captions=(evil,), scene_class=evil, boxes={(2.0, 3.0, 20.0, 30.0): (evil, (200, 0, 0))}, split="test"
    )
    image = book.image(painting)
    picture, text = (Segment.of_image(image),), (Segment.of_text(evil),)
    book.example("image_to_text", picture, [text], image=image)
    book.example("text_to_image", text, [picture], image=image)
    book.reject(evil, evil, evil)
    recipe = {"name": evil, "title": evil, "summary": evil}
    leaks = {evil: {"count": 1, "of": 2, "unit": evil, "samples": [], "note": evil}, evil + "2": [evil]}
    dataset = book.write(tmp_path / "d", notes=(evil,), recipe=recipe, leaks=leaks, kind=evil)
    mined(dataset, encoder={"name": evil}, tasks={evil: {"drops": {evil: 3}}}, scores_are=evil)
    model = trained(tmp_path / "m")
    file = scored(model, dataset, notes=(evil,))
    file.write_text(file.read_text().replace("region_to_text", "region_to_text\\u003cscript\\u003e"))
    html = report(dataset, model=model)
    tags = [tag for tag, _ in Elements(html).tags]
    assert "script" not in tags
    assert "img" not in tags
    assert evil not in html
    assert tags.count("style") == html.count("</style>") == 1
    assert "{{ 7*7 }}" in html or "7*7" not in evil


def test_only_web_addresses_become_links() -> None:
    assert web_address("https://example.org/a?b=c") == "https://example.org/a?b=c"
    for address in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil", "", "java\nscript:x"):
        assert web_address(address) is None


def test_absent_pieces_are_said_and_do_not_fail(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "d", scenes=3)
    summary = run(ReportConfig(dataset=dataset))
    assert Path(summary["out"]) == dataset / "report.html"
    page = Elements((dataset / "report.html").read_text())
    assert "No negatives have been mined" in page.texts("mining")
    assert "No model was given" in page.texts("training")
    assert "No model was given" in page.texts("scores")
    assert sum(line.startswith("note: No") for line in summary["human"]) == 3

    (tmp_path / "m").mkdir()
    page = Elements(report(dataset, model=tmp_path / "m"))
    assert "m has no log.jsonl" in page.texts("training")
    assert "m has not been scored on this dataset" in page.texts("scores")


def test_an_empty_dataset_still_reports(tmp_path: Path) -> None:
    page = Elements(report(Book().write(tmp_path / "d")))
    assert "This dataset has no examples" in page.texts("examples")
    assert "No scenes are shown" in page.texts("scenes")
    assert "No row was refused" in page.texts("rejects")
    assert "holds no leak report" in page.texts("splits")


def test_several_mining_runs_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "d", scenes=6)
    mined(dataset, "alpha")
    mined(dataset, "beta")
    assert "several mining runs (alpha, beta)" in Elements(report(dataset)).texts("mining")
    assert "Run beta" in Elements(report(dataset, run="beta")).texts("mining")
    with pytest.raises(UserError, match="Did you mean 'alpha'"):
        run(ReportConfig(dataset=dataset, run="alpa"))


def test_jobs_of_another_build_are_told_apart(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "d", scenes=6)
    same = hashlib.sha256((dataset / "manifest.json").read_bytes()).hexdigest()
    mined(dataset, settings={"dataset": same})
    model = trained(tmp_path / "m")
    file = scored(model, dataset)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset_fingerprint": "f" * 64}))
    page = Elements(report(dataset, model=model))
    assert "another build" not in page.texts("mining") + page.texts("scores")
    mined(dataset, settings={"dataset": "0" * 64})
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset_fingerprint": "0" * 64}))
    page = Elements(report(dataset, model=model))
    assert "The mining run first is of another build of this dataset" in page.texts("mining")
    assert "These scores are of another build of this dataset" in page.texts("scores")


def test_mistakes_are_told(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "d", scenes=3)
    with pytest.raises(UserError, match=r"model=.*no such directory"):
        run(ReportConfig(dataset=dataset, model=tmp_path / "none"))
    with pytest.raises(UserError, match="is a directory"):
        run(ReportConfig(dataset=dataset, out=tmp_path))
    with pytest.raises(UserError, match="no such file"):
        run(ReportConfig(dataset=dataset, scores=tmp_path / "none.json"))
    model = trained(tmp_path / "m")
    file = scored(model, dataset)
    file.write_text("{")
    with pytest.raises(UserError, match=r"scores\.json is unreadable"):
        run(ReportConfig(dataset=dataset, model=model))


def test_equal_input_gives_an_equal_page(tmp_path: Path) -> None:
    dataset = painted(tmp_path / "d")
    mined(dataset)
    first = report(dataset, out=tmp_path / "a.html")
    assert report(dataset, out=tmp_path / "b.html") == first
    assert report(dataset, out=tmp_path / "c.html", seed=5) != first
