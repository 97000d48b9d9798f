"""Files whose rows name their example: our predictions.jsonl, or plain {"id", "response"} lines."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.sets import ExampleSet
from harness.errors import PredictionsError, located
from harness.files import canonical_json
from harness.predictions import Header, Prediction, read_predictions

__all__ = ["read_identified"]


def read_identified(
    path: Path, text: str, examples: ExampleSet
) -> tuple[Header | None, tuple[Prediction, ...], tuple[str, ...]]:
    """Header, rows in file order, and notes; `text` is what `path` holds.

    A file whose header says that its run was limited may answer the first examples only.

    Raises:
        PredictionsError: damaged line, unknown or doubled id, missing rows, a header of other
            examples.
    """
    header, predictions = read_predictions(path)
    asked, notes = _asked(path, header, examples)
    _check_ids(path, text, header, predictions, asked)
    _check_complete(path, header, predictions, asked)
    return header, tuple(predictions), notes


def _asked(
    path: Path, header: Header | None, examples: ExampleSet
) -> tuple[ExampleSet, tuple[str, ...]]:
    """The examples that the header says were asked, with a note where they are a part."""
    if header is None or header.fingerprint == examples.fingerprint:
        return examples, ()
    limit = header.limit
    if isinstance(limit, int) and 0 < limit < len(examples):
        first = examples.limited(limit)
        if first.fingerprint == header.fingerprint:
            return first, (f"the run was limited to the first {limit} of {len(examples)} examples",)
    raise PredictionsError(
        located(
            path,
            1,
            f"answers {header.size} examples of {header.example_set}, which differ from the "
            f"{len(examples)} of {examples.name} at hand (another fingerprint); give the --data, "
            "--example-set and --limit it was made with",
        )
    )


def _check_ids(
    path: Path,
    text: str,
    header: Header | None,
    predictions: Sequence[Prediction],
    examples: ExampleSet,
) -> None:
    known = {example.id for example in examples}
    for place, prediction in enumerate(predictions):
        line = None
        if prediction.id not in known:
            near = difflib.get_close_matches(prediction.id, known, n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            if len(predictions) > len(known):
                hint += f"; the file has {len(predictions)} rows: was it made without --limit?"
            line = _line_of(text, place + (header is not None))
            problem = (
                f"{prediction.id[:100]!r} is no id of the {len(known)} examples of "
                f"{examples.name} at hand{hint}"
            )
            raise PredictionsError(located(path, line, problem))
        try:
            canonical_json(prediction.to_json()).encode()
        except (ValueError, RecursionError) as error:
            line = _line_of(text, place + (header is not None))
            problem = "holds half a surrogate pair, an infinite number, or endless nesting"
            raise PredictionsError(located(path, line, problem)) from error


def _check_complete(
    path: Path, header: Header | None, predictions: Sequence[Prediction], examples: ExampleSet
) -> None:
    found = {prediction.id for prediction in predictions}
    missing = [example.id for example in examples if example.id not in found]
    if missing:
        some = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        advice = "finish the run with --resume" if header else "a failure is a row with an error"
        raise PredictionsError(
            f"{path}: {len(missing)} of {len(examples)} examples of {examples.name} have no row "
            f"({some}); {advice}"
        )


def _line_of(text: str, place: int) -> int:
    """The line on which the file's object number `place` stands, blank lines counted."""
    filled = (number for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return next(itertools.islice(filled, place, None))
