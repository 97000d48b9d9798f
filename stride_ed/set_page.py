"""README.md and the picture beside a refined set."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["plot_shares", "readme"]


def readme(card: Mapping[str, Any]) -> str:
    """The data card in words."""
    counts, settings = card["counts"], card["settings"]
    shares = "\n".join(
        f"| {row['strategy']} | {row['pool']:,} | {100 * row['pool_share']:.1f} % | "
        f"{row['target']:,} | {row['drawn']:,} | {100 * row['drawn_share']:.1f} % |"
        for row in card["shares"]
    )
    weights = "\n".join(
        f"| {row['name']} | {row['weight']:.3f} [{row['low']:.3f}, {row['high']:.3f}] | "
        f"{row['graded']:,} | {row['missing']:,} |"
        for row in card["evaluators"]
    )
    warnings = "".join(f"> {line}\n\n" for line in card["warnings"])
    return (
        f"# {card['name']}: {counts['examples']:,} listener turns with stepwise traces\n\n"
        f"Made by empathy-bench {card['harness_version']} from {card['source']} "
        f"(`{card['fingerprint']}`): {counts['annotated']:,} turns annotated "
        f"({card['annotator']['kind']}), {counts['failed_annotations']:,} of them without a trace, "
        f"{counts['graded']:,} graded, the best {counts['refined']:,} kept, "
        f"{counts['left_out_held_out']:,} left out because they occur in held-out dialogues, "
        f"{counts['examples']:,} of {counts['dialogues']:,} dialogues drawn. "
        f"Digest `{card['digest'][:16]}`.\n\n"
        "Replies are people's; emotions are the data set's; strategies, summaries and actions are "
        "the annotator's. The strategies are STRIDE-ED's, their definitions and difficulties ours "
        f"(rubric `{card['rubric']}`).\n\n{warnings}"
        f"## Strategies\n\nTarget shares f^(1 − {settings['alpha']:g}) · "
        f"d^{settings['beta']:g}, seed {settings['seed']}.\n\n"
        "| Strategy | refined | share | target | drawn | share |\n|---|--:|--:|--:|--:|--:|\n"
        f"{shares}\n\n![Shares before and after](shares.png)\n\n"
        f"## Evaluators\n\nWeights: {settings['weights']}, with 95 % intervals over samples.\n\n"
        f"| Evaluator | weight | graded | missing |\n|---|--:|--:|--:|\n{weights}\n\n"
        "## Files\n\n"
        "- `train.jsonl`: everything, one object a line\n"
        "- `train.trl.jsonl`: TRL's conversational prompt–completion form\n"
        "- `train.verl.parquet`: verl's form; the reward reads `extra_info`\n\n"
        f"## Licence\n\n{card['licence']}. Not for commercial use.\n"
    )


def plot_shares(shares: Sequence[Mapping[str, Any]]) -> bytes:
    """Horizontal bars, a strategy a row: shares before and after, and the target, as PNG."""
    from matplotlib.figure import Figure

    rows = list(reversed(shares))
    places = list(range(len(rows)))
    figure = Figure(figsize=(8, 0.42 * len(rows) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    total = sum(row["drawn"] for row in rows)
    before = [100 * row["pool_share"] for row in rows]
    after = [100 * row["drawn_share"] for row in rows]
    axes.barh([p + 0.2 for p in places], before, 0.36, color="#b9d3d4", label="refined")
    axes.barh([p - 0.2 for p in places], after, 0.36, color="#24616b", label="drawn")
    wanted = [100 * row["wanted"] / total for row in rows]
    axes.plot(wanted, [p - 0.2 for p in places], "|", color="#a2562a", ms=13, mew=2,
              label="asked for", ls="none")  # fmt: skip
    axes.set_yticks(places, [row["strategy"] for row in rows])
    axes.set_xlabel("share, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    buffer = io.BytesIO()
    # Without a date and a version in it, equal sets have equal pictures.
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
