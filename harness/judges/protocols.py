"""What judges are asked: criteria with anchored scales, and a worked example of each.

A protocol is either absolute (each reply by itself, an integer on each criterion's scale) or
pairwise (two replies, which is better, 0 for a tie). All wording is ours; the criteria are those
that people were asked in the field: ED's empathy, relevance and fluency (Rashkin et al. 2019),
ESConv's five (Liu et al. 2021), EPITOME's three mechanisms (Sharma et al. 2020). Every word is in
the protocol's hash, and the hash in the signature of every number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Literal

from harness.errors import UnknownNameError
from harness.files import canonical_json, sha256_text
from harness.judges.verdicts import OVERALL

__all__ = ["ABSENT", "PROTOCOLS", "Criterion", "Protocol", "Worked", "get_protocol", "protocols"]

# What stands where a reply is empty.
ABSENT = "(no reply)"
GROUP = "empathy_bench.judges"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A question with its scale: `anchors` say what some of the integers from low to high mean."""

    name: str
    question: str
    anchors: Mapping[int, str]

    @property
    def low(self) -> int:
        return min(self.anchors)

    @property
    def high(self) -> int:
        return max(self.anchors)


@dataclass(frozen=True, slots=True)
class Worked:
    """A worked example: a dialogue, one reply or two, and the verdict that they deserve."""

    dialogue: tuple[str, ...]
    replies: tuple[str, ...]
    reason: str
    verdict: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """`dataset` is the examples' ("ed", "esconv", None: either).

    `shows` is what is judged: a reply, or the whole trace that led to it.
    """

    name: str
    version: int
    kind: Literal["absolute", "pairwise"]
    asked: str
    criteria: tuple[Criterion, ...]
    worked: tuple[Worked, ...]
    dataset: Literal["ed", "esconv"] | None = None
    shows: Literal["reply", "trace"] = "reply"

    @property
    def hash(self) -> str:
        """Twelve digits, which change with any word."""
        return sha256_text(canonical_json(asdict(self)))[:12]

    def allowed(self, criterion: Criterion) -> tuple[int, ...]:
        """The integers that a verdict may give: of the scale; pairwise 1, 2, or 0 for a tie."""
        if self.kind == "pairwise":
            return (0, 1, 2)
        return tuple(range(criterion.low, criterion.high + 1))

    def worth(self, answer: int) -> float:
        """An answer's value: itself, or in a pair the preference for the first reply shown."""
        if self.kind == "pairwise":
            return {0: 0.5, 1: 1.0, 2: 0.0}[answer]
        return float(answer)


_EMPATHY = Criterion(
    "empathy",
    "Does the reply show that the listener understands what the speaker feels?",
    {
        1: "it ignores, belittles or contradicts the feeling",
        2: "a stock phrase, or the wrong feeling",
        3: "the right kind of feeling, in words that would fit most such dialogues",
        4: "the feeling and what caused it are both taken up",
        5: "it speaks to this person's feeling so that they would feel understood",
    },
)
_RELEVANCE = Criterion(
    "relevance",
    "Does the reply answer what was said in this dialogue?",
    {
        1: "about something else, or at odds with what was told",
        2: "only the broad subject is right",
        3: "it fits, and would fit many other dialogues",
        4: "it takes up a detail of this dialogue",
        5: "it follows from the last turn and all that was told before",
    },
)
_FLUENCY = Criterion(
    "fluency",
    "Is the reply correct, natural English that a person would say here?",
    {
        1: "cannot be read, or is not English",
        2: "errors that get in the way, or words repeated without end",
        3: "clear, with errors or stiff phrases",
        4: "correct, a little stiff or long",
        5: "what a careful speaker would say",
    },
)
_DOG = (
    "Speaker: My dog died last week. I had her since I was nine.",
    "Listener: Oh no. What was her name?",
    "Speaker: Biscuit. The house is so quiet now that I leave the radio on.",
)
_MOVE = ("Speaker: I moved here for work and on Sundays I have nobody to call.",)

_ED_ABSOLUTE = Protocol(
    name="ed-absolute",
    version=1,
    kind="absolute",
    dataset="ed",
    asked="Grade one reply of a listener in a conversation about feelings.",
    criteria=(_EMPATHY, _RELEVANCE, _FLUENCY),
    worked=(
        Worked(
            _DOG,
            ("A quiet house after all those years must hurt. Does the radio help a little?",),
            "It names the loss, takes up the quiet and the radio, and asks gently.",
            {"empathy": 5, "relevance": 5, "fluency": 5},
        ),
        Worked(
            _DOG,
            ("i am sorry to hear that . i am sorry to hear that .",),
            "Sorry is right but anybody could say it of anything, and it is said twice.",
            {"empathy": 2, "relevance": 2, "fluency": 2},
        ),
        Worked(
            _DOG,
            ("You can adopt a new one at the shelter, they cost next to nothing.",),
            "Clear and on dogs, but it brushes the grief aside.",
            {"empathy": 1, "relevance": 3, "fluency": 5},
        ),
    ),
)

