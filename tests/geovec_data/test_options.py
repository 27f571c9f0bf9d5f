from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from geovec_data.errors import UserError
from geovec_data.options import help_lines, load, parse_value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    SHORTHAND: ClassVar[str] = "kind"
    kind: str = Field("folder", description="which kind")
    root: Path | None = Field(None, description="folder")


class Plain(BaseModel):
    size: int = Field(1, description="size")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    plain: Plain = Plain()
    source: Inner = Inner()
    out: Path = Field(description="target")
    steps: int = Field(10, description="number of steps")
    rate: float = Field(0.1, description="rate")
    tasks: tuple[str, ...] = Field((), description="tasks")
    flag: bool = Field(False, description="switch")
    where: Literal["near", "far"] = Field("near", description="distance")


def read(*arguments: str) -> Outer:
    return load(Outer, list(arguments), "geovec-data build")


@pytest.mark.parametrize(
    "path",
    ["/data/a b", "/data/a=b", "/data/~x", "/data/(1)", "/d/a,b", "/d/[x]", "/d/${HOME}", "2024", "1e3", "/d/'q'", "-"],
)
def test_paths_need_no_quoting(path: str) -> None:
    config = read(f"out={path}", f"source.root={path}")
    assert config.out == Path(path)
    assert config.source.root == Path(path)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1))
def test_any_text_reaches_a_path_option_unchanged(text: str) -> None:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
    if not quoted and text != "~" and not text.startswith("~/"):
        out = read(f"out={text}").out
        assert out == (Path(text).absolute() if str(Path(text)).startswith("~") else Path(text))


def test_home_is_expanded() -> None:
    assert read("out=~/x").out == Path.home() / "x"


def test_numbers_lists_and_flags_follow_hydras_grammar() -> None:
    config = read("out=o", "steps=5", "rate=1e-3", "tasks=[a,'b c']", "flag=true", "source=hub")
    assert (config.steps, config.rate, config.tasks, config.flag) == (5, 1e-3, ("a", "b c"), True)
    assert config.source.kind == "hub"


def test_lists_may_be_written_without_brackets() -> None:
    assert read("out=o", "tasks=a,b").tasks == ("a", "b")
    assert read("out=o", "tasks=a").tasks == ("a",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out=o", "stesp=3"], "Did you mean 'steps'"),
        (["out=o", "source.rot=/x"], "Did you mean 'source.root'"),
        (["out=o", "--steps=3"], "without dashes, e.g. steps=3"),
        (["out=o", "steps"], "not of the form key=value"),
        (["out=o", "steps=many"], "steps='many'"),
        (["out=o", "steps=1", "steps=2"], "given twice"),
        (["steps=1"], "out=… is needed"),
        (["out=o", "tasks=[a"], "not a list"),
        (["out=o", "where=naer"], "should be 'near' or 'far'. Did you mean 'near'? See"),
        (["out=o", "where=2"], "where=2: Input should be 'near' or 'far'. See"),
        (["out="], "out= is empty"),
        (["out=''"], "out= is empty"),
        (["out=o", "source.kind="], "source.kind= is empty"),
        (["out=o", "plain=on"], "plain='on': plain has options of its own: plain.size. See"),
    ],
)
def test_mistakes_are_named_with_the_way_out(arguments: list[str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        read(*arguments)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_help_is_the_descriptions() -> None:
    text = "\n".join(help_lines(Outer))
    assert "number of steps [10]" in text
    assert "source.root" in text
    assert "target [needed]" in text


@pytest.mark.parametrize(
    "text", ["0", "-3", "12", "0.5", "-2.25", "true", "false", "007", "1e-4", "+5", "null", "1_000", ".5", "inf"]
)
def test_plain_scalars_are_what_hydras_parser_reads(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    hydra = OverridesParser.create().parse_override(f"key={text}").value()
    read = parse_value("key", text, float)
    assert (type(read), str(read)) == (type(hydra), str(hydra))
