"""`empathy-bench judge`: what judges and metrics are worth, by the people they stand for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands import options as o
from harness.commands import show
from harness.errors import DataError, InputError, located

if TYPE_CHECKING:
    from harness.judges.validate import Report

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
            help="Metrics with a value for single replies, comma-separated; families such as "
            "similarity need their extra. none: only --scores.",
        ),
    ] = _METRICS,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            help='A judge\'s scores, {"id": ITEM, "score": NUMBER} a line; may be given several '
            "times.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Only these raters, such as experts.", show_default=False),
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
    from harness.judges.page import write_validation
    from harness.judges.ratings import load_ratings
    from harness.judges.validate import metric_scores
    from harness.judges.validate import validate as compare

    found = load_ratings(ratings)
    if group is not None and group not in found.groups:
        raise InputError(f"--group {group}: raters are {', '.join(found.groups)}")
    names = [name.strip() for name in metric.split(",") if name.strip() not in ("", "none")]
    with_replies = any(item.response for item in found.items)
    if not with_replies and metric == _METRICS:
        names = []  # whole dialogues were rated: there is no single reply to score
    predictors = {name: metric_scores(found, name) for name in names}
    for path in scores or []:
        predictors[path.stem] = _read_scores(path)
    with show.progress_bar("comparing", quiet=json) as progress:
        report = compare(
            found, predictors, group=group, seed=seed, resamples=resamples, progress=progress
        )
    write_validation(report, output)
    if json:
        show.print_json(report.to_json())
        return
    _print(report)
    typer.echo(f"{output}: plots and all numbers; open it in a browser, it needs no network")


def _read_scores(path: Path) -> dict[str, float]:
    """Item → score.

    Raises:
        DataError: the file is missing, or a row is not of this form or stands twice.
    """
    from harness.jsonl import brief, read_lines

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    found: dict[str, float] = {}
    for line, row in read_lines(path, error=DataError):
        item, score = (row.get("id"), row.get("score")) if isinstance(row, dict) else (None, None)
        number = isinstance(score, int | float) and not isinstance(score, bool)
        if not isinstance(item, str) or not number or not math.isfinite(score):  # type: ignore[arg-type]
            raise DataError(
                located(path, line, f'needs {{"id": text, "score": number}}, found {brief(row)}')
            )
        if item in found:
            raise DataError(located(path, line, f"{item} stands twice"))
        found[item] = float(score)  # type: ignore[arg-type]
    return found


def _print(report: Report) -> None:
    rows = [
        [
            c.criterion, f"{c.n:,}", f"{c.raters:.1f}", show.number(c.single),
            show.number(c.mean), show.number(c.ceiling.value),
        ]
        for c in report.ceilings
    ]  # fmt: skip
    show.table(
        f"{report.name}: how far raters agree",
        ["criterion", "items", "raters", "ICC(1,1)", "ICC(1,k)", "ceiling"],
        rows,
        right={1, 2, 3, 4, 5},
    )
    if not report.agreements:
        return
    lines = [
        [
            a.predictor, a.criterion, f"{a.n:,}",
            f"{show.number(a.spearman.value)} "
            f"[{show.number(a.spearman.low)}, {show.number(a.spearman.high)}]",
            show.number(a.within.value), show.number(a.kendall.value),
            "–" if a.pairwise is None else f"{100 * a.pairwise:.1f} %", show.number(a.system),
        ]
        for a in report.agreements
    ]  # fmt: skip
    heads = ["predictor", "criterion", "n", "Spearman [95 %]", "within", "Kendall", "pairs",
             "systems"]  # fmt: skip
    show.table("Who says what people say", heads, lines, right={2, 3, 4, 5, 6, 7})
