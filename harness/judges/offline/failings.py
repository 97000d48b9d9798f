"""Where the offline judge fails: on whom, on which lengths, at which end of the scale, by what.

All numbers are shares of the scale, out of folds that had not seen the dialogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judges.agreement import Estimate, spearman, with_interval
from harness.judges.offline.features import Reply, Vectors
from harness.judges.offline.fitting import Learned, OfflineJudge, fit_judge
from harness.judges.planning import CONSTANT_TEXT, INJECTION_TEXT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Failing", "Transfer", "failings", "transfers", "won_over", "worst"]

_LEAST = 20


@dataclass(frozen=True, slots=True)
class Failing:
    """Part of the items: people's mean, the judge's, and Spearman's ρ within the part."""

    by: str
    part: str
    n: int
    human: float
    judge: float
    rho: Estimate


@dataclass(frozen=True, slots=True)
class Transfer:
    """Learned from one source, tested on another: Spearman's ρ over all its replies."""

    learned: str
    tested: str
    rho: Estimate


def failings(
    learned: Learned, scores: NDArray[np.float64], *, seed: int = 0, resamples: int = 500
) -> list[Failing]:
    """By system, by emotion where it is known, by length, by what people gave; 20 items or more."""
    import numpy as np

    words = np.array([len((item.response or "").split()) for item in learned.items])
    found = []
    for by, names in (
        ("system", [item.system for item in learned.items]),
        ("emotion", [item.emotion or "" for item in learned.items]),
        ("length", _thirds(words, "words")),
        ("people gave", _thirds(learned.y, "")),
    ):
        for part in dict.fromkeys(sorted(names)):
            rows = np.array([row for row, name in enumerate(names) if name == part])
            if part and len(rows) >= _LEAST:
                found.append(
                    Failing(
                        by, part, len(rows), float(learned.y[rows].mean()),
                        float(scores[rows].mean()),
                        _rho(learned, scores, rows, seed=seed, resamples=resamples),
                    )
                )  # fmt: skip
    return found


def _thirds(values: NDArray[np.float64] | NDArray[np.int64], unit: str) -> list[str]:
    import numpy as np

    low, high = np.quantile(values, [1 / 3, 2 / 3])
    names = (f"1 up to {low:.3g} {unit}", "2 between", f"3 above {high:.3g} {unit}")
    return [names[0 if v <= low else 2 if v > high else 1].strip() for v in values]


def _rho(
    learned: Learned, scores: NDArray[np.float64], rows: NDArray[np.intp], *, seed: int,
    resamples: int,
) -> Estimate:  # fmt: skip
    y, s = learned.y[rows], scores[rows]
    dialogues = [learned.dialogues[row] for row in rows]
    return with_interval(
        lambda drawn: spearman(y[drawn], s[drawn]), dialogues, seed=seed, resamples=resamples
    )


def transfers(
    learned: Learned, criterion: str, *, seed: int = 0, resamples: int = 500
) -> list[Transfer]:
    """Every source learned from, every other tested on; nothing with one source."""
    import numpy as np

    names = list(dict.fromkeys(learned.sources))
    places = {n: np.array([r for r, s in enumerate(learned.sources) if s == n]) for n in names}
    found = []
    for one in names:
        if len(names) > 1:
            judge = fit_judge(learned, criterion, rows=places[one])
            scores = judge.of(learned.x)
            found += [
                Transfer(one, other, _rho(learned, scores, places[other], seed=seed,
                                          resamples=resamples))
                for other in names
                if other != one
            ]  # fmt: skip
    return found


def won_over(
    judge: OfflineJudge, replies: Sequence[Reply], vectors: Vectors
) -> Mapping[str, float]:
    """The mean score of what is no answer, put in the place of the replies of 200 contexts."""
    contexts = list({reply.context: reply for reply in replies}.values())[:200]
    longest = max((reply.text for reply in replies), key=len)
    fakes: dict[str, Callable[[Reply], str]] = {
        "the replies themselves": lambda reply: reply.text,
        "no reply": lambda reply: "",
        "a constant reply": lambda reply: CONSTANT_TEXT,
        "orders to the judge": lambda reply: INJECTION_TEXT,
        "the last turn said back": lambda reply: reply.context[-1] if reply.context else "",
        "the longest reply of all": lambda reply: longest,
    }
    means = {}
    for name, make in fakes.items():
        put = [Reply(reply.id, reply.context, make(reply)) for reply in contexts]
        scores = judge.scores(put, vectors)
        means[name] = sum(scores.values()) / len(scores)
    return means


def worst(learned: Learned, scores: NDArray[np.float64], *, count: int = 10) -> list[int]:
    """Rows on which the judge is furthest from people, furthest first."""
    import numpy as np

    return [int(row) for row in np.argsort(-np.abs(scores - learned.y), kind="stable")[:count]]
