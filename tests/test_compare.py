"""`compare`: what may be claimed of two runs or more, in numbers and in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.comparison import Comparison, compare_runs
from harness.errors import EmpathyBenchError, InputError, UnknownNameError
from harness.statistics import Difference, adjust
from harness.statistics.claims import amount, claim, p_text
from tests.conftest import Cli


def make_runs(folder: Path, *models: str, limit: int | None = None) -> Path:
    """Runs of `models` on the sample's responses; the folder that holds them."""
    command = [sys.executable, "-m", "harness.cli", "run", "--task", "ed_response"]
    command += ["--data", "sample", "--output", str(folder), "--mlflow", "off"]
    command += [part for model in models for part in ("--model", model)]
    command += ["--limit", str(limit)] if limit else []
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder / "ed_response"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = make_runs(tmp_path_factory.mktemp("runs"), "constant", "shuffled", "human")
    return [made / name for name in ("Constant-reply", "Shuffled-human-replies", "Human-reference")]


@pytest.fixture(scope="module")
def found(runs: list[Path]) -> list[Comparison]:
    return compare_runs(runs, names=["bleu_1", "bleu_4", "dist_2"])


def test_every_system_is_compared_to_the_first(found: list[Comparison]) -> None:
    assert [(item.system, item.metric) for item in found] == [
        (system, metric)
        for system in ("Shuffled human replies", "Human reference")
        for metric in ("bleu_1", "bleu_4", "dist_2")
    ]
    for item in found:
        assert item.baseline == "Constant reply"
        assert item.difference == pytest.approx(item.system_value - item.baseline_value)
        assert item.comparisons == 6


@pytest.mark.parametrize("correction", ["holm", "bh"])
def test_p_values_are_adjusted_over_all_of_them(runs: list[Path], correction: str) -> None:
    found = compare_runs(
        runs, names=["bleu_1", "bleu_2", "rouge_l"], correction=correction, all_pairs=True  # type: ignore[arg-type]
    )  # fmt: skip
    assert len(found) == 9
    expected = adjust([item.p for item in found], correction)  # type: ignore[arg-type]
    assert [item.p_adjusted for item in found] == pytest.approx(list(expected))
    assert {item.correction for item in found} == {correction}


def test_all_pairs_are_later_against_earlier(runs: list[Path]) -> None:
    found = compare_runs(runs, names=["bleu_1"], all_pairs=True)
    assert [(item.baseline, item.system) for item in found] == [
        ("Constant reply", "Shuffled human replies"),
        ("Constant reply", "Human reference"),
        ("Shuffled human replies", "Human reference"),
    ]


def test_three_systems_have_ranks_and_two_have_none(
    runs: list[Path], found: list[Comparison]
) -> None:
    for item in found:
        assert item.baseline_rank is not None and item.system_rank is not None
    by_metric = {item.metric: item for item in found if item.system == "Human reference"}
    best = by_metric["bleu_4"].system_rank
    assert best is not None
    assert (best.rank, best.low, best.high, best.p_best) == (1, 1, 1, 1.0)
    (alone,) = compare_runs(runs[:2], names=["bleu_4"])
    assert (alone.baseline_rank, alone.system_rank) == (None, None)


def test_the_bootstrap_test_agrees_with_the_intervals(runs: list[Path]) -> None:
    for item in compare_runs(runs, names=["bleu_1", "bleu_2", "rouge_l"], test="bootstrap"):
        assert item.test == "bootstrap"
        assert item.low is not None and item.high is not None
        assert (item.p <= 0.05) == (item.low > 0 or item.high < 0)


def test_what_is_shown_follows_the_order_of_the_runs(runs: list[Path]) -> None:
    (one,), (other,) = (compare_runs(pair, names=["bleu_1"]) for pair in (runs[:2], runs[1::-1]))
    assert one.difference == pytest.approx(-other.difference)
    assert one.p == other.p
    assert other.low is not None and other.high is not None
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (one.verdict, other.verdict) == ("better", "worse")


def test_the_smallest_difference_that_could_be_seen(found: list[Comparison]) -> None:
    for item in found:
        assert item.standard_error is not None and item.detectable is not None
        # z_.975 + z_.8; and z of .05/6, two-sided, + z_.8.
        assert item.detectable == pytest.approx(2.80159 * item.standard_error, rel=1e-4)
        assert item.detectable_adjusted == pytest.approx(3.47988 * item.standard_error, rel=1e-4)


def test_enough_resamples_for_so_many_comparisons(runs: list[Path]) -> None:
    with pytest.raises(InputError, match="6 comparisons on 100 resamples.*--resamples 240"):
        compare_runs(runs, names=["bleu_1", "bleu_2", "bleu_3"], resamples=100)
    compare_runs(runs, names=["bleu_1", "bleu_2"], resamples=100)


