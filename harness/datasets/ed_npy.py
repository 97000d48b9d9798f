"""The field's preprocessed ED: `sys_{dialog,target,emotion}_texts.<split>.npy` since MoEL.

These object arrays are pickles, and a pickle is a program. They are read by an unpickler that
knows a few names of numpy and gives each a stand-in of ours that keeps a list and runs nothing.
Every other name is refused before it is looked up. numpy itself is kept away from the pickle: a
crafted dtype state makes its arrays take raw bytes for object pointers.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.dialogue import Dialogue, Example, Turn
from harness.errors import DataError

__all__ = ["FILES", "read_array", "read_examples"]

FILES = ("sys_dialog_texts", "sys_target_texts", "sys_emotion_texts")
_MAX_BYTES = 200_000_000


class _Array:
    """Stands for an object array: takes over its list of elements."""

    def __init__(self, *_: object) -> None:
        self.elements: list[Any] = []

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or not state or not isinstance(state[-1], list):
            raise DataError("holds an array without a list of elements")
        self.elements = state[-1]


class _Dtype:
    """Stands for a dtype, of which nothing is needed."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_STAND_INS: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Unpickler(pickle.Unpickler):
    """Builds stand-ins, plain containers and text; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        # protocol 2 writes the array's one-byte typecode as a call of this codec
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) not in _STAND_INS:
            raise DataError(f"refers to {module}.{name}")
        return _STAND_INS[module, name]


def _latin1(text: object, *_: object) -> bytes:
    if not isinstance(text, str):
        raise DataError("encodes something that is no text")
    return text.encode("latin1")


def read_array(path: Path) -> list[Any]:
    """An object array as a list.

    Raises:
        DataError: missing, too large, damaged, or holding anything but arrays, lists and text.
    """
    import numpy as np

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size > _MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes is too large for an ED array")
    stream = io.BytesIO(path.read_bytes())
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
        if not dtype.hasobject:
            stream.seek(0)
            return list(np.lib.format.read_array(stream, allow_pickle=False))
        array = _Unpickler(stream, encoding="latin1").load()
    except DataError as error:
        raise DataError(
            f"{path}: refused, its pickle {error}; only arrays of text are read"
        ) from error
    except Exception as error:
        raise DataError(f"{path}: not a readable npy array ({error})") from error
    if not isinstance(array, _Array) or shape != (len(array.elements),):
        raise DataError(f"{path}: the pickle holds no array of the announced length")
    return [item.elements if isinstance(item, _Array) else item for item in array.elements]


def read_examples(
    folder: Path, split: str, dialogues: tuple[Dialogue, ...] | None = None
) -> tuple[Example, ...]:
    """The preprocessed examples, in their order.

    With `dialogues`, the official ones of the split, ids are canonical, by order; without, they
    are `ed/<split>/npy-<n>/<turn>`, a dialogue beginning wherever the context does not grow.

    Raises:
        DataError: a missing or refused file, arrays of unlike length, a row of the wrong kind.
    """
    contexts, replies, labels = (read_array(folder / f"{name}.{split}.npy") for name in FILES)
    if not len(contexts) == len(replies) == len(labels):
        sizes = f"{len(contexts)}, {len(replies)}, {len(labels)}"
        raise DataError(f"{folder}: the {split} arrays have unlike lengths ({sizes})")
    official = list(_official(dialogues, len(contexts))) if dialogues else []
    if official and len(official) != len(contexts):
        raise DataError(
            f"{folder}: {len(contexts)} examples, but the official files give {len(official)}"
        )
    examples: list[Example] = []
    number, longest = -1, 0
    for row, (context, reply, label) in enumerate(zip(contexts, replies, labels, strict=True)):
        if not isinstance(context, (list, tuple)):
            raise DataError(f"{folder}: row {row}'s context is no list of utterances")
        spoken = [_text(turn, folder, row) for turn in context]
        if len(spoken) <= longest or row == 0:
            number += 1
        longest = len(spoken)
        known = official[row] if official else None
        own = f"ed/{split}/npy-{number}"
        examples.append(
            Example(
                id=known.id if known else f"{own}/{len(spoken) + 1}",
                dialogue_id=known.dialogue_id if known else own,
                context=tuple(
                    Turn(i, "listener" if (i - 1) % 2 else "speaker", words)
                    for i, words in enumerate(spoken, 1)
                ),
                reference=_text(reply, folder, row),
                emotion=_text(label, folder, row),
                situation=known.situation if known else None,
            )
        )
    return tuple(examples)


def _official(dialogues: tuple[Dialogue, ...], count: int) -> Iterator[Example]:
    found = (example for dialogue in dialogues for example in dialogue.examples())
    for _, example in zip(range(count), found, strict=False):
        yield example


def _text(value: Any, folder: Path, row: int) -> str:
    if not isinstance(value, str):
        raise DataError(f"{folder}: row {row} holds a {type(value).__name__}, expected text")
    return value.strip()
