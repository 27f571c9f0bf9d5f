"""What goes into the manifest of a finished build; nothing of this machine, no clock."""

from __future__ import annotations

from typing import Any

from geovec_data import __version__
from geovec_data.recipe import BuildConfig
from geovec_data.schema import SCHEMA_VERSION
from geovec_data.source import Located
from geovec_data.store.finalize import Finished
from geovec_data.store.manifest import Manifest, Source, TaskInfo

# how a build is run, and where things lie: neither changes what the dataset is
RUN_KEYS = ("out", "workers", "engine", "dry_run", "rehash", "sample", "get", "layout")


def manifest_of(config: BuildConfig, located: Located, finished: Finished) -> Manifest:
    """Describe a finished build."""
    from geovec_data.tasks import get_task

    tasks = {}
    for name in config.tasks:
        task = get_task(name)
        tasks[name] = TaskInfo(
            meta_task=task.meta_task,
            query_kind=task.query_kind,
            target_kind=task.target_kind,
            instructions=task.instructions,
        )
    recipe: dict[str, Any] = {k: v for k, v in config.model_dump(mode="json").items() if k not in RUN_KEYS}
    if located.kind == "sample":
        recipe["summary"] = located.notes[0]  # the recipe's own speaks of the whole corpus
    recipe["source"] = {"kind": located.kind, "hub": config.source.hub, "revision": located.revision}
    source = Source(
        corpus=config.name,
        title=config.title if located.kind != "sample" else _sample_title(config),
        kind=located.kind,
        revision=located.revision,
        homepage=config.homepage,
        licence=config.licence.name,
        licence_url=config.licence.url,
        attribution=config.licence.attribution,
        note=config.licence.note,
        verified=config.verified,
        images=finished.counts["images_by_corpus"].get(config.name, 0),
    )
    return Manifest(
        schema_version=SCHEMA_VERSION,
        tool=f"geovec {__version__}",
        fingerprint=finished.counts["digest"],
        recipe=recipe,
        sources=(source,),
        tasks=tasks,
        counts=finished.counts,
        leaks=finished.leaks,
        notes=tuple(_notes(config, located, finished)),
        shards=finished.shards,
    )


def _sample_title(config: BuildConfig) -> str:
    sample = config.sample or {}
    return f"Sample in the layout of {config.title} ({sample.get('package')} {sample.get('version')})"


def _notes(config: BuildConfig, located: Located, finished: Finished) -> list[str]:
    notes: list[str] = []
    if located.kind == "sample":
        notes.append(
            "Scores on this sample are smoke figures: they show that the machinery works, not how good a model is."
        )
    synthesised = finished.counts["synthetic"]
    for what, n in synthesised.items():
        if n:
            notes.append(f"The {what} of {n:,} images are synthesised from labels, not written by people.")
    empty = [t for t in config.tasks if t not in finished.counts["tasks"]]
    if empty:
        notes.append(f"Tasks that this data cannot exercise: {', '.join(empty)}.")
    if config.split.method == "official":
        n = finished.leaks["image"]["count"]
        if n:
            notes.append(f"The official split puts {n:,} images into train and a held-out split; split=image does not.")
    return notes
