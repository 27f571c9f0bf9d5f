"""What goes into the manifest of a finished build; nothing of this machine, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geovec_data import __version__
from geovec_data.build.jobs import Part
from geovec_data.recipe.recipe import BuildConfig
from geovec_data.schema import SCHEMA_VERSION
from geovec_data.store.finalize import Finished
from geovec_data.store.manifest import Manifest, Source, TaskInfo

# what is said of a corpus elsewhere, or does not change what the dataset is
_NOT_KEPT = {"sample", "get", "layout", "source"}
_DATES = 5  # moments of a map that are listed one by one


def manifest_of(config: BuildConfig, parts: Sequence[Part], finished: Finished) -> Manifest:
    """Describe a finished build; its recipes by corpus."""
    from geovec_data.tasks import get_task

    tasks = {}
    for name in dict.fromkeys(t for p in parts for t in p.config.tasks):
        task = get_task(name)
        tasks[name] = TaskInfo(
            meta_task=task.meta_task,
            query_kind=task.query_kind,
            target_kind=task.target_kind,
            instructions=task.instructions,
        )
    sample = [p for p in parts if p.located.kind == "sample"]
    recipe: dict[str, Any] = {
        "name": config.name,
        "title": config.title,
        # a sample's own words where it is all there is: the recipe's speak of the whole corpus
        "summary": sample[0].located.notes[0] if sample and len(parts) == 1 else config.summary,
        "corpora": {p.name: _recipe(p) for p in parts},
        "skipped": list(config.skipped),
        "dedup": config.dedup.model_dump(mode="json"),
    }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        tool=f"geovec {__version__}",
        fingerprint=finished.counts["digest"],
        recipe=recipe,
        sources=tuple(_source(p, finished) for p in parts),
        tasks=tasks,
        counts=finished.counts,
        leaks=finished.leaks,
        notes=tuple(_notes(config, parts, finished)),
        shards=finished.shards,
    )


def _recipe(part: Part) -> dict[str, Any]:
    recipe = part.config.model_dump(mode="json", exclude=_NOT_KEPT)
    if part.located.kind == "sample":
        recipe["summary"] = part.located.notes[0]
    source = {"kind": part.located.kind, "hub": part.config.source.hub, "revision": part.located.revision}
    return recipe | {"source": source}


def _source(part: Part, finished: Finished) -> Source:
    config, located = part.config, part.located
    return Source(
        corpus=part.name,
        title=config.title if located.kind != "sample" else _sample_title(part),
        kind=located.kind,
        revision=located.revision,
        homepage=config.homepage,
        licence=config.licence.name,
        licence_url=config.licence.url,
        attribution=config.licence.attribution,
        note=config.licence.note,
        verified=config.verified,
        images=finished.counts["images_by_corpus"].get(part.name, 0),
        weight=config.weight,
        cap=config.cap,
        listed=part.listed,
    )


def _sample_title(part: Part) -> str:
    sample = part.config.sample or {}
    return f"Sample in the layout of {part.config.title} ({sample.get('package')} {sample.get('version')})"


def _notes(config: BuildConfig, parts: Sequence[Part], finished: Finished) -> list[str]:
    notes: list[str] = []
    if config.skipped:
        notes.append(
            f"Corpora of the mix {config.name} that are not in this dataset, because their place was not given:"
            f" {', '.join(config.skipped)}."
        )
    for p in parts:
        if p.listed > p.entries:
            notes.append(f"{p.config.title} is capped: {p.entries:,} of its {p.listed:,} entries are here.")
    for p in parts:
        if p.located.kind == "sample":
            which = f"the sample of {p.name}" if len(parts) > 1 else "this sample"
            notes.append(
                f"Scores on {which} are smoke figures: they show that the machinery works, not how good a model is."
            )
    synthesised = finished.counts["synthetic"]
    for what, n in synthesised.items():
        if n:
            notes.append(f"The {what} of {n:,} images are synthesised from labels, not written by people.")
    empty = [t for t in dict.fromkeys(t for p in parts for t in p.config.tasks) if t not in finished.counts["tasks"]]
    if empty:
        notes.append(f"Tasks that this data cannot exercise: {', '.join(empty)}.")
    official = [p.config.title for p in parts if p.config.split.method == "official"]
    image = finished.leaks["image"]
    if official and image["count"] and not image["policy"].startswith("drop"):
        notes.append(
            f"The official split puts {image['count']:,} images into train and a held-out split; split=image does not."
        )
    if unused := finished.counts.get("unused_by_reason"):
        why = ", ".join(f"{reason} ({n:,})" for reason, n in unused.items())
        notes.append(f"The split leaves {sum(unused.values()):,} images unused: {why}.")
    if unplaced := finished.counts.get("unplaced"):
        notes.append(
            f"split=blocks could not place {unplaced:,} images, which have no footprint and were cut from no larger"
            " image: they were split as split=image does."
        )
    if finished.counts["rows"]["images"] and not any(
        finished.counts["images_by_split"].get(s) for s in ("val", "test")
    ):
        notes.append(
            "No image is held out: val and test are empty. Other shares, another split or a seed may change that."
        )
    for corpus, far in finished.counts.get("furthest_class", {}).items():
        notes.append(
            f"Of the classes of {corpus}, '{far['class']}' is furthest from the wanted shares: {far['split']} has"
            f" {far['images']:,} of its {far['of']:,} images, {far['wanted']:,g} were wanted."
        )
    if joined := finished.counts.get("joined_queries"):
        notes.append(
            f"Queries that several images answer are one example with all of them: {joined['joined']:,} examples were"
            f" joined to {joined['to']:,} others."
        )
    if alignment := finished.counts.get("alignment"):
        notes.append(_alignment_note(alignment))
    if dates := finished.counts.get("map_dates"):
        notes.append(_dates_note(dates))
    for key, n in finished.counts.get("stated_complete", {}).items():
        notes.append(
            f"That the map has every '{key}' of {n:,} images is stated by whoever built this dataset (reader.complete)"
            " and not measured: answers of no, numbers, areas, comparisons and compositions rest on it."
        )
    if near := finished.counts.get("near_duplicates"):
        fate = "were left out" if config.dedup.near == "drop" else "could be left out with dedup.near=drop"
        notes.append(f"{near['pairs']:,} pairs of images are near-duplicates; {near['images']:,} images {fate}.")
    return notes


def _dates_note(dates: Mapping[str, int]) -> str:
    """Say of which moments the map is; of many the first and the last."""
    known = [date for date in dates if date != "unknown"]
    if len(known) > _DATES:
        said = [f"of {len(known):,} moments between {known[0]} and {known[-1]}"]
    else:
        said = [f"of {date} ({dates[date]:,} images)" for date in known]
    if missing := dates.get("unknown"):
        said.append(f"of an unknown date, which the label files do not say and reader.date can ({missing:,} images)")
    return f"The map's labels are {', '.join(said)}."


def _alignment_note(alignment: Mapping[str, Mapping[str, Any]]) -> str:
    said = {
        "applied": "of {images:,} images they were moved onto what the imagery shows, half of them by {median_m:g} m or"
        " less",
        "measured": "of {images:,} images an offset was found, at the median {median_m:g} m, and is only kept in the"
        " record",
        "refused": "of {images:,} images no offset could be told for sure, and they lie where the map has them",
    }
    parts = [text.format(**alignment[kind]) for kind, text in said.items() if kind in alignment]
    return f"Labels and imagery of a map can lie metres apart. {'; '.join(parts).capitalize()}."
