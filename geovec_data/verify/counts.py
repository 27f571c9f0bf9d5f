"""What ``verify`` counts again: the manifest's counts and leaks, and the card that is made of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from geovec_data import __version__
from geovec_data.dataset import Dataset
from geovec_data.leaks.gate import summary
from geovec_data.leaks.options import RULES
from geovec_data.splits.options import SplitOptions
from geovec_data.store.assign import split_facts
from geovec_data.store.card import card
from geovec_data.store.counts import count, sizes
from geovec_data.store.manifest import Manifest

if TYPE_CHECKING:
    import duckdb

# what is known while a dataset is built and cannot be counted in it
UNCOUNTED = ("joined_queries", "near_duplicates")
# key of counts → the tables that it is counted in; the others are of the manifest's list of shards
_TABLES: dict[str, set[str]] = {
    "tasks": {"examples", "splits"},
    "images_by_split": {"image_splits"},
    "images_by_corpus": {"images"},
    "synthetic": {"images"},
    "regions_by_category": {"regions"},
    "rejects": {"rejects"},
    "rejects_by_level": {"rejects"},
    "corpora": {"images", "regions", "image_splits", "examples", "splits", "rejects"},
    "alignment": {"images"},
    "stated_complete": {"images"},
    "map_dates": {"images"},
    "unused_by_reason": {"image_splits"},
    "unplaced": {"image_splits"},
    "furthest_class": {"images", "image_splits"},
}


def count_faults(
    manifest: Manifest, con: duckdb.DuckDBPyConnection, damaged: Collection[str], left_out: list[str]
) -> Iterator[str]:
    """Yield the manifest's figures that differ from what is counted again.

    Args:
        manifest: the dataset's.
        con: a connection with views of its tables.
        damaged: tables whose shards are damaged.
        left_out: takes what cannot be counted because of them.
    """
    counted: dict[str, Any] = sizes(list(manifest.shards)) | count(con)
    try:
        recipes = manifest.recipe.get("corpora", {})
        counted |= split_facts(con, {c: SplitOptions.model_validate(r["split"]) for c, r in recipes.items()})
    except (KeyError, TypeError, ValidationError) as error:
        yield f"manifest recipe.corpora: the options of a split are unreadable ({str(error).splitlines()[0]})"
    counted = json.loads(json.dumps(counted))
    for key in sorted({*counted, *manifest.counts} - set(UNCOUNTED)):
        if _TABLES.get(key, set()) & set(damaged):
            left_out.append(f"counts.{key}")
        else:
            yield from _differences(f"counts.{key}", manifest.counts.get(key), counted.get(key))
    yield from _differences("fingerprint", manifest.fingerprint, counted["digest"])
    if "images" not in damaged:
        for s in manifest.sources:
            yield from _differences(
                f"sources.{s.corpus}.images", s.images, counted["images_by_corpus"].get(s.corpus, 0)
            )
    if "leaks" in damaged:
        left_out.append("leaks")
        return
    for rule in RULES:
        told = manifest.leaks.get(rule, {})
        found = json.loads(json.dumps(summary(con, rule, told.get("policy"), told.get("of"))))
        yield from _differences(f"leaks.{rule}", {k: told.get(k) for k in found}, found)


def card_faults(dataset: Dataset) -> Iterator[str]:
    """Yield what is wrong with the card; another version's words are not known."""
    if dataset.manifest.tool != f"geovec {__version__}":
        return
    file = dataset.path / "README.md"
    try:
        if file.read_text(encoding="utf-8") != card(dataset.manifest):
            yield "README.md: not the card that the manifest gives"
    except (OSError, UnicodeError) as error:
        yield f"README.md: unreadable ({error})"
    except (KeyError, TypeError, AttributeError, ValueError):
        yield "README.md: the manifest is too damaged to make the card of it"


def _differences(path: str, told: Any, counted: Any) -> Iterator[str]:
    if isinstance(told, dict) or isinstance(counted, dict):
        a, b = (v if isinstance(v, dict) else {} for v in (told, counted))
        for key in sorted({*a, *b}):
            yield from _differences(f"{path}.{key}", a.get(key), b.get(key))
        told, counted = (v if not isinstance(v, dict) else None for v in (told, counted))
        if told is None:
            return
    if told != counted:
        yield f"manifest {path}: says {_said(told)}, counted {_said(counted)}"


def _said(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
