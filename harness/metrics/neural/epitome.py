"""EPITOME levels of replies, and their distance to the human reply's (diff-EPITOME).

    (seeker post, reply) ─classifier─▶ level 0, 1 or 2 of each mechanism ─▶ mean over examples
    (seeker post, human reply) ─▶ level;  diff = (level of reply − level of human reply)²

Sharma et al. 2020 define the mechanisms: emotional reactions (er), interpretations (ip),
explorations (ex). Lee, Lim & Choi 2022 (EmpGPT-3) score replies by the squared difference of the
levels. The seeker post is the last turn before the reply; posts are cut at the classifier's length.
The numbers are those of one fitted classifier: only equal signatures compare.

No reply, or an empty one, communicates nothing: its levels are 0. Its distance is the greatest that
any level has to the human reply's, for otherwise silence would win wherever the human reply has
level 0, as most have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from harness.epitome.card import read_card
from harness.epitome.data import LEVELS, MECHANISMS, NAMES, Mechanism
from harness.errors import ModelError
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from harness.epitome.classifier import Classifier
    from harness.metrics.contract import FloatArray

    # (seeker post, reply) pairs → (n,) levels.
    Levels: TypeAlias = Callable[[Sequence[tuple[str, str]]], FloatArray]

__all__ = ["make"]

Read = Literal["argmax", "expected"]


def make(argument: str) -> tuple[Metric, ...]:
    """Six metrics of the classifier in the folder `argument`.

    `FOLDER@expected` reads the expected level under the classifier's probabilities where the
    published measure, and `FOLDER` alone, take the most probable level.

    Raises:
        ModelError: there is no finished classifier, or its files are damaged.
    """
    path, _, how = argument.partition("@")
    if not path:
        raise ModelError(
            "epitome needs the folder of a classifier: epitome:FOLDER; "
            "fit one: empathy-bench train epitome --data DIR --output FOLDER"
        )
    if how not in {"", "argmax", "expected"}:
        raise ModelError(f"epitome:{argument}: unknown {how!r} after @; expected 'expected'")
    read: Read = "expected" if how == "expected" else "argmax"
    folder = Path(path).expanduser().resolve()
    card = read_card(folder)
    return tuple(
        _metric(name, folder, card, read, distance=distance)
        for distance in (False, True)
        for name in MECHANISMS
    )


def _metric(
    mechanism: Mechanism, folder: Path, card: Mapping[str, Any], read: Read, *, distance: bool
) -> Metric:
    name = f"diff_epitome_{mechanism}" if distance else f"epitome_{mechanism}"
    highest = float(LEVELS - 1)
    digest = card["sha256"]["classifier"]
    source = partial(_levels, folder=folder, digest=digest, mechanism=mechanism, read=read)
    return Metric(
        name=name if read == "argmax" else f"{name}_expected",
        signature=signature(
            name,
            classifier=digest[:12],
            encoder=str(card["encoder"]).replace("|", "_").replace(":", "_"),
            max_len=card["settings"]["max_len"],
            level=read,
            seeker="last-turn",
            failed="worst" if distance else "0",
        ),
        direction="lower" if distance else "higher",
        unit="level²" if distance else "level",
        range=(0.0, highest**2 if distance else highest),
        description=(
            f"Squared difference to the human reply's level of {NAMES[mechanism]}."
            if distance
            else f"How strongly replies communicate {NAMES[mechanism]}, 0 not at all to 2 strongly."
        ),
        statistics=partial(_distance_statistics if distance else _level_statistics, source=source),
        score=mean,
    )


def _level_statistics(scored: Sequence[Scored], *, source: Levels) -> Statistics:
    """n × 2: level of the reply, 1."""
    from harness.metrics.arrays import additive

    levels = source([(_seeker(s), s.text) for s in scored])
    return additive(((level, 1) for level in levels), 2)


def _distance_statistics(scored: Sequence[Scored], *, source: Levels) -> Statistics:
    """n × 2: squared distance to the level of the human reply, 1."""
    import numpy as np

    from harness.metrics.arrays import additive

    replies = [(_seeker(s), s.text) for s in scored]
    human = [(_seeker(s), s.reference) for s in scored]
    # One call: seeker posts are shared and encoded once.
    found = source([*replies, *human])
    levels, wanted = found[: len(scored)], found[len(scored) :]
    worst = np.maximum(wanted, LEVELS - 1 - wanted) ** 2
    silent = np.array([not s.text.strip() for s in scored], dtype=bool)
    return additive(((value, 1) for value in np.where(silent, worst, (levels - wanted) ** 2)), 2)


def _seeker(item: Scored) -> str:
    return item.context[-1] if item.context else ""


@lru_cache(maxsize=2)
def _classifier(folder: Path, digest: str) -> Classifier:
    """One classifier for all metrics and systems; `digest` tells a folder fitted anew apart."""
    from harness.epitome.classifier import load_classifier

    return load_classifier(folder)


def _levels(
    pairs: Sequence[tuple[str, str]], *, folder: Path, digest: str, mechanism: Mechanism, read: Read
) -> FloatArray:
    """(n,) levels of the second text of each pair; 0 where it is empty."""
    import numpy as np

    spoken = [index for index, (_, reply) in enumerate(pairs) if reply.strip()]
    levels = np.zeros(len(pairs))
    if spoken:
        found = _classifier(folder, digest).probabilities([pairs[index] for index in spoken])
        chosen = found[:, MECHANISMS.index(mechanism)]
        levels[spoken] = chosen.argmax(-1) if read == "argmax" else chosen @ np.arange(LEVELS)
    return levels
