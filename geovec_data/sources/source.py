"""Where a corpus is on this machine: a folder given, a hub snapshot, or the recipe's sample. Never a guess."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.paths import expanded
from geovec_data.recipe.recipe import CorpusConfig
from geovec_data.sources.imagery_list import imagery_at


@dataclass(frozen=True, slots=True)
class Located:
    """A corpus that was found.

    Attributes:
        root: its folder.
        kind: folder, hub or sample.
        revision: what pins the content (commit, package and sha256), or None for a folder.
        reader_options: options that hold this machine's paths; they enter no fingerprint.
        notes: sentences that the card must say.
    """

    root: Path
    kind: str
    revision: str | None = None
    reader_options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def locate(config: CorpusConfig, key: str = "source") -> Located:
    """Find the corpus.

    Args:
        config: its recipe with overrides.
        key: how the user writes its options: ``source``, or ``sources.<corpus>`` where there are several.

    Raises:
        UserError: when nothing is given, or what is given does not exist; names the ways to get the corpus.
    """
    source = config.source
    if source.kind == "sample":
        return _sample(config)
    if source.kind == "hub" or (source.hub and not source.root):
        if not source.hub:
            raise UserError(f"{key}=hub needs {key}.hub=<owner>/<dataset>")
        from geovec_data.sources.fetch import fetch_hub

        root = fetch_hub(source.hub, source.revision or "main", None)
        return Located(root, "hub", f"{source.hub}@{root.name}")  # the folder is named by the commit it was resolved to
    if source.imagery or source.labels:
        return _imagery(config, key)
    if source.root is None:
        raise UserError(_ways(config, key))
    if config.reader.name == "raster_osm" and "labels" not in config.reader.options:
        raise UserError(f"{key}.root does not say where the labels are. {_ways(config, key)}")
    root = expanded(source.root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise UserError(f"{key}.root={root} {what}. {_ways(config, key)}")
    return Located(root, "folder")


def _imagery(config: CorpusConfig, key: str) -> Located:
    source = config.source
    missing = [n for n in ("imagery", "labels") if getattr(source, n) is None]
    if missing:
        raise UserError(f"{key}.{missing[0]}=… is needed as well. {_ways(config, key)}")
    assert source.imagery is not None
    assert source.labels is not None
    labels = expanded(source.labels)
    if str(labels).startswith(("place:", "bbox:")):
        from geovec_data.sources.fetch import cache_dir
        from geovec_data.sources.overpass import fetch_labels

        labels = fetch_labels(labels, cache_dir())
    if not labels.exists():
        raise UserError(f"{key}.labels={labels} does not exist. {_ways(config, key)}")
    given = source.imagery
    if isinstance(given, Path) and not expanded(given).exists():
        raise UserError(f"{key}.imagery={given} does not exist. {_ways(config, key)}")
    root, files = imagery_at(given, f"{key}.imagery")
    options: dict[str, Any] = {"labels": str(labels.resolve())}
    return Located(root, "folder", reader_options=options | ({} if files is None else {"files": files}))


def _sample(config: CorpusConfig) -> Located:
    from geovec_data.sources.fetch import fetch_package

    sample = config.sample or {}
    root = fetch_package(sample["package"], sample["version"], sample["sha256"], tuple(sample["members"]))
    note = " ".join(str(sample.get("note", "")).split())
    return Located(root, "sample", f"{sample['package']}=={sample['version']} sha256:{sample['sha256']}", notes=(note,))


def _ways(config: CorpusConfig, key: str) -> str:
    ways = [f"give {config.source_keys(key)} in the layout that `geovec-data describe recipe={config.name}` prints"]
    ways.append(f"{key}.hub=<owner>/<dataset> for a copy on the Hugging Face hub")
    if config.sample:
        ways.append(f"{key}=sample for the small real sample that needs only the Python package index")
    got = " ".join(config.get.split())
    return f"Recipe {config.name} needs its corpus: {'; or '.join(ways)}. How to obtain it: {got}"
