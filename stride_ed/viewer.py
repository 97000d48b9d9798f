"""`stride view`: what models wrote, stage by stage, and the reward that each part earned.

The page is whole without JavaScript, which only filters. What it says of an answer is what
`stride_ed.metrics` counts: a failed prediction earns nothing, whatever its text would.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import pages
from harness.comparable import Runs, read_runs
from harness.dialogue import ESCONV_STRATEGIES, Example
from harness.errors import InputError
from harness.metrics.contract import Scored
from harness.predictions import Prediction
from stride_ed.inspect_page import TEMPLATES
from stride_ed.rewards import Reward, read_emotion, read_strategy, reward
from stride_ed.strategies import STRATEGY_NAMES
from stride_ed.trace import STAGES, Failure, Stage, read_stages
from stride_ed.training.scoring import Scores, relabelled, score_runs

__all__ = ["view_page"]

# In any case, as the reward reads them.
_MARK = re.compile(rf"<({'|'.join(STAGES)})>", re.IGNORECASE)
_ANNOUNCED = re.compile(r"^listener:\s*\([^()]*\)\s*", re.IGNORECASE)
_FRAME = ("<thinking>", "</thinking><answer>", "</answer>")
_NAMES = frozenset(STRATEGY_NAMES) | frozenset(ESCONV_STRATEGIES)
_NO_NAME = "(another name)"
# A page that holds more of one text is read by nobody; rewards are of the whole.
_LONGEST = 20_000
# What is longer scrolls in its own box.
_LONG = 1_500
_NOTHING = Reward(format=0.0, emotion=0.0, strategy=0.0)


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
        InputError: no run holds a trace, or the runs answer different examples, or with labels.
        PredictionsError: a file is missing or damaged.
        StorageError: the disk refuses.
    """
    annotator, relabel = relabelled(annotations) if annotations else (None, lambda e: e)
    runs = read_runs(paths, data=data, relabel=relabel)
    _check(paths, runs)
    scores = score_runs(paths, data=data, annotations=annotations, seed=seed)
    by_id = [_by_id(run, scored) for run, scored in zip(runs.predictions, runs.scored, strict=True)]
    stages = [_stages(runs, number) for number in range(len(runs.names))]
    dialogues = [
        _dialogue(example, [
            _answer(name, *found[example.id], example, wanted)
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
        "most": max(dialogue["most"] for dialogue in dialogues),
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


def _check(paths: Sequence[Path], runs: Runs) -> None:
    if runs.task.kind != "response":
        raise InputError(
            f"{paths[0]}: answers {runs.task.name}, a label alone; "
            f"traces answer {runs.task.dataset}_response"
        )
    if not any(_FRAME[0] in _text(p) for said in runs.predictions for p in said):
        raise InputError(
            f"{', '.join(map(str, paths))}: holds no trace; those are made by "
            "`empathy-bench run --model stride:FOLDER`"
        )


def _stages(runs: Runs, number: int) -> tuple[Stage, ...]:
    """What a run's model was to write; all stages where its header does not say."""
    named = runs.headers[number].generation.get("stages")
    return tuple(s for s in STAGES if s in named) if isinstance(named, list) else STAGES


def _text(prediction: Prediction) -> str:
    return (prediction.raw if prediction.raw is not None else prediction.response) or ""


def _by_id(
    predictions: Sequence[Prediction], scored: Sequence[Scored]
) -> dict[str, tuple[Prediction, bool]]:
    """Each prediction by id, and whether metrics count it as failed."""
    failed = {item.id: item.failed for item in scored}
    return {said.id: (said, failed[said.id]) for said in predictions}


def _dialogue(example: Example, answers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": example.id,
        "turns": [(turn.role, turn.text) for turn in example.context],
        "reply": example.reference,
        "emotion": example.emotion or "",
        "strategy": example.strategy or "",
        # Without a gold label there is nothing to earn by it.
        "most": 1 + bool(example.emotion) + bool(example.strategy),
        "answers": answers,
        "differ": len({answer["total"] for answer in answers}) > 1,
    }


def _answer(
    name: str, said: Prediction, failed: bool, example: Example, stages: tuple[Stage, ...]
) -> dict[str, Any]:
    text = _text(said)
    worth = reward(text, emotion=example.emotion, strategy=example.strategy)
    earned = _NOTHING if failed else worth
    read = read_stages(text, stages) if stages else {"response": text}
    failure = read if isinstance(read, Failure) else None
    framed = bool(earned.format)
    announced = said.strategy or ""
    return {
        "name": name,
        "parts": _parts(text, earned, example, stages) if framed else [],
        "raw": "" if framed else _clip(text),
        "named": [] if framed else _named(text, worth, example),
        "kind": failure.kind if failure else "",
        "detail": failure.detail if failure else "",
        "error": _clip(said.error or ""),
        # Whatever an untrained model makes up would fill the list of choices.
        "announced": announced if announced in _NAMES or not announced else _NO_NAME,
        "total": int(earned.total),
    }


def _clip(text: str) -> str:
    left = len(text) - _LONGEST
    return text if left <= 0 else f"{text[:_LONGEST]} … ({left:,} more characters)"


def _part(name: str, text: str, earned: float | None = None, gold: str = "") -> dict[str, Any]:
    """One row: `earned` is None where there is nothing to earn."""
    return {
        "name": name, "text": _clip(text), "long": len(text) > _LONG, "gold": gold,
        "earned": None if earned is None else int(earned),
    }  # fmt: skip


def _parts(
    text: str, earned: Reward, example: Example, stages: tuple[Stage, ...]
) -> list[dict[str, Any]]:
    """Each stage of a framed text as written, with what it earned."""
    thinking, _, answer = text.removeprefix(_FRAME[0]).partition(_FRAME[1])
    answer = answer.removesuffix(_FRAME[2])
    pieces = _MARK.split(thinking)
    pairs = zip(pieces[1::2], pieces[2::2], strict=True)
    found = [_part(name, words.strip()) for name, words in pairs]
    there = {part["name"].capitalize() for part in found}
    found += [_part(stage, "(missing)") for stage in stages if stage not in there]
    if example.emotion:
        # The first counts, if it stands in the thinking block that ends first.
        first = next((p for p in found if p["name"].capitalize() == "Emotion"), None)
        if first is None or read_emotion(text) is None:
            found.append(first := _part("emotion named", "(none)"))
        first |= {"earned": int(earned.emotion), "gold": example.emotion}
    before = [_part("before the stages", pieces[0].strip())] if pieces[0].strip() else []
    announced = read_strategy(text)
    said = [_part("Response", _ANNOUNCED.sub("", answer, count=1))]
    if example.strategy:
        named = announced or "(none)"
        said.insert(0, _part("announced", named, earned.strategy, example.strategy))
    elif announced is not None:
        said.insert(0, _part("announced", announced))
    return [*before, *found, *said, _part("format", "kept", earned.format)]


def _named(text: str, worth: Reward, example: Example) -> list[dict[str, Any]]:
    """What a text that earns nothing names all the same."""
    found = (
        ("emotion", read_emotion(text), worth.emotion, example.emotion),
        ("strategy", read_strategy(text), worth.strategy, example.strategy),
    )
    return [
        {"name": name, "label": label[:80], "right": bool(right), "gold": gold}
        for name, label, right, gold in found
        if label and gold
    ]


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
