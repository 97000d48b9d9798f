"""Floors, the human row and retrieval, on the embedded sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.floors import derange
from baselines.retrieval import NEIGHBOURS, nearest
from harness.dialogue import Example, Turn
from harness.errors import ModelError
from harness.models import Settings, load_model
from harness.predictions import Prediction, read_predictions
from harness.run import Plan, predict_task
from harness.tasks import TASKS, Task

SETTINGS = Settings(data="sample")


def answers(name: str, task: Task, folder: Path, settings: Settings = SETTINGS) -> list[Prediction]:
    model = load_model(name, settings)
    outcome = predict_task(Plan.load(task, data="sample"), model, settings, folder)
    return read_predictions(outcome.path)[1]


RETRIEVAL = ("retrieval", "retrieval:bm25", "retrieval:minilm", "retrieval:bm25+emotion")


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sentence vectors of training contexts go to a cache folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.mark.parametrize("name", ["constant", "shuffled", "longest", "echo", "human", *RETRIEVAL])
@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_every_baseline_answers_every_task(name: str, task: Task, tmp_path: Path) -> None:
    rows = answers(name, task, tmp_path)
    assert len(rows) == len(Plan.load(task, data="sample").examples)
    for row in rows:
        assert row.error is None
        assert row.response if task.kind == "response" else True
        if task.labels:
            assert getattr(row, task.kind) in task.labels


def test_constant_is_constant_and_may_be_chosen(tmp_path: Path) -> None:
    rows = answers("constant:I hear you.", TASKS["ed_response"], tmp_path)
    assert {row.response for row in rows} == {"I hear you."}


def test_constant_label_is_the_commonest_of_training(tmp_path: Path) -> None:
    from harness.datasets import load_example_set

    counts = Counter(e.strategy for e in load_example_set("esconv/train-910-195-195", "sample"))
    (label,) = {row.strategy for row in answers("constant", TASKS["esconv_strategy"], tmp_path)}
    assert counts[label] == max(counts.values())


def test_human_row_is_the_reference(tmp_path: Path) -> None:
    task = TASKS["ed_response"]
    gold = {e.id: e.reference for e in Plan.load(task, data="sample").examples}
    assert {r.id: r.response for r in answers("human", task, tmp_path)} == gold


def test_shuffled_depends_on_the_seed_alone(tmp_path: Path) -> None:
    task = TASKS["ed_response"]
    one = answers("shuffled", task, tmp_path / "1")
    same = answers("shuffled", task, tmp_path / "2")
    other = answers("shuffled", task, tmp_path / "3", Settings(data="sample", seed=5))
    assert one == same
    assert one != other


def test_longest_is_the_longer_of_two_other_replies(tmp_path: Path) -> None:
    task = TASKS["ed_response"]
    plan = Plan.load(task, data="sample")
    rows = {row.id: row.response or "" for row in answers("longest", task, tmp_path)}
    replies = {e.reference: e.dialogue_id for e in plan.examples}
    assert all(replies[rows[e.id]] != e.dialogue_id for e in plan.examples)
    mean = sum(map(len, replies)) / len(replies)
    assert sum(map(len, rows.values())) / len(rows) > 1.05 * mean


@pytest.mark.parametrize("name", RETRIEVAL[:3])
def test_retrieval_answers_a_training_context_with_its_reply(name: str) -> None:
    from harness.datasets import load_example_set
    from harness.models import Question

    task = TASKS["ed_response"]
    known = load_example_set(task.train_set, "sample").examples[:20]
    rows = load_model(name, SETTINGS).predict(task, [Question(e) for e in known])
    assert [row.response for row in rows] == [e.reference for e in known]


def test_the_emotion_is_voted_by_the_nearest_and_narrows_the_choice() -> None:
    # The nearest context is "sad", but the two "proud" ones weigh more together.
    similarity = np.array([[0.9, 0.5, 0.6, 0.1], [0.9, 0.3, 0.2, 0.1]])
    emotions = ["sad", "proud", "proud", "afraid"]
    assert nearest(similarity) == [0, 0]
    assert nearest(similarity, emotions) == [2, 0]


def test_only_the_fifty_nearest_vote() -> None:
    far = np.full(200, 0.1)
    similarity = np.concatenate([[0.9, 0.8], far])[None]
    assert nearest(similarity, ["sad", "proud", *["afraid"] * 200]) == [2]
    near = np.concatenate([np.linspace(0.9, 0.8, NEIGHBOURS), far])[None]
    assert nearest(near, ["sad"] * NEIGHBOURS + ["afraid"] * 200) == [0]


def test_training_vectors_are_made_once_and_again_if_damaged(own_cache: Path) -> None:
    from harness.metrics.neural.model_files import find_model
    from harness.metrics.neural.sentences import load_sentence_encoder
    from harness.models import Question

    task = TASKS["ed_response"]
    asked = [Question(e) for e in Plan.load(task, data="sample").examples.examples[:4]]
    tally = load_sentence_encoder(find_model("")).encoder.tally

    def said() -> tuple[list[str | None], int]:
        """The replies, and how many texts were encoded for them by an encoder that forgot all."""
        load_sentence_encoder.cache_clear()
        before = tally.texts
        rows = load_model(RETRIEVAL[2], SETTINGS).predict(task, asked)
        return [row.response for row in rows], tally.texts - before

    first, _ = said()
    assert said() == (first, len(asked))
    for file in (own_cache / "empathy-bench" / "vectors").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    again, encoded = said()
    assert again == first
    assert encoded > len(asked)


@pytest.mark.parametrize("name", ["retrieval:bm26", "retrieval:bm25+emotions", "retrieval:+x"])
def test_an_unknown_retrieval_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="write retrieval, retrieval:bm25"):
        load_model(name, SETTINGS)


def talk(sizes: list[int]) -> list[Example]:
    return [
        Example(f"x/{d}/{n}", f"x/{d}", (Turn(0, "speaker", "hi"),), f"{d} {n}")
        for d, size in enumerate(sizes)
        for n in range(size)
    ]


@given(st.lists(st.integers(1, 6), min_size=2, max_size=12), st.integers(0, 100))
def test_nobody_gets_an_answer_of_their_own_dialogue(sizes: list[int], seed: int) -> None:
    examples = talk(sizes)
    if 2 * max(sizes) > len(examples):
        with pytest.raises(ModelError, match="more examples"):
            derange(examples, seed)
        return
    donors = derange(examples, seed)
    assert sorted(d.id for d in donors) == sorted(e.id for e in examples)
    for example, donor in zip(examples, donors, strict=True):
        assert example.dialogue_id != donor.dialogue_id


def test_shuffling_breaks_the_place_in_the_dialogue_too() -> None:
    examples = talk([8] * 40)
    aligned = sum(
        e.id.split("/")[2] == d.id.split("/")[2]
        for e, d in zip(examples, derange(examples, 3), strict=True)
    )
    assert aligned < 80, "1 in 8 by chance is 40 of 320"
