"""What is at hand, against what the official files hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.datasets import EXAMPLE_SETS, Split, load_dialogues, load_example_set, locate
from harness.datasets.leaks import find_leaks
from harness.dialogue import Dialogue
from harness.errors import DataError

__all__ = ["OFFICIAL", "CheckReport", "SetCheck", "SplitCheck", "check_data"]

# (dialogues, utterances) per split. ED: Rashkin et al. 2019 (conversations), utterances counted in
# the official CSVs; ESConv: Liu et al. 2021, the 1,300 dialogues of the public file, seed 13.
OFFICIAL: dict[tuple[str, str], tuple[int, int | None]] = {
    ("ed", "train"): (19_533, 84_169),
    ("ed", "valid"): (2_770, 12_078),
    ("ed", "test"): (2_547, None),
    ("esconv", "train"): (910, 26_648),
    ("esconv", "valid"): (195, 5_678),
    ("esconv", "test"): (195, 6_039),
}


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """One split as found; `*_official` are None where not known or not comparable."""

    dataset: str
    split: str
    dialogues: int
    dialogues_official: int | None
    utterances: int
    utterances_official: int | None
    examples: int
    labels: int
    repeated_situations: int
    situations_in_train: int

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
            splits += _splits(dataset, data)
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


def _splits(dataset: Literal["ed", "esconv"], data: str | Path | None) -> list[SplitCheck]:
    training = load_dialogues(dataset, "train", data)
    official = not locate.find(dataset, data).sample
    return [
        _check(load_dialogues(dataset, split, data), training, split, official=official)
        for split in get_args(Split)
    ]


def _check(
    dialogues: tuple[Dialogue, ...],
    training: tuple[Dialogue, ...],
    split: str,
    *,
    official: bool,
) -> SplitCheck:
    dataset = dialogues[0].dataset
    known, utterances = OFFICIAL[dataset, split] if official else (None, None)
    situations = Counter(dialogue.situation for dialogue in dialogues)
    examples = [example for dialogue in dialogues for example in dialogue.examples()]
    leaks = find_leaks(examples, training) if split != "train" else None
    labels = {e.emotion if dataset == "ed" else e.strategy for e in examples} - {None}
    leaked = {e.dialogue_id for e in examples if leaks and e.id in set(leaks.situations)}
    return SplitCheck(
        dataset=dataset,
        split=split,
        dialogues=len(dialogues),
        dialogues_official=known,
        utterances=sum(len(dialogue.turns) for dialogue in dialogues),
        utterances_official=utterances,
        examples=len(examples),
        labels=len(labels),
        repeated_situations=sum(count - 1 for count in situations.values()),
        situations_in_train=len(leaked),
    )


def _set(name: str, data: str | Path | None) -> SetCheck:
    found = load_example_set(name, data)
    size = None if "/sample-" in found.name else EXAMPLE_SETS[name].size
    return SetCheck(found.name, len(found), size, found.fingerprint)
