"""The curve of `power --plot`: the smallest difference seen, against the number of dialogues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import InputError

__all__ = ["draw_curve"]


def draw_curve(case: dict[str, Any], path: Path) -> None:
    """Draw one case of `power --json` into `path`, whose ending names the format.

    Both axes are logarithmic: the curve is a straight line of slope −1/2. The numbers at hand and
    those needed for the wanted effect are marked. The same case gives the same file.

    Raises:
        InputError: the runs do not differ at all.
        OSError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    if case["sd_per_dialogue"] == 0:
        raise InputError(f"{path} cannot be drawn: the runs do not differ on this metric")
    sizes = [row["dialogues"] for row in case["table"]]
    seen = [row["detectable"] for row in case["table"]]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.loglog(sizes, seen, color="#1f5fa8", linewidth=2)
    if case.get("detectable"):
        label = f"now: {case['dialogues']:,} dialogues see {case['detectable']:.3g}"
        axes.plot(case["dialogues"], case["detectable"], "o", color="#1f5fa8", label=label)
    if case["needed_dialogues"]:
        label = f"{case['effect']:g} needs {case['needed_dialogues']:,}"
        axes.plot(case["needed_dialogues"], abs(case["effect"]), "s", color="#b5472f", label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    plain = FuncFormatter(lambda value, _: f"{value:,.6g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(plain)
        axis.set_minor_formatter("")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.set_xlabel("dialogues" if case["examples_per_dialogue"] != 1 else "examples")
    named = f"difference on {case['metric']}" if "metric" in case else "difference"
    axes.set_ylabel(f"smallest {named} seen" + (" (points)" if case["unit"] else ""))
    axes.set_title(f"{100 * case['power']:g} % power, two-sided at {case['alpha']:g}")
    # No date and a fixed salt: the same numbers give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "empathy-bench"}):
        dated = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, metadata=dated)
