"""The table of tags that become words, ``recipes/osm/tags.yaml``: read, validated, and asked what a feature is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geovec_data.errors import UserError
from geovec_data.shipped import recipe_dir
from geovec_data.words import plural

Form = Literal["area", "ring", "line", "point"]
Label = tuple[str, ...]  # the category, then its ancestors, nearest first

_NOUN = r"^[a-z][a-z -]*[a-z]$"
_NO = ("no", "")


class Entry(BaseModel):
    """How one key=value reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=_NOUN, description="singular noun phrase that can be counted")
    plural: str = Field("", description="of the name, where the rules of `geovec_data.words` do not make it")
    of: tuple[str, ...] = Field((), description="ancestors, nearest first")
    also: tuple[str, ...] = Field((), description="synonyms, singular")
    gsd: float = Field(gt=0, le=30, description="largest ground sample distance in metres at which it can be told")
    geometry: Literal["area", "line", "point"] = Field(
        "area", description="what a closed way without area=yes is, or what a node is; multipolygons are areas always"
    )
    as_line: str = Field("", description="name of a line of it, where an area of it is called otherwise")
    least: float = Field(0, ge=0, description="square metres under which an area of it is not told")
    width: float | None = Field(None, gt=0, le=60, description="metres: of its lines, or of its points across")
    cover: str = Field("", description="what covers the ground in it, a mass noun")
    zone: bool = Field(False, description="a use of land and not a thing: neither counted nor asked for in vain")
    by: str = Field("", description="key of `kinds` whose value tells it apart")

    @property
    def many(self) -> str:
        """The plural."""
        return self.plural or plural(self.name)

    @property
    def line(self) -> Entry:
        """The entry of a line of it."""
        return self.model_copy(update={"name": self.as_line, "as_line": ""}) if self.as_line else self

    @property
    def label(self) -> Label:
        """The name and its ancestors."""
        return (self.name, *self.of)

    @model_validator(mode="after")
    def _whole(self) -> Entry:
        if self.geometry != "area" and self.width is None:
            raise ValueError(f"{self.name}: a {self.geometry} needs a width in metres")
        if self.name in self.of or len(set(self.of)) != len(self.of):
            raise ValueError(f"{self.name}: is its own ancestor, or names one twice")
        if self.plural == plural(self.name) and self.plural != self.name:
            raise ValueError(f"{self.name}: the plural is regular, leave it out")
        return self


class Table(BaseModel):
    """The whole table."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keys: dict[str, dict[str, Entry]] = Field(description="key → value → entry; keys are tried in this order")
    kinds: dict[str, dict[str, Entry]] = Field(description="key → value → entry that another entry's `by` leads to")
    broader: tuple[str, ...] = Field(description="nouns that are only ancestors")
    uses: dict[str, str] = Field(description="key=value → value of `building` that a building=yes with it is")

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        nouns = set(self.nouns)
        if twice := nouns & set(self.broader):
            raise ValueError(f"broader: entries are called so too: {sorted(twice)}")
        many: dict[str, str] = {}
        for tag, entry in self.entries.items():
            if unknown := set(entry.of) - nouns - set(self.broader):
                raise ValueError(f"{tag}: unknown ancestors {sorted(unknown)}")
            if entry.by and entry.by not in self.kinds:
                raise ValueError(f"{tag}: by={entry.by} is no key of kinds")
            if many.setdefault(entry.name, entry.many) != entry.many:
                raise ValueError(f"{tag}: '{entry.name}' has another plural elsewhere")
            if clash := set(entry.also) & nouns:
                raise ValueError(f"{tag}: synonyms that are other entries' names: {sorted(clash)}")
        if unknown := set(self.uses.values()) - set(self.keys["building"]):
            raise ValueError(f"uses: no such buildings: {sorted(unknown)}")
        return self

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """``key=value`` → entry, those of `kinds` included."""
        both = (*self.keys.items(), *self.kinds.items())
        return {f"{key}={value}": e for key, values in both for value, e in values.items()}

    @cached_property
    def nouns(self) -> dict[str, Entry]:
        """Name → the first entry called so."""
        out: dict[str, Entry] = {}
        for entry in self.entries.values():
            out.setdefault(entry.name, entry)
            out.setdefault(entry.line.name, entry.line)
        return out


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a feature is.

    Attributes:
        tag: the ``key=value`` that told.
        entry: how it reads.
    """

    tag: str
    entry: Entry


