"""``geovec-data report``: one self-contained HTML file about a dataset and what was mined, trained and scored on it.

It reads the dataset's tables and the JSON files that the other commands leave; it imports no training code.
Every text in it is a stranger's: the template escapes all of it and the page's own policy forbids any load.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.report.config import ReportConfig
from geovec_data.report.gallery import Pictures
from geovec_data.report.html import environment, style, write_page
from geovec_data.report.page import Page


def run(config: ReportConfig) -> dict[str, Any]:
    """Write the report.

    Returns:
        Summary: the file, its bytes, and lines for a person.

    Raises:
        UserError: for a dataset, model folder, mining run or scores file that is not there or unreadable.
    """
    dataset = Dataset(config.dataset)
    if config.model is not None and not config.model.is_dir():
        raise UserError(f"model={config.model}: no such directory. Give the out= folder of a geovec-train run")
    out = config.out or config.dataset / "report.html"
    if out.is_dir():
        raise UserError(f"out={out} is a directory; give the name of a file, e.g. {out / 'report.html'}")
    pictures = Pictures(dataset.images.get)
    con = dataset.connect()
    try:
        page = Page(dataset, con, pictures, config)
        values = page.values()
    finally:
        con.close()
    env = environment(Path(__file__).parent)
    env.filters["web"] = web_address
    env.filters["unhashed"] = lambda text: re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]{52}", r"sha256:\1…", text)
    html = env.get_template("template.html").render(**values, style=Markup(style()), pictures=pictures.definitions())
    write_page(out, html)
    size = out.stat().st_size
    human = [
        f"report: {out} ({size / 1e6:.1f} MB, one file; open it in a browser)",
        *(f"note: {n}" for n in page.absent),
    ]
    return {"command": "report", "out": str(out), "bytes": size, "pictures": len(pictures.held), "human": human}


def web_address(text: str) -> str | None:
    """Return a link target, or None when it is no web address: ``javascript:`` must not become a link."""
    parts = urlsplit(text)
    return text if parts.scheme in ("http", "https") and parts.netloc else None
