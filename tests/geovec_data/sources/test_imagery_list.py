from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.errors import UserError
from geovec_data.options import read_arguments
from geovec_data.recipe.recipe import BuildConfig, CorpusConfig
from geovec_data.sources.imagery_list import imagery_at


def files(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / n for n in names]


def test_a_folder_is_itself_and_one_image_lies_in_its_own(tmp_path: Path) -> None:
    (image,) = files(tmp_path, "deep/a b.tif")
    assert imagery_at(tmp_path, "source.imagery") == (tmp_path, None)
    assert imagery_at(image, "source.imagery") == (tmp_path / "deep", ("a b.tif",))


def test_a_text_file_lists_paths_as_seen_from_its_folder(tmp_path: Path) -> None:
    files(tmp_path, "x/b.tif", "x/y/a.png")
    names = tmp_path / "list.txt"
    names.write_text(f"# two images\n\nx/b.tif\r\n  {tmp_path}/x/y/a.png \nx/./b.tif\n", encoding="utf-8")
    assert imagery_at(names, "source.imagery") == (tmp_path, ("x/b.tif", "x/y/a.png"))
    (tmp_path / "lists").mkdir()
    names = names.rename(tmp_path / "lists" / "list.txt")
    names.write_text("../x/b.tif\n../x/y/a.png\n")
    assert imagery_at(names, "source.imagery") == (tmp_path / "x", ("b.tif", "y/a.png"))


def test_a_list_lies_in_the_folder_that_its_files_share(tmp_path: Path) -> None:
    given = files(tmp_path, "x/b.tif", "y/a.tif")
    assert imagery_at(tuple(given), "source.imagery") == (tmp_path, ("x/b.tif", "y/a.tif"))
    assert imagery_at(tuple(reversed(given)), "source.imagery") == imagery_at(tuple(given), "source.imagery")


def test_wrong_lists_are_told_with_the_line(tmp_path: Path) -> None:
    names = tmp_path / "list.txt"
    names.write_text("a.tif\nb.tif\n")
    with pytest.raises(UserError, match=r"list\.txt: no such file: line 1 \(a\.tif\) and 1 more"):
        imagery_at(names, "source.imagery")
    names.write_text("# nothing\n")
    with pytest.raises(UserError, match="lists no image"):
        imagery_at(names, "source.imagery")
    (tmp_path / "x.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="neither a folder, an image"):
        imagery_at(tmp_path / "x.bin", "source.imagery")
    with pytest.raises(UserError, match="no such file"):
        imagery_at((tmp_path / "none.tif",), "source.imagery")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/a/it's (a) = ~b.tif", "/a/it's (a) = ~b.tif"),
        ("[/a/b.tif,/c/d.tif]", ["/a/b.tif", "/c/d.tif"]),
        ("['/a/b, c.tif']", ["/a/b, c.tif"]),
        ("null", None),
    ],
)
def test_one_path_is_taken_literally_and_a_list_in_hydras_grammar(text: str, value: object) -> None:
    tree = read_arguments(CorpusConfig, [f"source.imagery={text}"], "geovec-data build")
    assert tree["source"]["imagery"] == value
    assert "imagery" not in BuildConfig.model_fields
