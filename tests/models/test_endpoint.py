"""The openai: model against a real OpenAI-compatible server that serves the bundled model."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.datasets.sets import ExampleSet
from harness.errors import EmpathyBenchError, ModelError
from harness.models import Settings, load_model
from harness.models.bundled import bundled_directory
from harness.predict import make_header, predict
from harness.tasks import TASKS
from tests.models.test_language_model import QUESTIONS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Base URL and model name of a running `transformers serve`."""
    folder = bundled_directory()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log").open("w+")
    program = Path(sys.executable).parent / "transformers"
    if not program.exists():
        pytest.skip("the transformers command is not installed")
    process = subprocess.Popen(
        [program, "serve", str(folder), "--device", "cpu", "--dtype", "float32",
         "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdout=log, stderr=log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    pytest.fail(f"the server did not start: {log.read()[-2000:]}")
                time.sleep(0.5)
        yield f"{url}/v1", str(folder)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(Path(log.name).parent, ignore_errors=True)


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
