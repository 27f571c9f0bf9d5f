"""The leak gate: what stands on both sides of a split is listed, and let through, dropped or refused, rule by rule.

Sides are train against val and test. Rules that drop go first, so that what is gone leaks no more; then the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from geovec_data.leaks import drop, found, ground, keyed, looks
from geovec_data.leaks.options import MEANING, RULES, LeakOptions, Rule
from geovec_data.near import MIN_CONTRAST

SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says.

    Attributes:
        rules: rule → what was found: policy, count (held-out images concerned) of how many, number of pairs, how many
            of them are listed, how many held-out images fail the build, samples, thresholds.
        fault: why the build fails, or None.
    """

    rules: dict[str, dict[str, Any]]
    fault: str | None


class Gate:
    """The gate over one split: `look`, then `verdict`, which says what it lets through.

    The search for near-duplicates, most of the work, begins at once and in the background, unless a rule drops images:
    what is dropped is searched for no more.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, thumbs: Sequence[Path], options: LeakOptions, threads: int
    ) -> None:
        """Note which image stands where.

        Args:
            con: a connection with views of images, examples, splits and image_splits.
            thumbs: staged files of thumbnails (image, thumb).
            options: policies and thresholds.
            threads: threads.
        """
        self.con, self._thumbs, self._options, self._threads = con, thumbs, options, threads
        found.prepare(con)
        self._of = _one(con, "SELECT count(DISTINCT image) FROM leak_sides WHERE split <> 'train'")
        self._divided = _one(con, "SELECT count(*) FROM image_splits WHERE reason = 'hash of block'") > 0
        self._found: dict[Rule, dict[str, Any]] = {}
        drops = any(options.policy(r).startswith("drop") for r in RULES)
        self._search = None if drops else self._begin()

    def _begin(self) -> looks.Search | None:
        bits, score = self._options.near_bits, self._options.near_score
        return looks.begin(self.con, self._thumbs, bits=bits, score=score, threads=self._threads)

    def look(self) -> bool:
        """Run the rules, all but a search that is under way, and drop what they say; `con` has all views by now.

        Returns:
            Whether the split must be written anew (`drop.REWRITTEN`).
        """
        for rule in sorted(RULES, key=lambda r: not self._options.policy(r).startswith("drop")):
            if rule == "near" and self._search is not None:
                continue
            self._found[rule] = self._find(rule)
            if self._options.policy(rule).startswith("drop"):
                self._found[rule]["dropped"] = drop.mark(self.con, rule, self._options.policy(rule))
        return any(found.get("dropped") for found in self._found.values())

    def verdict(self, known: Mapping[str, tuple[Rule, ...]]) -> Verdict:
        """Wait for the search and apply the policies, after `look`; leaves the table ``leaks``, for the dataset.

        Args:
            known: corpus → rules by which its split is known to leak: reported where nothing else is asked.
        """
        con, options = self.con, self._options
        if self._search is not None:
            self._found["near"] = self._find("near")
        _list(con, options, known)
        rules: dict[str, dict[str, Any]] = {
            rule: summary(con, rule, options.policy(rule), self._of) | self._found[rule] for rule in RULES
        }
        if self._divided:
            note = "parts of one image that a split by blocks divides are judged by their footprints"
            rules["lineage"]["note"] = note
        return Verdict(rules, _fault(rules))

    def _find(self, rule: Rule) -> dict[str, Any]:
        """Run one rule; returns what the summary should say of its thresholds."""
        con, options = self.con, self._options
        match rule:
            case "image":
                keyed.image(con)
            case "lineage":
                keyed.lineage(con, options.listed)
            case "caption":
                keyed.caption(con, options.listed)
            case "footprint":
                unplaced = ground.footprint(con, options.footprint_buffer, options.listed)
                return {"buffer": options.footprint_buffer, "overlap": ground.MIN_OVERLAP, "unplaced": unplaced}
            case "near":
                flat = looks.near(con, self._search or self._begin(), limit=options.listed)
                bits, score = options.near_bits, options.near_score
                return {"bits": bits, "score": score, "contrast": MIN_CONTRAST, "flat": flat}
        return {}


def _list(con: duckdb.DuckDBPyConnection, options: LeakOptions, known: Mapping[str, tuple[Rule, ...]]) -> None:
    """Make the table ``leaks`` from the pairs: names beside ids, and what the gate does about each pair."""
    con.execute("CREATE TEMP TABLE leak_policies (rule VARCHAR, policy VARCHAR)")
    con.executemany("INSERT INTO leak_policies VALUES (?, ?)", [(r, options.policy(r)) for r in RULES])
    con.execute("CREATE TEMP TABLE leak_known (corpus VARCHAR, rule VARCHAR)")
    rows = [(c, r) for c, rules in sorted(known.items()) for r in rules if not options.asked(r)]
    if rows:
        con.executemany("INSERT INTO leak_known VALUES (?, ?)", rows)
    con.execute(
        "CREATE TEMP TABLE leaks AS SELECT p.rule, p.train, p.held_out, p.split,"
        " t.corpus || '/' || t.key AS train_key, h.corpus || '/' || h.key AS held_out_key, p.score, p.detail,"
        " p.partners, CASE WHEN k.rule IS NOT NULL THEN 'known' ELSE o.policy END AS policy"
        " FROM leak_pairs p JOIN images t ON t.id = p.train JOIN images h ON h.id = p.held_out"
        " JOIN leak_policies o ON o.rule = p.rule"
        " LEFT JOIN leak_known k ON k.rule = p.rule AND k.corpus = t.corpus AND k.corpus = h.corpus"
    )


def summary(con: duckdb.DuckDBPyConnection, rule: Rule, policy: str, of: int) -> dict[str, Any]:
    """Say what the table ``leaks`` holds of a rule, with its policy and the number of held-out images."""
    held, listed, failing, known = con.execute(
        "SELECT count(DISTINCT held_out), count(*), count(DISTINCT held_out) FILTER (WHERE policy = 'fail'),"
        " count(DISTINCT held_out) FILTER (WHERE policy = 'known') FROM leaks WHERE rule = ?",
        [rule],
    ).fetchall()[0]
    pairs = _one(
        con,
        "SELECT coalesce(sum(partners), 0)::BIGINT FROM (SELECT DISTINCT held_out, split, partners,"
        f" CASE WHEN rule = 'caption' THEN detail END FROM leaks WHERE rule = '{rule}')",
    )
    order = "policy <> 'fail', score DESC, held_out_key, split, train_key, detail"
    samples = con.execute(
        f"SELECT train_key, held_out_key, split, detail FROM leaks WHERE rule = ? ORDER BY {order} LIMIT {SAMPLES}",
        [rule],
    ).fetchall()
    return {
        "policy": policy,
        "meaning": MEANING[rule],
        "count": held,
        "of": of,
        "unit": "held-out images",
        "pairs": pairs,
        "listed": listed,
        "failing": failing,
        "known": known,
        "samples": [f"{t} (train) and {h} ({split}): {detail}" for t, h, split, detail in samples],
    }


def _fault(rules: Mapping[str, Mapping[str, Any]]) -> str | None:
    failing = {r: f for r, f in rules.items() if f["failing"]}
    if not failing:
        return None
    lines = [
        f"  {rule}: {f['failing']:,} of {f['of']:,} held-out images ({f['meaning']}), e.g. {f['samples'][0]}"
        for rule, f in failing.items()
    ]
    first, *more = failing
    alike = f" (and so for {', '.join(more)})" if more else ""
    return (
        "the split leaks: what follows stands in train and in val or test.\n"
        + "\n".join(lines)
        + f"\nWays out: leaks.{first}=drop_train or drop_test{alike} puts the images of that side into split 'unused';"
        f" leaks.{first}=report lets them stand and says so in the card."
        + (
            " Or split=image, which keeps an image and all that was cut from it together."
            if _by_object(failing)
            else ""
        )
    )


def _by_object(failing: Mapping[str, Any]) -> bool:
    return bool({"image", "lineage"} & failing.keys())


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(con.execute(sql).fetchall()[0][0])
