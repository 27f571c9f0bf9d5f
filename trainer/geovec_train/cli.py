"""The ``geovec-train`` and ``geovec-eval`` commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from geovec_data import __version__
from geovec_data.cli import guarded
from geovec_data.errors import UserError
from geovec_data.options import help_lines, load

TRAIN_USAGE = """geovec-train {version}: contrastive training of an interleaved embedder on a GeoVec dataset

usage: geovec-train dataset=data/demo model=tiny steps=300 out=runs/warm
       geovec-train dataset=data/demo model=runs/warm negatives=first out=runs/a      (run it again to continue)

options (key=value):

"""
EVAL_USAGE = """geovec-eval {version}: RSMEB-style scores of an embedder on a GeoVec dataset's held-out split

usage: geovec-eval dataset=data/demo model=runs/a
       geovec-eval compare runs/a runs/b ...      (which differences are real; see: geovec-eval compare --help)

options (key=value):

"""


COMPARE_USAGE = """geovec-eval compare {version}: paired differences between evaluations of one dataset and split

usage: geovec-eval compare runs/a runs/b [runs/c ...]

options (key=value):

"""


def _asks_help(arguments: list[str]) -> bool:
    return not arguments or any(a in ("-h", "--help", "help") for a in arguments)


def _asks_version(arguments: list[str]) -> bool:
    if arguments[0] not in ("-V", "--version"):
        return False
    print(f"geovec {__version__}")
    return True


def _help(usage: str, model: type[BaseModel]) -> int:
    print(usage.format(version=__version__) + "\n".join(help_lines(model)))
    return 0


def train_main(argv: list[str] | None = None) -> int:
    """Run ``geovec-train``; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    from geovec_train.config import TrainConfig

    if _asks_help(arguments):
        return _help(TRAIN_USAGE, TrainConfig)
    if _asks_version(arguments):
        return 0

    def command() -> dict[str, Any]:
        config = load(TrainConfig, arguments, "geovec-train")
        from geovec_train.training.train import run

        return run(config)

    return guarded(command, "geovec-train")


def eval_main(argv: list[str] | None = None) -> int:
    """Run ``geovec-eval``; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["compare"]:
        return _compare(arguments[1:])
    from geovec_train.evaluation.evaluate import EvalConfig

    if _asks_help(arguments):
        return _help(EVAL_USAGE, EvalConfig)
    if _asks_version(arguments):
        return 0

    def command() -> dict[str, Any]:
        config = load(EvalConfig, arguments, "geovec-eval")
        from geovec_train.evaluation.evaluate import run

        return run(config)

    return guarded(command, "geovec-eval")


def _compare(arguments: list[str]) -> int:
    from geovec_train.evaluation.compare import CompareConfig

    if _asks_help(arguments):
        return _help(COMPARE_USAGE, CompareConfig)

    def is_option(argument: str) -> bool:  # a path can have "=" in it, and an option's name can be misspelt
        return "=" in argument and not Path(argument).exists()

    def command() -> dict[str, Any]:
        if "" in arguments:
            raise UserError("a folder to compare is empty (of a shell variable that is not set?): give it")
        config = load(CompareConfig, [a for a in arguments if is_option(a)], "geovec-eval compare")
        from geovec_train.evaluation.compare import run

        folders = [Path(a) for a in arguments if not is_option(a)]
        return run(config.model_copy(update={"scores": [*folders, *config.scores]}))

    return guarded(command, "geovec-eval compare")


if __name__ == "__main__":
    sys.exit({"train": train_main, "eval": eval_main}[sys.argv[1]](sys.argv[2:]))
