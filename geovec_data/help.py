"""``COMMAND --help``: every option with its default and the description it has where it is declared."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from geovec_data.options import help_lines

EXAMPLES = {
    "build": "geovec-data build recipe=rsvg source=sample out=data/demo",
    "mine": "geovec-data mine dataset=data/demo encoder=runs/warm run=demo",
    "audit": "geovec-data audit dataset=data/demo run=demo",
    "export": "geovec-data export dataset=data/demo out=export/demo format=hf",
    "report": "geovec-data report dataset=data/demo model=runs/demo",
    "stats": "geovec-data stats dataset=data/demo",
    "verify": "geovec-data verify dataset=data/demo",
    "describe": "geovec-data describe recipe=rsvg        (or reader=voc)",
    "list": "geovec-data list",
}


def _model(name: str) -> type[BaseModel] | None:
    if name == "build":
        from geovec_data.recipe.recipe import BuildOptions

        return BuildOptions
    if name == "mine":
        from geovec_data.mining.config import MineConfig

        return MineConfig
    if name == "audit":
        from geovec_data.audit.config import AuditConfig

        return AuditConfig
    if name == "export":
        from geovec_data.export.config import ExportConfig

        return ExportConfig
    if name == "report":
        from geovec_data.report.config import ReportConfig

        return ReportConfig
    if name == "stats":
        from geovec_data.stats import StatsConfig

        return StatsConfig
    if name == "verify":
        from geovec_data.verify.verify import VerifyConfig

        return VerifyConfig
    if name == "describe":
        from geovec_data.recipe.describe import DescribeConfig

        return DescribeConfig
    return None


def command_help(name: str) -> str:
    """Return the help text of a subcommand of ``geovec-data``."""
    lines = [f"usage: {EXAMPLES[name]}", ""]
    model = _model(name)
    if name == "build":
        lines += ["options (key=value; most have their value from the recipe):", ""]
        lines += ["  recipe                         recipe or mix, or the path of your own .yaml; or [a,b,…] [needed]"]
        lines += ["  sources.CORPUS.*               where a corpus is, when there are several: as source.* below"]
        lines += ["  corpora.CORPUS.*               any other option of that corpus; a plain one holds for all"]
    elif model is not None:
        lines += ["options (key=value):", ""]
    if model is not None:
        lines += wrap(help_lines(model), skip=_RECIPE_TEXT if name == "build" else ())
    if name == "build":
        lines += ["", "reader.*, chip.* and checks.* have further options: geovec-data describe recipe=NAME"]
    return "\n".join(lines) + "\n"


# descriptive fields of a recipe that nobody overrides on a command line
_RECIPE_TEXT = (
    "name", "title", "summary", "homepage", "paper", "images", "layout", "layout_source", "get", "verified", "sample",
    "licence", "origins",
)  # fmt: skip


def wrap(lines: list[str], skip: tuple[str, ...] = ()) -> list[str]:
    """Leave out options whose first word is in `skip`."""
    out: list[Any] = []
    for line in lines:
        head = line.split()[0].split(".")[0]
        if head not in skip:
            out.append(line)
    return out
