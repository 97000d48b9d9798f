"""The layouts in which outputs come: each reader turns a file's text into records, in file order.

Readers trust nothing: they look for fixed line beginnings and never evaluate what looks like
Python or a pickle. A record keeps what a row says; which example it answers is decided elsewhere.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.dialogue import ESCONV_STRATEGIES
from harness.errors import PredictionsError, UnknownNameError, located

__all__ = ["LAYOUTS", "Layout", "Record", "choose_system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row: reply and predicted labels; `reference` and `gold` as the file prints them.

    `line` is where it starts, None in files whose lines are no rows. `previous` is the turn before
    the reply, where rows are not in canonical order.
    """

    line: int | None = None
    response: str | None = None
    reference: str | None = None
    emotion: str | None = None
    strategy: str | None = None
    gold: str | None = None
    previous: str | None = None
    raw: str | None = None


# (the file's text, which of its systems, the file's name for messages) → records
Reader = Callable[[str, str | None, str], list[Record]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A file layout: `systems` are those one file holds, `detect` knows it by its beginning.

    `hint` is told to a user whose example set has another size than the file.
    """

    name: str
    description: str
    read: Reader
    detect: Callable[[str], bool] | None = None
    systems: tuple[str, ...] = ()
    hint: str = ""


def _begins(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda head: compiled.match(head) is not None


def _lines(text: str, system: str | None, place: str) -> list[Record]:
    rows = text.split("\n")
    if rows and not rows[-1]:
        rows.pop()
    return [Record(line=number, response=row.strip()) for number, row in enumerate(rows, 1)]


def _llm4ed(text: str, system: str | None, place: str) -> list[Record]:
    """Free text: the first quoted words, or the whole line without any, are the answer.

    It is kept as it stands, lower-cased, whether or not it is one of the 32 labels: what is none
    of them is scored as an invalid answer.
    """
    records = []
    for row in _lines(text, system, place):
        raw = row.response or ""
        _, quote, rest = raw.replace("“", '"').replace("”", '"').partition('"')
        answer = " ".join((rest.partition('"')[0] if quote else raw).lower().split())
        records.append(Record(line=row.line, emotion=answer[:200] or None, raw=raw or None))
    return records


def _answers_emotions(head: str) -> bool:
    """Each of the first three lines speaks of an emotion and quotes something."""
    rows = head.split("\n")[:3]
    return len(rows) == 3 and all("emotion" in row and re.search('["“]', row) for row in rows)


def _blocks(fields: Mapping[str, tuple[str, ...]], *, emotion: str | None = None) -> Reader:
    """A reader of blocks of `key: value` lines, each beginning with `emotion:`.

    `fields` maps a system to the keys its reply may have; `emotion` finds the predicted label in
    a block's first line. The other lines' order is free: MoEL's file has a reply after its ref.
    """

    def read(text: str, system: str | None, place: str) -> list[Record]:
        keys = fields[system or next(iter(fields))]
        return [_record(block, keys, emotion, place, start) for start, block in _split(text, place)]

    return read


def _split(text: str, place: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The blocks, each with the line it begins on."""
    block: dict[str, str] = {}
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and name == "emotion":
            if block:
                yield start, block
            block, start = {name: value}, number
        elif colon and block:
            _expect(name not in block, place, number, f"a second {name[:20]}: line in this block")
            block[name] = value
        else:
            _expect(not colon or name != "ref", place, number, "a ref: line before any emotion:")
    if block:
        yield start, block


def _record(
    block: Mapping[str, str], keys: tuple[str, ...], emotion: str | None, place: str, start: int
) -> Record:
    said = next((block[key] for key in keys if key in block), None)
    _expect("ref" in block, place, start, "this block has no ref: line")
    if said is None:
        raise PredictionsError(located(place, start, f"this block has no {keys[0]}: line"))
    guess = re.search(emotion, block["emotion"]) if emotion else None
    return Record(
        line=start,
        response=said.strip(),
        reference=block["ref"].strip(),
        emotion=guess.group(1).lower() if guess else None,
        gold=_first_word(block["emotion"]),
    )


def _expect(holds: bool, place: str, line: int, problem: str) -> None:
    if not holds:
        raise PredictionsError(located(place, line, problem))


def _first_word(value: str) -> str | None:
    """`guilty` of `guilty  vader-score: …`."""
    found = re.match(r"\s*(\w+)", value)
    return found.group(1).lower() if found else None


_EMPO_COLUMNS = ("prevs", "gens", "gen_targets", "emotions")


def _empo(text: str, system: str | None, place: str) -> list[Record]:
    records = []
    table = csv.DictReader(io.StringIO(text), delimiter="~", strict=True)
    try:
        lacking = [name for name in _EMPO_COLUMNS if name not in (table.fieldnames or ())]
        _expect(not lacking, place, 1, f"lacks the column(s) {', '.join(lacking)}")
        start = table.line_num + 1
        for row in table:
            even = None not in row and None not in row.values()
            _expect(even, place, start, f"this row has not the {len(table.fieldnames or ())} cells")
            records.append(
                Record(
                    line=start,
                    response=row["gens"].strip(),
                    reference=row["gen_targets"],
                    gold=row["emotions"].strip().lower() or None,
                    previous=row["prevs"],
                )
            )
            start = table.line_num + 1
    except csv.Error as error:
        problem = f"not a '~'-separated table: {error}"
        raise PredictionsError(located(place, table.line_num, problem)) from error
    return records


def _fado(text: str, system: str | None, place: str) -> list[Record]:
    """`pred_strat_id` counts the strategies in the order of Liu et al. 2021, Section 3.2.

    In that order 684 of the file's 2,295 predictions, and 1,409 of its triples, are right of the
    gold strategies in ESConv.json: the accuracies .29804 and .61394 that its repository prints.
    """
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PredictionsError(f"{place}: not a JSON list: {error}") from error
    return [
        _fado_record(row, f"{place}: item {number}")
        for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1)
    ]


