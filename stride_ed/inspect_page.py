"""`stride inspect`: the page to read traces and grades."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import pages
from harness.datasets import ExampleSet
from harness.dialogue import Example
from harness.errors import InputError
from stride_ed.records import Annotation, Score
from stride_ed.refine import read_refined
from stride_ed.rubric import DIMENSIONS
from stride_ed.strategies import STRATEGY_NAMES
from stride_ed.work import SET, load_scores

__all__ = ["inspect_page"]

TEMPLATES = Path(__file__).parent / "templates"


def inspect_page(
    work: Path,
    examples: ExampleSet,
    annotations: Mapping[str, Annotation],
    path: Path,
    *,
    limit: int,
) -> int:
    """Write the page; the number of traces on it. Sampled ones go first, then refined, then others.

    What was not done yet (grades, refining, sampling) is left out.

    Raises:
        StorageError: the disk refuses.
    """
    grades = _or_nothing(lambda: load_scores(work), {})
    report, refined = _or_nothing(lambda: read_refined(work), ({}, {}))
    sampled = _sampled(work)
    by_id = {example.id: example for example in examples}
    order = sorted(
        (a for a in annotations.values() if a.id in by_id),
        key=lambda a: (a.id not in sampled, not refined.get(a.id, {}).get("kept", False),
                       a.id not in refined),
    )[:limit]  # fmt: skip
    rows = [
        _row(by_id[a.id], a, grades, refined.get(a.id, {}), sampled=a.id in sampled) for a in order
    ]
    rows.sort(key=lambda row: str(row["id"]))
    context = {
        "title": "Traces of a refinement",
        "lede": _lede(examples, annotations, refined, sampled, len(rows)),
        "evaluators": _evaluators(report),
        "warnings": report.get("warnings", []),
        "shares": _shares(annotations, refined, sampled),
        "stages": ["annotated", *(["refined"] if refined else []),
                   *(["sampled"] if sampled else [])],
    }  # fmt: skip
    data = {"rows": rows, "dimensions": list(DIMENSIONS)}
    page = pages.render(TEMPLATES, "inspect", data=data, context=context, shared="page")
    pages.write_page(path, page)
    return len(rows)


def _or_nothing(read: Any, nothing: Any) -> Any:
    try:
        return read()
    except InputError:
        return nothing


def _sampled(work: Path) -> frozenset[str]:
    from harness.jsonl import read_lines
    from stride_ed.outputs import FILES

    path = work / SET / FILES[0]
    if not path.is_file():
        return frozenset()
    return frozenset(str(row["id"]) for _, row in read_lines(path) if isinstance(row, dict))


def _row(
    example: Example,
    annotation: Annotation,
    grades: Mapping[str, Mapping[str, Score]],
    refined: Mapping[str, Any],
    *,
    sampled: bool,
) -> dict[str, Any]:
    trace = annotation.trace
    return {
        "id": example.id,
        "emotion": example.emotion or "",
        "strategy": trace.strategy if trace else "",
        "context": trace.context if trace else "",
        "action": trace.action if trace else "",
        "turns": [[turn.role, turn.text] for turn in example.context],
        "reply": example.reference,
        "mended": list(annotation.mended),
        "error": annotation.error,
        "scores": {
            name: dict(scores[example.id].values) if example.id in scores else {}
            for name, scores in grades.items()
            if example.id in scores
        },
        "score": refined.get("score"),
        "disagreement": refined.get("disagreement"),
        "refined": bool(refined.get("kept")),
        "sampled": sampled,
    }


def _lede(
    examples: ExampleSet,
    annotations: Mapping[str, Annotation],
    refined: Mapping[str, Any],
    sampled: frozenset[str],
    shown: int,
) -> str:
    failed = sum(a.trace is None for a in annotations.values())
    kept = sum(bool(row.get("kept")) for row in refined.values())
    words = f"{len(annotations):,} turns of {examples.name}, {failed:,} of them without a trace"
    if refined:
        words += f"; {len(refined):,} scored, {kept:,} kept"
    if sampled:
        words += f", {len(sampled):,} drawn into the training set"
    return f"{words}. {shown:,} are on this page."


def _evaluators(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = report.get("evaluators", [])
    return [
        {
            "name": row["name"],
            "weight": f"{row['weight']:.3f}",
            "interval": f"{row['low']:.3f} to {row['high']:.3f}",
            "scored": f"{row['graded']:,}",
            "missing": f"{row['missing']:,}",
            "rho": [
                "–" if row["rho"].get(other["name"]) is None else f"{row['rho'][other['name']]:.2f}"
                for other in rows
            ],
        }
        for row in rows
    ]


def _shares(
    annotations: Mapping[str, Annotation], refined: Mapping[str, Any], sampled: frozenset[str]
) -> list[dict[str, Any]]:
    stages = [{i for i, a in annotations.items() if a.trace is not None}]
    if refined:
        stages.append({i for i, row in refined.items() if row.get("kept")})
    if sampled:
        stages.append(set(sampled))
    rows = []
    for name in STRATEGY_NAMES:
        mine = {i for i, a in annotations.items() if a.trace and a.trace.strategy == name}
        counts = [len(mine & stage) for stage in stages]
        shares = [100 * n / max(len(stage), 1) for n, stage in zip(counts, stages, strict=True)]
        cells = [f"{n:,} ({share:.1f} %)" for n, share in zip(counts, shares, strict=True)]
        # Half the table's width is a share of 50 %.
        before, after = min(2 * shares[0], 100.0), min(2 * shares[-1], 100.0)
        rows.append({"name": name, "cells": cells, "before": before, "after": after})
    return rows
