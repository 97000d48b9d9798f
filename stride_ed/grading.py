"""`stride evaluate`: load, grade by each evaluator, print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from harness.commands import show
from harness.commands.asking import Asking, opened, print_estimate, print_spent
from harness.errors import UnknownNameError
from harness.files import canonical_json, sha256_text
from stride_ed.offline.evaluators import Item
from stride_ed.records import Score, score_file
from stride_ed.report import note, reasons
from stride_ed.work import (
    OFFLINE_CHUNK,
    REPLIES,
    examples_of,
    fill,
    items_of,
    score_path,
    within_budget,
)

__all__ = ["run_evaluate"]


def run_evaluate(
    work: Path,
    evaluators: Sequence[str] | None,
    data: str | None,
    *,
    pool: int | None,
    resume: bool,
    asking: Asking,
) -> None:
    """`stride evaluate`."""
    from harness.models import model_names
    from stride_ed.offline.loading import OFFLINE_EVALUATORS

    examples, annotations = examples_of(work, data)
    items = _pool(items_of(examples, annotations), pool, asking.seed)
    names = list(evaluators or OFFLINE_EVALUATORS)
    known = {*OFFLINE_EVALUATORS, *model_names()}
    for name in names:
        if name.partition(":")[0] not in known:
            raise UnknownNameError("evaluator", name, known)
    graded = sha256_text(canonical_json([[e.id, t.to_json()] for e, t in items]))[:16]
    for name in names:
        about = {"example_set": examples.name, "items": graded, "size": len(items)}
        if name in OFFLINE_EVALUATORS:
            _grade_offline(work, name, items, data, about, resume)
        else:
            _grade_by_llm(work, name, items, about, resume, asking)
    typer.echo(f"\nNext: empathy-bench stride refine {work}")


def _pool(items: Sequence[Item], size: int | None, seed: int) -> list[Item]:
    """What is graded: all, or `size` drawn so that strategies are alike where they suffice."""
    from stride_ed.sampling import Candidate, draw

    if size is None or size >= len(items):
        return list(items)
    candidates = [Candidate(id=e.id, strategy=t.strategy, emotion=t.emotion) for e, t in items]
    chosen = set(draw(candidates, size, alpha=0.5, beta=0.5, seed=seed).ids)
    return [item for item in items if item[0].id in chosen]


def _grade_offline(
    work: Path, name: str, items: Sequence[Item], data: str | None, about: Any, resume: bool
) -> None:
    from stride_ed.offline.loading import load_offline_evaluator

    evaluator = load_offline_evaluator(name, data, show=note)
    settings = {**about, "evaluator": {"name": name, **evaluator.identity}}

    def grade(part: Sequence[Item]) -> list[Score]:
        rows = evaluator.scores(part)
        return [Score(id=e.id, values=row) for (e, _), row in zip(part, rows, strict=True)]

    _grade(score_path(work, name), settings, items, grade, OFFLINE_CHUNK, name, resume)


def _grade_by_llm(
    work: Path, spec: str, items: Sequence[Item], about: Any, resume: bool, asking: Asking
) -> None:
    from stride_ed.llm import LLMEvaluator

    with opened(spec, work / REPLIES, asking) as asker:
        evaluator = LLMEvaluator(asker)
        if asking.dry_run:
            print_estimate(asker, [evaluator.request(item) for item in items], asking)
            return
        settings = {**about, "evaluator": {"name": asker.name, **evaluator.identity}}
        path, chunk = score_path(work, asker.name), asking.chunk
        make = within_budget(evaluator.grade)
        _grade(path, settings, items, make, chunk, asker.name, resume)
        print_spent(asker, asking)


def _grade(
    path: Path,
    settings: Any,
    items: Sequence[Item],
    make: Callable[[Sequence[Item]], list[Score]],
    chunk: int,
    name: str,
    resume: bool,
) -> None:
    with (
        score_file(path, settings, resume=resume) as file,
        show.progress_bar(f"grading by {name}", quiet=False) as progress,
    ):
        todo = [(example.id, (example, trace)) for example, trace in items]
        fill(file, todo, make, chunk=chunk, progress=progress)
        scores = list(file.done.values())
    missing = sum(not score.values for score in scores)
    dimensions = sorted({d for score in scores for d in score.values})
    means = ", ".join(
        f"{d} {_mean([s.values[d] for s in scores if d in s.values]):.2f}" for d in dimensions
    )
    typer.echo(f"{name}: {len(scores) - missing:,} graded, {missing:,} failed; means: {means}")
    for reason, count in reasons([s.error for s in scores if not s.values]):
        typer.echo(f"  {count:,} × {reason}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
