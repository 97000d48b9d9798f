"""The files of a submission, each read strictly and within bounds; what is wrong is a finding."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError, PredictionsError
from harness.files import canonical_json
from harness.predictions import Header, Prediction, parse_header, parse_prediction
from harness.results import Result, parse_result
from harness.tasks import TASKS
from leaderboards.submissions.card import ModelCard, parse_card
from leaderboards.submissions.findings import Findings
from leaderboards.submissions.layout import (
    CARD,
    CLAIMS,
    MANIFEST,
    PREDICTIONS,
    PROTOCOL,
    SCHEMA,
    Place,
    files_below,
)
from leaderboards.submissions.limits import (
    LIMITS,
    Limits,
    Refused,
    lines,
    load_json,
    open_plain,
    read_small,
)
from leaderboards.submissions.pack import protocol_of

__all__ = ["Answers", "Submitted", "read_answers", "read_claims", "read_submission"]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission whose structure holds: its card, and the files of each task by name."""

    place: Place
    card: ModelCard
    tasks: Mapping[str, Mapping[str, Path]]


@dataclass(frozen=True, slots=True)
class Answers:
    """A predictions file: header, rows, and the line that each row stands on."""

    file: str
    path: Path
    header: Header
    rows: tuple[Prediction, ...]
    at: Mapping[str, int]


def read_submission(place: Place, found: Findings, limits: Limits = LIMITS) -> Submitted | None:
    """Card and file list of the submission at `place`; None where they cannot be used."""
    files = files_below(place, found, limits)
    card = None
    if CARD not in files:
        found.add(
            "error", "missing-file", place.name(CARD), "there is no model card",
            fix="pack the runs with `leaderboard submit --model-card`",
        )  # fmt: skip
    else:
        with _refused(found, place.name(CARD)):
            card = parse_card(read_small(files[CARD], limits.card), place.name(CARD), found)
    if card is not None:
        _check_place(place, card, found)
    with _refused(found, place.name(MANIFEST)):
        _check_manifest(place, files, card, found, limits)
    tasks = _tasks(place, files, found)
    return None if card is None else Submitted(place, card, tasks)


def read_answers(
    submitted: Submitted, task: str, found: Findings, limits: Limits = LIMITS
) -> Answers | None:
    """The predictions of `task`, and whether the protocol card agrees with their header."""
    files = submitted.tasks[task]
    file = submitted.place.name(task, PREDICTIONS)
    before = found.errors
    header: Header | None = None
    rows: list[Prediction] = []
    at: dict[str, int] = {}
    with _refused(found, file):
        for number, line in lines(files[PREDICTIONS], limits):
            if header is None:
                header = _header(line, number, task, file, found, limits)
                if header is None:
                    return None
                continue
            row = _row(line, number, file, at, found)
            if row is not None:
                at[row.id] = number
                rows.append(row)
    if header is None:
        if found.errors == before:
            found.add("error", "no-header", file, "an empty file", fix="submit a finished run")
        return None
    if PROTOCOL in files:
        name = submitted.place.name(task, PROTOCOL)
        with _refused(found, name):
            _check_protocol(
                load_json(read_small(files[PROTOCOL], limits.claims)), header, name, found
            )
    return Answers(file, files[PREDICTIONS], header, tuple(rows), at)


def read_claims(
    submitted: Submitted, task: str, found: Findings, limits: Limits = LIMITS
) -> Result | None:
    """The author's own result record for `task`, where there is a readable one."""
    files, name = submitted.tasks[task], submitted.place.name(task, CLAIMS)
    claimed: Result | None = None
    if CLAIMS in files:
        with _refused(found, name):
            claimed = _result(load_json(read_small(files[CLAIMS], limits.claims)))
    return claimed


def _result(value: object) -> Result:
    try:
        return parse_result(value, CLAIMS)
    except InputError as error:
        fix = "delete it from the run and submit again"
        raise Refused("claims", str(error).removeprefix(f"{CLAIMS}: "), fix=fix) from error


@contextmanager
def _refused(found: Findings, file: str) -> Iterator[None]:
    """What is refused while reading `file` becomes a finding, and reading ends."""
    try:
        yield
    except Refused as error:
        found.add(
            "error", error.code, file, error.problem,
            fix=error.fix, line=error.line, value="" if error.value is None else error.value,
        )  # fmt: skip


def _check_place(place: Place, card: ModelCard, found: Findings) -> None:
    """A card must speak for the folder it lies in: else one model could stand in another's place.

    An archive may hold the files of a submission without the two folders around them.
    """
    wanted_parts = ((card.name, "name"), (card.revision, "revision"))
    if len(place.above) < 2:
        return
    for part, (wanted, what) in zip(place.above[-2:], wanted_parts, strict=True):
        if part != wanted:
            found.add(
                "error", "wrong-place", place.name(CARD), f"the card's {what} is not its folder's",
                fix=f"rename the folder to {wanted}, or submit again", value=part,
            )  # fmt: skip


