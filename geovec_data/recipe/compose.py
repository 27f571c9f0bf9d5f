"""The arguments of a build → its corpora, each composed by itself: its recipe, then the mix, then the user's words.

``recipe=a``, ``recipe=a,b``, ``recipe=[a,b]``: names of recipes and mixes, or paths of your own YAML files.
``sources.<corpus>.<option>`` says where a corpus is, ``corpora.<corpus>.<option>`` changes any other of its options;
an option given plainly holds for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geovec_data.errors import UserError, suggest
from geovec_data.options import merge, names, parse_value, put, resolve, split_argument, validate
from geovec_data.recipe.chosen import Chosen, choose, recipe_list
from geovec_data.recipe.files import apply_sample, check_recipe, mix_names, recipe_names
from geovec_data.recipe.recipe import BuildConfig, BuildOptions, CorpusConfig, RunOptions, SourceOptions

# what speaks of one corpus: with several, an option must say of which
OWN = frozenset(
    {
        "name", "title", "summary", "homepage", "paper", "licence", "layout", "layout_source", "get", "verified",
        "source", "reader", "origins", "sample", "weight",
    }
)  # fmt: skip

Tree = dict[str, Any]


def load_build(arguments: Sequence[str], command: str) -> BuildConfig:
    """Compose recipes and the user's overrides into a build's configuration; the order of the recipes is no matter.

    Raises:
        UserError: for an unknown recipe or option, with the nearest one; for a wrong value; for a corpus that stands
            twice; for corpora without a place, unless ``skip_missing=true``.
    """
    given, rest = _recipes(arguments, command)
    chosen, head = choose(given)
    run, overrides = _read(rest, [c.name for c in chosen], command)
    corpora = [compose_corpus(c, overrides[c.name], command, many=len(chosen) > 1) for c in chosen]
    skipped: tuple[str, ...] = ()
    if len(corpora) > 1:
        corpora, skipped = _present(corpora, skip=run.get("skip_missing") is True)
    if head is None:
        head = _heading(corpora)
    return validate(BuildConfig, {**merge(head, run), "corpora": tuple(corpora), "skipped": skipped}, command)


def _recipes(arguments: Sequence[str], command: str) -> tuple[list[str], list[str]]:
    given: list[str] = []
    rest = []
    for argument in arguments:
        key, value = split_argument(argument, command)
        if key != "recipe":
            rest.append(argument)
        elif given:
            raise UserError(f"option 'recipe' is given twice; several are written recipe=[{','.join([*given, value])}]")
        else:
            given = recipe_list(value)
    if not given:
        known = ", ".join(recipe_names() + mix_names())
        raise UserError(f"recipe=… is needed. Known: {known}. See: {command} --help")
    return given, rest


def _read(rest: list[str], corpora: list[str], command: str) -> tuple[Tree, dict[str, Tree]]:
    """Sort arguments into options of the run and overrides by corpus; what is said of one corpus wins."""
    run: Tree = {}
    shared: Tree = {}
    own: dict[str, Tree] = {c: {} for c in corpora}
    seen: set[str] = set()
    for argument in rest:
        key, text = split_argument(argument, command)
        corpus, option = _address(key, corpora, command)
        try:
            path, annotation = resolve(BuildOptions, option, command)
        except UserError as error:
            raise UserError(f"unknown option '{key}'.{_nearest(key, corpora)} See: {command} --help") from error
        if corpus is None and path[0] in OWN:
            if len(corpora) > 1:
                raise UserError(_which(key, option, corpora))
            corpus = corpora[0]
        if corpus is not None and path[0] in RunOptions.model_fields:
            raise UserError(f"'{key}': {path[0]} holds for the whole build; write {option}={text}")
        address = ".".join([corpus or "", *path])
        if address in seen:
            raise UserError(f"option '{key}' is given twice")
        seen.add(address)
        tree = own[corpus] if corpus is not None else run if path[0] in RunOptions.model_fields else shared
        put(tree, path, parse_value(key, text, annotation))
    return run, {c: merge(shared, own[c]) for c in corpora}


def _address(key: str, corpora: list[str], command: str) -> tuple[str | None, str]:
    """Split ``sources.rsvg.root`` into the corpus and its option ``source.root``; a plain option is of no corpus."""
    group, _, tail = key.partition(".")
    if group not in ("sources", "corpora"):
        return None, key
    corpus, _, option = tail.partition(".")
    if corpus in corpora and group == "corpora" and not option:
        raise UserError(f"'{key}': say which option of the corpus, e.g. {key}.tasks=…. See: {command} --help")
    if corpus not in corpora:
        add = f" Or add it: recipe=[{','.join([*corpora, corpus])}]." if corpus in recipe_names() else ""
        raise UserError(
            f"unknown option '{key}': the corpora of this build are {', '.join(corpora)}."
            f"{_nearest(key, corpora)}{add} See: {command} --help"
        )
    if group == "sources":
        option = f"source.{option}" if option else "source"
    return corpus, option


def _nearest(key: str, corpora: list[str]) -> str:
    known = [n for n in names(BuildOptions) if len(corpora) == 1 or n.split(".")[0] not in OWN]
    for corpus in corpora:
        known += [f"sources.{corpus}.{n}" for n in SourceOptions.model_fields]
        known += [f"corpora.{corpus}.{n}" for n in names(CorpusConfig)]
    if "." not in key:
        known = [*BuildOptions.model_fields]
    return suggest(key, known)


def _which(key: str, option: str, corpora: list[str]) -> str:
    group, _, tail = option.partition(".")
    stem = [f"sources.{c}" for c in corpora] if group == "source" else [f"corpora.{c}.{group}" for c in corpora]
    ways = " or ".join(f"{s}.{tail}=…" if tail else f"{s}=…" for s in stem[:3])
    return f"'{key}' speaks of one corpus, and {len(corpora)} are built; say which: {ways}"


def compose_corpus(chosen: Chosen, over: Tree, command: str, *, many: bool) -> CorpusConfig:
    """Lay the user's overrides over the mix's, and these over the recipe, and validate.

    Args:
        chosen: the recipe and what a mix changes of it.
        over: the user's overrides.
        command: for the messages.
        many: whether messages must name the corpus.

    Raises:
        UserError: for an unknown option or a wrong value.
    """
    mixed = merge(chosen.mixed, over)
    tree = chosen.tree
    if (mixed.get("source") or {}).get("kind", (tree.get("source") or {}).get("kind")) == "sample":
        tree = apply_sample(tree, f"sources.{chosen.name}" if many else "source")
    whole = merge(tree, mixed)
    prefix = f"corpora.{chosen.name}." if many else ""
    _check_free_keys(whole, mixed, command, prefix)
    try:
        return validate(CorpusConfig, whole, command, prefix)
    except UserError:
        check_recipe(chosen.tree, chosen.file)  # what is wrong in a file of the user's own is told by its name
        raise


def _check_free_keys(tree: Tree, over: Tree, command: str, prefix: str) -> None:
    """Check option names under ``reader``, ``chip`` and ``checks``, whose models live with their code."""
    models: dict[str, Any] = {}
    if over.get("reader"):
        from geovec_data.readers import get_reader

        models["reader"] = get_reader(tree["reader"]["name"]).Options
    if over.get("chip"):
        from geovec_data.build.chips import ChipOptions

        models["chip"] = ChipOptions
    if over.get("checks"):
        from geovec_data.build.checks import CheckOptions

        models["checks"] = CheckOptions
    for group, model in models.items():
        known = {*model.model_fields, *{"reader": ["name"], "checks": ["max_reject_fraction"]}.get(group, [])}
        for key in over[group]:
            if key not in known:
                name = f"{prefix}{group}.{key}"
                near = suggest(name, [f"{prefix}{group}.{k}" for k in known])
                raise UserError(f"unknown option '{name}'.{near} See: {command} --help")


def _present(corpora: list[CorpusConfig], *, skip: bool) -> tuple[list[CorpusConfig], tuple[str, ...]]:
    """Part the corpora whose place is given from those without one.

    Raises:
        UserError: naming every corpus without a place, unless they may be skipped; or when none is left.
    """
    missing = [c for c in corpora if not c.source.given()]
    kept = [c for c in corpora if c.source.given()]
    if missing and (not skip or not kept):
        listed = "\n".join(f"  {c.name:<20} {c.source_keys(f'sources.{c.name}')}" for c in missing)
        way = "Or skip_missing=true builds the others without them."
        if not kept:
            way = "Give at least one; skip_missing=true then builds without the rest."
        raise UserError(
            f"{len(missing)} of {len(corpora)} corpora have no place on disk; give each in the layout that"
            f" `geovec-data describe recipe=…` prints:\n{listed}\n{way}"
        )
    return kept, tuple(c.name for c in missing)


def _heading(corpora: Sequence[CorpusConfig]) -> Tree:
    """Name a build of several recipes after them, whatever order they came in."""
    if len(corpora) == 1:
        return {k: getattr(corpora[0], k) for k in ("name", "title", "summary")}
    titles = ", ".join(c.title for c in corpora)
    return {
        "name": "+".join(c.name for c in corpora),
        "title": titles,
        "summary": f"{len(corpora)} corpora as one dataset: {titles}.",
    }
