"""The four human-rated sets of ED replies that can be had, read from their authors' own files.

Criteria have one name here, and keep their source's words in their scale. Which items are people's
own replies is told by `system` "human".
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from harness.dialogue import Turn
from harness.errors import DataError, located
from harness.jsonl import brief, read_lines
from harness.judges.ratings.records import Item, Rating, RatingSet, Scale
from harness.judges.ratings.tables import number, read_rows, text

__all__ = ["duo", "empo", "kumar", "welivita"]

_SLIDER = (0, 100, False)
_EMPO = {
    "Dim1": ("appropriateness", Scale(*_SLIDER, "appropriate to the situation")),
    "Dim2": ("empathy", Scale(*_SLIDER, "addresses the speaker's emotional state specifically")),
    "Dim3": ("naturalness", Scale(*_SLIDER, "completely natural")),
    "Dim4": ("engagement", Scale(*_SLIDER, "would continue the conversation")),
    "Dim5": ("consistency", Scale(0, 1, True, "understandable and consistent")),
}
_EMPO_SYSTEMS = {"human_targets": "human"}
_WELIVITA = {"human": "human", "chatgpt": "ChatGPT", "chatgpt_empathy": "ChatGPT + definition"}
_KUMAR_GROUPS = {
    "expert1": "experts", "expert2": "experts", "expert3": "experts", "crowd": "crowd",
    "gpt": "GPT-4o", "claude": "Claude 3.7", "gemini": "Gemini 2.5",
}  # fmt: skip
_KUMAR = ("empathy", "relevance", "fluency")
_DUO = {
    "preference": "preference", "empathy": "empathy", "consistency": "consistency",
    "stylistic_similarity": "style",
}  # fmt: skip


def empo(path: Path) -> RatingSet:
    """EmPO's he_data.csv (Sotolar et al. 2024): sliders from 0 to 100, three raters an item.

    Raises:
        DataError: the file is not that one, or damaged.
    """
    columns = ("ED_index", "model", "annotator", "prevs", "gens", "gen_targets", "emotions",
               "tidy_chat", *_EMPO)  # fmt: skip
    items: dict[str, Item] = {}
    ratings = []
    for line, row in read_rows(path, columns):
        dialogue = f"empo/{text(path, line, row, 'ED_index')}"
        system = _EMPO_SYSTEMS.get(row["model"], row["model"])
        name = f"{dialogue}/{system}"
        reply = row["gen_targets"] if system == "human" else row["gens"]
        items[name] = Item(
            id=name, dialogue=dialogue, system=system, context=_talk(row["tidy_chat"]),
            response=" ".join(reply.split()), reference=" ".join(row["gen_targets"].split()),
            emotion=row["emotions"] or None,
        )  # fmt: skip
        rater = f"r{text(path, line, row, 'annotator')}"
        ratings += [
            Rating(name, rater, "people", criterion, number(path, line, row, column))
            for column, (criterion, _) in _EMPO.items()
        ]
    return RatingSet(
        name="EmPO",
        citation="Sotolar, Formanek, Debnath, Lahnala, Welch, Flek. EmPO, 2024; he_data.csv",
        licence="none stated",
        items=tuple(items.values()),
        ratings=tuple(ratings),
        scales=dict(_EMPO.values()),
    )


def _talk(words: str) -> tuple[Turn, ...]:
    """EmPO's transcript: `Speaker: …` and `Listener: …` by line, the rated reply last."""
    turns: list[Turn] = []
    for line in words.splitlines():
        role, colon, said = line.partition(": ")
        if colon and role in ("Speaker", "Listener"):
            turns.append(Turn(len(turns), role.lower(), " ".join(said.split())))  # type: ignore[arg-type]
    return tuple(turns)


def welivita(path: Path) -> RatingSet:
    """dataset_and_ratings.csv of Welivita & Pu 2024: Bad 1, Okay 2, Good 3; one rater an item.

    Raises:
        DataError: the file is not that one, or damaged.
    """
    columns = ["dialog_id", "emotion", "situation", "speaker_uttr", "response_human"]
    columns += [
        f"{kind}_{arm}" for arm in _WELIVITA for kind in ("annotator", "rating", "response")
    ]
    items, ratings = [], []
    for count, (line, row) in enumerate(read_rows(path, columns)):
        dialogue = f"welivita/{text(path, line, row, 'dialog_id')}/{count}"
        context = (Turn(0, "speaker", text(path, line, row, "speaker_uttr")),)
        for arm, system in _WELIVITA.items():
            name = f"{dialogue}/{system}"
            items.append(Item(
                id=name, dialogue=dialogue, system=system, context=context,
                response=" ".join(row[f"response_{arm}"].split()),
                reference=" ".join(row["response_human"].split()), emotion=row["emotion"] or None,
            ))  # fmt: skip
            value = number(path, line, row, f"rating_{arm}")
            rater = text(path, line, row, f"annotator_{arm}")
            ratings.append(Rating(name, rater, "people", "empathy", value))
    return RatingSet(
        name="Welivita & Pu",
        citation="Welivita & Pu. Is ChatGPT More Empathetic than Humans? 2024",
        licence="none stated",
        items=tuple(items),
        ratings=tuple(ratings),
        scales={"empathy": Scale(1, 3, True, "Bad, Okay, Good")},
    )


