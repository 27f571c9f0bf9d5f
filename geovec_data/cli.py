"""The ``geovec-data`` command: thin subcommands over functions that take a validated configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from geovec_data import __version__
from geovec_data.errors import GeoVecError, UserError, refusal, suggest

Summary = dict[str, Any]
USAGE = f"""geovec-data {__version__}: remote-sensing corpora and OSM labels → one verified dataset → hard negatives

usage: geovec-data COMMAND key=value …        (Hydra's grammar; no dashes)

  list                                        the recipes, their tasks, licences and how they were verified
  describe recipe=NAME | reader=NAME          source, licence, layout on disk, tasks, options; of a reader: its layout
  build    recipe=NAME source.root=DIR out=DIR     build a dataset, or continue it; source=sample where there is one
           recipe=[A,B] sources.A.root=DIR …       … of several corpora at once
  stats    dataset=DIR                        counts by task, split, category and reject reason
  verify   dataset=DIR                        re-hash and cross-check everything: exit 0, or 1 with every fault named
  mine     dataset=DIR encoder=DIR run=NAME   mine hard negatives with any SentenceTransformer
  audit    dataset=DIR run=NAME               how many mined negatives are right after all, labels seen and withheld
  export   dataset=DIR out=DIR format=hf      for datasets, webdataset, mmeb, sentence-transformers, ms-swift, or ids
  report   dataset=DIR [model=DIR]            one HTML file: counts, examples, negatives, loss curve, scores

geovec-data COMMAND --help shows a command's options. Then: geovec-train --help, geovec-eval --help.
exit codes: 0 well · 1 a check of the data failed · 2 a mistake in the call · 130 interrupted (run it again to continue)
"""


def _list(arguments: list[str]) -> Summary:
    from geovec_data.recipe.describe import list_recipes

    if arguments:
        raise UserError("geovec-data list takes no options")
    return list_recipes()


def _describe(arguments: list[str]) -> Summary:
    from geovec_data.options import load
    from geovec_data.recipe.describe import DescribeConfig, describe

    return describe(load(DescribeConfig, arguments, "geovec-data describe"))


def _build(arguments: list[str]) -> Summary:
    from geovec_data.build.forking import warm_up, warm_up_early

    warm_up_early(arguments)
    from geovec_data.recipe.compose import load_build

    config = load_build(arguments, "geovec-data build")
    warm_up(config)  # what the workers need loads in one process, what the build needs here, at the same time
    from geovec_data.build.build import run

    return run(config)


def _stats(arguments: list[str]) -> Summary:
    from geovec_data.options import load
    from geovec_data.stats import StatsConfig, run

    return run(load(StatsConfig, arguments, "geovec-data stats"))


def _verify(arguments: list[str]) -> Summary:
    from geovec_data.options import load
    from geovec_data.verify.verify import VerifyConfig, run

    return run(load(VerifyConfig, arguments, "geovec-data verify"))


def _mine(arguments: list[str]) -> Summary:
    from geovec_data.mining.presets import load_mine

    config = load_mine(arguments)
    from geovec_data.mining.mine import run  # after the options: a misspelt one should not wait for torch

    return run(config)


def _audit(arguments: list[str]) -> Summary:
    from geovec_data.audit.config import AuditConfig
    from geovec_data.options import load

    config = load(AuditConfig, arguments, "geovec-data audit")
    from geovec_data.audit.audit import run

    return run(config)


def _export(arguments: list[str]) -> Summary:
    from geovec_data.export.config import ExportConfig
    from geovec_data.options import load

    config = load(ExportConfig, arguments, "geovec-data export")
    from geovec_data.export.export import run

    return run(config)


def _report(arguments: list[str]) -> Summary:
    from geovec_data.options import load
    from geovec_data.report.config import ReportConfig
    from geovec_data.report.report import run

    return run(load(ReportConfig, arguments, "geovec-data report"))


COMMANDS: dict[str, Callable[[list[str]], Summary]] = {
    "list": _list,
    "describe": _describe,
    "build": _build,
    "stats": _stats,
    "verify": _verify,
    "mine": _mine,
    "audit": _audit,
    "export": _export,
    "report": _report,
}


def main(argv: list[str] | None = None) -> int:
    """Run ``geovec-data``; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"geovec {__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]

    def command() -> Summary:
        if name not in COMMANDS:
            raise UserError(f"unknown command '{name}'.{suggest(name, COMMANDS)} See: geovec-data --help")
        if any(a in ("-h", "--help") for a in rest):
            from geovec_data.help import command_help

            print(command_help(name), end="")
            return {}
        return COMMANDS[name](rest)

    return guarded(command, "geovec-data")


def guarded(command: Callable[[], Summary], program: str) -> int:
    """Run a command, print the human lines of its summary, and turn failures into one message and a code."""
    try:
        summary = command()
        for line in summary.get("human", []):
            print(line)
        sys.stdout.flush()
    except GeoVecError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `geovec-data describe … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if (told := refusal(error)) is None:
            raise
        print(f"{program}: {told}", file=sys.stderr)
        return told.exit_code
    return 1 if summary.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
