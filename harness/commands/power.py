"""`power`: how small a difference a comparison can see, and how many dialogues it needs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands import options as o
from harness.commands import show
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.statistics import Spread

__all__ = ["power"]

_WITHOUT = "Without data"
_SIZES = (50, 100, 200, 500, 1000, 2000, 2500, 5000, 10_000)
# Student's quantile is 5 % above the normal's here, and more below.
_FEW = 30
_FACTORS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0)


def power(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Two runs on the same examples, as a pilot.", show_default=False),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="Of the pilot, comma-separated; else all that have a better.",
            show_default=False,
        ),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(
            "--effect",
            help="The difference looked for, in the metric's unit (with --proportion or "
            "--discordant a share: 0.05 is five points).",
            show_default=False,
        ),
    ] = None,
    sd: Annotated[
        float | None,
        typer.Option(
            "--sd",
            help="Standard deviation of the paired difference of one example.",
            show_default=False,
            rich_help_panel=_WITHOUT,
        ),
    ] = None,
    proportion: Annotated[
        float | None,
        typer.Option(
            "--proportion",
            help="Expected win rate or accuracy against a fixed value, such as 0.5.",
            show_default=False,
            rich_help_panel=_WITHOUT,
        ),
    ] = None,
    discordant: Annotated[
        float | None,
        typer.Option(
            "--discordant",
            help="Share of examples on which just one of two classifiers is right.",
            show_default=False,
            rich_help_panel=_WITHOUT,
        ),
    ] = None,
    within_sd: Annotated[
        float,
        typer.Option(
            "--within-sd",
            min=0.0,
            help="Standard deviation of a system's answers to one example, where they are "
            "sampled; --sd is then that of their means.",
            rich_help_panel=_WITHOUT,
        ),
    ] = 0.0,
    answers: Annotated[
        int,
        typer.Option(
            "--answers",
            min=1,
            help="Sampled answers of each system per example.",
            rich_help_panel=_WITHOUT,
        ),
    ] = 1,
    cluster_size: Annotated[
        float,
        typer.Option(
            "--cluster-size", help="Examples per dialogue, on average.", rich_help_panel=_WITHOUT
        ),
    ] = 1.0,
    icc: Annotated[
        float,
        typer.Option(
            "--icc",
            help="How much differences of one dialogue correlate, 0 to 1.",
            rich_help_panel=_WITHOUT,
        ),
    ] = 0.0,
    alpha: Annotated[float, typer.Option("--alpha", help="Level of the two-sided test.")] = 0.05,
    chance: Annotated[
        float, typer.Option("--power", help="Probability of seeing the difference.")
    ] = 0.8,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", help="Draw the curve into this .svg, .png or .pdf.", show_default=False
        ),
    ] = None,
    data: o.Data = None,
    profile: o.Profile = "harness",
    seed: Annotated[int, typer.Option("--seed", help="Fixes the resampling.")] = 0,
    json: o.Json = False,
) -> None:
    """The smallest difference that can be seen, and the dialogues needed to see a given one.

    From a pilot: empathy-bench power runs/ed_response/A runs/ed_response/B --metric bleu_4
    Without data: empathy-bench power --proportion 0.5 --effect 0.05
    """
    _check(runs, sd=sd, proportion=proportion, discordant=discordant, effect=effect, plot=plot)
    goal = _Goal(effect, alpha, chance)
    if runs:
        if (within_sd, answers, cluster_size, icc) != (0.0, 1, 1.0, 0.0):
            raise InputError(
                "--within-sd, --answers, --cluster-size and --icc are measured on the runs: "
                "leave them out"
            )
        wanted = [part.strip() for part in metric.split(",")] if metric else None
        cases = _measured(
            runs, goal, data=data, names=wanted, profile=profile, seed=seed, quiet=json
        )
    else:
        if metric or data or profile != "harness":
            raise InputError("--metric, --data and --profile speak of runs: give two run folders")
        assumed = _spread(
            sd=sd,
            proportion=proportion,
            discordant=discordant,
            effect=effect,
            within=[(within_sd, answers)] * 2,
            clusters=(cluster_size, icc),
        )
        cases = [_case(assumed, goal, _SIZES, unit="" if sd is not None else "points")]
    if plot is not None and len(cases) > 1:
        raise InputError(f"--plot draws one metric, here are {len(cases)}: name one by --metric")
    if json:
        show.print_json(cases)
    else:
        _print(cases)
    if plot is not None:
        from harness.commands.power_curve import draw_curve

        draw_curve(cases[0], plot)


@dataclass(frozen=True, slots=True)
class _Goal:
    effect: float | None
    alpha: float
    power: float


def _check(
    runs: Sequence[Path] | None,
    *,
    sd: float | None,
    proportion: float | None,
    discordant: float | None,
    effect: float | None,
    plot: Path | None,
) -> None:
    """Refuse what does not fit together before anything is computed."""
    given = [bool(runs), sd is not None, proportion is not None, discordant is not None]
    if sum(given) != 1:
        raise InputError("power needs one of: two runs, --sd, --proportion, --discordant")
    shares = proportion is not None or discordant is not None
    if shares and effect is not None and abs(effect) >= 1:
        raise InputError(f"--effect {effect:g} is no share: give 0.05 for five points")
    if plot is not None and plot.suffix.lower() not in {".svg", ".png", ".pdf"}:
        raise InputError(f"{plot} is no picture: give a name that ends in .svg, .png or .pdf")


def _spread(
    *,
    sd: float | None,
    proportion: float | None,
    discordant: float | None,
    effect: float | None,
    within: Sequence[tuple[float, int]],
    clusters: tuple[float, float],
) -> Spread:
    """What is assumed instead of measured; shares become points."""
    from harness.statistics.power import Spread, answer_variance, discordance_sd, proportion_sd

    scale = 1.0
    if sd is None:
        scale = 100.0
        sd = proportion_sd(proportion) if proportion is not None else None
    if sd is None:
        assert discordant is not None
        sd = discordance_sd(discordant, effect or 0.0)
    if not 0 < sd < math.inf:
        raise InputError(f"--sd {sd:g}: expected a standard deviation above 0")
    deviation = scale * math.sqrt(answer_variance(sd, within=within))
    return Spread.of_examples(deviation, cluster_size=clusters[0], icc=clusters[1])


def _measured(
    runs: Sequence[Path],
    goal: _Goal,
    *,
    data: str | None,
    names: Sequence[str] | None,
    profile: str,
    seed: int,
    quiet: bool,
) -> list[dict[str, Any]]:
    from harness.pilot import measure_spread

    with show.progress_bar("resampling", quiet=quiet) as progress:
        pilots = measure_spread(
            runs, data=data, names=names, profile=profile, seed=seed, progress=progress
        )
    cases = []
    for pilot in pilots:
        sizes = sorted({max(5, round(factor * pilot.dialogues)) for factor in _FACTORS})
        case = _case(pilot.spread, goal, sizes, unit=pilot.unit)
        now = pilot.spread.detectable(pilot.dialogues, alpha=goal.alpha, power=goal.power)
        seen = {"detectable": now or None}
        cases.append(dataclasses.asdict(pilot) | case | seen)
    return cases


def _case(spread: Spread, goal: _Goal, sizes: Sequence[int], *, unit: str) -> dict[str, Any]:
    """One metric's outlook, as --json prints it; `sizes` are numbers of dialogues."""
    effect = goal.effect
    if effect is not None and unit == "points":
        effect *= 100.0
    needed = None
    if effect is not None and spread.sd > 0:
        needed = spread.needed(effect, alpha=goal.alpha, power=goal.power)
    rows = sorted({*sizes, *([needed] if needed else [])})
    return {
        "unit": unit,
        "alpha": goal.alpha,
        "power": goal.power,
        "sd_per_dialogue": spread.sd,
        "examples_per_dialogue": spread.turns,
        "effect": effect,
        "needed_dialogues": needed,
        "needed_examples": None if needed is None else math.ceil(needed * spread.turns),
        "table": [
            {
                "dialogues": size,
                "examples": round(size * spread.turns),
                "detectable": spread.detectable(size, alpha=goal.alpha, power=goal.power),
            }
            for size in rows
        ],
    }