def kumar(folder: Path) -> RatingSet:
    """annotations/empatheticdialogues of Kumar et al. 2025: whole dialogues, 1 to 5.

    Experts, crowd (means of several) and three language models are groups of raters.

    Raises:
        DataError: the folder is not that one, or a file is damaged.
    """
    source = folder / "original_data" / "sample_empatheticdialogues.csv"
    items: dict[str, Item] = {}
    for line, row in read_rows(source, ("conv_id", "context", "full_conversation")):
        name = f"kumar/{text(source, line, row, 'conv_id')}"
        items.setdefault(name, Item(
            id=name, dialogue=name, system="human", context=_seeker_talk(row["full_conversation"]),
            emotion=row["context"] or None,
        ))  # fmt: skip
    ratings = []
    for rater, group in _KUMAR_GROUPS.items():
        path = folder / "annotations" / "empatheticdialogues" / f"{rater}_ratings.csv"
        for line, row in read_rows(path, ("conv_id", *_KUMAR)):
            name = f"kumar/{text(path, line, row, 'conv_id')}"
            ratings += [
                Rating(name, rater, group, criterion, number(path, line, row, criterion))
                for criterion in _KUMAR
                if row[criterion].strip()
            ]
    rated = {rating.item for rating in ratings}
    return RatingSet(
        name="Kumar et al.",
        citation="Kumar et al. 2025, replication files; the EmpatheticDialogues part",
        licence="MIT",
        items=tuple(item for name, item in items.items() if name in rated),
        ratings=tuple(ratings),
        # Crowd values are means of several workers, so halves occur.
        scales={name: Scale(1, 5, True, name) for name in _KUMAR},
    )


def _seeker_talk(words: str) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for line in words.replace("_comma_", ",").splitlines():
        role, colon, said = line.strip().partition(": ")
        if colon and role in ("Seeker", "Supporter"):
            kind = "speaker" if role == "Seeker" else "listener"
            turns.append(Turn(len(turns), kind, " ".join(said.split())))  # type: ignore[arg-type]
    return tuple(turns)


def duo(path: Path) -> RatingSet:
    """DUO's English dialogues: rated by the user who led them, and by third parties for a part.

    Raises:
        DataError: the file is not that one, or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    items, ratings = [], []
    for number_, row in read_lines(path, error=DataError):
        if not isinstance(row, dict) or not isinstance(row.get("file"), str):
            raise DataError(located(path, number_, f'needs "file", found {brief(row)}'))
        name = f"duo/{row['setting']}/{row['file'].removesuffix('.json')}"
        name = f"{name}/{row['model']}/{row['prompt']}"
        turns = tuple(
            Turn(n, "speaker" if said["speaker"] == "Human" else "listener", said["message"])
            for n, said in enumerate(row["dialogue"])
        )
        items.append(Item(
            id=name, dialogue=name, system=f"{row['model']}, {row['prompt']}", context=turns,
            emotion=str(row.get("emotion") or "").lower() or None,
        ))  # fmt: skip
        for theirs, criterion in _DUO.items():
            ratings += _duo_ratings(name, criterion, theirs, row)
    return RatingSet(
        name="DUO",
        citation="Numaya et al., DUO dataset; English ED dialogues",
        licence="CC BY-NC 4.0",
        items=tuple(items),
        ratings=tuple(ratings),
        scales={c: Scale(1, 5, True, theirs) for theirs, c in _DUO.items()},
    )


def _duo_ratings(name: str, criterion: str, theirs: str, row: dict[str, Any]) -> list[Rating]:
    found = []
    user = _finite((row.get("subjective_evaluation") or {}).get(theirs))
    if user is not None:
        found.append(Rating(name, "user", "users", criterion, user))
    others = (row.get("objective_evaluation") or {}).get(f"{theirs}_scores") or []
    for place, given in enumerate(others):
        value = _finite(given)
        if value is not None:
            found.append(Rating(name, f"third-{place}", "third parties", criterion, value))
    return found


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
