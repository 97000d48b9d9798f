"""`stride score` and `stride ablate`: labels that ED lacks, paired with whose they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import InputError
from stride_ed.trace import render
from stride_ed.training.scoring import relabelled, score_runs
from stride_ed.training.variants import VARIANTS
from tests.baselines.tiny_models import tiny
from tests.stride_ed.training_work import NAMES, annotated, cli, make_work, write_run


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("held"), example_set="ed/test")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One that is always right, and one that loses a part on every second, third, fourth."""
    folder = tmp_path_factory.mktemp("runs")
    examples, annotations = annotated("ed/test")
    right, wrong = {}, {}
    for number, example in enumerate(examples):
        trace = annotations[example.id].trace
        assert trace is not None
        right[example.id] = text = render(trace)
        if number % 2 == 0:
            text = text.replace(f"<Emotion> {trace.emotion}", "<Emotion> none")
        if number % 3 == 0:
            other = NAMES[(NAMES.index(trace.strategy) + 1) % len(NAMES)]
            text = text.replace(f"({trace.strategy})", f"({other})")
        if number % 4 == 0:
            text += " and more"
        wrong[example.id] = text
    return [write_run(folder, "right", right), write_run(folder, "wrong", wrong)]


def test_each_part_is_counted(runs: list[Path], held: Path) -> None:
    found = score_runs(runs, data="sample", annotations=held)
    examples, _ = annotated("ed/test")
    n = len(examples)
    best, other = ({m.name: m.value for m in metrics} for metrics in found.metrics)
    assert best == {
        "stride_format_rate": 100.0, "stride_emotion_rate": 100.0, "stride_strategy_rate": 100.0,
        "stride_reward": 3.0,
    }  # fmt: skip
    framed = [number for number in range(n) if number % 4]
    emotions = sum(number % 2 != 0 for number in framed)
    strategies = sum(number % 3 != 0 for number in framed)
    assert other["stride_format_rate"] == pytest.approx(100 * len(framed) / n)
    assert other["stride_emotion_rate"] == pytest.approx(100 * emotions / n)
    assert other["stride_strategy_rate"] == pytest.approx(100 * strategies / n)
    assert other["stride_reward"] == pytest.approx((len(framed) + emotions + strategies) / n)
    assert found.annotator == "test"
    reward = next(d for d in found.differences if d.metric == "stride_reward")
    assert reward.verdict == "worse" and reward.p_adjusted < 0.05


def test_without_annotations_nothing_is_said_of_strategies(runs: list[Path]) -> None:
    found = score_runs(runs[:1], data="sample", annotations=None)
    assert [m.name for m in found.metrics[0]] == ["stride_format_rate", "stride_emotion_rate"]


def test_annotations_of_another_split_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = make_work(tmp_path, example_set="ed/valid")
    with pytest.raises(InputError, match=r"says nothing of .* annotate .* --example-set"):
        score_runs(runs, data="sample", annotations=other)
    with pytest.raises(InputError, match="no such file"):
        relabelled(tmp_path / "nowhere")


def test_the_command_prints_and_gives_json(runs: list[Path], held: Path) -> None:
    words = cli("stride", "score", *runs, "--data", "sample", "--annotations", held)
    assert words.returncode == 0, words.stderr
    assert "the test annotator's labels" in words.stdout and "100.00" in words.stdout
    found = json.loads(cli("stride", "score", *runs, "--data", "sample", "--json").stdout)
    assert [row["name"] for row in found["systems"]] == ["right", "wrong"]


def test_an_ablation_is_a_table_beside_the_papers(held: Path, tmp_path: Path) -> None:
    work, base = make_work(tmp_path / "work"), tiny("llama", tmp_path / "base")
    arguments = (
        "stride", "ablate", work, "--data", "sample", "--base", base, "--preset", "small",
        "--variants", "without-emotion,without-cot,without-ppo", "--sft-steps", "4",
        "--ppo-steps", "1", "--batch-size", "4", "--annotations", held, "--limit-test", "6",
        "--max-tokens", "12", "-o", tmp_path / "out",
    )  # fmt: skip
    done = cli(*arguments)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "out" / "ablation.json").read_text())
    rows = {row["variant"]: row for row in table["rows"]}
    assert list(rows) == ["full", "without-emotion", "without-cot", "without-ppo"]
    # FIELD: Ji et al., ACL 2026, ablation table.
    assert rows["full"]["paper"]["bleu_1"] == 24.66
    assert rows["without-cot"]["paper"]["dist_2"] == 13.26
    assert rows["without-ppo"]["paper"]["emotion_accuracy"] == 54.48
    assert all(row["n"] == 6 for row in rows.values())
    assert "p" in rows["without-ppo"]["metrics"]["bleu_1"]
    models = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").glob("*/without-*")}
    assert models == {"sft/without-emotion", "sft/without-cot", "ppo/without-emotion"}
    written = (tmp_path / "out" / "ablation.md").read_text()
    assert "| w/o CoT | 22.55 |" in written and written in done.stdout

    began = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("card.json")}
    again = cli(*arguments)
    assert again.returncode == 0, again.stderr
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("card.json")} == began
    assert json.loads((tmp_path / "out" / "ablation.json").read_text()) == table


def test_every_ablation_of_the_paper_has_its_row() -> None:
    from stride_ed.training.ablation import _paper

    assert all(_paper(variant)["bleu_1"] for variant in VARIANTS.values())
