"""Both data sets from the Hugging Face hub, through `datasets` and parquet.

Current `datasets` runs no loading scripts, so only repositories that hold plain files will do.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from harness.datasets import locate
from harness.datasets.ed import Row, rows_to_dialogues
from harness.datasets.esconv import dialogue_of, released_keys
from harness.dialogue import Dialogue
from harness.errors import DataError

__all__ = ["ED", "ESCONV", "load_ed", "load_esconv"]

# Not facebook/empathetic_dialogues: its script took quotation marks in the text for CSV quoting,
# and so its parquet conversion has 17,844 of the 19,533 training conversations.
ED = "Estwld/empathetic_dialogues_llm"
_ED_CONVERSATIONS = {"train": 19_533, "valid": 2_770, "test": 2_547}
ESCONV = "thu-coai/esconv"
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def load_ed(split: str, repository: str = ED, **options: Any) -> tuple[Dialogue, ...]:
    """ED from a hub repository, in rows of the official columns or one conversation a row.

    Raises:
        DataError: the hub cannot be reached, has no such repository or split, or the default
            repository lacks conversations.
    """
    rows = _rows(repository, split, options)
    dialogues = rows_to_dialogues(enumerate(_flat(rows, repository), 1), split, repository)
    if repository == ED and len(dialogues) != _ED_CONVERSATIONS[split]:
        raise DataError(
            f"hub {repository}: {len(dialogues):,} {split} conversations, expected "
            f"{_ED_CONVERSATIONS[split]:,}; download the official archive and give it with --data"
        )
    return dialogues


def load_esconv(split: str, repository: str = ESCONV, **options: Any) -> tuple[Dialogue, ...]:
    """ESConv from a hub repository that holds a dialogue a row, as JSON text or columns.

    Raises:
        DataError: the hub cannot be reached or has no such repository or split.
    """
    rows = [row for row in _rows(repository, split, options) if row.get("text") != ""]
    return tuple(
        _esconv(row, split, key, f"{repository}: row {number}")
        for number, (key, row) in enumerate(zip(released_keys(len(rows), split), rows, strict=True))
    )


def _esconv(row: dict[str, Any], split: str, key: str, place: str) -> Dialogue:
    if set(row) != {"text"}:
        return dialogue_of(row, split, key, place)
    try:
        return dialogue_of(json.loads(row["text"]), split, key, place)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error})") from error


def _rows(repository: str, split: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    from datasets import load_dataset

    # Its every retry is a warning; what came of them is told below.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    for name in (split, _SPLITS[split]):
        try:
            return list(load_dataset(repository, split=name, **options))
        except ValueError as error:
            if "split" not in str(error).lower():
                raise DataError(f"hub {repository}: {_line(error)}") from error
        except Exception as error:
            raise DataError(
                f"no data set given by --data or {locate.VARIABLE}, none in {locate.cache()}, and "
                f"hub {repository} cannot be read ({_line(error)}); download the data set and "
                "give its folder with --data, or try --data sample"
            ) from error
    raise DataError(f"hub {repository} has no split {split!r}")


def _flat(rows: Iterable[dict[str, Any]], place: str) -> Iterator[Row]:
    """Official columns from rows that hold them, or from rows of whole conversations."""
    for row in rows:
        if "utterance" in row:
            yield {key: str(value) for key, value in row.items()}
        elif isinstance(row.get("conversations"), list):
            for index, turn in enumerate(row["conversations"], 1):
                yield {
                    "conv_id": str(row["conv_id"]),
                    "utterance_idx": str(index),
                    "context": str(row["emotion"]),
                    "prompt": str(row["situation"]),
                    "speaker_idx": str(turn["role"]),
                    "utterance": str(turn["content"]),
                }
        else:
            raise DataError(f"{place}: neither an utterance nor conversations in {sorted(row)}")


def _line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line), type(error).__name__)[:200]
