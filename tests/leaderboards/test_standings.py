"""Rank intervals on a board: from predictions alone, ties shared, and no score moved by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_runs import answer
from typer.testing import CliRunner

from harness.comparable import read_runs
from harness.metrics import get_metric
from harness.statistics import compare
from leaderboards.collect import collect
from leaderboards.command import app as boards
from leaderboards.examples.answers import find_answers
from leaderboards.markdown import render_markdown
from leaderboards.standings import RESAMPLES, Standing, standings
from leaderboards.table import build_board


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def ranked(folder: Path, said: list[str] | None = None) -> dict[str, Standing]:
    """Model → standing by BLEU-1."""
    results = collect([folder])
    note = said.append if said is not None else None
    found = standings(results, find_answers([folder], results), data="sample", progress=note)
    names = {result.id: str(result.model["name"]) for result in results}
    assert not any(metric == "length" for _, metric in found)  # has no better direction
    return {names[i]: standing for (i, metric), standing in found.items() if metric == "bleu_1"}


def test_ranks_follow_the_answers_and_ties_are_shared(tmp_path: Path) -> None:
    for name, share in (("good", 1.0), ("twin", 1.0), ("half", 0.5), ("poor", 0.0)):
        answer(tmp_path, name, share)
    found = ranked(tmp_path / "runs")
    assert {name: (s.rank, s.low, s.high) for name, s in found.items()} == {
        "good": (1, 1, 1),
        "twin": (1, 1, 1),
        "half": (3, 3, 3),
        "poor": (4, 4, 4),
    }
    assert found["good"].p_best == found["twin"].p_best == 0.5
    assert {s.rivals for s in found.values()} == {4}


def test_only_models_with_their_predictions_are_ranked(tmp_path: Path) -> None:
    for name, share in (("good", 1.0), ("half", 0.5), ("poor", 0.0)):
        answer(tmp_path, name, share)
    runs = tmp_path / "runs"
    altered = next(p for p in runs.rglob("predictions.jsonl") if "good" in str(p))
    altered.write_text(altered.read_text().replace("purple", "violet") + "\n")
    found = ranked(runs)
    assert {name: (s.rank, s.rivals) for name, s in found.items()} == {
        "half": (1, 2),
        "poor": (2, 2),
    }
    board = build_board(
        collect([runs]),
        standings=standings(collect([runs]), find_answers([runs], collect([runs])), data="sample"),
    )
    lines = [line for line in render_markdown(board).splitlines() if line.startswith("|")]
    cells = {line.split("|")[1].strip(): line.split("|")[3].strip() for line in lines}
    assert cells["good"] == "–" and cells["half"] == "1 (100 %)"


def test_another_model_moves_ranks_but_no_score(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    answer(tmp_path, "half", 0.5)
    answer(tmp_path, "poor", 0.0)
    assert ranked(runs)["half"].rank == 1
    before = {r.id: [(m.name, m.value, m.low, m.high) for m in r.metrics] for r in collect([runs])}
    answer(tmp_path, "good", 1.0)
    assert ranked(runs)["half"].rank == 2
    after = {r.id: [(m.name, m.value, m.low, m.high) for m in r.metrics] for r in collect([runs])}
    assert before == {key: after[key] for key in before}


def test_ranks_are_computed_once(tmp_path: Path) -> None:
    answer(tmp_path, "half", 0.5)
    answer(tmp_path, "poor", 0.0)
    said: list[str] = []
    first = ranked(tmp_path / "runs", said)
    assert said == ["ranking 2 models on ed_response"]
    assert ranked(tmp_path / "runs", said) == first
    assert len(said) == 1


def test_a_damaged_memory_is_measured_again(tmp_path: Path) -> None:
    answer(tmp_path, "half", 0.5)
    answer(tmp_path, "poor", 0.0)
    first = ranked(tmp_path / "runs")
    kept = list((tmp_path / "cache").rglob("standings/*.json"))
    assert kept
    kept[0].write_text('[["x", "bleu_1", {"rank": 1}]')
    assert ranked(tmp_path / "runs") == first


def test_build_shows_ranks_on_the_page_and_in_the_record(tmp_path: Path) -> None:
    answer(tmp_path, "half", 0.5)
    answer(tmp_path, "poor", 0.0)
    page = tmp_path / "board.html"
    done = CliRunner().invoke(
        boards,
        ["build", str(tmp_path / "runs"), "--data", "sample", "-o", str(page)],
    )
    assert done.exit_code == 0, done.output
    assert 'class="num rank"' in page.read_text()
    rows = json.loads((tmp_path / "board.json").read_text())["tables"][0]["rows"]
    kept = {row["name"]: row["metrics"]["bleu_1"]["standing"] for row in rows}
    half = next(row["id"] for row in rows if row["name"] == "half")
    assert kept["half"] == {
        "rank": 1, "low": 1, "high": 1, "p_best": 1.0, "rivals": 2, "best": half, "behind": None,
    }  # fmt: skip


def test_differences_from_the_best_are_those_of_the_paired_comparison(tmp_path: Path) -> None:
    for name, share in (("good", 0.8), ("half", 0.5), ("poor", 0.1)):
        answer(tmp_path, name, share)
    found = ranked(tmp_path / "runs")
    assert found["good"].behind is None
    files = {name: next((tmp_path / "runs").rglob(f"*{name}*/predictions.jsonl")) for name in found}
    for name in ("half", "poor"):
        runs = read_runs([files[name], files["good"]], data="sample")
        outside = compare(get_metric("bleu_1"), *runs.scored, resamples=RESAMPLES, test="bootstrap")
        assert found[name].behind == pytest.approx((outside.value, outside.low, outside.high))
        assert outside.value < 0