def _print(cases: Sequence[dict[str, Any]]) -> None:
    first = cases[0]
    if "metric" in first:
        _print_pilots(cases)
    if len(cases) == 1 and first["sd_per_dialogue"] > 0:
        _print_table(first)
    elif len(cases) > 1:
        typer.echo("Name one metric by --metric for its table and its --plot.")
    if any(case["sd_per_dialogue"] == 0 for case in cases):
        typer.echo("Where the runs do not differ at all (–) nothing can be planned from them.")
    if not all(case.get("additive", True) for case in cases):
        typer.echo(
            "Dist-n and its like change with the number of dialogues themselves: "
            "other sizes than the pilot's are a guide only."
        )


def _print_pilots(cases: Sequence[dict[str, Any]]) -> None:
    first = cases[0]
    rows = [
        [
            case["metric"],
            f"{case['difference']:+.2f}",
            f"{case['standard_error']:.3f}",
            show.number(case["design_effect"]),
            show.number(case["detectable"]),
            "–" if case["needed_dialogues"] is None else f"{case['needed_dialogues']:,}",
        ]
        for case in cases
    ]
    title = f"{first['system']} against {first['baseline']}, {first['examples']:,} examples of "
    title += f"{first['dialogues']:,} dialogues"
    wanted = "–" if first["effect"] is None else f"{first['effect']:g}"
    heads = ["metric", "difference", "standard error", "design effect"]
    heads += [f"detectable at {100 * first['power']:g} %", f"dialogues for {wanted}"]
    show.table(title, heads, rows, right=set(range(1, 6)))
    typer.echo(
        "Standard errors are of the paired difference, from resampled dialogues (no formula is "
        "assumed, so BLEU and Dist-n have one too); other sizes follow by 1/√dialogues."
    )


def _print_table(case: dict[str, Any]) -> None:
    clustered = case["examples_per_dialogue"] != 1
    unit = {"points": " (points)", "percent": " (points)"}.get(case["unit"], "")
    heads = ["dialogues", "examples"] if clustered else ["examples"]
    rows = [
        [f"{row[head]:,}" for head in heads] + [f"{row['detectable']:#.3g}"]
        for row in case["table"]
    ]
    typer.echo(
        f"The smallest difference that is seen with {100 * case['power']:g} % probability, "
        f"two-sided at {case['alpha']:g}:"
    )
    show.table("", [*heads, f"difference{unit}"], rows, right=set(range(len(heads) + 1)))
    if case["needed_dialogues"] is not None:
        number = f"{case['needed_dialogues']:,} dialogues ({case['needed_examples']:,} examples)"
        needed = number if clustered else f"{case['needed_examples']:,} examples"
        typer.echo(f"A difference of {case['effect']:g} needs {needed}.")
        if case["needed_dialogues"] < _FEW:
            typer.echo("So few that the normal approximation promises too much: take more.")
