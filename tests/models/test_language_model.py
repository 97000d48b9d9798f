"""The bundled language model: label scores equal plain lm-eval's, batches do not depend on luck."""

from __future__ import annotations

import dataclasses

import pytest

from harness.dialogue import Example, Turn
from harness.errors import ModelError
from harness.models import Question, Settings, load_model
from harness.models.language_model import LanguageModel
from harness.tasks import TASKS
from harness.tasks.prompts import continuation

OPENINGS = [
    "My dog died last week and the house is so quiet.",
    "I passed my final exam after three tries!",
    "Someone scratched my car and drove off.",
    "I heard a noise downstairs last night. I could not move, I was that scared of it.",
    "We moved here in May and I still know nobody.",
]
QUESTIONS = [
    Question(
        Example(
            id=f"x/{number}",
            dialogue_id=f"x/{number}",
            context=(Turn(1, "speaker", opening),),
            reference="Oh, how do you feel about it now?",
            emotion="sad",
            strategy="Question",
        )
    )
    for number, opening in enumerate(OPENINGS)
]


@pytest.fixture(scope="module")
def smollm2() -> LanguageModel:
    model = load_model("smollm2", Settings(batch_size=2, max_tokens=8))
    assert isinstance(model, LanguageModel)
    return model


def plain_scores(model: LanguageModel, prompt: str, labels: tuple[str, ...]) -> list[float]:
    """log p(label | prompt) by lm-eval's own method: the whole sequence once per label."""
    from lm_eval.models.huggingface import HFLM

    lm = model.lm
    pairs = [lm._encode_pair(prompt, continuation(label, chat=model.chat)) for label in labels]
    answers = HFLM._loglikelihood_tokens(
        lm, [(None, context, tail) for context, tail in pairs], disable_tqdm=True
    )
    return [score for score, _ in answers]


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("name", ["ed_emotion", "esconv_strategy"])
def test_shared_prefix_scores_equal_plain_scores(
    smollm2: LanguageModel, name: str, chat: bool
) -> None:
    task, model = TASKS[name], dataclasses.replace(smollm2, chat=chat)
    (prediction,) = model.predict(task, QUESTIONS[:1])
    scores = prediction.emotion_scores or prediction.strategy_scores
    assert scores is not None
    expected = plain_scores(model, model._prompt(task, QUESTIONS[0]), task.labels)
    assert list(scores.values()) == pytest.approx(expected, abs=1e-4)
    best = task.labels[expected.index(max(expected))]
    assert best == (prediction.emotion or prediction.strategy)


def test_reference_likelihoods_are_lm_evals_whatever_the_batch(smollm2: LanguageModel) -> None:
    task = TASKS["ed_response"]
    predictions = smollm2.predict(task, QUESTIONS)
    for question, prediction in zip(QUESTIONS, predictions, strict=True):
        reference = question.example.reference
        prompt = smollm2._prompt(task, question)
        (expected,) = plain_scores(smollm2, prompt, (reference,))
        assert prediction.reference_nll == pytest.approx(-expected, abs=1e-4)
        assert prediction.reference_words == len(reference.split())


def test_longest_prompts_come_first_whatever_the_order_given(smollm2: LanguageModel) -> None:
    task = TASKS["ed_response"]
    batches = smollm2.batches(task, QUESTIONS)
    assert batches == smollm2.batches(task, QUESTIONS[::-1])
    assert [len(batch) for batch in batches] == [2, 2, 1]
    lengths = [smollm2._length(smollm2._prompt(task, q)) for batch in batches for q in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_sampling_is_fixed_by_the_seed(smollm2: LanguageModel) -> None:
    task = TASKS["ed_response"]
    settings = dataclasses.replace(smollm2.settings, temperature=1.0)
    sampled = dataclasses.replace(smollm2, settings=settings)
    first, again = (sampled.predict(task, QUESTIONS[:2]) for _ in range(2))
    other_seed = dataclasses.replace(settings, seed=settings.seed + 1)
    other = dataclasses.replace(sampled, settings=other_seed).predict(task, QUESTIONS[:2])
    assert first == again
    assert [p.response for p in first] != [p.response for p in other]


def test_a_backend_without_likelihoods_is_told_before_any_work(smollm2: LanguageModel) -> None:
    blind = dataclasses.replace(smollm2, likelihood=False)
    with pytest.raises(ModelError, match="ed_emotion_generate"):
        blind.generation(TASKS["ed_emotion"])
    assert blind.generation(TASKS["ed_response"])["reference_likelihood"] is False


def test_any_lm_eval_backend_by_name() -> None:
    model = load_model("lm-eval:dummy", Settings(chat_template=False))
    (prediction,) = model.predict(TASKS["ed_response"], QUESTIONS[:1])
    assert prediction.response == "lol"


@pytest.mark.parametrize(
    "spec",
    ["smollm2:extra", "hf", "openai:localhost#x", "openai:http://127.0.0.1:9/v1", "lm-eval:no"],
)
def test_bad_specifications_are_model_errors(spec: str) -> None:
    with pytest.raises(ModelError):
        load_model(spec, Settings())
