"""What is at hand, against what the official files hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.datasets import EXAMPLE_SETS, Split, load_dialogues, load_example_set, locate
from harness.datasets.leaks import find_leaks
from harness.dialogue import Dialogue
from harness.errors import DataError

__all__ = ["OFFICIAL", "CheckReport", "SetCheck", "SplitCheck", "check_data"]

# (dialogues, utterances) per split. ED: Rashkin et al. 2019 (conversations), rows of the official
# CSVs; ESConv: Liu et al. 2021, the 1,300 dialogues of the public file, seed 13.
OFFICIAL: dict[tuple[str, str], tuple[int, int]] = {
    ("ed", "train"): (19_533, 84_169),
    ("ed", "valid"): (2_770, 12_078),
    ("ed", "test"): (2_547, 10_973),
    ("esconv", "train"): (910, 26_648),
    ("esconv", "valid"): (195, 5_678),
    ("esconv", "test"): (195, 6_039),
}


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """One split as found; `*_official` are None for the embedded sample.

    `label_counts`: examples per emotion (ED) or strategy (ESConv). `empty_turns`: turns without
    text, which readers leave out, as far as later turns' numbers show them.
    `situations_in_train` is None where there is no train split to compare with.
    """

    dataset: str
    split: str
    dialogues: int
    dialogues_official: int | None
    utterances: int
    utterances_official: int | None
    examples: int
    labels: int
    label_counts: Mapping[str, int]
    empty_turns: int
    repeated_situations: int
    situations_in_train: int | None

    @property
    def agrees(self) -> bool:
        return self.dialogues_official in (None, self.dialogues) and self.utterances_official in (
            None,
            self.utterances,
        )


@dataclass(frozen=True, slots=True)
class SetCheck:
    """One named example set as found."""

    name: str
    size: int
    size_official: int | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Everything found, and a sentence for every data set that could not be read."""

    splits: tuple[SplitCheck, ...]
    sets: tuple[SetCheck, ...]
    missing: tuple[str, ...]


def check_data(data: str | Path | None = None) -> CheckReport:
    """Read every split and example set that `data` offers.

    Raises:
        DataError: neither data set can be read.
    """
    splits: list[SplitCheck] = []
    sets: list[SetCheck] = []
    missing: list[str] = []
    for dataset in ("ed", "esconv"):
        try:
            splits += _splits(dataset, data, missing)
        except DataError as error:
            missing.append(str(error))
            continue
        for name, spec in EXAMPLE_SETS.items():
            if spec.dataset == dataset:
                try:
                    sets.append(_set(name, data))
                except DataError as error:
                    missing.append(f"{name}: {error}")
    if not splits:
        raise DataError("; ".join(missing))
    return CheckReport(tuple(splits), tuple(dict.fromkeys(sets)), tuple(missing))


def _splits(
    dataset: Literal["ed", "esconv"], data: str | Path | None, missing: list[str]
) -> list[SplitCheck]:
    """The splits that can be read; without train there is nothing to look for leaks in.

    Raises:
        DataError: there is none; the reason is that of the first.
    """
    official = not locate.find(dataset, data).sample
    found: dict[str, tuple[Dialogue, ...]] = {}
    refused: dict[str, DataError] = {}
    for split in get_args(Split):
        try:
            found[split] = load_dialogues(dataset, split, data)
        except DataError as error:
            refused[split] = error
        if split == "train" and refused and locate.find(dataset, data).layout == "hub":
            break  # an unreachable hub is asked once
    if not found:
        raise refused["train"]
    missing += [f"{dataset}/{split}: {error}" for split, error in refused.items()]
    training = found.get("train")
    return [_check(found[split], training, split, official=official) for split in found]


def _check(
    dialogues: tuple[Dialogue, ...],
    training: tuple[Dialogue, ...] | None,
    split: str,
    *,
    official: bool,
) -> SplitCheck:
    dataset = dialogues[0].dataset
    known, utterances = OFFICIAL[dataset, split] if official else (None, None)
    situations = Counter(dialogue.situation for dialogue in dialogues)
    examples = [example for dialogue in dialogues for example in dialogue.examples()]
    labels = Counter(e.emotion if dataset == "ed" else e.strategy for e in examples)
    counts = {label: labels[label] for label in sorted(filter(None, labels))}
    leaked = None
    if split != "train" and training is not None:
        ids = frozenset(find_leaks(examples, training).situations)
        leaked = len({e.dialogue_id for e in examples if e.id in ids})
    return SplitCheck(
        dataset=dataset,
        split=split,
        dialogues=len(dialogues),
        dialogues_official=known,
        utterances=sum(len(dialogue.turns) for dialogue in dialogues),
        utterances_official=utterances,
        examples=len(examples),
        labels=len(counts),
        label_counts=counts,
        empty_turns=sum(_gaps(dialogue) for dialogue in dialogues),
        repeated_situations=sum(count - 1 for count in situations.values()),
        situations_in_train=leaked,
    )


def _gaps(dialogue: Dialogue) -> int:
    """Numbers that no turn has, up to the last turn; ED counts turns from 1, ESConv from 0."""
    first = 1 if dialogue.dataset == "ed" else 0
    return dialogue.turns[-1].index - first + 1 - len(dialogue.turns) if dialogue.turns else 0


def _set(name: str, data: str | Path | None) -> SetCheck:
    found = load_example_set(name, data)
    size = None if "/sample-" in found.name else EXAMPLE_SETS[name].size
    return SetCheck(found.name, len(found), size, found.fingerprint)
