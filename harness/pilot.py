"""power: what two runs at hand teach about a comparison still to be made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparable import Runs, common_metrics, read_runs
from harness.errors import InputError
from harness.metrics.contract import Metric, signed

if TYPE_CHECKING:
    from harness.statistics.power import Spread

__all__ = ["Pilot", "measure_spread"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What two runs teach about a comparison still to be made, on one metric.

    `standard_error` is that of the paired difference on these `dialogues`; `design_effect` by how
    much it exceeds (squared) that of as many independent examples, None where they are.
    """

    metric: str
    signature: str
    unit: str
    baseline: str
    system: str
    difference: float
    standard_error: float
    examples: int
    dialogues: int
    design_effect: float | None
    additive: bool

    @property
    def spread(self) -> Spread:
        """The same per dialogue, from which any number of dialogues can be judged."""
        from harness.statistics.power import Spread

        return Spread.measured(
            self.standard_error, dialogues=self.dialogues, examples=self.examples
        )


def measure_spread(
    paths: Sequence[Path],
    *,
    data: str | None = None,
    names: Sequence[str] | None = None,
    profile: str = "harness",
    seed: int = 0,
    resamples: int = 2000,
    progress: Progress | None = None,
) -> list[Pilot]:
    """How much the paired difference of two runs varies, metric by metric.

    Raises:
        InputError: not two runs, runs of different tasks or examples, or too few dialogues.
        PredictionsError: a file is missing, damaged, or has no header.
    """
    from harness.statistics import MIN_CLUSTERS

    if len(paths) != 2:
        raise InputError(f"a pilot is two runs on the same examples; {len(paths)} given")
    runs = read_runs(paths, data=data)
    dialogues = len({item.cluster for item in runs.scored[0]})
    if dialogues < MIN_CLUSTERS:
        raise InputError(
            f"{paths[0]} has {dialogues} dialogues: a spread needs {MIN_CLUSTERS} or more"
        )
    metrics = common_metrics(runs, names=names, profile=profile)
    pilots = []
    for done, metric in enumerate(metrics):
        if progress:
            progress(done, len(metrics))
        pilots.append(_pilot(metric, runs, seed=seed, resamples=resamples))
    if progress:
        progress(len(metrics), len(metrics))
    return pilots


def _pilot(metric: Metric, runs: Runs, *, seed: int, resamples: int) -> Pilot:
    from harness.statistics import paired_error, systems

    found = systems(metric, runs.scored)
    error = paired_error(found, seed=seed, resamples=resamples)
    design = None
    if found.count < len(found.codes):
        alone = paired_error(found.ungrouped(), seed=seed, resamples=resamples)
        design = (error / alone) ** 2 if alone else None
    return Pilot(
        metric=metric.name,
        signature=signed(metric, runs.scored[0]),
        unit=metric.unit,
        baseline=runs.names[0],
        system=runs.names[1],
        difference=float(found.values[1] - found.values[0]),
        standard_error=error,
        examples=len(found.codes),
        dialogues=found.count,
        design_effect=design,
        additive=found.additive,
    )
