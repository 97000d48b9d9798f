"""`judge fit` and `judge offline-scores`: a judge without a language model, learned from people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands import options as o
from harness.commands import show
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.judges.offline.fitting import Learned
    from harness.judges.ratings.records import RatingSet

__all__ = ["fit", "offline_scores"]

_BASELINES = "length,rouge_l,chrf"
HELD_OUT = "held-out.jsonl"


def fit(
    ratings: Annotated[
        list[str],
        typer.Option(
            "--ratings",
            help="empo:FILE, welivita:FILE or csv:FILE, as in judge validate; may be given several "
            "times.",
            show_default=False,
        ),
    ],
    criterion: Annotated[str, typer.Option("--criterion", help="What is learned.")] = "empathy",
    group: Annotated[
        str | None,
        typer.Option("--group", help="Only these raters, such as experts.", show_default=False),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Metrics to stand beside it, comma-separated, or none.")
    ] = _BASELINES,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the judge.")] = Path(
        "offline-judge"
    ),
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="Of dialogues, for intervals.")
    ] = 500,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Learn a cheap judge from people's ratings: what any LLM judge must beat.

    Its scores of rated replies come from folds that had not seen the dialogue; they stand in
    held-out.jsonl, for `judge validate --scores`. Printed beside: where it fails.

    Example: empathy-bench judge fit --ratings empo:he_data.csv --criterion empathy
    """
    from harness.judges.offline import fit_judge, held_out, keep_judge
    from harness.judges.offline.failings import failings, transfers, won_over, worst
    from harness.judges.offline.features import load_vectors
    from harness.judges.offline.fitting import learned_from, reply_of
    from harness.judges.ratings import load_ratings

    sets = [load_ratings(spec) for spec in ratings]
    if len({found.name for found in sets}) < len(sets):
        raise InputError("--ratings: one source stands there twice")
    vectors = load_vectors()
    learned = learned_from(sets, criterion, vectors, group=group)
    scores = held_out(learned, criterion)
    judge = fit_judge(learned, criterion, model=vectors.model)
    keep_judge(judge, output)
    scales = {each.name: each.scales[criterion] for each in sets}
    own = zip(learned.items, scores, (scales[name] for name in learned.sources), strict=True)
    _write_scores(output / HELD_OUT, {i.id: c.low + float(s) * (c.high - c.low) for i, s, c in own})
    found = {
        "agreement": [
            _against(each, learned, scores, criterion, group, metric, seed, resamples, quiet=json)
            for each in sets
        ],
        "failings": failings(learned, scores, seed=seed, resamples=resamples),
        "transfers": transfers(learned, criterion, seed=seed, resamples=resamples),
        "won_over": dict(won_over(judge, [reply_of(i) for i in learned.items], vectors)),
        "worst": [_worst_row(learned, scores, row) for row in worst(learned, scores)],
    }  # fmt: skip
    _finish(found, output, json)


