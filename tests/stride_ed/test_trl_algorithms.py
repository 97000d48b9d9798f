"""GRPO and RLOO through TRL: the same rewards and prompts as PPO, kills and all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.training_log import read_curve
from harness.tuning.kept import weights_hash
from tests.baselines.tiny_models import tiny
from tests.stride_ed.test_training import PPO, SFT, killed_once
from tests.stride_ed.training_work import cli, make_work

STEPS = (*PPO, "--save-every", "1")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def sft(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sft")
    base = tiny("llama", folder / "base")
    done = cli("stride", "sft", work, "--base", base, "-o", folder / "out", *SFT)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
def test_a_killed_run_goes_on_from_its_last_step(
    algorithm: str, sft: Path, work: Path, tmp_path: Path
) -> None:
    def arguments(folder: str) -> list[object]:
        return ["stride", "ppo", work, "--sft", sft, "--algorithm", algorithm, "-o",
                tmp_path / folder, *STEPS]  # fmt: skip

    whole = cli(*arguments("whole"))
    assert whole.returncode == 0, whole.stderr
    killed_once(arguments("cut"), tmp_path / "cut", 3)
    again = cli(*arguments("cut"), "--resume")
    assert again.returncode == 0, again.stderr
    rows = [read_curve(tmp_path / name) for name in ("whole", "cut")]
    assert [row["step"] for row in rows[0]] == [1, 2, 3, 4, 5, 6]
    for name in ("train/loss", "train/reward", "train/format", "train/strategy", "train/length"):
        assert all(name in row for row in rows[0]), name
    assert [row["step"] for row in rows[0] if "valid/reward" in row] == [2, 4, 6]
    for mine, other in zip(*rows, strict=True):
        assert mine == pytest.approx(other, abs=1e-5)
    assert weights_hash(tmp_path / "whole") == weights_hash(tmp_path / "cut")
    card = json.loads((tmp_path / "cut" / "card.json").read_text())
    assert card["stage"] == algorithm and algorithm.upper() in card["name"]


def test_answers_to_a_prompt_come_in_groups(sft: Path, work: Path, tmp_path: Path) -> None:
    done = cli(
        "stride", "ppo", work, "--sft", sft, "--algorithm", "rloo", "-o", tmp_path / "out", *PPO,
        "--batch-size", "12",
    )  # fmt: skip
    assert done.returncode == 2
    assert "--batch-size 12 must be a multiple of 8 answers" in done.stderr
