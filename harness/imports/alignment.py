"""Rows without ids: which example each of them answers, and the proof of it.

Rows stand in canonical order, or print the turn before the reply and are matched by text. Where
the file prints references they must be those of the examples, up to what preprocessing does to a
text: case, spacing, punctuation, contractions, words replaced by an unknown-word mark.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from harness.datasets import EXAMPLE_SETS
from harness.datasets.sets import ExampleSet
from harness.dialogue import Example
from harness.errors import PredictionsError, located
from harness.imports.layouts import Layout, Record

__all__ = ["align", "overlap", "plain"]

_MIN_AGREEMENT = 0.97
# F1 of words. Preprocessing leaves far more of a reference, another row's reference far less.
_MIN_OVERLAP = 0.5
_UNKNOWN = re.compile(r"__unk__|<unk>")


def align(
    path: Path, records: Sequence[Record], examples: ExampleSet, layout: Layout
) -> tuple[list[Record], tuple[str, ...]]:
    """One record per example, in canonical order, and what was assumed.

    Raises:
        PredictionsError: another number of rows than examples, an example that no row answers,
            or references that are not those of the examples.
    """
    if records and all(record.previous is not None for record in records):
        return _match(path, records, examples)
    if len(records) != len(examples):
        raise PredictionsError(_other_size(path, len(records), examples, layout))
    return list(records), (_verify(path, records, examples),)


def _match(
    path: Path, records: Sequence[Record], examples: ExampleSet
) -> tuple[list[Record], tuple[str, ...]]:
    """Records by the turn before the reply and the reference; rows of no example are left out."""
    by_text: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in reversed(records):
        by_text[plain(record.previous or ""), plain(record.reference or "")].append(record)
    kept: list[Record] = []
    lost: list[Example] = []
    for example in examples:
        same = by_text[plain(example.context[-1].text), plain(example.reference)]
        if same:
            kept.append(same.pop())
        else:
            lost.append(example)
    if lost:
        raise PredictionsError(
            f"{path}: no row answers {len(lost)} of the {len(examples)} examples of "
            f"{examples.name}, the first {lost[0].id}{_fitting(len(records), examples)}"
        )
    notes = ["rows were matched to examples by the turn before the reply and the reference"]
    extra = len(records) - len(kept)
    if extra:
        notes.append(f"{extra} row(s) answer no example at hand and were left out")
    return kept, tuple(notes)


def _other_size(path: Path, rows: int, examples: ExampleSet, layout: Layout) -> str:
    hint = _fitting(rows, examples) or (f"; {layout.hint}" if layout.hint else "")
    return (
        f"{path}: {rows} answers ({layout.name} layout) for the {len(examples)} examples of "
        f"{examples.name}{hint}"
    )


def _fitting(rows: int, examples: ExampleSet) -> str:
    """Which named set has as many examples as the file has rows."""
    names = [name for name, spec in EXAMPLE_SETS.items() if spec.size == rows]
    if not names:
        return ""
    if examples.name in names:
        return f"; all of {examples.name} are that many: leave out --limit"
    return f"; {names[0]} has that many: --example-set {names[0]}"


def _verify(path: Path, records: Sequence[Record], examples: ExampleSet) -> str:
    """The note on how well printed references agree; rows in another order must not be scored."""
    printed = [record.reference for record in records]
    rows = [
        (number, text, example)
        for number, (text, example) in enumerate(zip(printed, examples, strict=True), 1)
        if text is not None
    ]
    if not rows:
        return "rows were matched to examples by their order; the file prints nothing to check it"
    differing = [row for row in rows if not _same(row[1], row[2].reference)]
    agreeing = len(rows) - len(differing)
    foreign = [row for row in differing if overlap(row[1], row[2].reference) < _MIN_OVERLAP]
    if foreign or agreeing < _MIN_AGREEMENT * len(rows):
        number, text, example = (foreign or differing)[0]
        problem = (
            f"row {number}: the reference {text[:60]!r} is not that of {example.id} "
            f"({example.reference[:60]!r}); {agreeing} of {len(rows)} rows agree: is the file "
            "in canonical order, and is this its example set?"
        )
        raise PredictionsError(located(path, records[number - 1].line, problem))
    few = f"; the others differ by spelling, the first {differing[0][2].id}" if differing else ""
    return (
        f"{agreeing} of {len(rows)} printed references ({agreeing / len(rows):.2%}) are ours up to "
        f"case, punctuation and contractions{few}"
    )


_CONTRACTIONS = {
    "'m": " am", "'re": " are", "n't": " not", "'ve": " have", "'ll": " will", "'d": " would",
    "'s": " is",
}  # fmt: skip
_SHORT = re.compile("(" + "|".join(_CONTRACTIONS) + r")\b")


def _spelt_out(text: str) -> str:
    """Lower case, contractions undone: MoEL's preprocessing does it to some of them."""
    text = text.lower().replace("’", "'").replace('"', "'").replace("can't", "can not")
    text = text.replace("won't", "will not").replace("cannot", "can not")
    return _SHORT.sub(lambda found: _CONTRACTIONS[found.group(1)], text)


def plain(text: str) -> str:
    """Letters and digits only, contractions spelt out: what tokenising does not change."""
    return re.sub(r"[\W_]+", "", _spelt_out(text))


def overlap(one: str, other: str) -> float:
    """F1 of the two texts' words, as multisets; 1 for two texts without words."""
    ours, theirs = (Counter(re.findall(r"[^\W_]+", _spelt_out(text))) for text in (one, other))
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else 1.0


def _same(printed: str, reference: str) -> bool:
    if plain(printed) == plain(reference):
        return True
    marked = _UNKNOWN.search(printed.lower())
    return bool(marked) and overlap(_UNKNOWN.sub(" ", printed.lower()), reference) >= _MIN_OVERLAP
