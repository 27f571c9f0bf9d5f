"""What a recipe file may say, and what a build adds to it, validated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from geovec_data.compositions.options import ComposeOptions
from geovec_data.dedup.options import DedupOptions
from geovec_data.errors import suggest
from geovec_data.leaks.options import LeakOptions, Rule
from geovec_data.origins import OriginRule
from geovec_data.splits.options import SplitOptions


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Licence(_Part):
    """The terms of a corpus."""

    name: str = Field(description="short name of the licence")
    url: str = Field("", description="where its text is")
    attribution: str = Field(description="whom to credit, as the licence demands")
    note: str = Field("", description="duties and doubts, e.g. share-alike")


class SourceOptions(_Part):
    """Where the corpus is."""

    SHORTHAND: ClassVar[str] = "kind"
    kind: Literal["folder", "sample", "hub"] = Field(
        "folder", description="folder: source.root; sample: the recipe's small real sample; hub: source.hub"
    )
    root: Path | None = Field(None, description="folder of the corpus, in the layout that `describe` prints")
    imagery: Path | tuple[Path, ...] | None = Field(
        None,
        description="recipe=osm: georeferenced images: a folder, one file, a text file with one path a line, or a list",
    )
    labels: Path | None = Field(
        None,
        description="recipe=osm: .osm, .osm.pbf, .geojson, .gpkg, .parquet, or a folder of them; or over the network"
        " 'place:Banepa, Nepal' or bbox:<west>,<south>,<east>,<north>, from an Overpass server",
    )
    hub: str | None = Field(None, description="dataset repository on the Hugging Face hub")
    revision: str | None = Field(None, description="revision of that repository (a commit, for repeatable builds)")

    @field_validator("root", "imagery", "labels", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == "":  # in a recipe, of a variable that is not set; it would mean the current directory
            raise ValueError("an empty path: give one, or null")
        return value

    def given(self) -> bool:
        """Tell whether a place is named; whether it exists is another question."""
        return self.kind != "folder" or any((self.root, self.hub, self.imagery, self.labels))


class ReaderSpec(BaseModel):
    """Which reader, and its options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    SHORTHAND: ClassVar[str] = "name"
    name: str = Field(description="reader name")

    @property
    def options(self) -> dict[str, Any]:
        """The options, without the name."""
        return dict(self.model_extra or {})


class ChipSpec(BaseModel):
    """How big images are cut; validated by the chipper."""

    model_config = ConfigDict(extra="allow", frozen=True)
    SHORTHAND: ClassVar[str] = "size"
    size: int = Field(256, ge=16, description="side of a chip in pixels")


class Synthesise(_Part):
    """Which texts may be synthesised from labels."""

    expressions: bool = Field(False, description="referring expressions for regions that have none")
    captions: bool = Field(False, description="captions for scenes that have none")
    questions: bool = Field(False, description="recipe=osm: questions and answers from the map")


class CheckSpec(BaseModel):
    """What is refused; the rest of the options are the checks' own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    max_reject_fraction: float = Field(
        0.05, ge=0, le=1, description="share of faulty scenes (or regions) above which the build fails"
    )


class Recipe(_Part):
    """A corpus and how it becomes a dataset."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="recipe name = corpus name")
    title: str = Field(description="the corpus's own name")
    summary: str = Field(description="one sentence")
    homepage: str = Field(description="where its authors publish it")
    paper: str = Field("", description="citation")
    images: int | None = Field(None, description="images that the corpus publishes; null: it depends")
    licence: Licence
    layout: str = Field("", description="the tree expected on disk; empty: as the reader says")
    layout_source: str = Field("", description="where the authors, or code that reads their files, show this layout")
    get: str = Field(description="how to obtain it")
    verified: Literal["files", "documentation"] = Field(description="read against real files, or documentation only")
    source: SourceOptions = SourceOptions()
    reader: ReaderSpec
    origins: tuple[OriginRule, ...] = Field(
        (), description="names of the published images that these are or were cut from, alike in all corpora"
    )
    chip: ChipSpec | None = Field(None, description="cut images into chips; null: leave them whole")
    synthesise: Synthesise = Synthesise()
    tasks: tuple[str, ...] = Field(min_length=1, description="tasks to make")
    checks: CheckSpec = CheckSpec()
    split: SplitOptions = SplitOptions()
    compose: ComposeOptions = ComposeOptions()
    known_leaks: tuple[Rule, ...] = Field(
        (),
        description="rules (image, near, lineage, footprint, caption) by which this corpus's own official split is"
        " known to leak within the corpus: reported, unless leaks.<rule> is given; other splits and pairs with other"
        " corpora fail all the same",
    )
    sample: dict[str, Any] | None = Field(None, description="a small real sample that needs no account")


class CorpusConfig(Recipe):
    """One corpus of a build: its recipe with the overrides of a mix and of the user."""

    units: int = Field(
        64, ge=1, le=65536, description="hash buckets the corpus is cut into; more for millions of files"
    )
    cap: int | None = Field(
        None,
        ge=1,
        description="at most so many entries (images, or the big images that are cut; of large rasters, rows of"
        " windows); null: all",
    )
    cap_seed: int = Field(0, description="changes which entries a cap takes")
    weight: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="how often training draws an example, against other corpora's"
    )

    def source_keys(self, key: str) -> str:
        """Return the options that say where this corpus is; `key` is ``source`` or ``sources.<corpus>``."""
        two = f"{key}.imagery=<folder or files> {key}.labels=<file>"
        return two if self.reader.name == "raster_osm" else f"{key}.root=<folder>"


class RunOptions(_Part):
    """How a build is run, and what holds for the dataset as a whole."""

    out: Path = Field(description="dataset directory to write")
    workers: int = Field(0, ge=0, description="processes; 0: one per core")
    engine: Literal["local", "ray"] = Field(
        "local", description="where units run: processes of this machine, or a Ray cluster that shares its storage"
    )
    ray_address: str | None = Field(
        None, description="engine=ray: auto or host:port of a running cluster; null: RAY_ADDRESS, else this machine"
    )
    dry_run: bool = Field(False, description="show what would be done; write nothing")
    rehash: bool = Field(False, description="compare content, not size and time, to find what changed")
    skip_missing: bool = Field(False, description="build without the corpora whose place is not given")
    dedup: DedupOptions = DedupOptions()
    leaks: LeakOptions = LeakOptions()


class BuildOptions(CorpusConfig, RunOptions):
    """Options of `geovec-data build` as they are written: what holds for every corpus, and how to run it."""


class BuildConfig(RunOptions):
    """A build: one corpus or several, each composed by itself, in order of their names.

    Attributes:
        name: the recipe's or mix's; of several recipes, theirs joined by ``+``.
        title: for people.
        summary: one sentence.
        corpora: what is built.
        skipped: corpora of a mix that are not given, under `skip_missing`.
    """

    name: str
    title: str
    summary: str
    corpora: tuple[CorpusConfig, ...]
    skipped: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> BuildConfig:
        names = sorted({*(c.name for c in self.corpora), *self.skipped})
        for name in self.dedup.prefer:
            if name not in names:
                raise ValueError(f"dedup.prefer names no corpus of this build: '{name}'.{suggest(name, names)}")
        return self
