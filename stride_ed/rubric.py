"""What evaluators grade in a trace: four dimensions, 1 to 5, each anchored. All of it is ours."""

from __future__ import annotations

from collections.abc import Mapping

from harness.files import canonical_json, sha256_text

__all__ = ["ANCHORS", "DIMENSIONS", "RUBRIC", "RUBRIC_HASH"]

ANCHORS: Mapping[str, tuple[str, Mapping[int, str]]] = {
    "emotion_fit": (
        "Does the emotion named fit what the speaker says?",
        {
            1: "the words speak of another feeling, as 'proud' for somebody who was robbed",
            3: "possible, but another of the usual words would fit better",
            5: "the speaker's words show this feeling plainly",
        },
    ),
    "strategy_fit": (
        "Is the strategy named the one that the reply uses?",
        {
            1: "the reply does something else, as a question labelled as self-disclosure",
            3: "the reply does this among other things",
            5: "this is what the reply does above all",
        },
    ),
    "coherence": (
        "Do summary, emotion, strategy and action lead to one another and to the reply?",
        {
            1: "the steps contradict the dialogue or each other",
            3: "true but so general that they would fit most dialogues",
            5: "each step follows from the one before and makes the reply likely",
        },
    ),
    "quality": (
        "Is the reply a good answer to the speaker?",
        {
            1: "it ignores, judges or hurts the speaker, or makes no sense",
            3: "polite and on the subject, but it could be said to anybody",
            5: "warm, specific to what was told, and natural",
        },
    ),
}
DIMENSIONS: tuple[str, ...] = tuple(ANCHORS)
RUBRIC: str = "\n".join(
    f"{name}: {question} " + " ".join(f"{grade} = {words}." for grade, words in anchors.items())
    for name, (question, anchors) in ANCHORS.items()
)
RUBRIC_HASH: str = sha256_text(canonical_json(RUBRIC))[:12]
