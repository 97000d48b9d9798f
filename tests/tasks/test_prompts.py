"""Prompts: pinned words, chat rules, demonstrations by seed and id alone or by similarity alone."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import harness.tasks
from harness.datasets import load_example_set
from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Role, Turn
from harness.errors import InputError, PredictionsError, UnknownNameError
from harness.models import Settings, load_model
from harness.predict import make_header, make_questions
from harness.predictions import read_predictions
from harness.retrieval import bm25, context_query, retrieve_demonstrations
from harness.run import Plan, predict_task
from harness.tasks import GROUPS, TASKS, get_tasks
from harness.tasks.prompts import STOP, demonstrations, messages, prompt_hash, text


def example(*spoken: tuple[Role, str], number: int = 0, dialogue: str = "d") -> Example:
    return Example(
        id=f"x/{dialogue}/{number}",
        dialogue_id=f"x/{dialogue}",
        context=tuple(Turn(i, role, words) for i, (role, words) in enumerate(spoken)),
        reference="I am here.",
        emotion="sad",
        strategy="Question",
    )


TALK = example(("speaker", "My cat  is\nill."), ("listener", "Oh no!"), ("speaker", "Yes."))

# A changed hash means changed words: raise the task's version, then pin the new hash.
PINNED = {
    "ed_response": (1, "bedb3aebf169"),
    "ed_emotion": (1, "9946b04eb4fc"),
    "ed_emotion_generate": (1, "9946b04eb4fc"),
    "esconv_response": (1, "abbf5b4b254e"),
    "esconv_strategy": (1, "84c622f24a31"),
    "esconv_strategy_generate": (1, "84c622f24a31"),
}


def test_words_and_versions_are_pinned_together() -> None:
    assert {n: (t.version, prompt_hash(t)) for n, t in TASKS.items()} == PINNED


def test_plain_prompt() -> None:
    prompt = text(TASKS["ed_response"], TALK)
    assert prompt.endswith(
        "\n\nSpeaker: My cat is ill.\nListener: Oh no!\nSpeaker: Yes.\nListener:"
    )
    assert prompt.count("\n\n") == 1


def test_plain_few_shot_prompt_holds_whole_demonstrations() -> None:
    prompt = text(TASKS["ed_emotion"], TALK, [TALK])
    assert "\nSpeaker: Yes.\nEmotion: sad\n\nSpeaker:" in prompt
    assert prompt.endswith("\nSpeaker: Yes.\nEmotion:")


def test_dialogue_becomes_chat_turns() -> None:
    chat = messages(TASKS["ed_response"], TALK)
    assert [m["role"] for m in chat] == ["system", "user", "assistant", "user"]
    assert chat[1]["content"] == "My cat is ill."


def test_no_prompt_shows_situation_or_answer() -> None:
    from dataclasses import replace

    secret = replace(TALK, situation="SECRET", reference="SECRET", emotion="proud")
    for task in TASKS.values():
        assert "SECRET" not in text(task, secret) + str(messages(task, secret))
        if task.kind == "response":
            assert "proud" not in text(task, secret)


@given(st.lists(st.sampled_from(["speaker", "listener"]), min_size=1, max_size=8))
def test_chat_always_alternates_and_ends_with_the_user(roles: list[Role]) -> None:
    spoken = [(role, f"words {i}") for i, role in enumerate(roles)]
    for task in TASKS.values():
        asked = [m["role"] for m in messages(task, example(*spoken), [TALK])]
        assert asked[0] == "system"
        assert asked[1:] == ["user", "assistant"] * ((len(asked) - 2) // 2) + ["user"]


def test_demonstrations_depend_on_seed_and_id_alone() -> None:
    task = TASKS["ed_response"]
    pool = [example(("speaker", "a"), number=n, dialogue=f"p{n // 2}") for n in range(40)]
    drawn = demonstrations(task, TALK, pool, 3, seed=1)
    assert drawn == demonstrations(task, TALK, pool, 3, seed=1)
    assert drawn != demonstrations(task, TALK, pool, 3, seed=2)
    assert len({shot.dialogue_id for shot in drawn}) == 3


def test_no_demonstration_is_of_the_same_dialogue() -> None:
    task = TASKS["ed_response"]
    pool = [example(("speaker", "a"), number=n) for n in range(1, 9)]
    assert demonstrations(task, TALK, pool, 3, seed=1) == ()


WORDS = ("dog", "exam", "car", "night", "house")


def naive_bm25(query: Sequence[str], texts: Sequence[Sequence[str]]) -> list[float]:
    """Lucene's BM25 (k1 1.5, b 0.75) by its formula, one term of one text at a time."""
    mean = sum(map(len, texts)) / len(texts)
    scores = []
    for words in texts:
        counts, total = Counter(words), 0.0
        for term in query:
            having = sum(term in other for other in texts)
            idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            tf = counts[term]
            total += idf * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * len(words) / mean))
        scores.append(total)
    return scores


contexts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


@given(st.lists(contexts, min_size=2, max_size=12), contexts)
def test_bm25_is_lucenes(texts: list[list[str]], query: list[str]) -> None:
    (found,) = bm25([" ".join(words) for words in texts])([" ".join(query)])
    assert found.tolist() == pytest.approx(naive_bm25(query, texts), abs=1e-4)


