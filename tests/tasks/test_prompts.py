"""Prompts: pinned words, chat rules, demonstrations that depend on nothing but seed and id."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import harness.tasks
from harness.dialogue import Example, Role, Turn
from harness.errors import UnknownNameError
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