def test_a_run_against_itself_is_equal(runs: list[Path]) -> None:
    found = compare_runs([runs[0], runs[0]], names=["bleu_4", "dist_1"])
    for item in found:
        assert (item.verdict, item.p, item.difference) == ("equal", 1.0, 0.0)
        assert item.baseline != item.system
        assert item.detectable is None, "what never differed shows no spread"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"names": ["bleu4"]}, UnknownNameError, "bleu_4"),
        ({"profile": "moell"}, UnknownNameError, "moel"),
        ({"names": ["ppl_word"]}, InputError, "lack reference_nll"),
    ],
)
def test_what_cannot_be_compared_is_said(
    runs: list[Path], options: dict[str, object], error: type[EmpathyBenchError], words: str
) -> None:
    with pytest.raises(error, match=words):
        compare_runs(runs, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two runs or more"):
        compare_runs(runs[:1])


def test_a_legacy_profile_is_used_and_signed(runs: list[Path]) -> None:
    (item,) = compare_runs(runs[:2], names=["bleu_4"], profile="moel")
    (ours,) = compare_runs(runs[:2], names=["bleu_4"])
    assert item.signature != ours.signature
    assert item.system_value != ours.system_value


def test_few_dialogues_claim_nothing(tmp_path: Path) -> None:
    made = make_runs(tmp_path, "constant", "human", limit=6)
    found = compare_runs([made / "Constant-reply", made / "Human-reference"], names=["bleu_1"])
    assert found[0].verdict == "no difference shown"
    assert (found[0].low, found[0].standard_error, found[0].detectable) == (None, None, None)
    assert "nothing can be said" in found[0].claim


def sentence(difference: Difference, p_adjusted: float, **options: object) -> str:
    given = {
        "metric": "bleu_4",
        "direction": "higher",
        "system": "B",
        "baseline": "A",
        "correction": "holm",
        "comparisons": 14,
        "detectable": 0.301,
    }
    return claim(difference, p_adjusted=p_adjusted, **(given | options))  # type: ignore[arg-type]


def difference(value: float, low: float, high: float, p: float = 0.0001) -> Difference:
    return Difference(
        value=value,
        low=low,
        high=high,
        p=p,
        value_a=3.0 + value,
        value_b=3.0,
        n=5255,
        clusters=2547,
        standard_error=0.09,
    )


def test_claims_are_sentences_that_may_be_printed() -> None:
    up = difference(0.372, 0.18, 0.551)
    assert sentence(up, 0.002) == (
        "B is better than A on bleu_4 by 0.37 [0.18, 0.55] (p = .002 after Holm over 14 comparisons)"
    )
    assert sentence(up, 0.002, direction="lower").startswith("B is worse than A on bleu_4 by 0.37")
    assert sentence(up, 0.002, direction="none").startswith(
        "B has a larger value than A on bleu_4 by 0.37 [0.18, 0.55]"
    )
    assert sentence(up, 0.002, comparisons=1).endswith("(p = .002)")
    assert sentence(up, 0.007, least_p=0.0005).endswith("(p ≤ .007 after Holm over 14 comparisons)")
    down = difference(-0.46, -0.66, -0.25)
    assert sentence(down, 0.0004, correction="bh") == (
        "B is worse than A on bleu_4 by 0.46 [0.25, 0.66] "
        "(p < .001 after Benjamini–Hochberg over 14 comparisons)"
    )


def test_claims_say_what_could_not_be_seen() -> None:
    assert sentence(difference(0.12, -0.1, 0.35, p=0.3), 1.0, metric="dist_2") == (
        "no difference shown between B and A on dist_2 "
        "(+0.12 [−0.10, 0.35], p = 1 after Holm over 14 comparisons): with 2,547 dialogues only "
        "differences above 0.30 would have been seen with 80 % probability"
    )
    lost = sentence(difference(-0.2, -0.39, -0.01, p=0.04), 0.28)
    assert "(−0.20 [−0.39, −0.01], p = .040 alone, .280 after Holm over 14 comparisons)" in lost
    odd = sentence(difference(0.2, -0.01, 0.41, p=0.001), 0.014)
    assert odd.endswith(", though the interval includes 0")
    assert sentence(difference(0.0, -0.2, 0.2, p=1.0), 1.0) == "B and A are equal on bleu_4 here"


def test_numbers_are_told_to_the_digits_that_mean_something() -> None:
    assert [amount(0.0712, 0.012), amount(0.07119, 0.0012), amount(-0.001, 0.5)] == [
        "0.071",
        "0.0712",
        "0.00",
    ]
    assert [p_text(p) for p in (0.0004, 0.0021, 0.04999, 0.9996)] == [
        "p < .001",
        "p = .002",
        "p = .050",
        "p = 1",
    ]


def test_the_command_prints_tables_sentences_and_ranks(cli: Cli, runs: list[Path]) -> None:
    done = cli("compare", *runs, "--metrics", "bleu_1,dist_2", "--all-pairs")
    assert done.returncode == 0, done.stderr
    assert "Human reference is better than Constant reply on bleu_1 by" in done.stdout
    assert "Human reference against Shuffled human replies" in done.stdout
    assert "1 [1–1] 100 %" in done.stdout


def test_the_command_keeps_the_keys_it_had(cli: Cli, runs: list[Path]) -> None:
    done = cli("compare", *runs, "--metrics", "bleu_1", "--json")
    items = json.loads(done.stdout)
    before = "metric direction baseline system baseline_value system_value difference low high p"
    before += " p_adjusted n dialogues verdict"
    for item in items:
        assert set(before.split()) <= set(item)
        assert set(item["system_rank"]) == {"rank", "low", "high", "p_best"}


@pytest.mark.parametrize(
    "wrong", [("--correction", "bonferroni"), ("--test", "t"), ("--resamples", "5")]
)
def test_the_command_refuses_wrong_choices(
    cli: Cli, runs: list[Path], wrong: tuple[str, str]
) -> None:
    done = cli("compare", *runs, *wrong)
    assert done.returncode == 2
    assert wrong[0] in done.stderr
