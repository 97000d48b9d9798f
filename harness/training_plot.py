"""The picture of a training: each measure against the steps, the kept weights' step marked.

One panel per measure: train/loss and valid/loss share theirs, since they are the same quantity on
two sides of the split.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["best_step", "draw_curve"]

# Blue and vermilion of Okabe and Ito: told apart by everyone.
_COLOURS = {"train": "#0072b2", "valid": "#d55e00"}
_WORDS = {"train": "training", "valid": "validation", "ppl": "perplexity", "rate": "learning rate"}
_LOWER_IS_BETTER = ("valid/ppl", "valid/loss", "train/loss")
_PANELS = 6
# A training that diverged is drawn too: axes cannot hold the largest floats.
_LARGEST = 1e30
_LOG_FROM = 20.0


def best_step(rows: Sequence[Mapping[str, float]]) -> int | None:
    """The step of the lowest validation perplexity, else loss; None where neither was recorded."""
    for name in _LOWER_IS_BETTER:
        known = [row for row in rows if name in row]
        if known:
            return int(min(known, key=lambda row: row[name])["step"])
    return None


def draw_curve(
    rows: Sequence[Mapping[str, float]], *, title: str, best_step: int | None = None
) -> bytes:
    """A PNG of the curve. `rows`: {"step": …, "train/loss": …}, one a step, as `read_curve` gives.

    `best_step` is marked; by default the step of the lowest validation perplexity or loss.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    marked = best_step if best_step is not None else _best(rows)
    panels = list(_panels(rows).items())[:_PANELS]
    columns = 1 if len(panels) == 1 else 2
    lines = -(-len(panels) // columns)
    # Not pyplot: it keeps figures, and picks a screen where there is one.
    figure = Figure(figsize=(5.2 * columns, 3.2 * lines + 0.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title.replace("$", r"\$"), fontsize=12)
    for place, (measure, names) in enumerate(panels, start=1):
        _draw(figure.add_subplot(lines, columns, place), rows, measure, names, marked)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


_best = best_step


def _panels(rows: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Measure → names of its curves; loss and perplexity first, the rate last."""
    names = dict.fromkeys(name for row in rows for name in row if name != "step")
    order = {"loss": 0, "ppl": 1, "rate": 3}
    found: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda n: order.get(n.rpartition("/")[2], 2)):
        found.setdefault(name.rpartition("/")[2], []).append(name)
    return found


def _draw(
    axes: Axes,
    rows: Sequence[Mapping[str, float]],
    measure: str,
    names: Sequence[str],
    marked: int | None,
) -> None:
    from matplotlib.ticker import MaxNLocator

    smallest, largest = float("inf"), float("-inf")
    for name in names:
        points = [
            (row["step"], min(max(row[name], -_LARGEST), _LARGEST)) for row in rows if name in row
        ]
        steps, values = zip(*points, strict=True)
        smallest, largest = min(smallest, *values), max(largest, *values)
        side = name.rpartition("/")[0]
        axes.plot(
            steps,
            values,
            marker="o" if len(steps) <= 60 else "",
            markersize=3.5,
            linewidth=1.6,
            color=_COLOURS.get(side),
            label=_WORDS.get(side, side or name).replace("$", r"\$"),
        )
    if measure == "ppl" and smallest > 0 and largest / smallest > _LOG_FROM:
        axes.set_yscale("log")
    if marked is not None:
        axes.axvline(
            marked, color="0.45", linewidth=1, linestyle="--", label=f"best, step {marked:,}"
        )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("step")
    axes.set_ylabel(_WORDS.get(measure, measure).replace("$", r"\$"))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
