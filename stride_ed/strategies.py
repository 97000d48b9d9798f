"""The 14 strategies of STRIDE-ED, in one table from which everything else derives.

Names are those of the paper's released code, letter by letter. The paper extends ESConv's eight
(Liu et al. 2021) and grades strategies by difficulty I to III. Definitions, examples, and which
valence and level a strategy has are not public: **all columns but the names are ours**.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["STRATEGIES", "STRATEGY_NAMES", "Strategy", "Valence", "WorkedExample", "valence_of"]

Valence = Literal["positive", "neutral", "negative"]
_ANY: frozenset[Valence] = frozenset({"positive", "neutral", "negative"})
_NOT_POSITIVE: frozenset[Valence] = frozenset({"neutral", "negative"})
_POSITIVE: frozenset[Valence] = frozenset({"positive"})
_NEUTRAL: frozenset[Valence] = frozenset({"neutral"})
_NEGATIVE: frozenset[Valence] = frozenset({"negative"})

# Emotions of ED that look ahead or outward more than they please or hurt; the rest divide as in
# MIME's repository (Majumder et al. 2020), which knows two sides only and has these six on them.
_NEUTRAL_EMOTIONS = frozenset(
    {"anticipating", "caring", "nostalgic", "prepared", "sentimental", "surprised"}
)
_POSITIVE_EMOTIONS = frozenset(
    {
        *("confident", "content", "excited", "faithful", "grateful", "hopeful", "impressed"),
        *("joyful", "proud", "trusting"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedExample:
    """A speaker's turn, its emotion (one of ED's), and a reply that uses the strategy."""

    said: str
    emotion: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One strategy of the listener.

    `esconv` is its counterpart among ESConv's eight, spelled as there, None where there is none;
    `valence` the speaker's feelings that it answers to; `difficulty` 1 to 3; `use` and `avoid` say
    when; `action` is what carrying it out means, in one sentence.
    """

    name: str
    esconv: str | None
    valence: frozenset[Valence]
    difficulty: int
    definition: str
    use: str
    avoid: str
    action: str
    example: WorkedExample


def valence_of(emotion: str | None) -> Valence:
    """The side of an emotion: ED's 32 by the table above, every other word as negative.

    ESConv's emotions, for one, are all of people in distress. Where MIME's division differs: it
    has anticipating, nostalgic and sentimental as negative; caring, prepared and surprised as
    positive; here they are neutral, because replies to them neither console nor congratulate.
    """
    if emotion in _POSITIVE_EMOTIONS:
        return "positive"
    return "neutral" if emotion in _NEUTRAL_EMOTIONS else "negative"


