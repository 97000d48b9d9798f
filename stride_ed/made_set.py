"""The refined and balanced set: drawn, kept clear of every test, written with its card.

refined.jsonl ─▶ what shares nothing with held-out dialogues ─▶ sampling ─▶ WORK/set/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasets import ExampleSet, load_dialogues
from harness.datasets.leaks import find_leaks
from harness.dialogue import Dialogue, Example
from harness.errors import InputError
from harness.files import sha256_file, write_atomic
from harness.tracking import DATA_CARD
from harness.training_log import README
from stride_ed.outputs import FILES, Row, write_outputs
from stride_ed.records import Annotation, read_annotations
from stride_ed.refine import read_refined
from stride_ed.rubric import RUBRIC_HASH
from stride_ed.sampling import Candidate, Drawn, draw
from stride_ed.set_page import plot_shares, readme
from stride_ed.strategies import STRATEGY_NAMES
from stride_ed.work import ANNOTATIONS, SET

__all__ = ["HELD_OUT", "Made", "Sampling", "leaking_ids", "make_set", "share_rows"]

PICTURE = "shares.png"
NAME = "stride-refined"
# What is evaluated on anywhere here; a training set shares no dialogue and no context with it.
HELD_OUT = ("valid", "test")
_LICENCE = "EmpatheticDialogues, CC BY-NC 4.0 (Rashkin et al. 2019); annotations made here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """α and β of the target shares, the least of each emotion, the seed."""

    size: int
    alpha: float = 0.5
    beta: float = 0.5
    emotion_least: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What was written where; `leaking` items of the pool were left out."""

    folder: Path
    drawn: Drawn
    leaking: int
    card: Mapping[str, Any]


def make_set(
    work: Path,
    examples: ExampleSet,
    annotations: Mapping[str, Annotation],
    sampling: Sampling,
    data: str | None,
) -> Made:
    """Draw from what was refined and write WORK/set; what is there is replaced.

    Raises:
        InputError: nothing was refined, or too little for the size asked.
        StorageError: the disk refuses.
    """
    report, refined = read_refined(work)
    by_id = {example.id: example for example in examples}
    kept = [i for i, row in refined.items() if row["kept"] and i in by_id]
    leaking = leaking_ids([by_id[i] for i in kept], examples, data)
    pool = [
        Candidate(
            id=i,
            strategy=trace.strategy,
            emotion=trace.emotion,
            score=float(refined[i]["score"]),
        )
        for i in kept
        if i not in leaking and (trace := annotations[i].trace) is not None
    ]
    if len(pool) < sampling.size:
        raise InputError(
            f"--size {sampling.size}: {len(pool)} traces were kept by refine"
            f"{f', {len(leaking)} of them in held-out dialogues' if leaking else ''}; "
            "keep more (--top-k), or lower --size"
        )
    drawn = draw(
        pool,
        sampling.size,
        alpha=sampling.alpha,
        beta=sampling.beta,
        emotion_least=sampling.emotion_least,
        seed=sampling.seed,
    )
    annotator, _ = read_annotations(work / ANNOTATIONS)
    rows = [
        Row(by_id[i], trace, float(refined[i]["score"]), str(annotator["annotator"]["kind"]))
        for i in drawn.ids
        if (trace := annotations[i].trace) is not None
    ]
    card = _write(work / SET, rows, drawn, sampling, examples, annotator, report, len(leaking))
    return Made(work / SET, drawn, len(leaking), card)


def leaking_ids(pool: Sequence[Example], examples: ExampleSet, data: str | None) -> frozenset[str]:
    """Ids of the pool whose dialogue, situation or context occurs in held-out dialogues."""
    dataset = examples.name.split("/")[0]
    held_out: list[Dialogue] = []
    for split in HELD_OUT:
        if not examples.name.startswith(f"{dataset}/{split}"):
            held_out += load_dialogues(dataset, split, data)  # type: ignore[arg-type]
    ids = {dialogue.id for dialogue in held_out}
    same = {example.id for example in pool if example.dialogue_id in ids}
    return frozenset(same) | find_leaks(pool, held_out).leaking


def share_rows(drawn: Drawn) -> list[dict[str, Any]]:
    """A row per strategy of the pool: counts and shares before and after, and the target."""
    before, after = sum(drawn.pool.values()), sum(drawn.taken.values())
    return [
        {
            "strategy": name,
            "pool": drawn.pool[name],
            "pool_share": drawn.pool[name] / before,
            "wanted": drawn.wanted.get(name, 0),
            "target": drawn.target.get(name, 0),
            "drawn": drawn.taken.get(name, 0),
            "drawn_share": drawn.taken.get(name, 0) / after,
        }
        for name in STRATEGY_NAMES
        if drawn.pool.get(name)
    ]


def _write(
    folder: Path,
    rows: Sequence[Row],
    drawn: Drawn,
    sampling: Sampling,
    examples: ExampleSet,
    annotator: Mapping[str, Any],
    report: Mapping[str, Any],
    leaking: int,
) -> dict[str, Any]:
    from harness import __version__

    # The card goes last: a folder with a card is whole.
    (folder / DATA_CARD).unlink(missing_ok=True)
    paths = write_outputs(folder, rows, source=examples.name)
    shares = share_rows(drawn)
    card: dict[str, Any] = {
        "name": NAME,
        "digest": sha256_file(paths[FILES[0]]),
        "source": examples.name,
        "fingerprint": examples.fingerprint,
        "licence": _LICENCE,
        "files": list(FILES),
        "settings": {
            **{name: getattr(sampling, name) for name in Sampling.__slots__},
            "weights": report["scheme"],
            "top_k": report["kept"],
        },
        "counts": {
            "examples": len(rows),
            "dialogues": len({row.example.dialogue_id for row in rows}),
            "annotated": report["traces"] + report["failed_annotations"],
            "failed_annotations": report["failed_annotations"],
            "graded": report["graded"],
            "refined": report["kept"],
            "left_out_held_out": leaking,
            "beyond_target": drawn.beyond,
        },
        "annotator": annotator["annotator"],
        "evaluators": report["evaluators"],
        "rubric": RUBRIC_HASH,
        "warnings": report["warnings"],
        "shares": shares,
        "emotions": dict(sorted(drawn.emotions.items())),
        "harness_version": __version__,
    }
    write_atomic(folder / PICTURE, plot_shares(shares))
    write_atomic(folder / README, readme(card))
    write_atomic(
        folder / DATA_CARD, json.dumps(card, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    )
    return card
