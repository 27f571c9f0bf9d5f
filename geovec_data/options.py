"""``key=value`` arguments in Hydra's grammar → a validated pydantic model; a wrong key is told its nearest neighbour.

Values of text and path options are taken literally, so that ``=``, ``~``, blanks and parentheses in a path need
no quoting (but ``~/…`` is in the home folder); every other value (numbers, lists, null, dictionaries) is read by
Hydra's own parser.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from geovec_data.errors import UserError, suggest
from geovec_data.paths import expanded

M = TypeVar("M", bound=BaseModel)


def split_argument(argument: str, command: str) -> tuple[str, str]:
    """Split ``key=value`` at the first ``=``.

    Raises:
        UserError: when the argument has no ``=``.
    """
    key, eq, value = argument.lstrip("+").partition("=")
    if argument.startswith("--"):
        key, eq, value = argument[2:].replace("-", "_").partition("=")
        raise UserError(
            f"'{argument}': options are written key=value, without dashes, e.g. {key}={value or '…'}."
            f" See: {command} --help"
        )
    if not eq or not key:
        raise UserError(f"'{argument}' is not of the form key=value. See: {command} --help")
    return key, value


def _strip_optional(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return annotation


def _models(annotation: Any) -> type[BaseModel] | None:
    annotation = _strip_optional(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _is_text(annotation: Any) -> bool:
    annotation = _strip_optional(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return all(_is_text(a) for a in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, (str, Path))


def _is_path(annotation: Any) -> bool:
    """Tell whether a value is a path, or may be one."""
    return annotation is Path or any(a is Path for a in get_args(annotation))


def _may_be_text(annotation: Any) -> bool:
    """Tell whether a value may be one text or path where it may also be a list of them."""
    return (
        get_origin(annotation) in (Union, types.UnionType)
        and any(_is_text(a) for a in get_args(annotation))
        and (any(get_origin(a) is tuple for a in get_args(annotation)))
    )


def resolve(model: type[BaseModel], key: str, command: str) -> tuple[list[str], Any]:
    """Follow a dotted key through nested models.

    Returns:
        The path and the annotation at its end (None inside a free dictionary).

    Raises:
        UserError: for an unknown key, with the nearest one.
    """
    path = key.split(".")
    at: type[BaseModel] | None = model
    annotation: Any = None
    for name in path:
        if at is None:
            return path, None
        field = at.model_fields.get(name)
        if field is None:
            if at.model_config.get("extra") == "allow":
                return path, None
            known = names(model) if len(path) > 1 else list(model.model_fields)
            raise UserError(f"unknown option '{key}'.{suggest(key, known)} See: {command} --help")
        annotation = field.annotation
        at = _models(annotation)
    if at is not None and (short := getattr(at, "SHORTHAND", None)):
        path.append(short)
        annotation = at.model_fields[short].annotation
    return path, annotation


def names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every dotted option name of a model."""
    out: list[str] = []
    for name, field in model.model_fields.items():
        nested = _models(field.annotation)
        out += names(nested, f"{prefix}{name}.") if nested else [prefix + name]
    return out


def parse_value(key: str, text: str, annotation: Any) -> Any:
    """Turn the text of a value into a Python value; text options stay literal.

    Raises:
        UserError: when a text or path is empty, or a bracketed value does not parse.
    """
    if _is_text(annotation) or (_may_be_text(annotation) and not text.startswith("[")):
        if text == "null" and get_origin(annotation) in (Union, types.UnionType):
            return None
        quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
        value = text[1:-1] if quoted else text
        is_path = _is_path(annotation)
        if not text or (is_path and not value):
            raise UserError(
                f"{key}= is empty (of a shell variable that is not set?): give a value, or leave the option out"
            )
        return str(expanded(value)) if is_path or (value.startswith("~/") and not quoted) else value
    if get_origin(_strip_optional(annotation)) in (list, tuple) and not text.startswith("["):
        return [t.strip() for t in text.split(",") if t.strip()]
    if (plain := _plain_scalar(text)) is not None:
        return plain
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"_={text}")  # a corpus's name need be no key to Hydra
    except HydraException as error:
        if text[:1] in "[{":
            raise UserError(f"{key}={text}: not a list or dictionary in Hydra's grammar ({error})") from error
        return text
    if override.is_sweep_override():
        return text
    value = override.value()
    return _plain(value)


