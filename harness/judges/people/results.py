"""Results files of raters, which are strangers' files: checked, and put together with the key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.jsonl import brief
from harness.judges.people.forms import SCHEMA
from harness.judges.protocols import Protocol, get_protocol

__all__ = ["KEY", "Answered", "Key", "read_key", "read_results"]

KEY = "key.json"
_LARGEST = 20 * 2**20
# Seconds of a year: what is more was not measured.
_LONGEST = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Key:
    """What the codes of every form stand for; `forms` is by the hash of the form."""

    protocol: Protocol
    forms: Mapping[str, Mapping[str, Any]]
    examples: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One rater's answers by code, criterion → value, with the checks that failed.

    `seconds` is the median time of an item, None where the file does not say.
    """

    rater: str
    path: str
    form: str
    answers: Mapping[str, Mapping[str, int]]
    failed_checks: tuple[str, ...]
    checks: int
    left_out: int
    seconds: float | None


def read_key(folder: Path) -> Key:
    """The key of a folder of forms.

    Raises:
        DataError: there is none, it is damaged, or its protocol has changed since.
    """
    path = folder / KEY
    told = _read(path)
    try:
        protocol = get_protocol(str(told["protocol"]))
        forms = {str(form["hash"]): form for form in told["forms"]}
        examples = dict(told["examples"])
    except (KeyError, TypeError) as bad:
        raise DataError(f"{path}: is no key of judge export-humans ({bad!r})") from bad
    if told.get("rubric") != protocol.hash:
        raise DataError(
            f"{path}: people were asked by rubric {told.get('rubric')}, and {protocol.name} is now "
            f"{protocol.hash}; use the version of empathy-bench that made the forms"
        )
    return Key(protocol, forms, examples)


def read_results(paths: Sequence[Path], key: Key) -> list[Answered]:
    """Every results file, checked against the key.

    Raises:
        DataError: a file is too large, damaged, of an unknown form, holds an unknown code or a
            value that was not offered, or a rater stands there twice.
    """
    found: dict[str, Answered] = {}
    for path in paths:
        one = _answered(path, key)
        if one.rater in found:
            raise DataError(f"{path}: {one.rater} answered in {found[one.rater].path} already")
        found[one.rater] = one
    return list(found.values())


def _answered(path: Path, key: Key) -> Answered:
    told = _read(path, _LARGEST)
    if told.get("schema") != SCHEMA or not isinstance(told.get("answers"), list):
        raise DataError(f"{path}: is no results file of a form ({brief(told)})")
    form = key.forms.get(str(told.get("form")))
    if form is None:
        raise DataError(f"{path}: answers form {brief(told.get('form'))}, which is not of this key")
    items: Mapping[str, Any] = form["items"]
    answers: dict[str, dict[str, int]] = {}
    times: list[float] = []
    for number, row in enumerate(told["answers"], start=1):
        code, values = _row(f"{path}: answer {number}", row, items, key.protocol)
        if code in answers:
            raise DataError(f"{path}: answer {number}: {code} stands there twice")
        answers[code] = values
        times += _time(row.get("seconds"))
    failed = [
        f"{items[code]['check']['kind']} ({name} {value})"
        for code, values in answers.items()
        if items[code]["check"]
        for name, value in values.items()
        if value not in items[code]["check"]["passes"].get(name, [value])
    ]
    times.sort()
    return Answered(
        rater=str(form["rater"]), path=str(path), form=str(told["form"]), answers=answers,
        failed_checks=tuple(failed), checks=sum(bool(items[code]["check"]) for code in answers),
        left_out=len(items) - len(answers), seconds=times[len(times) // 2] if times else None,
    )  # fmt: skip


def _row(
    place: str, row: object, items: Mapping[str, Any], protocol: Protocol
) -> tuple[str, dict[str, int]]:
    if not isinstance(row, dict) or not isinstance(row.get("values"), dict):
        raise DataError(f"{place}: expected code and values, found {brief(row)}")
    code = row.get("code")
    if not isinstance(code, str) or code not in items:
        raise DataError(f"{place}: {brief(code)} is no item of this form")
    values: dict[str, int] = {}
    for criterion in protocol.criteria:
        value = row["values"].get(criterion.name)
        allowed = protocol.allowed(criterion)
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            raise DataError(
                f"{place}: {criterion.name} is {brief(value)}, and {', '.join(map(str, allowed))} "
                "were offered"
            )
        values[criterion.name] = value
    return code, values


def _time(seconds: object) -> list[float]:
    """The time of an item, or nothing where what the file says is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return []
    return [float(seconds)] if 0 <= seconds <= _LONGEST else []


def _read(path: Path, largest: int | None = None) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if largest is not None and path.stat().st_size > largest:
        raise DataError(f"{path}: is larger than {largest // 2**20} MB; no form makes such a file")
    try:
        told = json.loads(path.read_bytes(), parse_constant=_refuse)
    except (ValueError, RecursionError) as bad:
        raise DataError(f"{path}: is no JSON ({brief(str(bad))})") from bad
    if not isinstance(told, dict):
        raise DataError(f"{path}: expected an object, found {brief(told)}")
    return told


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number")
