"""The corpora of a build, found on this machine and cut into units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geovec_data.build.plan import plan, recipe_fingerprint
from geovec_data.build.unit import Job, Unit, make_reader
from geovec_data.errors import UserError
from geovec_data.recipe.recipe import BuildConfig, CorpusConfig
from geovec_data.sources.source import Located, locate


@dataclass(frozen=True, slots=True)
class Part:
    """One corpus of a build.

    Attributes:
        config: its options.
        located: where it is.
        job: what its workers need.
        units: its work, by name; after the cap.
        listed: entries before the cap.
    """

    config: CorpusConfig
    located: Located
    job: Job
    units: tuple[Unit, ...]
    listed: int

    @property
    def name(self) -> str:
        """The corpus's name."""
        return self.config.name

    @property
    def composed(self) -> bool:
        """Whether it has a task whose examples join scenes."""
        from geovec_data.tasks import get_task

        return any(get_task(t).composed for t in self.config.tasks)

    @property
    def entries(self) -> int:
        """Entries in its units."""
        return sum(len(u.entries) for u in self.units)


def prepare(config: BuildConfig) -> tuple[Part, ...]:
    """Find every corpus and plan its units; all places and options are checked before the first is listed.

    Raises:
        UserError: for a wrong place, layout or option; it names the corpus.
    """
    many = len(config.corpora) > 1
    found = [locate(c, f"sources.{c.name}" if many else "source") for c in config.corpora]
    jobs = [make_job(c, at, config.out) for c, at in zip(config.corpora, found, strict=True)]
    parts = []
    for corpus, located, job in zip(config.corpora, found, jobs, strict=True):
        try:
            units, listed = plan(make_reader(job), recipe_fingerprint(corpus), corpus)
        except UserError as error:
            raise UserError(f"corpus {corpus.name}: {error}" if many else str(error)) from error
        parts.append(Part(corpus, located, job, tuple(units), listed))
    return tuple(parts)


def units_of(parts: Sequence[Part]) -> list[Unit]:
    """Return the units of all corpora, in order of their names."""
    return sorted((u for p in parts for u in p.units), key=lambda u: u.name)


def make_job(config: CorpusConfig, located: Located, out: Path) -> Job:
    """Gather what the workers need of one corpus."""
    from geovec_data.build.checks import CheckOptions
    from geovec_data.build.chips import ChipOptions
    from geovec_data.options import validate
    from geovec_data.tasks import get_task

    for task in config.tasks:
        get_task(task)  # an unknown name is told here, not in a worker
    checks = dict(config.checks.model_extra or {})
    validate(CheckOptions, checks, f"geovec-data describe recipe={config.name}")
    options = config.reader.options | located.reader_options
    if config.split.method == "official" and "official_split" in _reader_fields(config.reader.name):
        options["official_split"] = True
    chip = None if config.chip is None else {"size": config.chip.size, **(config.chip.model_extra or {})}
    if chip is not None:
        validate(ChipOptions, chip, f"geovec-data describe recipe={config.name}")
    return Job(
        corpus=config.name,
        root=located.root,
        staging=out / "staging",
        reader=config.reader.name,
        reader_options=options,
        chip=chip,
        checks=checks,
        expressions=config.synthesise.expressions,
        captions=config.synthesise.captions,
        questions=config.synthesise.questions,
        tasks=config.tasks,
        licence=config.licence.name,
        attribution=config.licence.attribution,
        origins=config.origins,
    )


def _reader_fields(name: str) -> set[str]:
    from geovec_data.readers import get_reader

    return set(get_reader(name).Options.model_fields)
