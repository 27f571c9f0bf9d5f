"""The mining run: which tasks, their vectors, their negatives, one summary; put in place all at once."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from geovec_data import __version__
from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault, UserError
from geovec_data.mining.choice import choose
from geovec_data.mining.config import MineConfig
from geovec_data.mining.crew import Crew, crew
from geovec_data.mining.facts import Facts
from geovec_data.mining.helping import help_search, is_helper, pieces_name
from geovec_data.mining.items import Items
from geovec_data.mining.live import Live
from geovec_data.mining.model_folder import find, fingerprint
from geovec_data.mining.output import RowWriter
from geovec_data.mining.plan import plans
from geovec_data.mining.rescore import OPTION, Rescoring
from geovec_data.mining.search.pieces import Pieces
from geovec_data.mining.stored import StoredRun
from geovec_data.mining.summary import SUMMARY, human_lines, overall, read_summary, refuse_nothing, task_facts
from geovec_data.mining.task import Files, TaskMiner
from geovec_data.mining.truth import Truth
from geovec_data.mining.vectors import Vectors
from geovec_data.mining.words import Words
from geovec_data.progress import bar
from geovec_data.store.lock import exclusive
from geovec_data.store.manifest import MANIFEST

__all__ = ["MineConfig", "run"]

TOOL = f"geovec {__version__}"
LOCK = ".lock"
UNFINISHED = ".unfinished"
# options that change how fast a run is, or where it goes, and not what it finds
_NOT_SETTINGS: dict[str, Any] = dict.fromkeys(
    (
        "dataset",
        "encoder",
        "run",
        "preset",
        "device",
        "batch",
        "workers",
        "engine",
        "ray_address",
        "helper",
        "overwrite",
    ),
    True,
) | {"search": {"devices"}}


def run(config: MineConfig) -> dict[str, Any]:
    """Mine hard negatives over a dataset and write ``<dataset>/mining/<run>/``.

    A run of the same name, settings, encoder and dataset is left alone and reported as it is.

    Returns:
        The run's summary, as in its ``summary.json``; ``human`` is for a person.

    Raises:
        UserError: for a dataset, encoder, task or split that does not serve, or a run of other settings.
        DataFault: when images do not decode or the encoder gives no finite vectors.
        ResourceFault: when the disk refuses.
    """
    dataset = Dataset(config.dataset)
    base = StoredRun.reused(dataset.path / "mining", config) if config.reuse else None
    if base:
        config = base.completed(config)
    folder = find(config.encoder) if config.encoder else None
    settings = config.model_dump(mode="json", exclude=_NOT_SETTINGS) | {
        "encoder": fingerprint(folder) if folder else base and base.settings.get("encoder"),
        "dataset": hashlib.sha256((dataset.path / MANIFEST).read_bytes()).hexdigest(),
    }
    if config.policy.rescore is not None:  # by what it holds, not by its name
        settings["policy"]["rescore"] = fingerprint(find(config.policy.rescore, OPTION), OPTION)
    if base:
        base.check(config, settings)
        settings["search"] = base.settings.get("search")
    out = dataset.path / "mining" / config.run
    done = _already(config, settings, out)
    if done is not None:
        return done
    aside = out.parent / UNFINISHED / config.run  # a level deeper than where runs are looked for
    found = aside / pieces_name(settings)
    if folder and (config.helper or is_helper()):
        return help_search(config, dataset, folder, settings["encoder"], found)
    try:
        with _claimed(config.run, aside, found.name):
            with crew(config, dataset, folder, settings["encoder"]) as there:
                summary = _mine(config, settings, dataset, folder, base, aside, there)
            (aside / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            shutil.rmtree(found, ignore_errors=True)
            (aside / LOCK).unlink()
            if out.exists():  # only with overwrite=true; what is replaced is gone a moment before
                shutil.rmtree(out)
            aside.rename(out)
        with suppress(OSError):  # another run can be under way
            aside.parent.rmdir()
    except OSError as error:
        raise ResourceFault(
            f"mining into {out} stopped: {error}; vectors that were computed are kept, the same command continues"
        ) from error
    return summary


@contextmanager
def _claimed(name: str, aside: Path, found: str) -> Iterator[None]:
    """Hold the unfinished run's folder, empty but for what was `found`; the kernel frees it even after kill -9."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(aside, "mining run"))
        except UserError as error:
            raise UserError(f"run={name} is being mined by another process; wait for it or choose run=…") from error
        for stale in aside.iterdir():
            if stale.is_dir() and stale.name != found:  # of a search with other options
                shutil.rmtree(stale)
            elif stale.is_file() and stale.name != LOCK:
                stale.unlink()
        yield


