"""docs/strategies.md, made from the table.

Run: python -m stride_ed.strategy_page > docs/strategies.md
"""

from __future__ import annotations

from stride_ed.crosswalk import esconv_labels
from stride_ed.strategies import STRATEGIES, Strategy

__all__ = ["strategy_page"]

_LEVELS = {1: "I", 2: "II", 3: "III"}
_OPENING = """# The 14 strategies

Names are those of STRIDE-ED's released code; the paper extends ESConv's eight (Liu et al. 2021) and
speaks of difficulties I to III. Definitions, examples, valences, difficulties and the crosswalk are
ours: the paper's are not public. This page is made from the table in `stride_ed/strategies.py`.

| Strategy | May be labelled in ESConv | Answers to feelings that are | Difficulty |
|---|---|---|---|
"""


def strategy_page() -> str:
    """The page as Markdown."""
    rows = "".join(_row(strategy) for strategy in STRATEGIES.values())
    return _OPENING + rows + "".join(_section(strategy) for strategy in STRATEGIES.values())


def _row(strategy: Strategy) -> str:
    order = ("positive", "neutral", "negative")
    feelings = ", ".join(side for side in order if side in strategy.valence)
    labels = ", ".join(esconv_labels(strategy.name))
    return f"| {strategy.name} | {labels} | {feelings} | {_LEVELS[strategy.difficulty]} |\n"


def _section(strategy: Strategy) -> str:
    example = strategy.example
    return (
        f"\n## {strategy.name}\n\n{strategy.definition}\n\n"
        f"- Use: {strategy.use}\n- Avoid: {strategy.avoid}\n- Action: {strategy.action}\n\n"
        f"> Speaker ({example.emotion}): {example.said}  \n> Listener: {example.response}\n"
    )


if __name__ == "__main__":
    print(strategy_page(), end="")
