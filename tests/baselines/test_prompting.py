"""Two stages and chain of empathy: prompts, parsers, failures, headers, resume."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.prompting.chain_of_empathy import (
    REASONING_TOKENS,
    VARIANTS,
    ChainOfEmpathy,
    parse_chain,
    reasoning_prompt,
)
from baselines.prompting.two_stage import TwoStage, reply_prompt
from baselines.prompting.wrapped import words_hash
from harness.datasets.sets import ExampleSet
from harness.dialogue import ED_EMOTIONS, Example, Turn
from harness.errors import EmpathyBenchError, ModelError, UnknownNameError
from harness.metrics import score_predictions
from harness.models import Model, Question, Settings, load_model
from harness.models.language_model import LanguageModel
from harness.predict import make_header, make_questions, predict
from harness.predictions import Prediction, read_predictions
from harness.tasks import TASKS
from harness.tasks.prompts import messages, prompt_hash, text

ED, ESCONV = TASKS["ed_response"], TASKS["esconv_response"]
OPENINGS = (
    "My dog died last week and the house is so quiet.",
    "I passed my final exam after three tries!",
    "Someone scratched my car and drove off.",
)


def question(opening: str, number: int = 0, emotion: str = "sad", dataset: str = "ed") -> Question:
    turns = (Turn(0, "speaker", opening), Turn(1, "listener", "Oh?"), Turn(2, "speaker", "Yes."))
    name = f"{dataset}/test/c{number}"
    return Question(
        Example(f"{name}/3", name, turns, "How are you now?", emotion, strategy="Others")
    )


QUESTIONS = [question(opening, number) for number, opening in enumerate(OPENINGS)]
EXAMPLES = ExampleSet("ed/test", tuple(q.example for q in QUESTIONS))


@dataclasses.dataclass
class ScriptedLM:
    """An lm-eval backend that answers by a function of the prompt and remembers every prompt."""

    script: Callable[[str], str]
    seen: list[str] = dataclasses.field(default_factory=list)

    def apply_chat_template(self, chat: list[dict[str, str]]) -> str:
        return json.dumps(chat)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool) -> list[str]:
        prompts = [request.args[0] for request in requests]
        self.seen += prompts
        return [self.script(prompt) for prompt in prompts]


def scripted(
    script: Callable[[str], str], *, chat: bool = True, batch_size: int = 2
) -> tuple[LanguageModel, list[str]]:
    lm = ScriptedLM(script)
    card = {"name": "script", "kind": "model"}
    settings = Settings(reference_likelihood=False)
    lm_any: Any = lm
    return LanguageModel(lm_any, card, settings, batch_size, chat, likelihood=False), lm.seen


def about_emotion(prompt: str) -> bool:
    return "Which one of these emotions" in prompt


def emotion_then_reply(emotion: str, reply: str = "I hear you.") -> Callable[[str], str]:
    return lambda prompt: emotion if about_emotion(prompt) else reply


def answers(model: Model, questions: Sequence[Question] = QUESTIONS) -> list[Prediction]:
    return model.predict(ED, questions)


@pytest.fixture(scope="module")
def smollm2() -> LanguageModel:
    model = load_model("smollm2", Settings(batch_size=1, max_tokens=8))
    assert isinstance(model, LanguageModel)
    return model


# Two stages


def test_the_emotion_of_stage_one_is_named_to_stage_two() -> None:
    inner, seen = scripted(emotion_then_reply("Lonely."))
    (row,) = answers(TwoStage(inner), QUESTIONS[:1])
    assert (row.emotion, row.response, row.error) == ("lonely", "I hear you.", None)
    assert row.trace == {
        "emotion": {"answer": "lonely", "raw": "Lonely."},
        "named": "lonely",
        "response": {"raw": "I hear you."},
    }
    assert [about_emotion(prompt) for prompt in seen] == [True, False]
    asked, own = json.loads(seen[1]), messages(ED, QUESTIONS[0].example)
    assert "The user feels lonely." in asked[0]["content"]
    assert asked[0]["content"].startswith(own[0]["content"])
    assert asked[1:] == own[1:]


def test_a_base_model_reads_the_emotion_before_its_cue() -> None:
    inner, seen = scripted(emotion_then_reply("lonely"), chat=False)
    answers(TwoStage(inner), QUESTIONS[:1])
    own = text(ED, QUESTIONS[0].example)
    assert seen[1].startswith(own.removesuffix("Listener:"))
    assert seen[1].endswith(")\nListener:") and "The Speaker feels lonely" in seen[1]


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("said", ["melancholic", "sad or angry", "", "🙂", "<think>never ends"])
def test_an_invalid_emotion_is_not_named_and_counts_as_invalid(said: str, chat: bool) -> None:
    inner, seen = scripted(emotion_then_reply(said), chat=chat)
    rows = answers(TwoStage(inner))
    shown = [json.loads(p) if chat else p for p in seen if not about_emotion(p)]
    render = messages if chat else text
    assert shown == [render(ED, q.example) for q in QUESTIONS]
    assert [row.response for row in rows] == ["I hear you."] * 3
    assert not {row.emotion for row in rows} & {*ED_EMOTIONS, None}
    names = ["emotion_invalid_rate", "emotion_accuracy", "failure_rate"]
    scores = score_predictions(EXAMPLES, rows, kind="response", names=names, resamples=0)
    assert [score.value for score in scores] == [100.0, 0.0, 0.0]


@pytest.mark.parametrize("method", ["two-stage", "coe"])
def test_no_gold_label_and_no_reference_is_looked_at(method: str) -> None:
    seen_with = []
    for emotion, reply, strategy in (("sad", "a", "Others"), ("proud", "b", "Question")):
        inner, seen = scripted(emotion_then_reply("afraid"))
        model = TwoStage(inner) if method == "two-stage" else ChainOfEmpathy(inner, "dbt")
        changed = [
            Question(
                dataclasses.replace(
                    q.example, emotion=emotion, reference=reply, strategy=strategy, situation=reply
                )
            )
            for q in QUESTIONS
        ]
        rows = model.predict(ED, changed)
        seen_with.append((seen, rows))
    assert seen_with[0] == seen_with[1]


def test_without_a_reply_the_row_is_a_failure_that_keeps_its_emotion() -> None:
    inner, _ = scripted(emotion_then_reply("sad", reply=" \n"))
    (row,) = answers(TwoStage(inner), QUESTIONS[:1])
    assert (row.response, row.error, row.emotion) == (None, "empty reply", "sad")
    names = ["failure_rate", "emotion_accuracy"]
    examples = ExampleSet("ed/test", EXAMPLES.examples[:1])
    scores = score_predictions(examples, [row], kind="response", names=names, resamples=0)
    assert [score.value for score in scores] == [100.0, 0.0], "not right though its label is"


def test_of_another_data_set_the_emotion_is_told_but_not_scored() -> None:
    """ESConv's gold emotions are other labels; its demonstrations teach stage one none of them."""
    asked = question("Hello.", emotion="anxiety", dataset="esconv")
    shot = question("Hi there.", 9, emotion="depression", dataset="esconv").example
    inner, seen = scripted(emotion_then_reply("anxious"))
    (row,) = TwoStage(inner).predict(ESCONV, [dataclasses.replace(asked, shots=(shot,))])
    assert (row.emotion, row.emotion_scores) == (None, None)
    assert row.trace is not None and row.trace["named"] == "anxious"
    assert "depression" not in seen[0] and "Hi there." not in seen[0]
    assert "Hi there." in seen[1]


