"""`stride view`: what models wrote, stage by stage, and the reward that each part earned.

The page is whole without JavaScript, which only filters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import pages
from harness.comparable import Runs, read_runs
from harness.dialogue import Example
from harness.errors import InputError
from harness.predictions import Prediction
from stride_ed.inspect_page import TEMPLATES
from stride_ed.rewards import Reward, reward
from stride_ed.trace import STAGES, Failure, Stage, read_stages
from stride_ed.training.scoring import Scores, relabelled, score_runs

__all__ = ["view_page"]

_MARK = re.compile(rf"<({'|'.join(STAGES)})>")
_FRAME = ("<thinking>", "</thinking><answer>", "</answer>")
# A page that holds more of one answer is read by nobody.
_LONGEST = 20_000


def view_page(
    paths: Sequence[Path],
    path: Path,
    *,
    data: str | None,
    annotations: Path | None,
    limit: int,
    seed: int = 0,
) -> int:
    """Write the page of runs that answer the same examples; the number of dialogues on it.

    `annotations`: an annotated folder of what was answered, whose strategies are gold.

    Raises:
        InputError: no run holds a trace, or the runs answer different examples.
        PredictionsError: a file is missing or damaged.
        StorageError: the disk refuses.
    """
    annotator, relabel = relabelled(annotations) if annotations else (None, lambda e: e)
    runs = read_runs(paths, data=data, relabel=relabel)
    if not any(_FRAME[0] in _text(p) for said in runs.predictions for p in said):
        raise InputError(
            f"{', '.join(map(str, paths))}: holds no trace; those are made by "
            "`empathy-bench run --model stride:FOLDER`"
        )
    scores = score_runs(paths, data=data, annotations=annotations, seed=seed)
    by_id = [{said.id: said for said in run} for run in runs.predictions]
    stages = [_stages(runs, number) for number in range(len(runs.names))]
    dialogues = [
        _dialogue(example, [
            _answer(name, found[example.id], example, wanted)
            for name, found, wanted in zip(runs.names, by_id, stages, strict=True)
        ])
        for example in runs.examples.examples
    ]  # fmt: skip
    shown = dialogues[:limit]
    answers = [answer for dialogue in shown for answer in dialogue["answers"]]
    context = {
        "title": "Traces and what they earn",
        "lede": f"{len(shown):,} of {len(dialogues):,} examples of {runs.examples.name}, answered "
        f"by {len(runs.names)} system{'s' if len(runs.names) > 1 else ''}."
        + (f" Strategies are the {annotator} annotator's labels of the human replies."
           if annotator else ""),
        "summary": _summary(scores),
        "earned": _earned(runs.names, dialogues),
        "failures": _failures(runs.names, dialogues),
        "dialogues": shown,
        "systems": list(runs.names),
        "emotions": sorted({d["emotion"] for d in shown if d["emotion"]}),
        "strategies": sorted({a["announced"] for a in answers if a["announced"]}),
        "kinds": sorted({a["kind"] for a in answers if a["kind"]}),
    }  # fmt: skip
    page = pages.render(TEMPLATES, "view", data={}, context=context, shared="page")
    pages.write_page(path, page)
    return len(shown)


def _stages(runs: Runs, number: int) -> tuple[Stage, ...]:
    """What a run's model was to write; all stages where its header does not say."""
    named = runs.headers[number].generation.get("stages")
    return tuple(s for s in STAGES if s in named) if isinstance(named, list) else STAGES


def _text(prediction: Prediction) -> str:
    return (prediction.raw if prediction.raw is not None else prediction.response) or ""


def _dialogue(example: Example, answers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": example.id,
        "turns": [(turn.role, turn.text) for turn in example.context],
        "reply": example.reference,
        "emotion": example.emotion or "",
        "strategy": example.strategy or "",
        "answers": answers,
        "differ": len({answer["total"] for answer in answers}) > 1,
    }


def _answer(
    name: str, said: Prediction, example: Example, stages: tuple[Stage, ...]
) -> dict[str, Any]:
    text = _text(said)[:_LONGEST]
    earned = reward(text, emotion=example.emotion, strategy=example.strategy)
    read = read_stages(text, stages) if stages else {"response": text}
    failure = read if isinstance(read, Failure) else None
    framed = bool(earned.format)
    return {
        "name": name,
        "parts": _parts(text, earned, example) if framed else [],
        "response": said.response or "",
        "raw": "" if framed else text,
        "kind": failure.kind if failure else "",
        "detail": failure.detail if failure else "",
        "error": said.error or "",
        "announced": said.strategy or "",
        "format": int(earned.format),
        "total": int(earned.total),
    }


def _parts(text: str, earned: Reward, example: Example) -> list[dict[str, Any]]:
    """Each stage as written: name, text, what it earned (None: nothing to earn), gold."""
    thinking, _, answer = text.removeprefix(_FRAME[0]).partition(_FRAME[1])
    pieces = _MARK.split(thinking)
    named = [("before the stages", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]
    found = [
        {"name": name, "text": words.strip(), "earned": None, "gold": ""}
        for name, words in named
        if words.strip() or name in STAGES
    ]
    for part in found:
        if part["name"] == "Emotion" and example.emotion:
            part |= {"earned": int(earned.emotion), "gold": example.emotion}
            break
    strategy = {"earned": int(earned.strategy), "gold": example.strategy}
    reply = {"name": "Answer", "text": answer.removesuffix(_FRAME[2]), "earned": None, "gold": ""}
    return [*found, reply | (strategy if example.strategy else {})]


def _summary(scores: Scores) -> dict[str, Any]:
    def cell(metric: Any) -> str:
        if metric.value is None:
            return "–"
        interval = "" if metric.low is None else f" [{metric.low:.2f}, {metric.high:.2f}]"
        return f"{metric.value:.2f}{interval}"

    return {
        "heads": [
            metric.name.removeprefix("stride_").replace("_", " ") for metric in scores.metrics[0]
        ],
        "rows": [
            {"name": name, "cells": [cell(metric) for metric in found]}
            for name, found in zip(scores.names, scores.metrics, strict=True)
        ],
    }


def _earned(names: Sequence[str], dialogues: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per system the shares of answers that earned 0, 1, 2 and 3, as bars of a row."""
    rows = []
    for number, name in enumerate(names):
        counts = Counter(dialogue["answers"][number]["total"] for dialogue in dialogues)
        shares = [100 * counts[total] / len(dialogues) for total in range(4)]
        bars = [(sum(shares[:total]), share) for total, share in enumerate(shares)]
        rows.append({"name": name, "shares": shares, "bars": bars})
    return rows


def _failures(names: Sequence[str], dialogues: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per kind of failure, how many answers of each system."""
    found = [
        Counter(dialogue["answers"][number]["kind"] for dialogue in dialogues)
        for number in range(len(names))
    ]
    kinds = sorted({kind for counts in found for kind in counts if kind})
    return [{"kind": kind, "counts": [counts[kind] for counts in found]} for kind in kinds]
