"""Recipe osm's answers against those that RSVQA's authors derived from OpenStreetMap for the same images.

python -m benchmarks.osm_rsvqa_agreement RSVQA_HR LABELS

RSVQA_HR is a folder with ``Images`` (georeferenced by world files, EPSG:3857) and the official ``USGS_split_*.json``;
LABELS holds extracts of some of the places. Compared are the questions on the presence and the number of one kind of
thing, without size, form or place, about the images that lie wholly in an extract. Their rule is that of the paper
(Lobry et al., 2020, section II): a thing counts when it touches the image. Two answers of ours stand beside theirs:

* `map`: whether the map has such a thing at all in the image, and how many touch it: their rule, on another date's map;
* `recipe`: what the recipe would answer, which may be nothing (see `geovec_data.osm.questions`).
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import save
from geovec_data.osm.questions import absent, countable, there
from geovec_data.osm.scene.options import RasterOsmOptions
from geovec_data.osm.survey import Survey
from geovec_data.readers.raster_osm import RasterOsm
from geovec_data.records import Scene

RESULTS = Path(__file__).parent / "results"
KINDS = {
    "building": "building", "road": "road", "water area": "water body", "residential building": "residential building",
    "commercial building": "commercial building", "residential area": "residential area", "park": "park",
    "industrial area": "industrial area", "parking": "parking lot", "pitch": "sports pitch", "forest": "forest",
}  # fmt: skip
"""Their word → ours."""
_FORMS = (
    re.compile(r"Is (?:there )?an? (?P<noun>[a-z ]+?)(?: present| there)?(?: in the image)?\?"),
    re.compile(r"(?:How many|What is the (?:amount|number) of) (?P<noun>[a-z ]+?)(?: are there)?(?: in the image)?\?"),
)


def main() -> None:
    """Compare, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rsvqa", type=Path)
    parser.add_argument("labels", type=Path)
    given = parser.parse_args()
    reader = RasterOsm(given.rsvqa / "Images", RasterOsmOptions(labels=str(given.labels), crs="EPSG:3857"), "rsvqa_hr")
    scenes, dates = _scenes(reader), Counter[str]()
    tables: dict[str, Counter[str]] = defaultdict(Counter)
    causes, causes_of_recipe = Counter[str](), Counter[str]()
    asked = [q for q in _questions(given.rsvqa) if q["img_id"] in scenes]
    for question in asked:
        scene = scenes[question["img_id"]]
        dates.update(v for k, v in scene.attributes if k == "osm_date")
        survey = scene.survey
        assert isinstance(survey, Survey)
        theirs = question["answer"]
        noun = KINDS[question["noun"]]
        on_map, recipe = _answers(survey, noun, question["type"])
        table = tables[f"{question['type']}: {question['noun']}"]
        table["asked"] += 1
        table["map agrees"] += on_map == theirs
        table["recipe answers"] += recipe is not None
        table["recipe agrees"] += recipe == theirs
        if theirs != on_map:
            causes[_cause(survey, noun, theirs)] += 1
        if recipe not in (None, theirs):
            why = "here things count that are half inside" if on_map == theirs else _cause(survey, noun, theirs)
            causes_of_recipe[why] += 1
            print(question["img_id"], question["question"], "theirs:", theirs, "map:", on_map, "recipe:", recipe)
    total = sum(tables.values(), Counter[str]())
    found: dict[str, Any] = {
        "images": {"in the extracts": len(scenes), "of": sum(1 for _ in reader.entries())},
        "dates": {
            "their answers": sorted({_day(q["date_added"]) for q in asked}),
            "our extracts": sorted(dates) or "not stated",
        },
        "total": dict(total),
        "by kind": {k: dict(v) for k, v in sorted(tables.items())},
        "map differs": dict(causes.most_common()),
        "recipe differs": dict(causes_of_recipe.most_common()),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    save(RESULTS / "osm_rsvqa_agreement.json", found)


def _scenes(reader: RasterOsm) -> dict[int, Scene]:
    read = (scene for entry in reader.entries() for scene in reader.read(entry))
    return {int(Path(scene.path).stem): scene for scene in read if isinstance(scene, Scene)}


def _questions(folder: Path) -> Iterator[dict[str, Any]]:
    """The questions that are compared, with their answers as text and the thing they ask for."""
    for file in sorted(folder.glob("USGS_split_*_questions.json")):
        answers = json.loads(file.with_name(file.name.replace("questions", "answers")).read_text())["answers"]
        text = {a["id"]: a["answer"] for a in answers}
        for question in json.loads(file.read_text())["questions"]:
            if question["type"] not in ("presence", "count"):
                continue
            said = next((m["noun"] for form in _FORMS if (m := form.fullmatch(question["question"]))), "")
            noun = said.removesuffix("s") if question["type"] == "count" else said
            if noun in KINDS:
                yield {**question, "noun": noun, "answer": text[question["answers_ids"][0]]}


def _answers(survey: Survey, noun: str, kind: str) -> tuple[str, str | None]:
    """What the map has, and what the recipe would answer if it asked this."""
    found = survey.named(noun)
    if kind == "count":
        asked = noun in countable(survey) and survey.count(noun) is not None
        return str(len(found)), str(survey.count(noun)) if asked else None
    answer = "yes" if noun in there(survey) else "no" if noun in absent(survey) else None
    return ("yes" if found else "no"), answer


def _cause(survey: Survey, noun: str, theirs: str) -> str:
    """Why the map's answer is another than theirs, as far as another rule explains it."""
    counted, there_is = theirs.isdigit(), theirs not in ("no", "0")
    if noun == "road" and there_is and len(survey.named("path")) + len(survey.named("road")):
        return "theirs counts every way, paths too; here paths are no roads and ways that touch are one road"
    if noun in ("residential building", "commercial building"):
        plain = sum(t.entry.name == "building" for t in survey.things)
        if plain and there_is:
            return "the map has buildings here whose use it does not state"
        return "the map states another use"
    if noun == "water body" and there_is:
        return "the sea and tidal rivers: a coastline, and no area, on the map"
    if counted and there_is and survey.named(noun):
        return "another number on the map of this date"
    return "on one of the two maps only"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


if __name__ == "__main__":
    main()