@pytest.mark.parametrize("name", ["ed_emotion", "esconv_strategy"])
def test_label_tasks_are_answered_by_the_model_alone(smollm2: LanguageModel, name: str) -> None:
    task = TASKS[name]
    assert TwoStage(smollm2).predict(task, QUESTIONS[:1]) == smollm2.predict(task, QUESTIONS[:1])


def test_a_real_model_names_its_likeliest_emotion_and_replies(smollm2: LanguageModel) -> None:
    model = load_model("two-stage:smollm2", Settings(batch_size=1, max_tokens=8))
    batch = QUESTIONS[:2]
    for asked, row in zip(batch, answers(model, batch), strict=True):
        (alone,) = smollm2.predict(TASKS["ed_emotion"], [asked])
        assert row.emotion == alone.emotion
        assert row.emotion_scores == pytest.approx(alone.emotion_scores, abs=1e-4)
        prompt = reply_prompt(ED, asked, True, emotion=alone.emotion)
        (reply,) = smollm2.answer(ED, [asked], [prompt])
        assert (row.response, row.reference_nll) == (reply.response, reply.reference_nll)
        (plain,) = smollm2.predict(ED, [asked])
        assert row.reference_nll != plain.reference_nll, "the emotion changes the prompt"


def test_an_endpoint_names_the_emotion_in_words(
    server: tuple[str, str],
) -> None:
    url, name = server
    model = load_model(f"two-stage:openai:{url}#{name}", Settings(max_tokens=6, batch_size=2))
    assert isinstance(model, TwoStage) and model.stage_one.name == "ed_emotion_generate"
    local = load_model("smollm2", Settings(max_tokens=6, batch_size=1, reference_likelihood=False))
    for asked, row in zip(QUESTIONS[:2], answers(model, QUESTIONS[:2]), strict=True):
        (label,) = local.predict(TASKS["ed_emotion_generate"], [asked])
        assert row.error is None and row.emotion == label.emotion
        assert row.emotion_scores is None and row.trace is not None
        assert row.trace["named"] == (label.emotion if label.emotion in ED_EMOTIONS else None)


