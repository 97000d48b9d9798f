"""The judge protocol `stride-trace`: the rubric that refines traces, for any run that has them."""

from __future__ import annotations

from harness.judges.protocols import Criterion, Protocol, Worked
from stride_ed.rubric import ANCHORS

__all__ = ["PROTOCOL"]

PROTOCOL = Protocol(
    name="stride-trace",
    version=1,
    kind="absolute",
    shows="trace",
    asked="Grade the reasoning behind a reply in an empathetic conversation: a summary of the "
    "dialogue, the speaker's emotion, a strategy, how it is carried out, and the reply.",
    criteria=tuple(
        Criterion(name, question, anchors) for name, (question, anchors) in ANCHORS.items()
    ),
    worked=(
        Worked(
            ("Speaker: I moved here for work and on Sundays I have nobody to call.",),
            (
                "Context: The speaker moved and is alone on Sundays. | Emotion: lonely | Strategy: "
                "Reflection of Feelings | Action: Name the loneliness and ask who is missed. | "
                "Reply: Sundays alone in a new town can feel long. Whom did you use to call?",
            ),
            "The emotion fits and each step leads to the reply; the reply also asks.",
            {"emotion_fit": 5, "strategy_fit": 4, "coherence": 5, "quality": 5},
        ),
        Worked(
            ("Speaker: I moved here for work and on Sundays I have nobody to call.",),
            (
                "Context: The speaker has good news. | Emotion: joyful | Strategy: Self-disclosure "
                "| Action: Share the joy. | Reply: Great, what do you do there?",
            ),
            "Nobody is joyful here, nothing is disclosed, and the steps speak of another dialogue.",
            {"emotion_fit": 1, "strategy_fit": 1, "coherence": 1, "quality": 2},
        ),
    ),
)
