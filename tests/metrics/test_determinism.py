"""The same file gives the same numbers, whoever computes them and in whatever portions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness.metrics.chrf as chrf
from harness.datasets import load_example_set
from harness.metrics import get_metric, score_metric
from tests.conftest import Cli
from tests.metrics.build import scored, value


def test_processes_hash_seeds_and_threads_change_nothing(cli: Cli, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", "sample")
    file = tmp_path / "replies.txt"
    file.write_text("".join(f"i am so sorry about your {i % 9} !\n" for i in range(len(examples))))

    def run(number: int) -> list[object]:
        done = cli(
            *("score", "-p", file, "-t", "ed_response", "--data", "sample", "--json"),
            env={"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": str(1 + number % 2)},
        )
        assert done.returncode == 0, done.stderr
        metrics: list[object] = json.loads(done.stdout)["metrics"]
        return metrics

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, (1, 2))
    assert first == second


@pytest.mark.parametrize("block", [1, 3, 7])
def test_portions_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = ["what happened then ?", "🙂", "", "i am sorry .", "ça va", "oh no !", "a b c"]
    examples = scored(replies, [*replies[1:], "what ?"])
    whole = score_metric(get_metric("chrf"), examples, resamples=50)
    monkeypatch.setattr(chrf, "_BLOCK", block)
    assert score_metric(get_metric("chrf"), examples, resamples=50) == whole


def test_a_corpus_scored_before_leaves_no_trace() -> None:
    one = scored(["a b c d e", "b c"], ["a b", "b c"])
    other = scored(["zz yy xx", "a"], ["a b", "b c"])
    names = ("bleu_2", "rouge_l", "dist_2", "repetition_4", "chrf")
    alone = [value(name, one) for name in names]
    for name in names:
        value(name, other)
    assert [value(name, one) for name in names] == alone
