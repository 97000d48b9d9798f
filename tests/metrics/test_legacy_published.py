"""Numbers that were recorded from the published files before this code existed, to the digit.

They are an independent computation over the outputs stored in the authors' repositories, or are
printed there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.metrics.contract import Scored
from tests.metrics.build import value
from tests.metrics.published import SYSTEMS, replies

# system → BLEU-4 averaged over replies, Dist-2 of the first 1,000 replies
RECORDED = {
    "TRS": ("0.98", "4.78"),
    "Multi-TRS": ("1.18", "8.87"),
    "MoEL": ("1.03", "8.80"),
    "MIME greedy": ("0.68", "3.73"),
    "MIME beam": ("1.03", "3.01"),
    "MIME top-k": ("0.31", "12.27"),
    "EmpDG-repo TRS": ("0.86", "8.20"),
    "EmoPrepend": ("0.95", "7.68"),
    "EmpDG-repo MoEL": ("0.91", "15.14"),
    "EmpDG": ("1.18", "11.31"),
}


@pytest.mark.parametrize("system", RECORDED)
def test_sentence_bleu_of_empdg_and_dist_of_the_first_thousand(
    real_data: Path, system: str
) -> None:
    examples = replies(real_data, system)
    found = (
        f"{value('bleu_4_sentence', examples, 'empdg'):.2f}",
        f"{value('dist_2', examples[:1000], 'moel'):.2f}",
    )
    assert found == RECORDED[system]


def test_one_name_four_bleus_of_moel(real_data: Path) -> None:
    moel = replies(real_data, "MoEL")
    assert f"{value('bleu_4', moel, 'moel'):.2f}" == "2.90"
    assert f"{value('p_4', moel, 'empdg'):.2f}" == "1.23"
    assert f"{value('bleu_4_sentence', moel, 'empdg'):.2f}" == "1.03"
    assert f"{value('bleu_2_sentence', moel, 'dcks'):.1f}" == "20.3"


def test_dist_2_of_moel_by_number_of_replies(real_data: Path) -> None:
    moel = replies(real_data, "MoEL")
    found = [f"{value('dist_2', moel[:n], 'moel'):.2f}" for n in (5255, 2713, 1000)]
    assert found == ["2.89", "4.58", "8.80"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_two_definitions_of_dist_lie_worlds_apart(real_data: Path, system: str) -> None:
    examples = replies(real_data, system)
    assert 94 <= value("dist_2", examples, "empgpt3") <= 99
    assert value("dist_2", examples, "cem") < 9


@pytest.mark.parametrize("system", SYSTEMS)
def test_sentence_bleu_2_with_method_7_lies_between_20_and_24(real_data: Path, system: str) -> None:
    assert 20 <= value("bleu_2_sentence", replies(real_data, system), "dcks") <= 24


def test_human_replies_as_recorded(real_data: Path) -> None:
    human = [replace(item, response=item.reference) for item in replies(real_data, "MoEL")]
    found = [f"{value(name, human, 'moel'):.2f}" for name in ("dist_1", "dist_2")]
    assert found == ["6.04", "36.87"]


@pytest.mark.parametrize(
    ("constant", "recorded"),
    [
        ("that is great ! i hope you have a good time .", ["20.87", "8.27", "1.85"]),
        ("i am sorry to hear that . i hope you get it .", ["20.24", "8.08", "2.43"]),
        ("i am sorry to hear that .", ["8.90", "3.38", "1.21"]),
    ],
)
@pytest.mark.parametrize("profile", ["moel", "mime"])
def test_constant_replies_as_recorded(
    real_data: Path, constant: str, recorded: list[str], profile: str
) -> None:
    examples = [replace(item, response=constant) for item in replies(real_data, "TRS")]
    assert [f"{value(f'bleu_{n}', examples, profile):.2f}" for n in (1, 2, 4)] == recorded


@pytest.mark.parametrize("system", SYSTEMS)
def test_stripping_a_label_by_letters_changes_few_replies_and_dist_little(
    real_data: Path, system: str
) -> None:
    examples = replies(real_data, system)
    cut = [item for item in examples if item.text.strip()[:1] in set("Greedy:")]
    assert len(cut) <= 0.14 * len(examples)
    difference = value("dist_2", examples, "cem") - value("dist_2", examples, "moel")
    assert round(difference, 2) <= 0.02


def test_mimes_accuracy_is_the_one_in_its_header(real_data: Path) -> None:
    lines = (real_data / "outputs/ed/mime_repo.txt").read_text(encoding="utf-8").splitlines()
    examples: list[Scored] = []
    for line in lines:
        if line.startswith("emotion:"):
            gold, _, predicted = line.removeprefix("emotion:").split("\t")
            examples.append(
                Scored(
                    id=str(len(examples)),
                    cluster=str(len(examples)),
                    response="",
                    reference="",
                    emotion=predicted.removeprefix("predicted_emotion:").strip(),
                    gold_emotion="sad",
                    file_emotion=gold.strip(),
                )
            )
    assert len(examples) == 5255
    assert f"{value('emotion_accuracy', examples, 'mime') / 100:.4f}" == "0.3488"
    assert f"{value('emotion_accuracy', examples, 'mime') / 100:.5f}" == "0.34881"
