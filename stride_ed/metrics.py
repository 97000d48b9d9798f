"""How often a system earns STRIDE-ED's rewards, and how much: see `stride_ed.rewards`.

They read the unparsed reply. No task shows them unasked, since only systems that speak the format
can earn anything: ask with `--metrics default,stride_reward`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean
from stride_ed.rewards import emotion_reward, format_reward, reward, strategy_reward

__all__ = ["METRICS"]

Earned = Callable[[str, Scored], float]


def _statistics(scored: Sequence[Scored], *, earned: Earned, scale: float) -> Statistics:
    """n × 2: what each example earns, times `scale`, and 1; a failed one earns nothing."""
    from harness.metrics.arrays import additive

    return additive(
        ((0.0 if item.failed else scale * earned(_written(item), item), 1) for item in scored), 2
    )


def _written(item: Scored) -> str:
    """The reply before parsing; one that parsing left alone stands only in `response`."""
    return item.raw if item.raw is not None else item.response or ""


def _format(text: str, item: Scored) -> float:
    return format_reward(text)


def _emotion(text: str, item: Scored) -> float:
    return emotion_reward(text, item.gold_emotion)


def _strategy(text: str, item: Scored) -> float:
    return strategy_reward(text, item.gold_strategy)


def _total(text: str, item: Scored) -> float:
    return reward(text, emotion=item.gold_emotion, strategy=item.gold_strategy).total


def _rate(part: str, earned: Earned, description: str, needs: tuple[str, ...] = ()) -> Metric:
    return Metric(
        name=f"stride_{part}_rate",
        signature=signature("stride-reward", part=part, match="exact", case="fold"),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=description,
        statistics=partial(_statistics, earned=earned, scale=100.0),
        score=mean,
        needs=needs,
        kinds=frozenset(),
    )


METRICS: tuple[Metric, ...] = (
    _rate(
        "format",
        _format,
        "Replies in STRIDE-ED's format: one thinking block, then one answer.",
    ),
    _rate(
        "emotion",
        _emotion,
        "Replies whose thinking names the right emotion after <Emotion>.",
        ("gold_emotion",),
    ),
    _rate(
        "strategy",
        _strategy,
        "Replies whose answer opens with the right strategy in parentheses.",
        ("gold_strategy",),
    ),
    Metric(
        name="stride_reward",
        signature=signature("stride-reward", part="total", match="exact", case="fold"),
        direction="higher",
        unit="",
        range=(0.0, 3.0),
        description="STRIDE-ED's reward, format · (1 + emotion + strategy), averaged.",
        statistics=partial(_statistics, earned=_total, scale=1.0),
        score=mean,
        needs=("gold_emotion", "gold_strategy"),
        kinds=frozenset(),
    ),
)
