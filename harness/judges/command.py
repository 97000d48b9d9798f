"""`empathy-bench judge`: what judges and metrics are worth, by the people they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands import options as o
from harness.commands import show
from harness.errors import InputError
from harness.judges.attack_command import attack
from harness.judges.offline.command import fit, offline_scores
from harness.judges.people.command import export_humans, import_humans
from harness.judges.report_command import report
from harness.judges.run_command import run

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["app"]

app = typer.Typer(
    help="Judges of replies, and the human ratings that they answer to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_METRICS = "bleu_4_sentence,rouge_l,chrf,length"


@app.callback()
def _group() -> None:
    """Judges of replies, and the human ratings that they answer to."""


app.command()(run)
app.command()(report)
app.command()(attack)
app.command()(fit)
app.command()(offline_scores)
app.command()(export_humans)
app.command()(import_humans)


@app.command()
def validate(
    ratings: Annotated[
        str,
        typer.Option(
            "--ratings",
            help="empo:FILE, welivita:FILE, kumar:FOLDER, duo:FILE, or csv:FILE of your own "
            "(item, system, rater, criterion, value; response, context, reference, group).",
            show_default=False,
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="Metrics with a value for single replies, comma-separated; families "
            "such as similarity, relevance, bertscore load a model. none: only --scores.",
        ),
    ] = _METRICS,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            help='A judge\'s scores, {"id": ITEM, "score": NUMBER} a line, null where it failed; '
            "may be given several times.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Only these raters, such as experts.", show_default=False),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            "--scale",
            help="Bounds of a criterion of csv:FILE, such as empathy=1:5; else from the values.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path(
        "validation.html"
    ),
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="Of dialogues, for intervals.")
    ] = 1000,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Hold metrics and judges against people's ratings, beside the ceiling of raters' own noise.

    Example: empathy-bench judge validate --ratings empo:he_data.csv -o validation.html
    """
    from dataclasses import replace

    from harness.judges.calibrated import calibrated_means
    from harness.judges.page import write_validation
    from harness.judges.ratings import load_ratings
    from harness.judges.scorers import metric_scores, panel_scores, read_scores
    from harness.judges.validate import validate as compare
    from harness.judges.validate_table import print_validation

    found = load_ratings(ratings, scales=dict(map(_scale, scale or [])))
    if group is not None and group not in found.groups:
        raise InputError(f"--group {group}: raters are {', '.join(found.groups)}")
    names = [name.strip() for name in metric.split(",") if name.strip() not in ("", "none")]
    with_replies = any(item.response for item in found.items)
    if not with_replies and metric == _METRICS:
        names = []  # whole dialogues were rated: there is no single reply to score
    predictors: dict[str, Mapping[str, float]] = {}
    for name in names:
        predictors.update(metric_scores(found, name))
    judges = {path.stem: read_scores(path) for path in scores or []}
    predictors.update({name: judge.values for name, judge in judges.items()})
    if len(judges) > 1:
        predictors[f"panel of {len(judges)}"] = panel_scores(judges)
    failed = {name: judge.failed for name, judge in judges.items()}
    with show.progress_bar("comparing", quiet=json) as progress:
        report = compare(
            found, predictors, group=group, failed=failed, seed=seed, resamples=resamples,
            progress=progress,
        )  # fmt: skip
    means = calibrated_means(
        found, {name: judge.values for name, judge in judges.items()}, group=group, seed=seed,
        resamples=resamples,
    )  # fmt: skip
    report = replace(report, calibrated=means)
    write_validation(report, output)
    if json:
        show.print_json(report.to_json())
        return
    print_validation(report)
    typer.echo(f"{output}: plots and all numbers; open it in a browser, it needs no network")


def _scale(words: str) -> tuple[str, tuple[float, float]]:
    """`NAME=LOW:HIGH`.

    Raises:
        InputError: it is not of this form.
    """
    name, _, bounds = words.rpartition("=")
    low, _, high = bounds.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not name or not found[0] < found[1]:
        raise InputError(f"--scale {words}: write CRITERION=LOW:HIGH, such as empathy=1:5")
    return name, found
