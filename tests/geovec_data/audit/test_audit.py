"""The audit counts what a plain reading of names counts, sees nothing when labels are seen, and shows the worst."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from geovec_data.audit import methods
from geovec_data.audit.audit import run
from geovec_data.audit.config import AuditConfig
from geovec_data.cli import main
from geovec_data.errors import UserError
from geovec_data.records import Segment
from tests.fixtures.world import World, text

THEMES = ("airport", "harbour", "forest")


def themed(folder: Path, scenes: int = 90, **options: Any) -> World:
    """Images of three classes, the last three without one; captions share words within a class; names are classes."""
    world, rng = World(folder), np.random.default_rng(3)
    for n in range(scenes):
        theme = THEMES[n % 3]
        image = world.image(f"{n}.png", scene_class=theme if n < scenes - 3 else None)
        degrees = float(rng.uniform(0, 40) + 15 * (n % 3))
        words = " ".join(f"{theme}{int(w)}" for w in rng.choice(12, 2, replace=False))
        name = theme if n < scenes - 3 else "unknown"
        asked = world.at(degrees, text(f"{words} number {n}"), name)
        shown = world.at(degrees + float(rng.uniform(0, 2)), (Segment.of_image(image),), name)
        world.book.example("text_to_image", asked, [shown], image=image)
    world.mine(k=4, depth=60, **options)
    return world


def audit(world: World, **options: Any) -> dict[str, Any]:
    given = {"dataset": world.folder / "dataset", "resamples": 200, **options}
    return run(AuditConfig.model_validate(given))


def test_counts_are_those_of_a_plain_reading(tmp_path: Path) -> None:
    world = themed(tmp_path, policy={"same_class": "off", "same_neighbourhood": "off"})
    summary = audit(world)
    facts = summary["audits"][0]
    rows = pq.read_table(tmp_path / "dataset/mining/default/negatives.parquet").to_pylist()
    examples = pq.read_table(next((tmp_path / "dataset/examples").glob("*.parquet"))).to_pylist()
    name_of = {e["id"]: world.names[e["query"]] for e in examples}
    pairs = [(name_of[r["example"]], world.names[r["item"]]) for r in rows]
    told = [p for p in pairs if "unknown" not in p]
    assert facts["this_run"] == {
        "negatives": len(pairs),
        "known": len(told),
        "false_negatives": sum(a == b for a, b in told),
    }
    assert facts["truth"] == "scene class"
    assert (facts["examples"], facts["scenes"]) == (87, 87)
    assert facts["labels_visible"]["false_negatives"] == 0 < facts["labels_visible"]["known"]
    assert not summary["failed"]
    point = next(
        p for p in facts["labels_withheld"]["points"] if (p["method"], p["varied"], p["value"]) == ("geovec", "k", 4)
    )
    assert point["false_negative_rate"] == pytest.approx(
        facts["this_run"]["false_negatives"] / facts["this_run"]["known"], abs=1e-4
    )
    assert summary["skipped"] == {"text_to_image, osm": "the dataset knows none of that kind there"}


def test_files_and_page(tmp_path: Path) -> None:
    world = themed(tmp_path)
    summary = audit(world, worst=3)
    folder = tmp_path / "dataset/mining/default/audit"
    assert json.loads((folder / "summary.json").read_text())["audits"] == summary["audits"]
    page = (folder / "audit.html").read_text()
    assert 0 < page.count('class="card triple"') <= 3
    assert "truth: scene class" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert audit(world, worst=0, out=tmp_path / "elsewhere")["audits"] == summary["audits"]
    assert "There is none." in (tmp_path / "elsewhere/audit.html").read_text()


def test_a_leak_through_the_policy_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    themed(tmp_path)
    monkeypatch.setattr(methods, "geovec", lambda pool, policy: ~pool.right)
    assert main(["audit", f"dataset={tmp_path / 'dataset'}", "resamples=100"]) == 1


def test_another_box_of_the_scene_is_no_false_negative(tmp_path: Path) -> None:
    world = World(tmp_path)
    for n in range(4):
        image = world.image(f"{n}.png")
        for m, (x, category) in enumerate(((0, "ship"), (40, "ship"), (80, "plane"))):
            shown = world.at(5.0 * n + m, world.object(image, (x, 0, x + 20, 20), category))
            world.book.example("text_to_region", world.at(5.0 * n + m, text(f"it {n} {m}")), [shown], image=image)
    world.mine(k=3, depth=12, policy={"same_class": "off", "scene_expression": "off"})
    facts = audit(world)["audits"][0]
    assert facts["truth"] == "region category"
    assert facts["labels_visible"]["false_negatives"] == 0 < facts["labels_visible"]["known"]
    assert facts["this_run"]["known"] == 36


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"truths": ["clas"]}, "Did you mean 'class'"),
        ({"tasks": ["text_to_imag"]}, "Did you mean 'text_to_image'"),
        ({"run": "defualt"}, r"run=defualt: .* Did you mean 'default'"),
        ({"truths": ["osm"]}, "nothing of run 'default' can be audited"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    world = themed(tmp_path, 6)
    with pytest.raises(UserError, match=said):
        audit(world, **options)


def test_without_a_run_the_way_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    image = world.image("a.png")
    world.book.example("image_to_text", (Segment.of_image(image),), [text("a")], image=image)
    world.book.write(tmp_path / "dataset")
    with pytest.raises(UserError, match="geovec-data mine dataset="):
        audit(world)