def test_prompts_of_ones_own_are_answered_as_the_tasks_own(smollm2: LanguageModel) -> None:
    batch = QUESTIONS[:1]
    own = [messages(ED, batch[0].example)]
    assert smollm2.answer(ED, batch, own) == smollm2.predict(ED, batch)
    plain = dataclasses.replace(smollm2, chat=False)
    written = [text(ED, batch[0].example)]
    assert plain.answer(ED, batch, written) == plain.predict(ED, batch)


# Chain of empathy


def test_each_variant_asks_in_its_own_terms() -> None:
    for chat in (True, False):
        prompts = {v: str(reasoning_prompt(ED, QUESTIONS[0], chat, variant=v)) for v in VARIANTS}
        assert len(set(prompts.values())) == 4
        for name, prompt in prompts.items():
            own = [v for v in VARIANTS if VARIANTS[v].school in prompt]
            assert own == [name]
            assert "{" not in prompt.replace("{'role'", "").replace("{'content'", "")
            assert "Reply:" in prompt
            assert prompt.count("1. Feeling:") == (1 if chat else 2)


def test_the_tasks_own_prompt_comes_first() -> None:
    asked = reasoning_prompt(ED, QUESTIONS[0], True, variant="cbt")
    own = messages(ED, QUESTIONS[0].example)
    assert isinstance(asked, list)
    assert asked[0]["content"].startswith(own[0]["content"]) and asked[1:] == own[1:]
    plain = reasoning_prompt(ED, QUESTIONS[0], False, variant="cbt")
    assert isinstance(plain, str)
    assert plain.startswith(text(ED, QUESTIONS[0].example).removesuffix("Listener:"))


