"""The best of what was annotated: weights, aggregate, top k, and a report of how sure they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.files import write_atomic
from harness.jsonl import brief, read_lines
from stride_ed.records import Annotation
from stride_ed.weights import Panel, Scheme, Weighting, combine, make_panel, top
from stride_ed.work import load_scores

__all__ = ["REFINED", "REPORT", "Refined", "read_human", "read_refined", "refine"]

REFINED, REPORT = "refined.jsonl", "refined.json"


@dataclass(frozen=True, slots=True)
class Refined:
    """What was kept, best first, with scores; `disagreement` is the spread of the grades."""

    scores: Mapping[str, float]
    disagreement: Mapping[str, float]
    kept: tuple[str, ...]
    panel: Panel
    weighting: Weighting
    report: Mapping[str, Any]


def refine(
    work: Path,
    annotations: Mapping[str, Annotation],
    *,
    scheme: Scheme = "consistency",
    human: Mapping[str, float] | None = None,
    top_k: int | None = None,
    seed: int = 0,
) -> Refined:
    """Weigh the evaluators, keep the best `top_k` (half of what was graded, if None), write both.

    Raises:
        InputError: nothing was graded, no evaluator has a weight, or `top_k` is more than that.
    """
    grades = load_scores(work)
    graded = {identity for scores in grades.values() for identity in scores}
    ids = sorted(i for i, a in annotations.items() if a.trace is not None and i in graded)
    if not ids:
        raise InputError(f"{work}: no grade is of a trace in it")
    panel = make_panel(ids, grades)
    known = top_k or max(1, len(ids) // 2)
    weighting = combine(panel, scheme, human=human, kept=known, seed=seed)
    order = top(weighting.score, len(ids))
    if known > len(order):
        raise InputError(f"--top-k {known}: {len(order)} traces have a score; evaluate more")
    kept = tuple(ids[row] for row in order[:known])
    spread = _spread(panel)
    found = Refined(
        scores={ids[row]: float(weighting.score[row]) for row in order},
        disagreement={ids[row]: spread[row] for row in order},
        kept=kept,
        panel=panel,
        weighting=weighting,
        report=_report(panel, weighting, annotations, len(order), known, seed),
    )
    write_atomic(
        work / REFINED,
        "".join(
            json.dumps({"id": i, "score": found.scores[i], "disagreement": found.disagreement[i],
                        "kept": place < known}) + "\n"
            for place, i in enumerate(found.scores)
        ),
    )  # fmt: skip
    write_atomic(work / REPORT, json.dumps(found.report, indent=2, ensure_ascii=False) + "\n")
    return found


def read_refined(work: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The report, and {"score", "disagreement", "kept"} by id, best first.

    Raises:
        InputError: nothing was refined, or the file is damaged.
    """
    path = work / REFINED
    try:
        report = json.loads((work / REPORT).read_text(encoding="utf-8"))
        rows = [value for _, value in read_lines(path)]
    except (OSError, ValueError) as error:
        raise InputError(
            f"{work}: nothing has been refined; run `empathy-bench stride refine {work}`"
        ) from error
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("score"), (int, float)):
            raise InputError(f"{path}: is damaged at {brief(row)}; refine again")
        found[str(row["id"])] = row
    return report, found


def read_human(path: Path) -> dict[str, float]:
    """Grades by people, {"id", "score"} a line.

    Raises:
        InputError: no such file, or a line has no id or no finite score.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of human grades")
    found: dict[str, float] = {}
    for number, row in read_lines(path):
        score = row.get("score") if isinstance(row, dict) else None
        sound = isinstance(score, (int, float)) and not isinstance(score, bool)
        if not sound or not math.isfinite(score) or not isinstance(row["id"], str):  # type: ignore[arg-type,index]
            raise InputError(f'{path}:{number}: needs {{"id": …, "score": number}}: {brief(row)}')
        found[row["id"]] = float(score)  # type: ignore[index,arg-type]
    return found


def _spread(panel: Panel) -> list[float]:
    """The standard deviation of each sample's grades; 0 where fewer than two graded it."""
    import numpy as np

    counts = (~np.isnan(panel.o)).sum(1)
    o = np.where(counts[:, None] > 1, panel.o, 0.0)
    return [float(x) for x in np.nanstd(o, axis=1)]


def _report(
    panel: Panel,
    weighting: Weighting,
    annotations: Mapping[str, Annotation],
    scored: int,
    kept: int,
    seed: int,
) -> dict[str, Any]:
    missing = dict(zip(panel.names, panel.missing, strict=True))
    evaluators = [
        {
            "name": name,
            "weight": float(weighting.weights[j]),
            "low": float(weighting.intervals[j, 0]),
            "high": float(weighting.intervals[j, 1]),
            "graded": len(panel.ids) - missing[name],
            "missing": missing[name],
            "rho": {
                other: _number(weighting.rho[j, m])
                for m, other in enumerate(weighting.names)
                if m != j
            },
            "without": {
                "rho": _number(weighting.without[j][0]),
                "kept": _number(weighting.without[j][1]),
            },
        }
        for j, name in enumerate(weighting.names)
    ]
    return {
        "scheme": weighting.scheme,
        "seed": seed,
        "traces": sum(a.trace is not None for a in annotations.values()),
        "failed_annotations": sum(a.trace is None for a in annotations.values()),
        "graded": len(panel.ids),
        "scored": scored,
        "kept": kept,
        "by_all": int((weighting.graded == len(weighting.names)).sum()),
        "effective": weighting.effective,
        "independent": weighting.independent,
        "evaluators": evaluators,
        "constant": list(panel.constant),
        "warnings": [str(found) for found in weighting.suspicions]
        + [f"{name} grades everything alike and has no weight" for name in panel.constant],
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
