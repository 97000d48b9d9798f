"""A refined set as files that trainers read.

    train.jsonl          everything about each example, one JSON object a line
    train.trl.jsonl      {"prompt": [messages], "completion": [message]}: TRL's conversational
                         prompt–completion form (SFTTrainer trains on the completion alone)
    train.verl.parquet   data_source, prompt, ability, reward_model, extra_info: verl's form; the
                         reward reads emotion and strategy from extra_info

All three hold the same examples in the same order.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import write_atomic
from stride_ed.prompts import model_messages
from stride_ed.trace import STAGES, Stage, render

if TYPE_CHECKING:
    from harness.dialogue import Example
    from stride_ed.trace import Trace

__all__ = ["FILES", "Row", "verl_parquet", "write_outputs"]

FILES = ("train.jsonl", "train.trl.jsonl", "train.verl.parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """One example of the refined set; `score` is its aggregate, None where nothing scored it."""

    example: Example
    trace: Trace
    score: float | None
    annotator: str


def write_outputs(folder: Path, rows: Sequence[Row], *, source: str) -> dict[str, Path]:
    """Write the three files, each whole or not at all; where they are, by name.

    `source` is the example set's name.

    Raises:
        StorageError: the disk refuses.
    """
    made: dict[str, str | bytes] = {
        FILES[0]: _lines([_whole(row) for row in rows]),
        FILES[1]: _lines([_trl(row) for row in rows]),
        FILES[2]: verl_parquet(rows, source=source),
    }
    paths = {name: folder / name for name in made}
    for name, content in made.items():
        write_atomic(paths[name], content)
    return paths


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    # Escaped: some readers split lines at U+2028 and the like.
    return "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)


def _whole(row: Row) -> dict[str, Any]:
    example, trace = row.example, row.trace
    return {
        "id": example.id,
        "dialogue_id": example.dialogue_id,
        "context": [{"role": turn.role, "text": turn.text} for turn in example.context],
        "emotion": example.emotion,
        "trace": {
            "context": trace.context,
            "emotion": trace.emotion,
            "strategy": trace.strategy,
            "action": trace.action,
            "response": trace.response,
        },
        "text": render(trace),
        "score": row.score,
        "annotator": row.annotator,
    }


def _trl(row: Row) -> dict[str, Any]:
    return {
        "id": row.example.id,
        "prompt": model_messages(row.example),
        "completion": [{"role": "assistant", "content": render(row.trace)}],
    }


def _verl(row: Row, place: int, source: str, stages: tuple[Stage, ...]) -> dict[str, Any]:
    return {
        "data_source": source,
        "prompt": model_messages(row.example, stages),
        "ability": "empathetic_dialogue",
        "reward_model": {"style": "rule", "ground_truth": render(row.trace, stages)},
        "extra_info": {
            "index": place,
            "id": row.example.id,
            # Gold is the data set's label, never what an annotator wrote.
            "emotion": row.example.emotion or "",
            "strategy": row.trace.strategy,
            "reference": row.example.reference,
        },
    }


def verl_parquet(rows: Sequence[Row], *, source: str, stages: tuple[Stage, ...] = STAGES) -> bytes:
    """Prompts and gold labels in verl's form, as a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", pa.list_(message)),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            (
                "extra_info",
                pa.struct(
                    [
                        ("index", pa.int64()),
                        ("id", pa.string()),
                        ("emotion", pa.string()),
                        ("strategy", pa.string()),
                        ("reference", pa.string()),
                    ]
                ),
            ),
        ]
    )
    made = [_verl(row, place, source, stages) for place, row in enumerate(rows)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(made, schema=schema), buffer)
    return buffer.getvalue()
