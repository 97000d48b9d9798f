"""What is wrong with a submission, one finding per cause, fit for a terminal and for a program."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Finding", "Findings", "Level", "shown"]

Level = Literal["error", "warning", "note"]

# One cause can hit every line of a file; a reader needs the first few and the count.
PER_CAUSE = 10
_WIDTH = 120
_LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found: where (`file`, `line` from 1), the `value` there, what is wrong, the `fix`.

    `code` names the kind of finding ("duplicate-id"); errors refuse a submission.
    """

    level: Level
    code: str
    file: str
    problem: str
    fix: str = ""
    line: int | None = None
    value: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        value = f" (found {self.value})" if self.value else ""
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.level} [{self.code}] {place}: {self.problem}{value}{fix}"


@dataclass(slots=True)
class Findings:
    """Collects findings of one submission; of one cause in one file only the first few are kept."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[Level, str, str]] = field(default_factory=Counter)

    def add(
        self,
        level: Level,
        code: str,
        file: str,
        problem: str,
        *,
        fix: str = "",
        line: int | None = None,
        value: object = "",
    ) -> None:
        """Keep one finding; texts from outside are made fit to print."""
        name = shown(file, _LONGEST_PATH)
        key = (level, code, name)
        self.counts[key] += 1
        if self.counts[key] <= PER_CAUSE:
            text = value if value == "" else shown(value)
            self.kept.append(
                Finding(
                    level=level,
                    code=code,
                    file=name,
                    problem=problem,
                    fix=fix,
                    line=line,
                    value=str(text),
                )
            )

    @property
    def errors(self) -> int:
        """How many errors there are, those not kept included."""
        return sum(count for (level, _, _), count in self.counts.items() if level == "error")

    def all(self) -> tuple[Finding, ...]:
        """What was kept, and for each cause that was cut a finding that says how many there are."""
        more = [
            Finding(
                level=level,
                code=code,
                file=file,
                problem=f"{count - PER_CAUSE:,} more of these, {count:,} in all",
            )
            for (level, code, file), count in self.counts.items()
            if count > PER_CAUSE
        ]
        return (*self.kept, *more)


def shown(value: object, width: int = _WIDTH) -> str:
    """`value` on one line of printable characters, cut to `width`.

    Control characters, which a terminal would obey, and lone surrogates become escapes.
    """
    text = value if isinstance(value, str) else repr(value)
    cut = text[:width] + ("…" if len(text) > width else "")
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode("ascii") for c in cut
    )