@given(
    st.lists(st.tuples(contexts, st.integers(0, 9)), min_size=1, max_size=200),
    contexts,
    st.integers(1, 4),
)
def test_retrieved_demonstrations_are_the_nearest_that_are_allowed(
    pairs: list[tuple[list[str], int]], words: list[str], count: int
) -> None:
    asked = example(("speaker", " ".join(words)), dialogue="0")
    pool = [
        example(("speaker", " ".join(spoken)), number=n, dialogue=str(dialogue))
        for n, (spoken, dialogue) in enumerate(pairs)
    ]
    (similarity,) = bm25([context_query(e) for e in pool])([context_query(asked)])
    expected: list[Example] = []
    for index in sorted(range(len(pool)), key=lambda n: (-similarity[n], n)):
        candidate = pool[index]
        taken = {shot.dialogue_id for shot in expected} | {asked.dialogue_id}
        if candidate.dialogue_id not in taken and candidate.context != asked.context:
            expected.append(candidate)
    (found,) = retrieve_demonstrations([asked], pool, count)
    assert list(found) == expected[:count][::-1]


def test_the_most_similar_stands_last_and_an_identical_context_nowhere() -> None:
    asked = example(("speaker", "my dog is ill"), dialogue="asked")
    pool = [
        example(("speaker", "my  Dog is ILL"), dialogue="same words"),
        example(("speaker", "my exam is near"), dialogue="far"),
        example(("speaker", "my old dog is very ill"), dialogue="near"),
        example(("speaker", "my dog is ill today"), dialogue="asked"),
        example(("speaker", "my dog is ill"), ("listener", "oh"), dialogue="nearest"),
    ]
    (found,) = retrieve_demonstrations([asked], pool, 3)
    assert [shot.dialogue_id for shot in found] == ["x/far", "x/near", "x/nearest"]
    silent = example(("speaker", "…"), dialogue="s")
    assert len(retrieve_demonstrations([silent], pool, 2)[0]) == 2
    assert retrieve_demonstrations([asked], [silent], 2) == [()]
    assert retrieve_demonstrations([asked], [], 2) == [()]


def test_retrieval_looks_at_contexts_alone_and_at_one_example_at_a_time() -> None:
    task = TASKS["ed_response"]
    examples = load_example_set(task.example_set, "sample").limited(6)
    pool = load_example_set(task.train_set, "sample").examples
    found = retrieve_demonstrations(examples.examples, pool, 3)
    assert all(len({shot.dialogue_id for shot in shots}) == 3 for shots in found)
    changed = [
        dataclasses.replace(e, emotion="proud", reference="other", situation="other")
        for e in examples
    ]
    assert retrieve_demonstrations(changed, pool, 3) == found
    assert retrieve_demonstrations(changed[::-1], pool, 3) == found[::-1]
    asked = make_questions(
        task, examples, few_shot=3, pool=pool, seed=1, demonstrations="retrieved"
    )
    assert [question.shots for question in asked] == found


def test_the_header_says_how_demonstrations_were_chosen() -> None:
    task, model, settings = TASKS["ed_response"], load_model("constant", Settings()), Settings()
    examples = ExampleSet("ed/test", (TALK,))
    drawn = make_header(task, examples, model, settings, few_shot=2)
    assert drawn.prompt == {"version": 1, "hash": PINNED[task.name][1], "few_shot": 2}
    found = make_header(task, examples, model, settings, few_shot=2, demonstrations="retrieved")
    assert found.prompt["demonstrations"] == "retrieved"
    assert found.prompt["search"].startswith("bm25 lucene k1 1.5 b 0.75|")
    assert drawn.prompt.items() < found.prompt.items()


def test_a_run_is_not_resumed_with_other_demonstrations(tmp_path: Path) -> None:
    task, settings = TASKS["ed_response"], Settings(data="sample")
    model = load_model("constant", settings)
    drawn = Plan.load(task, data="sample", limit=3, few_shot=2)
    found = dataclasses.replace(drawn, demonstrations="retrieved")
    outcome = predict_task(found, model, settings, tmp_path)
    header, _ = read_predictions(outcome.path)
    assert header is not None and header.prompt["demonstrations"] == "retrieved"
    assert predict_task(found, model, settings, tmp_path, resume=True).resumed == 3
    with pytest.raises(PredictionsError, match="prompt"):
        predict_task(drawn, model, settings, tmp_path, resume=True)


def test_retrieved_demonstrations_need_a_number() -> None:
    with pytest.raises(InputError, match="--few-shot 3"):
        Plan.load(TASKS["ed_response"], data="sample", demonstrations="retrieved")


def test_names_groups_and_suggestions() -> None:
    assert get_tasks("ed_response,empathy")[0].name == "ed_response"
    assert len(get_tasks("ed_response,empathy")) == 4
    with pytest.raises(UnknownNameError, match="Did you mean 'ed_response'"):
        get_tasks("ed_respons")


def test_yaml_files_say_what_the_records_say() -> None:
    folder = Path(harness.tasks.__file__).parent

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    for name, task in TASKS.items():
        config = yaml.load((folder / f"{name}.yaml").read_text(), Loader)
        assert config["task"] == config["metadata"]["task"] == name
        assert config["metadata"]["version"] == task.version
        if task.method == "generate":
            assert config["generation_kwargs"] == {
                "until": list(STOP),
                "do_sample": False,
                "max_gen_toks": task.max_tokens,
            }
    for name, members in GROUPS.items():
        config = yaml.load((folder / f"{name}.yaml").read_text(), Loader)
        assert config["task"] == list(members)