def _check_manifest(
    place: Place,
    files: Mapping[str, Path],
    card: ModelCard | None,
    found: Findings,
    limits: Limits,
) -> None:
    name = place.name(MANIFEST)
    value = load_json(read_small(place.folder / MANIFEST, limits.manifest))
    listed = value.get("files") if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or not isinstance(listed, dict):
        raise Refused("manifest", f"not a manifest of {SCHEMA}", fix="submit again")
    if card is not None and [value.get("name"), value.get("revision")] != [
        card.name,
        card.revision,
    ]:
        found.add(
            "error", "manifest", name, "names another model or revision than the card",
            fix="submit again", value=[value.get("name"), value.get("revision")],
        )  # fmt: skip
    for missing in sorted(set(listed) - set(files)):
        found.add(
            "error", "missing-file", place.name(missing), "listed in the manifest, but not there",
            fix="send the submission whole",
        )  # fmt: skip
    for relative in sorted(set(files) - {MANIFEST}):
        if relative not in listed:
            found.add(
                "error", "stray-file", place.name(relative), "not listed in the manifest",
                fix="delete it, or submit again",
            )  # fmt: skip
        elif not _intact(files[relative], listed[relative], limits):
            found.add(
                "error", "changed-file", place.name(relative), "not the file of the manifest",
                fix="a revision never changes: submit again under a new one",
            )  # fmt: skip


def _intact(path: Path, entry: object, limits: Limits) -> bool:
    """Whether size and hash agree; a file too large to be read is told so elsewhere."""
    if not isinstance(entry, dict):
        return False
    with os.fdopen(open_plain(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limits.predictions:
            return True
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return entry.get("bytes") == size and entry.get("sha256") == digest


def _tasks(place: Place, files: Mapping[str, Path], found: Findings) -> dict[str, dict[str, Path]]:
    """Task → its files; whatever has no place in the layout is a finding."""
    tasks: dict[str, dict[str, Path]] = {}
    for relative, path in files.items():
        parts = relative.split("/")
        if relative in (MANIFEST, CARD):
            continue
        if len(parts) != 2 or parts[1] not in (PREDICTIONS, PROTOCOL, CLAIMS):
            found.add(
                "error", "stray-file", place.name(relative), "no part of a submission",
                fix=f"a task's folder holds {PREDICTIONS}, {PROTOCOL} and {CLAIMS}",
            )  # fmt: skip
        elif parts[0] not in TASKS:
            found.add(
                "error", "unknown-task", place.name(relative), "no task of this version",
                fix="`empathy-bench list tasks` names them", value=parts[0],
            )  # fmt: skip
        else:
            tasks.setdefault(parts[0], {})[parts[1]] = path
    for task, group in tasks.items():
        for needed in (PREDICTIONS, PROTOCOL):
            if needed not in group:
                found.add(
                    "error", "missing-file", place.name(task, needed), "a task without it",
                    fix="submit again",
                )  # fmt: skip
    if not tasks:
        found.add("error", "missing-file", place.label, "holds no task", fix="submit a run")
    return {task: group for task, group in sorted(tasks.items()) if PREDICTIONS in group}


def _header(
    line: bytes, number: int, task: str, file: str, found: Findings, limits: Limits
) -> Header | None:
    if len(line) > limits.header:
        raise Refused("long-line", f"a header of more than {limits.header:,} bytes", line=number)
    value = load_json(line, line=number)
    if not isinstance(value, dict) or "schema" not in value:
        raise Refused(
            "no-header", "the first line is no header", line=number,
            fix="submit a run folder, whose file says what was asked",
        )  # fmt: skip
    try:
        header = parse_header(value, file)
    except PredictionsError as error:
        raise Refused("header", str(error).removeprefix(f"{file}: "), line=number) from error
    if header.task != task:
        found.add(
            "error", "wrong-place", file, f"lies in the folder of {task}",
            fix="submit again", line=number, value=header.task,
        )  # fmt: skip
        return None
    return header


def _row(
    line: bytes, number: int, file: str, at: Mapping[str, int], found: Findings
) -> Prediction | None:
    """The prediction on one line, None with a finding where there is none that counts."""
    try:
        row = parse_prediction(load_json(line, line=number), "")
    except Refused as error:
        found.add(
            "error", error.code, file, error.problem, fix=error.fix, line=number, value=error.value
        )
        return None
    except PredictionsError as error:
        found.add("error", "schema", file, str(error).removeprefix(": "), line=number)
        return None
    if row.id in at:
        found.add(
            "error", "duplicate-id", file, f"stands already on line {at[row.id]:,}",
            fix="give one prediction for each example", line=number, value=row.id,
        )  # fmt: skip
        return None
    return row


def _check_protocol(value: Any, header: Header, name: str, found: Findings) -> None:
    wanted = protocol_of(header)
    if not isinstance(value, dict):
        raise Refused("protocol", "not a JSON object", fix="submit again")
    for key in sorted({*wanted, *value}):
        if canonical_json(wanted.get(key)) != canonical_json(value.get(key)):
            found.add(
                "error", "protocol", name, f"{key} is not what the predictions' header says",
                fix="submit again", value=value.get(key),
            )  # fmt: skip
