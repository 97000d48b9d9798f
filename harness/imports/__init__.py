"""Somebody's output file → predictions of one example set.

Files with ids are checked against the example set; files without are aligned to it by order, and
the alignment is verified where the file prints its references. Nothing is guessed in silence: what
was assumed is said in `Imported.notes`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.datasets import EXAMPLE_SETS
from harness.datasets.sets import ExampleSet
from harness.errors import PredictionsError, UnknownNameError, located
from harness.imports.layouts import LAYOUTS, Layout, Record, choose_system
from harness.predictions import Header, Prediction, read_predictions

__all__ = ["FORMATS", "Imported", "read_outputs"]

PREDICTIONS = "predictions"
FORMATS = {PREDICTIONS: "Our predictions.jsonl, or plain {id, response} lines."} | {
    layout.name: layout.description for layout in LAYOUTS.values()
}

# Published files print tokenised text whose preprocessing also merged some contexts.
_MIN_AGREEMENT = 0.97
_MAX_LINE = 1_000_000


@dataclass(frozen=True, slots=True)
class Imported:
    """Predictions in file order, the header where the file had one, and what to tell the user."""

    header: Header | None
    predictions: tuple[Prediction, ...]
    format: str
    system: str | None
    notes: tuple[str, ...] = ()


def read_outputs(
    path: Path, examples: ExampleSet, *, format: str = "auto", system: str | None = None
) -> Imported:
    """Read `path` as answers to `examples`.

    Raises:
        PredictionsError: missing, empty, binary or damaged file; unknown, doubled or missing id;
            another number of rows than examples; references that are not those of the examples.
        UnknownNameError: no such format or system.
    """
    if format not in {"auto", *FORMATS}:
        raise UnknownNameError("format", format, ["auto", *FORMATS])
    if not path.is_file():
        raise PredictionsError(f"{path}: no such predictions file")
    text = _decode(path)
    chosen = _detect(text) if format == "auto" else format
    if chosen == PREDICTIONS:
        header, predictions = read_predictions(path)
        _check_ids(path, predictions, examples)
        return Imported(header, tuple(predictions), PREDICTIONS, None)
    layout = LAYOUTS[chosen]
    system = choose_system(layout, system)
    records = layout.read(text, system, str(path))
    notes: list[str] = []
    if records and all(record.previous is not None for record in records):
        records, notes = _reorder(path, records, examples)
    _check_count(path, records, examples, layout)
    notes += _verify(path, records, examples)
    rows = [_prediction(r, e.id) for r, e in zip(records, examples, strict=True)]
    return Imported(None, tuple(rows), chosen, system, tuple(notes))


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if not data.strip():
        raise PredictionsError(f"{path}: holds no prediction")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PredictionsError(located(path, line, "not UTF-8 text")) from error
    if "\0" in text:
        raise PredictionsError(
            located(path, text.count("\n", 0, text.index("\0")) + 1, "binary data")
        )
    for number, content in enumerate(text.split("\n"), 1):
        if len(content) > _MAX_LINE:
            raise PredictionsError(located(path, number, f"longer than {_MAX_LINE} characters"))
    return text


def _detect(text: str) -> str:
    if text.lstrip().startswith("{"):
        return PREDICTIONS
    head = text[:20_000]
    for layout in LAYOUTS.values():
        if layout.looks_like and layout.looks_like.match(head):
            return layout.name
    return "lines"


def _check_ids(path: Path, predictions: Sequence[Prediction], examples: ExampleSet) -> None:
    known = {example.id for example in examples}
    for prediction in predictions:
        if prediction.id not in known:
            near = difflib.get_close_matches(prediction.id, known, n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise PredictionsError(f"{path}: {prediction.id!r} is no id of {examples.name}{hint}")
    missing = [e.id for e in examples if e.id not in {p.id for p in predictions}]
    if missing:
        some = ", ".join(missing[:3])
        raise PredictionsError(
            f"{path}: {len(missing)} of {len(examples)} examples of {examples.name} have no row "
            f"({some}{', …' if len(missing) > 3 else ''}); a failure is a row with an error"
        )


def _reorder(
    path: Path, records: Sequence[Record], examples: ExampleSet
) -> tuple[list[Record], list[str]]:
    """Records in canonical order by what they print; rows of no example are left out and told."""
    by_text = {
        (_plain(record.previous or ""), _plain(record.reference or "")): record
        for record in records
    }
    found = [by_text.get((_plain(e.context[-1].text), _plain(e.reference))) for e in examples]
    kept = [record for record in found if record is not None]
    if len(kept) < len(examples):
        lost = examples.examples[found.index(None)]
        raise PredictionsError(
            f"{path}: {len(examples) - len(kept)} of {len(examples)} examples of {examples.name} "
            f"are not in it, the first {lost.id}"
        )
    extra = len(records) - len(kept)
    return kept, [f"{extra} row(s) answer no example at hand and were left out"] if extra else []


def _check_count(
    path: Path, records: Sequence[Record], examples: ExampleSet, layout: Layout
) -> None:
    if len(records) == len(examples):
        return
    fitting = [name for name, spec in EXAMPLE_SETS.items() if spec.size == len(records)]
    hint = f"; {fitting[0]} has that many: --example-set {fitting[0]}" if fitting else ""
    raise PredictionsError(
        f"{path}: {len(records)} answers ({layout.name} layout) for the {len(examples)} examples "
        f"of {examples.name}{hint}"
    )


def _verify(path: Path, records: Sequence[Record], examples: ExampleSet) -> list[str]:
    """Compare printed with canonical references: rows in another order must not be scored."""
    pairs = [
        (record, example)
        for record, example in zip(records, examples, strict=True)
        if record.reference is not None
    ]
    if not pairs:
        return ["rows were matched to examples by their order; the file prints nothing to check it"]
    differing = [
        (record, example)
        for record, example in pairs
        if _plain(record.reference or "") != _plain(example.reference)
    ]
    agreement = 1 - len(differing) / len(pairs)
    strange = [item for item in differing if not _alike(item[0].reference or "", item[1].reference)]
    if agreement < _MIN_AGREEMENT or len(strange) > 0.01 * len(pairs):
        record, example = (strange or differing)[0]
        raise PredictionsError(
            located(
                path,
                record.line,
                f"the reference {(record.reference or '')[:60]!r} is not that of {example.id} "
                f"({example.reference[:60]!r}); {agreement:.1%} of the rows agree",
            )
        )
    return [f"{agreement:.1%} of the printed references equal ours up to spacing and contractions"]


_CONTRACTIONS = {
    "'m": " am", "'re": " are", "n't": " not", "'ve": " have", "'ll": " will", "'d": " would",
    "'s": " is",
}  # fmt: skip


def _plain(text: str) -> str:
    """Letters and digits only, contractions spelt out: what tokenising does not change."""
    text = text.lower().replace("’", "'").replace('"', "'").replace("can't", "can not")
    text = text.replace("won't", "will not").replace("cannot", "can not")
    for short, full in _CONTRACTIONS.items():
        text = re.sub(rf"{short}\b", full, text)
    return re.sub(r"[^a-z0-9]", "", text)


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, _plain(one), _plain(other)).ratio() > 0.5


def _prediction(record: Record, identifier: str) -> Prediction:
    if not record.response and not record.emotion:
        return Prediction(
            id=identifier,
            error="empty reply",
            raw=record.raw,
            file_reference=record.reference,
            file_emotion=record.gold,
        )
    return Prediction(
        id=identifier,
        response=record.response,
        emotion=record.emotion,
        raw=record.raw,
        file_reference=record.reference,
        file_emotion=record.gold,
    )