_TABLE: tuple[Strategy, ...] = (
    Strategy(
        name="Exploring Actions and Intentions",
        esconv="Question",
        valence=_ANY,
        difficulty=1,
        definition="Asks what happened, what was done about it, or what is planned next.",
        use="The story has a gap that facts, events or plans would fill.",
        avoid="The speaker has just asked to be heard, not questioned.",
        action="Ask one concrete question about what happened or what the speaker means to do.",
        example=WorkedExample(
            said="My landlord raised the rent again, the second time this year.",
            emotion="annoyed",
            response="Twice in a year! Have you had a chance to talk to him about it yet?",
        ),
    ),
    Strategy(
        name="Exploring Feelings and Emotions",
        esconv="Question",
        valence=_ANY,
        difficulty=2,
        definition="Asks how the speaker feels, or how strong or mixed the feeling is.",
        use="Something moving was told, and the feeling itself was left unsaid.",
        avoid="The feeling has been named plainly already.",
        action="Ask openly how this makes the speaker feel.",
        example=WorkedExample(
            said="My son moved out on Sunday. The house is very quiet now.",
            emotion="lonely",
            response="That is a big change. How has the quiet been for you these first days?",
        ),
    ),
    Strategy(
        name="Exploring Thoughts and Cognition",
        esconv="Question",
        valence=_ANY,
        difficulty=3,
        definition="Asks what the speaker thinks, believes or fears about it, and why.",
        use="How the speaker reads the situation seems to make the feeling.",
        avoid="The moment is raw, and asking why would sound like doubt.",
        action="Ask what the speaker makes of it, or why they think it came about.",
        example=WorkedExample(
            said="I did not get invited to the wedding, and I keep turning it over in my head.",
            emotion="disappointed",
            response="That would occupy me too. What do you think was behind it?",
        ),
    ),
    Strategy(
        name="Restatement or Paraphrasing",
        esconv="Restatement or Paraphrasing",
        valence=_ANY,
        difficulty=1,
        definition="Says back, shorter and in other words, what the speaker has told.",
        use="Much was told at once, or it is worth checking that it was understood.",
        avoid="There is only one plain sentence to repeat.",
        action="Put what the speaker told in your own words, without adding to it.",
        example=WorkedExample(
            said="First the car broke down, then my phone died, and I walked home in the rain.",
            emotion="annoyed",
            response="So no car, no phone, and then a long wet walk on top of it.",
        ),
    ),
    Strategy(
        name="Reflection of Feelings",
        esconv="Reflection of feelings",
        valence=_ANY,
        difficulty=2,
        definition="Names the feeling that the listener hears, as an offer to be corrected.",
        use="The feeling can be heard between the lines, and naming it would show that it was.",
        avoid="It would be a guess with nothing behind it.",
        action="Name the feeling you hear, and what it seems to come from.",
        example=WorkedExample(
            said="I studied for months, and when the letter came I could not open it for an hour.",
            emotion="anxious",
            response="You must have been so nervous, with so much hanging on that one letter.",
        ),
    ),
    Strategy(
        name="Self-disclosure",
        esconv="Self-disclosure",
        valence=_ANY,
        difficulty=2,
        definition="Shares a like experience or opinion of the listener's own, briefly.",
        use="Something alike would make the speaker feel less alone, or share a joy.",
        avoid="It would turn the conversation to the listener.",
        action="Tell in one sentence of something alike that you went through, then turn back.",
        example=WorkedExample(
            said="I had to give my first speech today, and my hands would not stop shaking.",
            emotion="afraid",
            response="Mine shook so much at my first one that I dropped the notes. You did it!",
        ),
    ),
    Strategy(
        name="Affirmation and Reassurance",
        esconv="Affirmation and Reassurance",
        valence=_NOT_POSITIVE,
        difficulty=1,
        definition="Affirms the speaker's worth or right to feel so, and gives hope.",
        use="The speaker doubts themselves or the outcome.",
        avoid="It would promise what nobody can know.",
        action="Tell the speaker that their feeling makes sense and what gives reason for hope.",
        example=WorkedExample(
            said="I forgot my best friend's birthday. I feel like a terrible person.",
            emotion="guilty",
            response="It happens to people who care a lot, too. She knows what you mean to her.",
        ),
    ),
    Strategy(
        name="Positive Reinforcement",
        esconv=None,
        valence=_POSITIVE,
        difficulty=1,
        definition="Celebrates good news and what the speaker did to bring it about.",
        use="The speaker is glad or proud.",
        avoid="The gladness covers something sad that was told as well.",
        action="Congratulate the speaker, and name what they did well.",
        example=WorkedExample(
            said="I ran my first ten kilometres this morning!",
            emotion="proud",
            response="That is wonderful! All those early mornings of training paid off.",
        ),
    ),
    Strategy(
        name="Gratitude Prompting",
        esconv=None,
        valence=_POSITIVE,
        difficulty=2,
        definition="Draws attention to what or whom there is to be thankful for.",
        use="A good thing came through other people or luck, and is worth dwelling on.",
        avoid="It would tell somebody in pain to count their blessings.",
        action="Point to the person or the good fortune behind it, and invite a word of thanks.",
        example=WorkedExample(
            said="My neighbour cleared the snow off my whole drive before I even woke up.",
            emotion="grateful",
            response="What a kind neighbour! It must feel good to be looked after like that.",
        ),
    ),
    Strategy(
        name="Neutral Validation",
        esconv=None,
        valence=_NEUTRAL,
        difficulty=1,
        definition="Shows that it was heard and makes sense, without judging it good or bad.",
        use="The feeling is mixed or mild, and needs neither comfort nor cheer.",
        avoid="The speaker is plainly hurt or plainly happy.",
        action="Acknowledge what was told as understandable, in a calm tone.",
        example=WorkedExample(
            said="I found my old school books in the attic and sat there reading all afternoon.",
            emotion="nostalgic",
            response="I can see how an afternoon goes by like that, with so many years in one box.",
        ),
    ),
    Strategy(
        name="Providing Suggestions",
        esconv="Providing Suggestions",
        valence=_NOT_POSITIVE,
        difficulty=2,
        definition="Offers something that the speaker could do, as one option among others.",
        use="The problem can be acted on, and the speaker was heard first.",
        avoid="The speaker wants company in the feeling, not a way out of it.",
        action="Offer one small and concrete step that the speaker might try.",
        example=WorkedExample(
            said="My new colleagues all go to lunch together and never ask me along.",
            emotion="lonely",
            response="That stings. Perhaps you could ask one of them first, just for a coffee?",
        ),
    ),
    Strategy(
        name="Information",
        esconv="Information",
        valence=_ANY,
        difficulty=2,
        definition="Gives facts, data or resources that bear on the matter.",
        use="Not knowing something makes the feeling worse, and the listener knows it.",
        avoid="Facts would sound like correcting the feeling.",
        action="Give one fact or resource that helps to see the matter more clearly.",
        example=WorkedExample(
            said="The doctor found a shadow on the scan, and I have not slept since.",
            emotion="terrified",
            response="Waiting is awful. Most such shadows are harmless, they check to be sure.",
        ),
    ),
    Strategy(
        name="Cognitive Reframing",
        esconv=None,
        valence=_NEGATIVE,
        difficulty=3,
        definition="Offers another way to see the same facts, one that hurts less.",
        use="A harsh or one-sided reading of events feeds the distress.",
        avoid="It would make light of a real loss.",
        action="Offer another reading of what happened that is as true and easier to bear.",
        example=WorkedExample(
            said="Nobody came to my stall all day. I am just no good at this.",
            emotion="disappointed",
            response="Or it was a wet Tuesday and nobody was out. That says little of your work.",
        ),
    ),
    Strategy(
        name="Others",
        esconv="Others",
        valence=_ANY,
        difficulty=1,
        definition="Greetings, thanks, small talk, and whatever fits none of the others.",
        use="The turn keeps the conversation going and nothing more.",
        avoid="Any of the other strategies fits.",
        action="Answer politely and keep the conversation going.",
        example=WorkedExample(
            said="Thanks for listening, I should get going now.",
            emotion="grateful",
            response="Any time. Have a good evening!",
        ),
    ),
)

STRATEGIES: Mapping[str, Strategy] = {strategy.name: strategy for strategy in _TABLE}
STRATEGY_NAMES: tuple[str, ...] = tuple(STRATEGIES)
