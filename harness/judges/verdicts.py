"""What judges said: a grade of one reply, or a game between two in the order they were shown.

A failure is a third state with its name and reason: neither dropped, nor a value. Both orders of a
pair, all repeats and all criteria of one example belong to one cluster, the dialogue.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OVERALL", "Game", "Grade", "Verdict"]

# The criterion of a pairwise verdict that counts for win rates.
OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Who judged what: `item` is the example's id, `cluster` its dialogue, `repeat` from 0.

    `mass` is the probability that fell on valid score tokens, None where it is not known;
    `failure` a name (see `harness.clients.Reply`) with its `reason`.
    """

    judge: str
    item: str
    cluster: str
    criterion: str
    repeat: int = 0
    mass: float | None = None
    failure: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade(Verdict):
    """A system's reply on the criterion's scale; `value` None where the judge failed.

    `words` is the reply's length.
    """

    system: str
    value: float | None
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Game(Verdict):
    """Two systems' replies as shown: first, second, with their lengths in words.

    `preference` in [0, 1]: 1 the first is better, 0 the second, 0.5 a tie; between them where it
    comes from probabilities. None where the judge failed.
    """

    first: str
    second: str
    preference: float | None
    words: tuple[int, int]
