"""What all our HTML pages have in common: strict templates that escape every text, the style, a file that is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def environment(folder: Path) -> jinja2.Environment:
    """Return what renders the templates of a folder; an unknown name in one is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style() -> str:
    """Return the style sheet of the pages."""
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def write_page(file: Path, html: str) -> None:
    """Write a page, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(file)
