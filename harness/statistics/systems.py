"""Several systems that answered the same examples: what differences, tests and ranks start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError
from harness.metrics.contract import Metric, Scored, Statistics, missing
from harness.statistics.intervals import resampled
from harness.statistics.resampling import cluster_codes, ones, swaps

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Systems", "systems"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """k systems on the same C dialogues under one metric.

    `examples` holds each system's statistics, one row per example, `rows` one per dialogue;
    `values` (k,) the corpus values; `codes` (n,) the dialogue of each example.
    """

    metric: Metric
    scored: tuple[Sequence[Scored], ...]
    examples: tuple[Statistics, ...]
    rows: tuple[Statistics, ...]
    codes: IntArray
    count: int
    values: FloatArray

    @property
    def additive(self) -> bool:
        return self.rows[0].additive

    def ungrouped(self) -> Systems:
        """The same with every example its own dialogue: what ignoring dialogues would claim."""
        size = len(self.codes)
        return replace(self, rows=self.examples, codes=np.arange(size), count=size)

    def draws(self, *, seed: int, resamples: int) -> FloatArray:
        """(resamples, k): all systems on the same resamples of the dialogues, as `resampled`."""
        columns = [
            resampled(self.metric, rows, value=float(value), seed=seed, resamples=resamples)
            for rows, value in zip(self.rows, self.values, strict=True)
        ]
        return np.stack(columns, axis=1)

    def swapped(
        self, pairs: Sequence[tuple[int, int]], *, seed: int, resamples: int
    ) -> Iterator[FloatArray]:
        """Blocks (draws, pairs): first minus second with the same dialogues' outputs swapped."""
        if self.additive:
            yield from self._swapped_sums(pairs, seed=seed, resamples=resamples)
        else:
            columns = [self._swapped_pair(a, b, seed=seed, resamples=resamples) for a, b in pairs]
            yield np.stack(columns, axis=1)

    def _swapped_sums(
        self, pairs: Sequence[tuple[int, int]], *, seed: int, resamples: int
    ) -> Iterator[FloatArray]:
        # Sums add up, so one product per system serves every pair: what a loses, b gains.
        totals = [rows.aggregate(ones(self.count)) for rows in self.rows]
        used = sorted({system for pair in pairs for system in pair})
        score = self.metric.score
        for given in swaps(self.count, resamples, seed):
            moved = {system: self.rows[system].aggregate(given) for system in used}
            columns = [
                score(totals[a] - moved[a] + moved[b]) - score(totals[b] - moved[b] + moved[a])
                for a, b in pairs
            ]
            yield np.stack(columns, axis=1)

    def _swapped_pair(self, a: int, b: int, *, seed: int, resamples: int) -> FloatArray:
        # Codes of n-grams are given within one call, so both systems must be in it. Rows
        # 0 … C−1 are the dialogues as `a` answered them, C … 2C−1 as `b` did.
        groups = np.concatenate([self.codes, self.codes + self.count])
        found = self.metric.statistics([*self.scored[a], *self.scored[b]])
        both = found.grouped(groups, 2 * self.count)
        blocks = []
        for given in swaps(self.count, resamples, seed):
            first, second = (
                self.metric.score(both.aggregate(np.concatenate(sides, axis=1)))
                for sides in ((1.0 - given, given), (given, 1.0 - given))
            )
            blocks.append(first - second)
        return np.concatenate(blocks)


def systems(metric: Metric, scored: Sequence[Sequence[Scored]]) -> Systems:
    """Prepare systems for comparison under `metric`; each one's statistics are made once.

    Raises:
        InputError: they are not on the same examples, or the metric has no value on one.
    """
    for other in scored:
        _check(metric, scored[0], other)
    codes, count = cluster_codes([item.cluster for item in scored[0]])
    examples = tuple(metric.statistics(items) for items in scored)
    rows = tuple(found.grouped(codes, count) for found in examples)
    values = np.array([float(metric.score(found.aggregate(ones(count)))) for found in rows])
    if not np.isfinite(values).all():
        raise InputError(f"{metric.name} cannot be compared: it is not a finite number everywhere")
    return Systems(
        metric=metric,
        scored=tuple(scored),
        examples=examples,
        rows=rows,
        codes=codes,
        count=count,
        values=values,
    )


def _check(metric: Metric, first: Sequence[Scored], other: Sequence[Scored]) -> None:
    if [item.id for item in first] != [item.id for item in other]:
        raise InputError(
            f"the two systems answer different examples ({len(first)} and {len(other)}); "
            "only predictions for one example set can be compared"
        )
    reason = missing(metric, other)
    if reason:
        raise InputError(f"{metric.name} cannot be compared: {reason}")
