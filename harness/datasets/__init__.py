"""Interim loader."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.datasets.sets import ExampleSet
from harness.dialogue import Dialogue, Turn
from harness.errors import DataError, UnknownNameError


@dataclass(frozen=True)
class SetSpec:
    dataset: str
    split: str
    description: str
    size: int | None = None


EXAMPLE_SETS: Mapping[str, SetSpec] = {
    "ed/train": SetSpec("ed", "train", "ED train"),
    "ed/valid": SetSpec("ed", "valid", "ED valid"),
    "ed/test": SetSpec("ed", "test", "ED test", 5255),
    "esconv/train-910-195-195": SetSpec("esconv", "train", ""),
    "esconv/valid-910-195-195": SetSpec("esconv", "valid", ""),
    "esconv/test-910-195-195": SetSpec("esconv", "test", ""),
}
SAMPLE = Path(__file__).parent / "sample"


def load_dialogues(
    dataset: str, split: str, data: str | Path | None = None
) -> tuple[Dialogue, ...]:
    data = data or os.environ.get("EMPATHY_BENCH_DATA")
    if data is None:
        raise DataError("no data; use --data DIR or --data sample")
    root = SAMPLE if str(data) == "sample" else Path(data)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; try --data sample")
    return _ed(root / "ed/csv" / f"{split}.csv", split) if dataset == "ed" else _esconv(root, split)


def _ed(path: Path, split: str) -> tuple[Dialogue, ...]:
    out: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(path.open(), quoting=csv.QUOTE_NONE):
        out.setdefault(row["conv_id"], []).append(row)
    return tuple(
        Dialogue(
            "ed",
            split,
            key,
            tuple(
                Turn(
                    int(r["utterance_idx"]),
                    "listener" if r["speaker_idx"] == "1" else "speaker",
                    r["utterance"].replace("_comma_", ","),
                )
                for r in rows
            ),
            emotion=rows[0]["context"],
            situation=rows[0]["prompt"].replace("_comma_", ","),
        )
        for key, rows in out.items()
    )


def _esconv(root: Path, split: str) -> tuple[Dialogue, ...]:
    rows = [json.loads(line) for line in (root / "esconv/split" / f"{split}.jsonl").open()]
    return tuple(
        Dialogue(
            "esconv",
            split,
            str(n),
            tuple(
                Turn(
                    i,
                    "listener" if t["speaker"] == "sys" else "speaker",
                    t["text"],
                    t.get("strategy"),
                )
                for i, t in enumerate(row["dialog"])
            ),
            emotion=row["emotion_type"],
            situation=row["situation"],
            problem=row["problem_type"],
        )
        for n, row in enumerate(rows)
    )


def load_example_set(name: str, data: str | Path | None = None) -> ExampleSet:
    if name not in EXAMPLE_SETS:
        raise UnknownNameError("example set", name, EXAMPLE_SETS)
    spec = EXAMPLE_SETS[name]
    dialogues = load_dialogues(spec.dataset, spec.split, data)
    examples = tuple(e for d in dialogues for e in d.examples())
    if name == "ed/test" and str(data) != "sample":
        examples = examples[:5255]
    shown = f"{spec.dataset}/sample-{spec.split}" if str(data) == "sample" else name
    return ExampleSet(shown, examples, str(data))