_ED_PAIRWISE = Protocol(
    name="ed-pairwise",
    version=1,
    kind="pairwise",
    dataset="ed",
    asked="Compare two replies of a listener in a conversation about feelings.",
    criteria=(
        _EMPATHY,
        _RELEVANCE,
        _FLUENCY,
        Criterion(OVERALL, "Which reply would the speaker rather get?", {}),
    ),
    worked=(
        Worked(
            _MOVE,
            (
                "That is great, a new job is always exciting!",
                "Sundays alone in a new town can feel very long. Whom did you use to call?",
            ),
            "The first misses the loneliness. The second names it and asks on.",
            {"empathy": 2, "relevance": 2, "fluency": 0, OVERALL: 2},
        ),
        Worked(
            _MOVE,
            (
                "It is hard to start again where nobody knows you.",
                "Starting over with nobody near is hard, and Sundays make it plain. Starting over "
                "with nobody near is hard, and Sundays make it plain.",
            ),
            "Both understand. The second takes up Sundays, but says everything twice.",
            {"empathy": 0, "relevance": 2, "fluency": 1, OVERALL: 1},
        ),
    ),
)

_ESCONV = Protocol(
    name="esconv",
    version=1,
    kind="absolute",
    dataset="esconv",
    asked="Grade one reply of a supporter who helps a person with a problem.",
    criteria=(
        _FLUENCY,
        Criterion(
            "identification",
            "Does the reply help to find out what the problem is?",
            {
                1: "it takes no interest in the problem, or gets it wrong",
                3: "it keeps to the problem without learning more of it",
                5: "it asks for, or names, what lies at the root of it",
            },
        ),
        Criterion(
            "comforting",
            "Does the reply comfort?",
            {
                1: "cold, blaming or mocking",
                3: "friendly in general words",
                5: "warm, and about what this person feels",
            },
        ),
        Criterion(
            "suggestion",
            "Does what the reply proposes help, where the moment asks for a proposal?",
            {
                1: "harmful, impossible or beside the point",
                3: "none where none is needed yet, or a common one",
                5: "fits this person's situation and can be done",
            },
        ),
        Criterion(
            OVERALL,
            "How good is the reply as emotional support?",
            {1: "it would make things worse", 3: "it does no harm", 5: "it would help"},
        ),
    ),
    worked=(
        Worked(
            (
                "Speaker: I cannot sleep. My exam is on Monday and I have not understood half.",
                "Listener: That sounds stressful. Which part worries you most?",
                "Speaker: Statistics. I read the chapter again and again and nothing stays.",
            ),
            (
                "Reading it over and over at night would wear anyone out. Could you try two old "
                "exam questions tomorrow morning instead, and see which step is missing?",
            ),
            "It shows understanding and proposes one thing that can be done; it asks little more "
            "about the problem itself.",
            {"fluency": 5, "identification": 4, "comforting": 4, "suggestion": 5, OVERALL: 5},
        ),
        Worked(
            ("Speaker: My sister has not spoken to me since the wedding.",),
            ("You should have thought of that before.",),
            "Plain English, but it blames and helps with nothing.",
            {"fluency": 5, "identification": 1, "comforting": 1, "suggestion": 1, OVERALL: 1},
        ),
    ),
)

_MECHANISM = {0: "absent", 1: "weak: hinted at in general words", 2: "strong: said for this case"}
_EPITOME = Protocol(
    name="epitome",
    version=1,
    kind="absolute",
    asked="Say how strongly a reply uses each of three ways to show empathy.",
    criteria=(
        Criterion(
            "emotional_reactions",
            "Does the reply express warmth, concern or another feeling of the listener's own?",
            _MECHANISM,
        ),
        Criterion(
            "interpretations",
            "Does the reply say what it understands of the speaker's feelings or situation?",
            _MECHANISM,
        ),
        Criterion(
            "explorations",
            "Does the reply ask about feelings or events that the speaker has not told?",
            _MECHANISM,
        ),
    ),
    worked=(
        Worked(
            _MOVE,
            ("I feel for you. Sundays alone must remind you of everyone at home.",),
            "A feeling of its own, plainly said; an inference for this case; no question.",
            {"emotional_reactions": 2, "interpretations": 2, "explorations": 0},
        ),
        Worked(
            _MOVE,
            ("What happened?",),
            "Only a question, and one that could be asked of anything.",
            {"emotional_reactions": 0, "interpretations": 0, "explorations": 1},
        ),
    ),
)

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol for protocol in (_ED_ABSOLUTE, _ED_PAIRWISE, _ESCONV, _EPITOME)
}


def protocols() -> dict[str, Protocol]:
    """Ours, and those that other packages offer under the entry points `empathy_bench.judges`."""
    others = {point.name: point.load() for point in entry_points(group=GROUP)}
    return {**others, **PROTOCOLS}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UnknownNameError: there is none.
    """
    known = protocols()
    if name not in known:
        raise UnknownNameError("judge protocol", name, known)
    return known[name]
