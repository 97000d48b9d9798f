"""The layouts in which outputs come: each reader turns a file's text into records, in file order.

Readers trust nothing: they look for fixed line beginnings and never evaluate what looks like
Python or a pickle. A record keeps what a row says; which example it answers is decided elsewhere.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.dialogue import ED_EMOTIONS
from harness.errors import PredictionsError, UnknownNameError

__all__ = ["LAYOUTS", "Layout", "Record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row: reply and predicted label; `reference` and `gold` as the file prints them.

    `previous` is the turn before the reply, where rows are not in canonical order.
    """

    line: int
    response: str | None = None
    reference: str | None = None
    emotion: str | None = None
    gold: str | None = None
    previous: str | None = None
    raw: str | None = None


Reader = Callable[[str, str | None, str], list[Record]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A file layout: `systems` are those one file holds, `looks_like` matches its beginning."""

    name: str
    description: str
    read: Reader
    looks_like: re.Pattern[str] | None = None
    systems: tuple[str, ...] = ()


def _lines(text: str, system: str | None, place: str) -> list[Record]:
    rows = text.split("\n")
    if rows and not rows[-1]:
        rows.pop()
    return [Record(line=number, response=row.strip()) for number, row in enumerate(rows, 1)]


def _llm4ed(text: str, system: str | None, place: str) -> list[Record]:
    """Free text: the first quoted words are the answer, right or not among the 32 labels."""
    records = []
    for record in _lines(text, system, place):
        raw = record.response or ""
        quoted = re.search(r"[\"“]([^\"”]+)[\"”]", raw)
        answer = " ".join((quoted.group(1) if quoted else raw).lower().split())
        label = answer if answer in ED_EMOTIONS else answer[:200]
        records.append(Record(line=record.line, emotion=label or None, raw=raw))
    return records


def _blocks(
    fields: Mapping[str, tuple[str, ...]], *, first: str, emotion: str | None = None
) -> Callable[[str, str | None, str], list[Record]]:
    """A reader of blocks of `Key: value` lines; `fields` maps a system to its line's keys."""

    def read(text: str, system: str | None, place: str) -> list[Record]:
        keys = fields[system or next(iter(fields))]
        records: list[Record] = []
        found: dict[str, str] = {}
        start = 0
        for number, line in enumerate(text.split("\n"), 1):
            name, colon, value = line.partition(":")
            name = name.strip().lower()
            if not colon:
                continue
            if name == first:
                found, start = {}, number
            found[name] = line if name == first else value.strip()
            if name == "ref":
                said = next((found[key] for key in keys if key in found), None)
                if said is None:
                    raise PredictionsError(f"{place}:{start}: this block has no {keys[0]}: line")
                guess = re.search(emotion, found.get(first, "")) if emotion else None
                records.append(
                    Record(
                        line=start,
                        response=said,
                        reference=value.strip(),
                        emotion=guess.group(1) if guess else None,
                        gold=_first_word(found.get(first, "")),
                    )
                )
        return records

    return read


def _first_word(line: str) -> str | None:
    """`guilty` of `emotion:guilty  vader-score: …`."""
    found = re.match(r"[^:]*:\s*(\w+)", line)
    return found.group(1).lower() if found else None


def _empo(text: str, system: str | None, place: str) -> list[Record]:
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter="~", strict=True))
    except csv.Error as error:
        raise PredictionsError(f"{place}: not a '~'-separated table: {error}") from error
    records = []
    for number, row in enumerate(rows, 1):
        if row.get("gens") is None or row.get("gen_targets") is None:
            raise PredictionsError(f"{place}: row {number} lacks the columns gens and gen_targets")
        records.append(
            Record(
                line=number,
                response=row["gens"],
                reference=row["gen_targets"],
                gold=row.get("emotions"),
                previous=row.get("prevs"),
            )
        )
    return records


def _fado(text: str, system: str | None, place: str) -> list[Record]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PredictionsError(f"{place}: not a JSON list: {error}") from error
    records = []
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        if not isinstance(row, dict) or not isinstance(row.get("generation"), str):
            raise PredictionsError(f'{place}: item {number} has no text under "generation"')
        reference = row.get("response")
        records.append(
            Record(
                line=number,
                response=row["generation"],
                reference=reference if isinstance(reference, str) else None,
            )
        )
    return records


_MOEL = {name: (name.lower(),) for name in ("trs", "trs+multitask", "MOE", "MOE+oracle")}
_MIME = {name: (name.lower(),) for name in ("Topk", "Beam", "Greedy")}

LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            name="lines",
            description="Plain text, one reply a line in canonical order.",
            read=_lines,
        ),
        Layout(
            name="moel",
            description="MoEL repository: blocks with trs, trs+multitask, MOE, MOE+oracle, ref.",
            read=_blocks(_MOEL, first="emotion"),
            looks_like=re.compile(r"Emotion: .*\nContext: .*\ntrs:"),
            systems=tuple(_MOEL),
        ),
        Layout(
            name="mime",
            description="MIME repository: blocks with Topk, Beam, Greedy, Ref, predicted emotion.",
            read=_blocks(_MIME, first="emotion", emotion=r"predicted_emotion:\s*(\w+)"),
            looks_like=re.compile(r"(?:.*\n){0,5}emotion:.*predicted_emotion:"),
            systems=tuple(_MIME),
        ),
        Layout(
            name="empdg",
            description="EmpDG, EmoPrepend, KEMP repositories: blocks with Context, Pred, Ref.",
            read=_blocks({"": ("pred", "greedy")}, first="emotion"),
            looks_like=re.compile(r"(?i:emotion):.*\nContext:.*\n(?:.*\n){0,2}(?:Pred|Greedy):"),
        ),
        Layout(
            name="empo",
            description="EmPO repository: '~'-separated table with gens and gen_targets.",
            read=_empo,
            looks_like=re.compile(r"~Unnamed: 0~chat_templates~"),
        ),
        Layout(
            name="llm4ed",
            description="Free-text emotion answers, one a line; the first quoted words count.",
            read=_llm4ed,
        ),
        Layout(
            name="fado",
            description="FADO repository (ESConv): JSON list with response and generation.",
            read=_fado,
            looks_like=re.compile(r"\[\s*\{\s*\"sample_id\""),
        ),
    )
}


def choose_system(layout: Layout, system: str | None) -> str | None:
    """The system meant, where a file holds several.

    Raises:
        PredictionsError: none was named.
        UnknownNameError: the file holds no such system.
    """
    if system is None and len(layout.systems) > 1:
        raise PredictionsError(
            f"a {layout.name} file holds {', '.join(layout.systems)}: choose one with --system"
        )
    if system is not None and system not in layout.systems:
        raise UnknownNameError("system", system, layout.systems or ["(this layout holds one)"])
    return system