@pytest.mark.parametrize(
    ("raw", "reply", "reasoning"),
    [
        ("1. Feeling: sad\nReply: I am sorry.", "I am sorry.", "1. Feeling: sad"),
        ("Feeling: sad\n\n**Reply:** I am sorry.", "I am sorry.", "Feeling: sad"),
        ("Feeling: sad\n4. Reply: I am sorry.", "I am sorry.", "Feeling: sad"),
        ("Feeling: sad\nREPLY : “I am sorry.”", "I am sorry.", "Feeling: sad"),
        ("Reply: I am sorry.", "I am sorry.", ""),
        ("<think>Reply: no</think>Feeling: sad\nReply: Oh!", "Oh!", "Feeling: sad"),
        ("They reply: no, never.\nReply:\nOh!", "Oh!", "They reply: no, never."),
    ],
)
def test_the_reply_is_what_follows_its_line(raw: str, reply: str, reasoning: str) -> None:
    found, before = parse_chain(raw)
    assert (found.text, found.error, before) == (reply, None, reasoning)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", 'no line starts with "Reply:"'),
        ("I am so sorry to hear that.", 'no line starts with "Reply:"'),
        ("Feeling: sad. Reply: sorry", 'no line starts with "Reply:"'),
        ("Feeling: sad\nReply:", "empty reply"),
        ("Feeling: sad\nReply:  \n\n", "empty reply"),
        ("Reply: a\nReply: b", '2 lines start with "Reply:", expected one'),
        ("<think>Reply: a", "the reasoning block never ends"),
    ],
)
def test_no_reply_is_an_error_row_with_its_reason(raw: str, reason: str) -> None:
    inner, _ = scripted(lambda prompt: raw)
    (row,) = answers(ChainOfEmpathy(inner, "cbt"), QUESTIONS[:1])
    assert (row.error, row.response, row.raw) == (reason, None, raw)
    assert row.trace is not None and row.trace["variant"] == "cbt"
    examples = ExampleSet("ed/test", EXAMPLES.examples[:1])
    (rate,) = score_predictions(
        examples, [row], kind="response", names=["failure_rate"], resamples=0
    )
    assert rate.value == 100.0


@given(st.text())
def test_any_text_is_read_to_a_reply_or_a_reason(raw: str) -> None:
    for given_text in (raw, f"{raw}\nReply: {raw}"):
        reply, _ = parse_chain(given_text)
        assert bool(reply.text) != bool(reply.error)


def test_reasoning_is_kept_and_is_no_part_of_the_reply() -> None:
    inner, _ = scripted(lambda prompt: "1. Feeling: sad\n2. Thought: blame\nReply: It hurts.")
    (row,) = answers(ChainOfEmpathy(inner, "cbt"), QUESTIONS[:1])
    assert row.response == "It hurts."
    assert row.trace == {"variant": "cbt", "reasoning": "1. Feeling: sad\n2. Thought: blame"}


def test_a_real_model_reasons_in_a_row_that_the_schema_takes(tmp_path: Path) -> None:
    settings = Settings(batch_size=2, max_tokens=12, chat_template=False)
    model = load_model("coe:smollm2,pct", settings)
    header = make_header(ED, EXAMPLES, model, settings)
    outcome = predict(ED, QUESTIONS, model, header, tmp_path / "p.jsonl")
    rows = read_predictions(outcome.path)[1]
    assert len(rows) == 3
    for row in rows:
        assert row.raw and bool(row.response) != bool(row.error)
        assert row.reference_nll is None
    assert outcome.failed == sum(row.error is not None for row in rows)


def test_label_tasks_are_refused_at_once() -> None:
    inner, _ = scripted(lambda prompt: "")
    with pytest.raises(ModelError, match="ed_response"):
        ChainOfEmpathy(inner, "cbt").generation(TASKS["ed_emotion_generate"])


# Both


# A changed hash means changed words: raise the method's VERSION, then pin the new hash.
PINNED = {
    "two-stage": (1, "6f83d9ad1e75"),
    "cbt": (1, "055f9762e48f"),
    "dbt": (1, "8cdf512ac395"),
    "pct": (1, "4ba90ff86fb5"),
    "rt": (1, "f39c8e1d2a6a"),
}


def test_words_and_versions_are_pinned_together() -> None:
    from baselines.prompting import chain_of_empathy, two_stage

    inner, _ = scripted(lambda prompt: "")
    found = {"two-stage": TwoStage(inner).generation(ED)["prompting"]}
    found |= {v: ChainOfEmpathy(inner, v).generation(ED)["prompting"] for v in VARIANTS}
    assert {name: (words["version"], words["hash"]) for name, words in found.items()} == PINNED
    assert (two_stage.VERSION, chain_of_empathy.VERSION) == (1, 1)


