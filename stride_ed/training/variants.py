"""What the paper takes away from STRIDE-ED to see what it is worth: each ablation as data.

The paper names its ablations and no more; what each of them means here is ours:

    full                        SFT on refined traces, then PPO
    without-emotion             no <Emotion> stage, no reward for it
    without-summary             no <Context> stage
    without-strategy            no <Strategy> stage nor its <Action>, none announced, no reward
    without-cot                 the same dialogues and replies without any thinking; no PPO, since
                                all of its rewards read the thinking or its frame
    without-refinement          as many traces, drawn blindly from all that were annotated
    without-ppo                 SFT alone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UnknownNameError
from stride_ed.rewards import PARTS, Part
from stride_ed.trace import STAGES, Stage

__all__ = ["FULL", "VARIANTS", "Variant", "find_variant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """`refined`: trained on the refined set, else on a blind draw; `ppo`: PPO follows SFT."""

    name: str
    title: str
    stages: tuple[Stage, ...] = STAGES
    parts: tuple[Part, ...] = PARTS
    refined: bool = True
    ppo: bool = True


def _without(stage: Stage) -> tuple[Stage, ...]:
    return tuple(s for s in STAGES if s != stage)


FULL = Variant(name="full", title="STRIDE-ED")
VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        FULL,
        Variant(
            name="without-emotion",
            title="w/o emotion",
            stages=_without("Emotion"),
            parts=("strategy",),
        ),
        Variant(name="without-summary", title="w/o summary", stages=_without("Context")),
        Variant(
            name="without-strategy",
            title="w/o strategy",
            stages=("Context", "Emotion"),
            parts=("emotion",),
        ),
        Variant(name="without-cot", title="w/o CoT", stages=(), parts=(), ppo=False),
        Variant(name="without-refinement", title="w/o refinement and sampling", refined=False),
        Variant(name="without-ppo", title="w/o PPO", ppo=False),
    )
}


def find_variant(name: str) -> Variant:
    """The variant of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in VARIANTS:
        raise UnknownNameError("variant", name, VARIANTS)
    return VARIANTS[name]