def table_file() -> Path:
    """Return the shipped table."""
    return recipe_dir() / "osm" / "tags.yaml"


@lru_cache(maxsize=1)
def table() -> Table:
    """Return the shipped table, validated."""
    return read_table(table_file())


@lru_cache(maxsize=1)
def table_hash() -> str:
    """Return 16 hex digits of the table's sha256: it stands in every record made with it."""
    return hashlib.sha256(table_file().read_bytes()).hexdigest()[:16]


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        UserError: when it cannot be read, a key stands twice, or an entry is not as it must be.
    """
    import yaml

    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_strict_loader())
        return Table.model_validate(tree)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: no table of tags ({error})") from error


@lru_cache(maxsize=1)
def _strict_loader() -> Any:
    """A safe YAML loader that refuses a key that stands twice; YAML's own rule is that the last one wins."""
    import yaml

    class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's is ten times as fast
        pass

    def mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node, deep=True))
            if key in out:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", key_node.start_mark)
            out[key] = loader.construct_object(value_node, deep=True)
        return out

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Strict


KEYS: tuple[str, ...] = tuple(table().keys)


def meaning_of(tags: Mapping[str, str], keys: tuple[str, ...], form: Form) -> Meaning | None:
    """Say what a feature is, or None when the table has nothing for its tags and form.

    Args:
        tags: OSM tags.
        keys: which keys of the table are wanted.
        form: ``area`` for a multipolygon, ``ring`` for a closed way, ``line`` for a way, ``point`` for a node.
    """
    if hidden(tags):
        return None
    known = table()
    for key, values in known.keys.items():
        if key not in tags or key not in keys or (value := _value(tags, key)) in _NO:
            continue
        entry = values.get(value) or values.get("*")
        if entry is None:
            continue
        found = _refined(Meaning(f"{key}={value if value in values else '*'}", entry), tags, known)
        if _is_form(found.entry, form, tags):
            return _as_line(found) if form == "line" and found.entry.as_line else found
    return None


def unknown_tags(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ``key=value`` of the table's keys whose value the table does not have."""
    out = []
    for key, values in table().keys.items():
        if key in tags and "*" not in values and (value := _value(tags, key)) not in values and value not in _NO:
            out.append(f"{key}={value}")
    return tuple(out)


def hidden(tags: Mapping[str, str]) -> bool:
    """Tell whether an image cannot show the feature: it lies under the ground or indoors, or is there at times only."""
    under = tags.get("location") == "underground" or tags.get("parking") == "underground"
    low = tags.get("layer", "").startswith("-") and ("building" in tags or "amenity" in tags)
    at_times = tags.get("intermittent") == "yes" or tags.get("seasonal", "no") != "no"
    tunnel = tags.get("tunnel", "no") != "no"
    return under or low or tunnel or at_times or tags.get("indoor") == "yes"


def width_of(entry: Entry, tags: Mapping[str, str]) -> float:
    """Return the width of a line in metres: as its tags say (``width``, ``lanes`` of 3.3 m), else the table's."""
    assert entry.width is not None
    for key, unit in (("width", 1.0), ("lanes", 3.3)):
        if key not in tags:
            continue
        try:
            width = float(tags[key].removesuffix("m").strip()) * unit
        except ValueError:
            continue
        if 0.5 <= width <= 100:
            return width
    return entry.width


@lru_cache(maxsize=64)
def _as_line(found: Meaning) -> Meaning:
    return Meaning(found.tag, found.entry.line)


def _value(tags: Mapping[str, str], key: str) -> str:
    return tags.get(key, "no").split(";")[0].strip()


def _is_form(entry: Entry, form: Form, tags: Mapping[str, str]) -> bool:
    if form == "area":
        return True
    if form == "ring":
        return entry.geometry != "line" or tags.get("area") == "yes"
    if form == "line":
        return entry.geometry != "point" and entry.width is not None and tags.get("area") != "yes"
    return entry.geometry == "point"


def _refined(found: Meaning, tags: Mapping[str, str], known: Table) -> Meaning:
    if found.tag == "building=*":
        for use, kind in known.uses.items():
            key, _, value = use.partition("=")
            if tags.get(key) == value:
                return Meaning(f"building={kind}", known.keys["building"][kind])
    if by := found.entry.by:
        value = _value(tags, by)
        if value in known.kinds[by]:
            return Meaning(f"{by}={value}", known.kinds[by][value])
    return found