def _plain_scalar(text: str) -> int | float | bool | None:
    """Read a decimal number, true or false as Hydra's grammar does, whose parser takes a tenth of a second to load."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?(0|[1-9]\d*)\.\d+", text) else None


def _plain(value: Any) -> Any:
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(_plain(k)): _plain(v) for k, v in value.items()}
    return value


def put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value in a nested dictionary, making the levels it needs."""
    for name in path[:-1]:
        below = tree.get(name)
        if not isinstance(below, dict):
            below = tree[name] = {}
        tree = below
    tree[path[-1]] = value


def read_arguments(model: type[BaseModel], arguments: list[str], command: str) -> dict[str, Any]:
    """Turn arguments into a nested dictionary of overrides, each key checked against the model.

    Raises:
        UserError: for a malformed argument, an unknown key or a key given twice.
    """
    tree: dict[str, Any] = {}
    seen: set[str] = set()
    for argument in arguments:
        key, text = split_argument(argument, command)
        path, annotation = resolve(model, key, command)
        dotted = ".".join(path)
        if dotted in seen:
            raise UserError(f"option '{key}' is given twice")
        seen.add(dotted)
        put(tree, path, parse_value(key, text, annotation))
    return tree


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge nested dictionaries; `over` wins."""
    out = dict(base)
    for key, value in over.items():
        below = out.get(key)
        out[key] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return out


def validate(model: type[M], tree: dict[str, Any], command: str, prefix: str = "") -> M:
    """Validate with pydantic and word its complaints for a user; `prefix` is how he writes these options' names.

    Raises:
        UserError: naming every wrong option, its value and what it must be.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        lines = []
        for e in error.errors():
            where = prefix + ".".join(str(p) for p in e["loc"])
            if e["type"] == "missing":
                lines.append(f"{where}=… is needed")
            elif e["type"] == "extra_forbidden":
                lines.append(
                    f"unknown option '{where}'.{suggest(where, [prefix + n for n in _names(model, e['loc'])])}"
                )
            elif not where:  # of the options together, in words of the model's own
                lines.append(str(e["msg"]).removeprefix("Value error, "))
            elif e["type"] == "model_type":
                inner = _names(model, (*e["loc"], ""))
                lines.append(
                    f"{where}={e['input']!r}: {where} has options of its own: {', '.join(prefix + n for n in inner)}"
                )
            else:
                lines.append(f"{where}={e['input']!r}: {_said(e)}")
        see = command if "=" in command else f"{command} --help"
        said = "; ".join(line.rstrip(".") for line in lines)
        raise UserError(f"{said}{' ' if said.endswith('?') else '. '}See: {see}") from error


def _said(error: Mapping[str, Any]) -> str:
    """Return pydantic's words on a value, with the nearest of the values that it lists."""
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] != "literal_error":
        return said
    nearest = suggest(str(error["input"]), re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    return f"{said}.{nearest}" if nearest.endswith("?") else said


def _names(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    at: type[BaseModel] | None = model
    for part in loc[:-1]:
        field = at.model_fields.get(str(part)) if at else None
        at = _models(field.annotation) if field else None
    prefix = "".join(f"{p}." for p in loc[:-1])
    return [prefix + n for n in at.model_fields] if at else []


def load(model: type[M], arguments: list[str], command: str) -> M:
    """Read arguments into a validated model (commands without a recipe)."""
    return validate(model, read_arguments(model, arguments, command), command)


def help_lines(model: type[BaseModel], prefix: str = "") -> list[str]:
    """List a model's options, one line each: name, default and the description from its declaration."""
    lines: list[str] = []
    for name, field in model.model_fields.items():
        nested = _models(field.annotation)
        if nested is not None:
            lines += help_lines(nested, f"{prefix}{name}.")
            continue
        default = "needed" if field.is_required() else _show(field.get_default(call_default_factory=True))
        lines.append(f"  {prefix + name:<30} {field.description or ''} [{default}]")
    return lines


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_show(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