def _fado_record(row: object, where: str) -> Record:
    if not isinstance(row, dict) or not isinstance(row.get("generation"), str):
        raise PredictionsError(f'{where} has no text under "generation"')
    reference, strategy = row.get("response"), row.get("pred_strat_id")
    if not isinstance(reference, str):
        raise PredictionsError(f'{where} has no text under "response"')
    if strategy is not None and not (type(strategy) is int and 0 <= strategy < 8):
        raise PredictionsError(f'{where}: "pred_strat_id" must be 0 to 7, found {strategy!r:.40}')
    try:
        (row["generation"] + reference).encode()
    except UnicodeEncodeError as error:
        raise PredictionsError(f"{where} holds half a surrogate pair") from error
    return Record(
        response=row["generation"].strip(),
        reference=reference,
        strategy=None if strategy is None else ESCONV_STRATEGIES[strategy],
    )


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
            read=_blocks(_MOEL),
            detect=_begins(r"Emotion: .*\nContext: .*\ntrs:"),
            systems=tuple(_MOEL),
        ),
        Layout(
            name="mime",
            description="MIME repository: blocks with Topk, Beam, Greedy, Ref, predicted emotion.",
            read=_blocks(_MIME, emotion=r"predicted_emotion:\s*(\w+)"),
            detect=_begins(r"(?:.*\n){0,5}emotion:.*predicted_emotion:"),
            systems=tuple(_MIME),
        ),
        Layout(
            name="empdg",
            description="EmpDG, EmoPrepend, KEMP repositories: blocks with Context, Pred, Ref.",
            read=_blocks({"": ("pred", "greedy")}),
            detect=_begins(r"(?i:emotion):.*\nContext:.*\n(?:.*\n){0,2}(?:Pred|Greedy):"),
        ),
        Layout(
            name="empo",
            description="EmPO repository: '~'-separated table with gens and gen_targets.",
            read=_empo,
            detect=_begins(r"~Unnamed: 0~chat_templates~"),
        ),
        Layout(
            name="llm4ed",
            description="Free-text emotion answers, one a line; the first quoted words count.",
            read=_llm4ed,
            detect=_answers_emotions,
        ),
        Layout(
            name="fado",
            description="FADO repository (ESConv): JSON list with response, generation, strategy.",
            read=_fado,
            hint="FADO joins consecutive turns into one: --example-set esconv/test-joined",
            detect=_begins(r"\[\s*\{\s*\"sample_id\""),
        ),
    )
}


def choose_system(layout: Layout, system: str | None) -> str | None:
    """The system meant, where a file holds several.

    Raises:
        PredictionsError: none was named of several, or one although the file holds one only.
        UnknownNameError: the file holds no such system.
    """
    if system is None and len(layout.systems) > 1:
        raise PredictionsError(
            f"a {layout.name} file holds {', '.join(layout.systems)}: choose one with --system"
        )
    if system is not None and system not in layout.systems:
        if not layout.systems:
            raise PredictionsError(
                f"the {layout.name} layout holds one system: leave out --system {system}"
            )
        raise UnknownNameError("system", system, layout.systems)
    return system
