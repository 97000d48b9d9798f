"""The openai: model against a real OpenAI-compatible server that serves the bundled model."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets.sets import ExampleSet
from harness.errors import EmpathyBenchError, ModelError
from harness.models import Settings, load_model
from harness.predict import make_header, predict
from harness.tasks import TASKS
from tests.models.test_language_model import QUESTIONS


def test_chat_endpoint_says_what_the_model_says(server: tuple[str, str]) -> None:
    url, name = server
    settings = Settings(max_tokens=12, batch_size=4)
    remote = load_model(f"openai:{url}#{name}", settings)
    local = load_model("smollm2", Settings(max_tokens=12, batch_size=1, reference_likelihood=False))
    task = TASKS["ed_response"]
    (batch,) = remote.batches(task, QUESTIONS[:4])
    answers = remote.predict(task, batch)
    assert [answer.error for answer in answers] == [None] * 4
    said = {answer.id: answer.response for answer in answers}
    for question in batch:
        (expected,) = local.predict(task, [question])
        assert said[question.example.id] == expected.response


def test_no_secret_and_no_path_reaches_the_card(
    server: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    url, name = server
    model = load_model(f"openai:{url}#{name}", Settings())
    text = f"{model.card} {model.generation(TASKS['ed_response'])}"
    assert "sk-secret" not in text
    assert str(Path(name).parent) not in text


def test_label_likelihood_tasks_are_refused_at_once(server: tuple[str, str]) -> None:
    url, name = server
    model = load_model(f"openai:{url}#{name}", Settings())
    with pytest.raises(ModelError, match="ed_emotion_generate"):
        model.generation(TASKS["ed_emotion"])


def test_unknown_model_name_is_an_error_not_a_reply(
    server: tuple[str, str], tmp_path: Path
) -> None:
    url, _ = server
    task = TASKS["ed_response"]
    settings = Settings()
    model = load_model(f"openai:{url}#no-such-model", settings)
    examples = ExampleSet("ed/test", tuple(question.example for question in QUESTIONS))
    header = make_header(task, examples, model, settings)
    path = tmp_path / "p.jsonl"
    with pytest.raises(EmpathyBenchError, match=r"no-such-model.*--resume"):
        predict(task, QUESTIONS, model, header, path)
    assert len(path.read_bytes().splitlines()) == 1, "only the header"
