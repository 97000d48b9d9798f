"""Judges whose likings, noise, ties and failures are known, and the truths that follow from them.

A game between replies shown first and second has the log-odds

    η = q_first − q_second + position + length · (w_first − w_second)/(w_first + w_second)

where q is a system's quality plus what it is worth in this dialogue and on this example (`spread`,
the same in both orders and all repeats). The first wins with probability σ(η − tie), the second
with σ(−η − tie); else they tie. `soft` judges say the expected preference instead of a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit

from harness.judges.verdicts import OVERALL, Game, Grade

Rng = np.random.Generator


@dataclass(frozen=True)
class Judge:
    name: str = "judge"
    position: float = 0.0
    length: float = 0.0
    tie: float = 0.0
    soft: bool = False
    # The chance of failing, from the preference that would have been said for the first.
    fails: Callable[[float], float] = field(default=lambda preference: 0.0)

    def chances(self, eta: Any) -> tuple[Any, Any]:
        """Of the first and of the second winning."""
        return expit(eta - self.tie), expit(-eta - self.tie)


@dataclass(frozen=True)
class Match:
    """What is judged: systems' qualities and mean lengths, and how they vary."""

    quality: Mapping[str, float]
    words: Mapping[str, float]
    spread: float = 0.6
    dialogues: int = 60
    turns: int = 2

    def examples(self, rng: Rng) -> Iterator[tuple[str, str, dict[str, float], dict[str, int]]]:
        """(example, dialogue, qualities, lengths)."""
        half = self.spread / np.sqrt(2)
        for dialogue in range(self.dialogues):
            told = {s: rng.normal(0, half) for s in self.quality}
            for turn in range(self.turns):
                worth = {s: q + told[s] + rng.normal(0, half) for s, q in self.quality.items()}
                lengths = {s: int(1 + rng.poisson(mean)) for s, mean in self.words.items()}
                yield f"d{dialogue:04}/{turn}", f"d{dialogue:04}", worth, lengths


def play(match: Match, judge: Judge, rng: Rng, *, repeats: int = 1) -> list[Game]:
    """Every two systems in both orders on every example."""
    games = []
    for item, cluster, worth, words in match.examples(rng):
        for a, b in combinations(match.quality, 2):
            for first, second in ((a, b), (b, a)):
                for repeat in range(repeats):
                    said = _say(judge, worth, words, first, second, rng)
                    failed = rng.random() < judge.fails(said)
                    games.append(
                        Game(
                            judge=judge.name,
                            item=item,
                            cluster=cluster,
                            criterion=OVERALL,
                            repeat=repeat,
                            failure="refused" if failed else None,
                            first=first,
                            second=second,
                            preference=None if failed else said,
                            words=(words[first], words[second]),
                        )
                    )
    return games


def _say(
    judge: Judge,
    worth: Mapping[str, float],
    words: Mapping[str, int],
    first: str,
    second: str,
    rng: Rng,
) -> float:
    gap = (words[first] - words[second]) / (words[first] + words[second])
    eta = worth[first] - worth[second] + judge.position + judge.length * gap
    wins, loses = judge.chances(eta)
    if judge.soft:
        return float((1 + wins - loses) / 2)
    luck = rng.random()
    return 1.0 if luck < wins else 0.0 if luck < wins + loses else 0.5


@dataclass(frozen=True)
class Truth:
    """Of two systems under a judge: what infinitely many dialogues would show."""

    raw: float
    controlled: float
    consistency: float
    first: float
    first_inconsistent: float
    ties: float
    longer: float
    repeated: float


def truth(match: Match, judge: Judge, a: str, b: str, *, n: int = 400_000) -> Truth:
    """By the judge's probabilities over many examples; no verdict is drawn."""
    rng = np.random.default_rng(12345)
    gap_q = match.quality[a] - match.quality[b] + rng.normal(0, match.spread * np.sqrt(2), n)
    wa, wb = (1 + rng.poisson(match.words[s], n) for s in (a, b))
    lean = judge.length * (wa - wb) / (wa + wb)
    wins1, loses1 = judge.chances(gap_q + judge.position + lean)
    wins2, loses2 = judge.chances(-gap_q + judge.position - lean)
    tie1, tie2 = 1 - wins1 - loses1, 1 - wins2 - loses2
    same = wins1 * loses2 + loses1 * wins2 + tie1 * tie2
    # The first place's part of the games of pairs without the same winner.
    split = wins1 * wins2 + (wins1 * tie2 + tie1 * wins2) * 0.75
    split = split + (loses1 * tie2 + tie1 * loses2) * 0.25
    of_a = (wins1 + tie1 / 2 + loses2 + tie2 / 2) / 2
    plain = judge.chances(gap_q)
    uneven = wa != wb
    return Truth(
        raw=float(of_a.mean()),
        controlled=float(((1 + plain[0] - plain[1]) / 2).mean()),
        consistency=float(same.mean()),
        first=float(((wins1 + tie1 / 2 + wins2 + tie2 / 2) / 2).mean()),
        first_inconsistent=float(split.mean() / (1 - same).mean()),
        ties=float(((tie1 + tie2) / 2).mean()),
        longer=float(np.where(wa > wb, of_a, 1 - of_a)[uneven].mean()),
        repeated=float(
            ((wins1**2 + loses1**2 + tie1**2 + wins2**2 + loses2**2 + tie2**2) / 2).mean()
        ),
    )


def grade(
    match: Match,
    rng: Rng,
    *,
    judge: str = "judge",
    criterion: str = "empathy",
    harsh: float = 0.0,
    noise: float = 0.5,
    length: float = 0.0,
    repeats: int = 1,
    fails: Callable[[float], float] = lambda value: 0.0,
    whole: bool = True,
) -> list[Grade]:
    """Grades 1 to 5 of every reply: 3 + quality − harsh + length per word over the mean + noise."""
    rows = []
    for item, cluster, worth, words in match.examples(rng):
        for system, quality in worth.items():
            middle = 3 + quality - harsh + length * (words[system] - match.words[system])
            for repeat in range(repeats):
                value = float(np.clip(middle + rng.normal(0, noise), 1, 5))
                value = float(round(value)) if whole else value
                failed = rng.random() < fails(value)
                rows.append(
                    Grade(
                        judge=judge,
                        item=item,
                        cluster=cluster,
                        criterion=criterion,
                        repeat=repeat,
                        failure="prose" if failed else None,
                        system=system,
                        value=None if failed else value,
                        words=words[system],
                    )
                )
    return rows


def within_band(hits: int, runs: int, level: float = 0.95) -> bool:
    """Whether so many of `runs` 95 % intervals may have held the truth by chance (99.9 %)."""
    from scipy.stats import binom

    low, high = binom.ppf([0.0005, 0.9995], runs, level)
    return bool(low <= hits <= high)
