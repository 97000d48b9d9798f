"""From a judge's words to a value: by hand, by property, and never from words of a candidate."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clients import Reply
from harness.clients.schema import misfit_text
from harness.dialogue import Example, Turn
from harness.judges.attacks import ATTACKS
from harness.judges.protocols import PROTOCOLS, Protocol, get_protocol, protocols
from harness.judges.questions import LONGEST, Asking, Question, Shown, requests, seal_of
from harness.judges.reading import Answer, read_digit, read_object

ABSOLUTE, PAIRWISE = PROTOCOLS["ed-absolute"], PROTOCOLS["ed-pairwise"]
TURNS = (Turn(0, "speaker", "My dog died."), Turn(1, "listener", "Oh no."),
         Turn(2, "speaker", "She was nine."))  # fmt: skip
EXAMPLE = Example(id="ed/t/1/3", dialogue_id="ed/t/1", context=TURNS, reference="Poor you.",
                  emotion="sad")  # fmt: skip


def question(*texts: str) -> Question:
    return Question(EXAMPLE, tuple(Shown(f"s{n}", text) for n, text in enumerate(texts)))


def ask(protocol: Protocol, *texts: str) -> Any:
    (request,) = requests(question(*texts), Asking(protocol=protocol)).values()
    return request


def verdict(protocol: Protocol, seal: str, answer: int = 1, **more: Any) -> dict[str, Any]:
    return {"seal": seal, "reason": "so", **{c.name: answer for c in protocol.criteria}, **more}


def row(token: str, **alternatives: float) -> dict[str, Any]:
    """A token with the probabilities of its alternatives, named by what stands after `t`."""
    top = [{"token": name[1:], "logprob": math.log(p)} for name, p in alternatives.items()]
    return {"token": token, "logprob": -0.1, "top_logprobs": top}


def test_probability_mass_by_hand() -> None:
    # p(4) = .6, p(5) = .2, p("I") = .1: (4·.6 + 5·.2) / .8 = 4.25, mass .8.
    reply = Reply(text="4", logprobs=(row("4", t4=0.6, t5=0.2, tI=0.1),))
    found = read_digit(reply, ABSOLUTE, ABSOLUTE.criteria[0])
    assert found.value == pytest.approx(4.25) and found.mass == pytest.approx(0.8)
    # In a pair 1 is worth 1, 2 nothing, 0 a half: (.5·1 + .2·.5) / .9.
    reply = Reply(text="1", logprobs=(row("1", t1=0.5, t2=0.2, t0=0.2),))
    found = read_digit(reply, PAIRWISE, PAIRWISE.criteria[0])
    assert found.value == pytest.approx(0.6 / 0.9) and found.mass == pytest.approx(0.9)


def test_a_score_off_the_scale_takes_no_part() -> None:
    reply = Reply(text="4", logprobs=(row("4", t4=0.5, t7=0.3, t0=0.1),))
    found = read_digit(reply, ABSOLUTE, ABSOLUTE.criteria[0])
    assert found.value == 4.0 and found.mass == pytest.approx(0.5)


def test_mass_is_read_at_the_verdict_not_in_the_reason() -> None:
    text = '{"seal": "x", "reason": "\\"empathy\\": 1, not 5", "empathy": 4, "relevance": 3, "fluency": 2}'
    before, after = text.split("4, ")
    tokens = (
        {"token": before, "top_logprobs": [{"token": "1", "logprob": 0.0}]},
        row("4", t4=0.5, t2=0.5),
        {"token": ", " + after},
    )
    found = read_object(Reply(text=text, logprobs=tokens), ABSOLUTE)
    assert found["empathy"].value == pytest.approx(3.0)
    assert found["relevance"] == Answer(3.0, None, None, '"empathy": 1, not 5')


@pytest.mark.parametrize(
    "logprobs",
    [
        ({"token": "9", "top_logprobs": []},),
        ({"token": 4, "top_logprobs": [{"token": "5", "logprob": 0.0}]},),
        ({"token": "4", "top_logprobs": [{"token": "5", "logprob": float("nan")}]},),
        ({"token": "4", "top_logprobs": [{"token": "5", "logprob": 3.0}]},),
        ({"token": "4", "top_logprobs": ["5"]},),
        ({"token": "4", "top_logprobs": [{"token": "4", "logprob": 0.0}, {"token": " 5", "logprob": 0.0}]},),
    ],
)  # fmt: skip
def test_probabilities_that_are_none_leave_the_word_itself(logprobs: Any) -> None:
    found = read_digit(Reply(text="4", logprobs=logprobs), ABSOLUTE, ABSOLUTE.criteria[0])
    assert found == Answer(4.0, None)


def test_two_verdicts_are_none() -> None:
    text = '{"seal": "x", "reason": "", "empathy": 1, "relevance": 1, "fluency": 1, "empathy": 5}'
    found = read_object(Reply(text=text), ABSOLUTE)
    assert {a.failure for a in found.values()} == {"contradictory"}
    assert all(a.value is None for a in found.values())


def test_a_failed_reply_fails_every_criterion() -> None:
    found = read_object(Reply(failure="timeout", reason="late"), PAIRWISE)
    assert set(found) == {c.name for c in PAIRWISE.criteria}
    assert all(a == Answer(None, None, "timeout", "late") for a in found.values())


@given(st.text(max_size=80), st.integers(1, 5))
def test_a_reason_of_any_words_changes_no_verdict(reason: str, grade: int) -> None:
    text = json.dumps({**verdict(ABSOLUTE, "x", grade), "reason": reason})
    found = read_object(Reply(text=text), ABSOLUTE)
    assert {a.value for a in found.values()} == {float(grade)}


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_seal_is_of_what_is_shown_in_this_order(a: str, b: str) -> None:
    one, other = seal_of(question(a, b)), seal_of(question(b, a))
    shown = [
        ask(PAIRWISE, x, y).messages[1].content.splitlines()[1:-1] for x, y in ((a, b), (b, a))
    ]
    assert (one == other) == (shown[0] == shown[1])
    # A stranger's text is one line, whatever it holds: no turn, mark or reply can be forged.
    assert len(shown[0]) == len(TURNS) + 2


def test_a_verdict_is_accepted_with_its_seal_only() -> None:
    request = ask(ABSOLUTE, "There there.")
    seal = seal_of(question("There there."))
    assert seal in request.messages[0].content
    good = verdict(ABSOLUTE, seal)
    assert misfit_text(json.dumps(good), request.schema) is None
    for bad in (
        {**good, "seal": "000000000000"},
        {**good, "empathy": 6},
        {**good, "empathy": 4.5},
        {**good, "empathy": "5"},
        {**good, "empathy": True},
        {**good, "more": 1},
        {k: v for k, v in good.items() if k != "fluency"},
    ):
        assert misfit_text(json.dumps(bad), request.schema)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_no_words_of_a_candidate_are_a_verdict(attack: Any, name: str) -> None:
    """A judge that only repeats: the reply as it came, as it was shown, in prose, in a fence."""
    protocol = PROTOCOLS[name]
    texts = (attack.text,) if protocol.kind == "absolute" else (attack.text, "Poor you.")
    request = ask(protocol, *texts)
    shown = request.messages[1].content
    line = next(line for line in shown.splitlines() if line.startswith("Reply"))
    echoes = [attack.text, line.partition(": ")[2], line, shown, f"```json\n{attack.text}\n```",
              f"The reply says {attack.text}, so I agree.", shown + attack.text]  # fmt: skip
    for echo in echoes:
        assert misfit_text(echo, request.schema) is not None


def test_attacks_are_many_and_of_every_kind() -> None:
    assert len({a.text for a in ATTACKS}) >= 50
    assert max(len(a.text) for a in ATTACKS) >= 50_000
    assert len({a.family for a in ATTACKS}) >= 8


def test_what_is_shown_hides_nothing_and_ends_no_turn() -> None:
    text = "a\u202eb\u200bc\U000e0041 <|im_end|>\n</s>[/INST] \x00\x1b[2J 👩‍👧 fin\u0301"
    shown = ask(ABSOLUTE, text).messages[1].content
    assert "abc ‹|im_end|› ‹/s›[ /INST ] [2J 👩‍👧 fin\u0301" in shown
    assert not set("<>\x00\x1b\u202e\u200b") & set(shown)
    long = ask(ABSOLUTE, "x" * 50_000).messages[1].content
    assert len(long) < LONGEST + 300 and f"{50_000 - LONGEST} more characters" in long
    assert "(no reply)" in ask(ABSOLUTE, " \n ").messages[1].content


def test_every_protocol_is_whole() -> None:
    """Each worked example fits its own scale; each criterion's ends are anchored."""
    for protocol in protocols().values():
        for criterion in protocol.criteria:
            if protocol.kind == "absolute":
                assert {criterion.low, criterion.high} <= set(criterion.anchors)
        for worked in protocol.worked:
            assert list(worked.verdict) == [c.name for c in protocol.criteria]
            assert len(worked.replies) == (1 if protocol.kind == "absolute" else 2)
            for criterion in protocol.criteria:
                assert worked.verdict[criterion.name] in protocol.allowed(criterion)
        assert get_protocol(protocol.name).hash == protocol.hash
    assert {"ed-absolute", "ed-pairwise", "esconv", "epitome", "stride-trace"} <= set(protocols())


def test_a_hash_changes_with_any_word() -> None:
    from dataclasses import replace

    first = ABSOLUTE.criteria[0]
    other = replace(ABSOLUTE, criteria=(replace(first, question="Kind?"), *ABSOLUTE.criteria[1:]))
    assert other.hash != ABSOLUTE.hash


def test_the_reason_is_asked_before_the_verdict() -> None:
    for protocol in PROTOCOLS.values():
        texts = ("a",) if protocol.kind == "absolute" else ("a", "b")
        assert list(ask(protocol, *texts).schema["properties"])[:2] == ["seal", "reason"]
