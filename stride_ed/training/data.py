"""What a variant of STRIDE-ED learns from: traced examples, response-only ones, held-out ones.

WORK/set ─▶ traced ─┬─ some dialogues held out, unless another annotated folder is given for that
                    └─ the rest is learnt from
the split WORK was made from, less all of the above ─▶ response-only
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harness.datasets import ExampleSet
from harness.dialogue import Example
from harness.errors import DataError, InputError, located
from harness.files import canonical_json, sha256_text
from harness.jsonl import brief, read_lines
from stride_ed.made_set import leaking_ids
from stride_ed.offline.evaluators import Item
from stride_ed.outputs import FILES
from stride_ed.records import Annotation
from stride_ed.training.variants import Variant
from stride_ed.work import SET, examples_of, items_of

__all__ = ["Lessons", "lessons", "traced_items"]

# Of the set's dialogues, held out to validate where no other folder is given.
_HELD_OUT_SHARE = 0.05
_HELD_OUT_LEAST = 4


@dataclass(frozen=True, slots=True)
class Lessons:
    """`traced` and `valid` with their traces; `plain` without; `source` is where all come from."""

    traced: tuple[Item, ...]
    plain: tuple[Example, ...]
    valid: tuple[Item, ...]
    source: ExampleSet

    @property
    def digest(self) -> str:
        """Changes with any example or trace."""
        told = [
            [(example.id, trace.to_json()) for example, trace in self.traced],
            [example.id for example in self.plain],
            [(example.id, trace.to_json()) for example, trace in self.valid],
        ]
        return sha256_text(canonical_json([self.source.fingerprint, *told]))[:16]


def lessons(
    work: Path,
    data: str | None,
    variant: Variant,
    *,
    mix: float,
    seed: int,
    valid: Path | None = None,
    limit: int | None = None,
    limit_valid: int | None = None,
) -> Lessons:
    """What `variant` learns from the refinement in `work`.

    `mix`: response-only examples per traced one, drawn by `seed`, as many as there are. `limit`
    and `limit_valid` draw so many by `seed`.

    Raises:
        InputError: no set was made, or it does not fit the annotations or the data at hand.
        DataError: nothing to learn from or to validate with, or a dialogue is on both sides.
    """
    examples, annotations = examples_of(work, data)
    drawn = _set_ids(work, annotations)
    if not variant.refined:
        drawn = _blind(examples, annotations, len(drawn), seed=seed, data=data)
    by_id = {example.id: example for example in examples}
    items = [(by_id[i], trace) for i in drawn if (trace := annotations[i].trace) is not None]
    Random(seed).shuffle(items)
    if valid is not None:
        traced, held = items, traced_items(valid, data)
        Random(seed).shuffle(held)
    else:
        traced, held = _split(items, seed=seed)
    traced, held = traced[:limit], held[:limit_valid]
    _check(traced, held)
    taken = {example.dialogue_id for example, _ in (*items, *held)}
    rest = [e for e in examples if e.dialogue_id not in taken and e.reference.strip()]
    Random(seed).shuffle(rest)
    plain = rest[: round(mix * len(traced))]
    return Lessons(tuple(traced), tuple(plain), tuple(held), examples)


def traced_items(work: Path, data: str | None) -> list[Item]:
    """Every annotated example of a folder with its trace, in the set's order.

    Raises:
        InputError: nothing is annotated there, or the data are not those that were.
    """
    return items_of(*examples_of(work, data))


def _set_ids(work: Path, annotations: Mapping[str, Annotation]) -> list[str]:
    """The ids of WORK/set in its order."""
    path = work / SET / FILES[0]
    if not path.is_file():
        raise InputError(f"{path}: not there; run `empathy-bench stride sample {work}` first")
    ids: list[str] = []
    for number, row in read_lines(path):
        identity = row.get("id") if isinstance(row, dict) else None
        found = annotations.get(identity) if isinstance(identity, str) else None
        if found is None or found.trace is None or not _same(row, found):
            raise InputError(
                located(
                    path,
                    number,
                    f"{brief(identity)} is not among the annotations of {work}; "
                    f"run `empathy-bench stride sample {work}` again",
                )
            )
        ids.append(found.id)
    return ids


def _same(row: Any, annotation: Annotation) -> bool:
    return annotation.trace is not None and row.get("trace") == annotation.trace.to_json()


def _blind(
    examples: ExampleSet,
    annotations: Mapping[str, Annotation],
    count: int,
    *,
    seed: int,
    data: str | None,
) -> list[str]:
    """`count` ids of all that have a trace, none of them in held-out dialogues."""
    items = [example for example, _ in items_of(examples, annotations)]
    Random(seed).shuffle(items)
    items = items[: 2 * count]
    leaking = leaking_ids(items, examples, data)
    return [example.id for example in items if example.id not in leaking][:count]


def _split(items: Sequence[Item], *, seed: int) -> tuple[list[Item], list[Item]]:
    """Some dialogues held out by `seed`, in the order of the items."""
    dialogues = sorted({example.dialogue_id for example, _ in items})
    Random(seed).shuffle(dialogues)
    count = min(max(_HELD_OUT_LEAST, round(_HELD_OUT_SHARE * len(dialogues))), len(dialogues) // 2)
    held = set(dialogues[:count])
    return (
        [item for item in items if item[0].dialogue_id not in held],
        [item for item in items if item[0].dialogue_id in held],
    )


def _check(traced: Sequence[Item], held: Sequence[Item]) -> None:
    if not traced or not held:
        raise DataError("training needs examples to learn from and others to validate with")
    both = {e.dialogue_id for e, _ in traced} & {e.dialogue_id for e, _ in held}
    if both:
        raise DataError(
            f"{len(both)} dialogues are on both sides, such as {min(both)}; "
            "validate with another split"
        )
