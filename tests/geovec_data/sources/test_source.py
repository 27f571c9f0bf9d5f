"""Where a corpus is: what is given, or the ways to give it."""

from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.cli import main


def test_one_folder_for_images_and_map_labels_is_told_the_two_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "recipe=osm", f"source.root={tmp_path}", f"out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert "source.root does not say where the labels are" in said
    assert "give source.imagery=<folder or files> source.labels=<file>" in said
    assert not (tmp_path / "out").exists()