def _already(config: MineConfig, settings: dict[str, Any], out: Path) -> dict[str, Any] | None:
    """Return the summary of an equal run that is there; None when there is none of this name.

    Raises:
        UserError: when the run of this name is another one, with what differs.
    """
    if not out.exists():
        return None
    try:
        found = read_summary(out)
    except UserError:
        if config.overwrite:
            return None
        raise
    there = found.get("settings", {})
    if there == settings and found.get("tool") == TOOL:
        return found | {"human": [f"nothing to do: run '{config.run}' is there with these settings", *found["human"]]}
    if config.overwrite:
        return None
    differs = sorted(name for name in {*settings, *there} if there.get(name) != settings.get(name)) or ["tool"]
    raise UserError(
        f"{out} was mined with another {', '.join(differs)}; choose another name (run=…), or replace it with"
        " overwrite=true"
    )


def _mine(
    config: MineConfig,
    settings: dict[str, Any],
    dataset: Dataset,
    folder: Path | None,
    base: StoredRun | None,
    aside: Path,
    there: Crew | None,
) -> dict[str, Any]:
    begun = time.monotonic()
    items = Items(dataset)
    facts, words = Facts(dataset, items), Words(items)
    every = list(plans(dataset, items, config.pool))
    given: Live | StoredRun
    if base:
        given, skipped = base, dict(base.summary["skipped"])
        chosen = base.tasks(config, every)
    else:
        assert folder is not None  # the options need an encoder or a run
        vectors = Vectors(config, dataset, items, folder, settings["encoder"], there)
        given = Live(config, vectors, Pieces(aside / pieces_name(settings)))
        chosen, skipped = choose(config, given.vectors.card, items, every)
        given.vectors.fill(chosen)
    second = Rescoring(config, dataset, items) if config.policy.rescore is not None else None
    if second:
        second.fill(chosen)
    searched = time.monotonic()
    files = Files(*(RowWriter(aside / f"{t}.parquet", t) for t in ("candidates", "negatives", "positive_scores")))
    tasks: dict[str, Any] = {}
    with bar(sum(len(p.examples) for p in chosen), "examples", "judging" if base else "searching") as advance:
        for plan in chosen:
            truth = Truth(plan, facts, words)
            positives, scopes = given.of(truth)
            truth.second = second.of(plan) if second else None
            miner = TaskMiner(truth, positives, config)
            for scope, others in scopes:
                miner.mine(scope, others, files, advance)
            tasks[plan.task] = task_facts(miner.tally, plan, config.total)
    files.close()
    summary = {
        "command": "mine",
        "tool": TOOL,
        "run": config.run,
        "preset": config.preset,
        "reused": config.reuse,
        "split": config.pool.split,
        "k": config.total,
        "scores_are": f"cosine similarity to the {config.anchor}",
        "settings": settings,
        **given.facts(),
        "rescored_by": second.facts() if second else None,
        "tasks": tasks,
        "skipped": skipped,
        **overall(tasks),
        "seconds": {
            "embedding": round(searched - begun, 3),
            "search_policy_writing": round(time.monotonic() - searched, 3),
        },
    }
    refuse_nothing(summary)
    return summary | {"human": human_lines(summary, dataset.path / "mining" / config.run)}
