"""Readers of ED and ESConv, and the named example sets that numbers speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from harness.datasets import locate
from harness.datasets.sets import ExampleSet
from harness.dialogue import Dialogue, Example, Turn
from harness.errors import DataError, UnknownNameError

__all__ = ["EXAMPLE_SETS", "ExampleSet", "SetSpec", "load_dialogues", "load_example_set"]

Dataset = Literal["ed", "esconv"]
Split = Literal["train", "valid", "test"]

# The preprocessing that the field shares since MoEL lost the test split's last two conversations
# (the second of them is not in every copy of the file).
_LAST_IN_MOEL = "hit:12413_conv:24826"
# It also glued the start of these three onto the conversation before them, which gives EmpDG's
# set the last reply of the conversation before instead of one of theirs.
_GLUED_IN_MOEL = ("hit:1917_conv:3834", "hit:3472_conv:6945", "hit:9085_conv:18170")
# Absent from EmPO's released outputs.
_NOT_IN_EMPO = frozenset(
    {
        "hit:2803_conv:5607",
        "hit:2812_conv:5624",
        "hit:9648_conv:19297",
        "hit:9649_conv:19299",
        "hit:9651_conv:19303",
        "hit:9657_conv:19315",
        "hit:9661_conv:19323",
    }
)


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A named example set: where it comes from, how many examples the official files give."""

    dataset: Dataset
    split: Split
    description: str
    size: int
    select: Callable[[Sequence[Dialogue]], list[Example]]


def _every(dialogues: Sequence[Dialogue]) -> list[Example]:
    return [example for dialogue in dialogues for example in dialogue.examples()]


def _moel(dialogues: Sequence[Dialogue]) -> list[Example]:
    """Every listener turn up to the last conversation that the field's preprocessing kept."""
    keys = [dialogue.key for dialogue in dialogues]
    kept = keys.index(_LAST_IN_MOEL) + 1 if _LAST_IN_MOEL in keys else len(keys)
    return _every(dialogues[:kept])


def _empdg(dialogues: Sequence[Dialogue]) -> list[Example]:
    """For each of MoEL's examples with three turns of context or more, the reply before it."""
    chosen: list[Example] = []
    previous: list[Example] = []
    for dialogue in dialogues:
        examples = _moel([dialogue])
        for place, example in enumerate(examples):
            if dialogue.key in _GLUED_IN_MOEL and place == 0 and previous:
                chosen.append(previous[-1])
            elif place > 0 and len(example.context) >= 3:
                chosen.append(examples[place - 1])
        previous = examples
        if dialogue.key == _LAST_IN_MOEL:
            break
    return chosen


def _empo(dialogues: Sequence[Dialogue]) -> list[Example]:
    """The last listener turn of each conversation, in the order of their ids as text."""
    kept = [dialogue for dialogue in dialogues if dialogue.key not in _NOT_IN_EMPO]
    last = [list(dialogue.examples())[-1:] for dialogue in sorted(kept, key=lambda d: d.key)]
    return [example for found in last for example in found]


def _joined(dialogues: Sequence[Dialogue]) -> list[Example]:
    """Supporter turns, consecutive turns of one person being one; its first strategy counts.

    What FADO and MultiESC evaluate on.
    """
    examples: list[Example] = []
    for dialogue in dialogues:
        turns: list[Turn] = []
        for turn in dialogue.turns:
            if turns and turns[-1].role == turn.role:
                turns[-1] = replace(turns[-1], text=f"{turns[-1].text} {turn.text}")
            else:
                turns.append(turn)
        examples += replace(dialogue, turns=tuple(turns)).examples()
    return examples


EXAMPLE_SETS: Mapping[str, SetSpec] = {
    "ed/train": SetSpec("ed", "train", "ED: every listener turn of training.", 40_254, _every),
    "ed/valid": SetSpec("ed", "valid", "ED: every listener turn of validation.", 5_738, _every),
    "ed/test": SetSpec(
        "ed", "test", "ED: the 5,255 listener turns that the field reports since MoEL.", 5255, _moel
    ),
    "ed/test-empdg": SetSpec("ed", "test", "ED: EmpDG's reduced 2,713 turns.", 2713, _empdg),
    "ed/test-empo": SetSpec("ed", "test", "ED: EmPO's 2,540 last listener turns.", 2540, _empo),
    "esconv/train-910-195-195": SetSpec(
        "esconv", "train", "ESConv: supporter turns of 910 dialogues (seed 13).", 12_271, _every
    ),
    "esconv/valid-910-195-195": SetSpec(
        "esconv", "valid", "ESConv: supporter turns of 195 dialogues (seed 13).", 2_621, _every
    ),
    "esconv/test-910-195-195": SetSpec(
        "esconv", "test", "ESConv: supporter turns of 195 dialogues (seed 13).", 2801, _every
    ),
    "esconv/test-joined": SetSpec(
        "esconv", "test", "ESConv: the same, a person's consecutive turns as one.", 2295, _joined
    ),
    "esconv/test-original": SetSpec(
        "esconv", "test", "ESConv: the 2,775 turns of the released strategy TSV.", 2775, _every
    ),
}
_ORIGINAL = "esconv/test-original"


