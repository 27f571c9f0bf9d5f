"""The table of tags that become words, ``recipes/osm/tags.yaml``: its shape, read and validated."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geovec_data.errors import UserError
from geovec_data.shipped import recipe_dir
from geovec_data.words import plural

Label = tuple[str, ...]  # the category, then its ancestors, nearest first

_NOUN = r"^[a-z][a-z -]*[a-z]$"


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
