"""The result of `mining_search.py` as a Markdown table."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import median

WHAT = {
    "bare": "GEMM + `torch.topk` alone, {best}",
    "ours": "the whole `mine` run: search, policy, writing",
    "faiss": "the whole `mine_hard_negatives`, with FAISS",
    "matmul": "the whole `mine_hard_negatives`, without",
}


def table(result: dict[str, Any]) -> str:
    """Say the result as a table."""
    lines = [
        f"# Mining without encoding: {result['n']:,} × {result['n']:,} × {result['dimension']}, k = {result['k']}",
        "",
        f"{result['machine']['cpu']}, {result['threads']} threads; medians. Made by `benchmarks/mining_search.py`.",
        "",
        "| vectors | what | seconds | CPU seconds | peak MB | ours to it |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for kind in ("random", "clustered"):
        part = result[kind]
        for name, runs in part["runs"].items():
            cells = [
                kind,
                WHAT[name].format(best=part["sweep"]["best"]),
                f"{part['seconds'][name]:.1f}",
                f"{median([r['cpu_seconds'] for r in runs]):.1f}",
                f"{part['peak_mb'][name]:,.0f}",
                _against(part, name),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        exact = part["exact"]
        notes.append(
            f"- {kind}: ids equal exact search in all but {exact['rows_with_another_order_or_choice']:,} rows; there,"
            f" too, scores agree rank by rank within {exact['largest_score_difference']:.0e} (rounding of the sums)."
        )
    return "\n".join([*lines, "", *notes]) + "\n"


def _against(part: dict[str, Any], name: str) -> str:
    if name == "ours":
        return ""
    if name == "bare":
        return f"{part['ratio_to_bare']:.2f} times its time ({part['ratio_to_bare_cpu']:.2f} of CPU)"
    return f"{part['times_faster_than'][name]:.1f} times faster"
