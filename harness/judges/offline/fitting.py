"""Fitting the offline judge, and what it says of replies that it has not learned from.

Ridge regression of people's mean on the unit scale ((value − low) / (high − low)) on standardised
features; the penalty is chosen by cross-validation inside each training part. Folds hold whole
dialogues: a context is never learned from and judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.files import sha256_text
from harness.judges.offline.features import VERSION, Reply, Vectors, features
from harness.judges.ratings.records import Item, RatingSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Learned", "OfflineJudge", "fit_judge", "held_out", "learned_from", "reply_of"]

FOLDS, INNER = 5, 4
PENALTIES = (30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4)
_LEAST = 50


@dataclass(frozen=True, eq=False)
class OfflineJudge:
    """`bias` + Σ `weight` (d) · (x − `mean`) / `spread`, on the unit scale; cut to it.

    `about` says what it was learned from and how.
    """

    criterion: str
    weight: NDArray[Any]
    bias: float
    mean: NDArray[Any]
    spread: NDArray[Any]
    about: Mapping[str, Any]

    def scores(self, replies: Sequence[Reply], vectors: Vectors) -> dict[str, float]:
        """Id → score from 0 to 1."""
        return dict(
            zip(
                (reply.id for reply in replies),
                self.of(features(replies, vectors)).tolist(),
                strict=True,
            )
        )

    def of(self, x: NDArray[Any]) -> NDArray[Any]:
        """(n, d) features → (n) scores from 0 to 1."""
        import numpy as np

        found: NDArray[Any] = np.clip(
            self.bias + (x - self.mean) / self.spread @ self.weight, 0.0, 1.0
        )
        return found


@dataclass(frozen=True, eq=False)
class Learned:
    """What is learned from: features `x` (n, d), people's means `y` (n) on the unit scale."""

    items: tuple[Item, ...]
    x: NDArray[Any]
    y: NDArray[Any]
    dialogues: tuple[str, ...]
    sources: tuple[str, ...]


def reply_of(item: Item) -> Reply:
    """A rated reply as the judge reads it."""
    return Reply(item.id, tuple(turn.text for turn in item.context), item.response or "")


def learned_from(
    sets: Sequence[RatingSet], criterion: str, vectors: Vectors, *, group: str | None = None
) -> Learned:
    """The rated replies of `sets`, people's own among them.

    Raises:
        DataError: a set has no single replies, or not that criterion; there are fewer than 50.
    """
    import numpy as np

    items: list[Item] = []
    y: list[float] = []
    sources: list[str] = []
    for found in sets:
        if criterion not in found.scales:
            known = ", ".join(found.scales)
            raise DataError(f"{found.name}: nobody rated {criterion!r} there; it has {known}")
        if not any(item.response for item in found.items):
            raise DataError(f"{found.name}: whole dialogues were rated there, not single replies")
        scale = found.scales[criterion]
        for item, value in found.means(criterion, group=group).items():
            items.append(found.by_id[item])
            y.append((value - scale.low) / (scale.high - scale.low))
            sources.append(found.name)
    if len(items) < _LEAST:
        raise DataError(
            f"{len(items)} rated replies are too few to learn from; {_LEAST} are needed"
        )
    return Learned(
        items=tuple(items),
        x=features([reply_of(item) for item in items], vectors),
        y=np.array(y),
        dialogues=tuple(
            f"{source}/{item.dialogue}" for source, item in zip(sources, items, strict=True)
        ),
        sources=tuple(sources),
    )


def fit_judge(
    learned: Learned, criterion: str, *, rows: NDArray[Any] | None = None, model: str = ""
) -> OfflineJudge:
    """The judge of all rows, or of those numbered in `rows`."""
    import numpy as np
    from sklearn.linear_model import Ridge

    chosen = np.arange(len(learned.y)) if rows is None else rows
    x, y = learned.x[chosen], learned.y[chosen]
    mean, spread = x.mean(0), x.std(0)
    # A feature that never changes says nothing, and must not become infinite elsewhere.
    spread = np.where(spread > 1e-9, spread, np.inf)
    z = (x - mean) / spread
    groups = [learned.dialogues[row] for row in chosen]
    penalty = _penalty(z, y, groups)
    fitted = Ridge(alpha=penalty).fit(z, y)
    return OfflineJudge(
        criterion=criterion,
        weight=np.asarray(fitted.coef_),
        bias=float(fitted.intercept_),
        mean=mean,
        spread=spread,
        about={
            "method": "ridge on sentence vectors and plain features",
            "version": VERSION,
            "model": model,
            "penalty": penalty,
            "n": len(chosen),
            "sources": sorted({learned.sources[row] for row in chosen}),
        },
    )


def held_out(learned: Learned, criterion: str) -> NDArray[Any]:
    """(n) scores of every row by a judge that has not seen its dialogue."""
    import numpy as np

    found = np.full(len(learned.y), np.nan)
    fold = np.array(_folds(learned.dialogues, FOLDS))
    for number in range(FOLDS):
        test = np.flatnonzero(fold == number)
        judge = fit_judge(learned, criterion, rows=np.flatnonzero(fold != number))
        found[test] = judge.of(learned.x[test])
    return found


def _folds(groups: Sequence[str], count: int) -> list[int]:
    """A fold for each row, whole groups together, by the order of their hashes."""
    ranked = sorted(set(groups), key=sha256_text)
    fold = {group: place % count for place, group in enumerate(ranked)}
    return [fold[group] for group in groups]


def _penalty(z: NDArray[Any], y: NDArray[Any], groups: Sequence[str]) -> float:
    """The penalty with the least squared error on held-out groups."""
    import numpy as np
    from sklearn.linear_model import Ridge

    # Other folds than the outer ones: a hash of the hash order.
    fold = np.array(_folds([sha256_text(group) for group in groups], INNER))
    errors = np.zeros(len(PENALTIES))
    for number in range(INNER):
        train, test = fold != number, fold == number
        if not train.any() or not test.any():
            continue
        for place, penalty in enumerate(PENALTIES):
            fitted = Ridge(alpha=penalty).fit(z[train], y[train])
            errors[place] += float(((fitted.predict(z[test]) - y[test]) ** 2).sum())
    return PENALTIES[int(errors.argmin())]