def test_a_hash_follows_every_word() -> None:
    hashes = {
        words_hash(lambda t, q, c, e=e: reply_prompt(t, q, c, emotion=e))  # type: ignore[misc]
        for e in ("sad", "proud", None)
    }
    assert len(hashes) == 3


def test_the_header_says_method_variant_version_and_hash() -> None:
    inner, _ = scripted(lambda prompt: "")
    header = make_header(ED, EXAMPLES, ChainOfEmpathy(inner, "rt"), Settings())
    assert header.model["name"] == "script (CoE, RT)"
    assert header.generation["max_gen_toks"] == ED.max_tokens + REASONING_TOKENS
    assert header.generation["parser"].startswith("coe|")
    prompting = header.generation["prompting"]
    assert (prompting["method"], prompting["variant"]) == ("chain of empathy", "rt")
    assert (prompting["version"], prompting["hash"]) == PINNED["rt"]

    header = make_header(ED, EXAMPLES, TwoStage(inner), Settings())
    assert header.model["name"] == "script (two-stage)"
    stage = header.generation["prompting"]["stage_one"]
    assert stage["task"] == "ed_emotion_generate"
    assert stage["hash"] == prompt_hash(TASKS["ed_emotion_generate"])
    assert stage["max_gen_toks"] == TASKS["ed_emotion_generate"].max_tokens
    json.dumps(header.to_json())


@pytest.mark.parametrize("spec", ["two-stage:smollm2", "coe:smollm2,dbt"])
def test_a_resumed_run_equals_an_uninterrupted_one(spec: str, tmp_path: Path) -> None:
    settings = Settings(batch_size=1, max_tokens=6, temperature=0.8, reference_likelihood=False)
    model = load_model(spec, settings)
    header = make_header(ED, EXAMPLES, model, settings)
    questions = make_questions(ED, EXAMPLES, seed=0)
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    predict(ED, questions, model, header, whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    torn.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    assert predict(ED, questions, model, header, torn, resume=True).resumed == 1
    assert torn.read_bytes() == whole.read_bytes()


def test_a_stage_that_dies_leaves_no_half_row(tmp_path: Path) -> None:
    def dying(prompt: str) -> str:
        if not about_emotion(prompt) and "exam" in prompt:
            raise RuntimeError("server gone")
        return "sad" if about_emotion(prompt) else "I hear you."

    inner, _ = scripted(dying, batch_size=1)
    path = tmp_path / "p.jsonl"
    model = TwoStage(inner)
    header = make_header(ED, EXAMPLES, model, Settings())
    with pytest.raises(EmpathyBenchError, match=r"server gone.*--resume"):
        predict(ED, QUESTIONS, model, header, path)
    healthy = TwoStage(scripted(emotion_then_reply("sad"), batch_size=1)[0])
    assert predict(ED, QUESTIONS, healthy, header, path, resume=True).total == 3


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("two-stage", ModelError, "two-stage:smollm2"),
        ("coe", ModelError, "coe:smollm2"),
        ("coe:cbt", ModelError, "coe:smollm2"),
        ("coe:,cbt", ModelError, "coe:smollm2"),
        ("two-stage:constant", ModelError, "takes no prompts"),
        ("coe:two-stage:smollm2,cbt", ModelError, "takes no prompts"),
        ("coe:smollm2,xbt", UnknownNameError, "Did you mean 'dbt'"),
        ("coe:smollm3,cbt", UnknownNameError, "Did you mean 'smollm2'"),
    ],
)
def test_bad_specifications_are_told(spec: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        load_model(spec, Settings())


def test_commas_of_the_model_are_not_the_variants() -> None:
    model = load_model("coe:lm-eval:dummy,x=1,rt", Settings(chat_template=False))
    assert model.card["name"] == "dummy(x=1) (CoE, RT)"
    (row,) = answers(model, QUESTIONS[:1])
    assert (row.error, row.raw) == ('no line starts with "Reply:"', "lol")
    plain = load_model("coe:lm-eval:dummy,x=1", Settings(chat_template=False))
    assert plain.card["name"] == "dummy(x=1) (CoE, CBT)"