def load_dialogues(
    dataset: Dataset, split: Split, data: str | Path | None = None
) -> tuple[Dialogue, ...]:
    """The dialogues of a split; see `harness.datasets.locate` for `data`.

    Raises:
        UnknownNameError: there is no such data set or split.
        DataError: the data set is not found, or a file is damaged.
    """
    if dataset not in get_args(Dataset):
        raise UnknownNameError("data set", dataset, get_args(Dataset))
    if split not in get_args(Split):
        raise UnknownNameError("split", split, get_args(Split))
    return _whole(dataset, split, locate.find(dataset, data))


def load_example_set(name: str, data: str | Path | None = None) -> ExampleSet:
    """A named example set; out of the embedded sample it says so in its name.

    Raises:
        UnknownNameError: there is no such set.
        DataError: the data set is not found, or a file is damaged.
    """
    if name not in EXAMPLE_SETS:
        raise UnknownNameError("example set", name, EXAMPLE_SETS)
    spec = EXAMPLE_SETS[name]
    place = locate.find(spec.dataset, data)
    source = f"{place.layout} {place.path or ''}".strip()
    if place.layout == "npy" and name == f"ed/{spec.split}":
        return ExampleSet(name, _npy(place, spec.split), source)
    if name == _ORIGINAL:
        return ExampleSet(_ORIGINAL, _tsv(place), source)
    dialogues = _whole(spec.dataset, spec.split, place)
    own = name.removeprefix(f"{spec.dataset}/").removesuffix("-910-195-195")
    shown = f"{spec.dataset}/sample-{own}" if place.sample else name
    return ExampleSet(shown, tuple(spec.select(dialogues)), source)


def _whole(dataset: Dataset, split: Split, place: locate.Place) -> tuple[Dialogue, ...]:
    """The dialogues of a split, read once for as long as its file does not change."""
    path = place.path
    if place.layout in ("csv", "split") and path is not None:
        path = path / f"{split}.{'csv' if place.layout == 'csv' else 'jsonl'}"
    state = path.stat() if path is not None and path.is_file() else None
    version = (state.st_mtime_ns, state.st_size, state.st_ino) if state else None
    return _read(dataset, split, place, version)


@lru_cache(maxsize=8)
def _read(
    dataset: Dataset, split: Split, place: locate.Place, version: object
) -> tuple[Dialogue, ...]:
    from harness.datasets import ed, esconv, hub

    path = place.path
    if path is None:
        return hub.load_ed(split) if dataset == "ed" else hub.load_esconv(split)
    if place.layout == "csv":
        return ed.read_csv(path / f"{split}.csv", split)
    if place.layout == "archive":
        return ed.read_archive(path, split)
    if place.layout == "json":
        return esconv.read_json(path, split)
    if place.layout == "split":
        return esconv.read_split(path, split)
    raise DataError(
        f"{path}: the {place.layout} layout holds the single examples of one set, not the "
        f"dialogues of {dataset}/{split}"
    )


def _npy(place: locate.Place, split: Split) -> tuple[Example, ...]:
    from harness.datasets.ed_npy import read_examples

    assert place.path is not None, "only the hub has no path"
    return read_examples(place.path, split)


def _tsv(place: locate.Place) -> tuple[Example, ...]:
    """The windows of the released TSV, each giving its last turn.

    Raises:
        DataError: the TSV is not where the other ESConv files are.
    """
    from harness.datasets.esconv import read_tsv

    path = place.path
    if path is not None and path.suffix != ".tsv":
        path = path.parent / "tsv" / locate.TSV
    if path is None or not path.is_file():
        raise DataError(
            f"{_ORIGINAL} needs the released {locate.TSV}; "
            "give it with --data, or put it into esconv/tsv/"
        )
    windows = read_tsv(path)
    return tuple(list(window.examples())[-1] for window, _ in windows)