def _against(
    found: RatingSet,
    learned: Learned,
    scores: Any,
    criterion: str,
    group: str | None,
    metric: str,
    seed: int,
    resamples: int,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """The judge, and plain metrics, against this set's raters and their ceiling."""
    from dataclasses import replace

    from harness.judges.scorers import metric_scores
    from harness.judges.validate import validate
    from harness.judges.validate_table import print_validation

    own = {
        item.id: float(score)
        for item, score, source in zip(learned.items, scores, learned.sources, strict=True)
        if source == found.name and item.system != "human"
    }
    predictors: dict[str, dict[str, float]] = {"offline judge": own}
    for name in (part.strip() for part in metric.split(",")):
        if name not in ("", "none"):
            predictors.update(metric_scores(found, name))
    only = replace(
        found,
        scales={criterion: found.scales[criterion]},
        ratings=tuple(r for r in found.ratings if r.criterion == criterion),
    )
    report = validate(only, predictors, group=group, seed=seed, resamples=resamples)
    if not quiet:
        print_validation(report)
    return report.to_json()


def _worst_row(learned: Learned, scores: Any, row: int) -> dict[str, Any]:
    item = learned.items[row]
    return {
        "id": item.id,
        "context": [turn.text for turn in item.context][-1:],
        "reply": item.response or "",
        "people": float(learned.y[row]),
        "judge": float(scores[row]),
    }


def _finish(found: dict[str, Any], output: Path, json: bool) -> None:
    import json as encode
    from dataclasses import asdict

    from harness.files import write_atomic

    told = {
        **found,
        "failings": [asdict(f) for f in found["failings"]],
        "transfers": [asdict(t) for t in found["transfers"]],
    }
    write_atomic(output / "report.json", encode.dumps(told, indent=2, ensure_ascii=False) + "\n")
    if json:
        show.print_json(told)
        return
    show.table(
        "Where it fails (shares of the scale, held out)",
        ["by", "part", "n", "people", "judge", "Spearman [95 %]"],
        [[f.by, f.part, f"{f.n:,}", f"{f.human:.2f}", f"{f.judge:.2f}", _estimate(f.rho)]
         for f in found["failings"]],
        right={2, 3, 4, 5},
    )  # fmt: skip
    if found["transfers"]:
        rows = [[t.learned, t.tested, _estimate(t.rho)] for t in found["transfers"]]
        show.table("Elsewhere", ["learned from", "tested on", "Spearman [95 %]"], rows, right={2})
    rows = [[name, f"{value:.2f}"] for name, value in found["won_over"].items()]
    show.table("What it gives to what is no answer", ["reply", "mean score"], rows, right={1})
    rows = [[f"{w['people']:.2f}", f"{w['judge']:.2f}", w["reply"][:90]] for w in found["worst"]]
    show.table("Furthest from people", ["people", "judge", "reply"], rows, right={0, 1})
    typer.echo(f"{output}: the judge; {output / HELD_OUT} for `judge validate --scores`")


def _estimate(found: Any) -> str:
    if found.value is None:
        return "–"
    interval = "" if found.low is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f}{interval}"


def offline_scores(
    judge: Annotated[Path, typer.Argument(help="Folder of `judge fit`.", show_default=False)],
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    data: o.Data = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL of id and score.")] = Path(
        "offline-scores.jsonl"
    ),
) -> None:
    """Score runs by a fitted judge: a line for each reply, its id EXAMPLE/SYSTEM, from 0 to 1.

    Example: empathy-bench judge offline-scores offline-judge runs/ed_response/* --data DIR
    """
    from harness.comparable import read_runs
    from harness.judges.offline import load_offline_judge
    from harness.judges.offline.features import Reply, load_vectors

    fitted, vectors = load_offline_judge(judge), load_vectors()
    if vectors.model != fitted.about.get("model"):
        raise InputError(
            f"{judge}: was fitted with {fitted.about.get('model')}, and {vectors.model} is here"
        )
    found = read_runs(runs, data=data)
    written: dict[str, float] = {}
    rows: list[Sequence[str]] = []
    for name, scored in zip(found.names, found.scored, strict=True):
        replies = [Reply(f"{s.id}/{name}", s.context or (), s.text) for s in scored]
        given = fitted.scores(replies, vectors)
        # A failed answer is the worst there is, whatever its empty text looks like.
        given.update({r.id: 0.0 for r, s in zip(replies, scored, strict=True) if s.failed})
        written.update(given)
        rows.append([name, f"{len(given):,}", f"{sum(given.values()) / len(given):.3f}"])
    _write_scores(output, written)
    show.table(f"{fitted.criterion}, 0 to 1", ["run", "replies", "mean"], rows, right={1, 2})
    typer.echo(f"{output}")


def _write_scores(path: Path, scores: dict[str, float]) -> None:
    import json

    from harness.files import write_atomic

    rows = [{"id": item, "score": round(score, 6)} for item, score in scores.items()]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
