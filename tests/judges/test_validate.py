"""`judge validate`: FIELD E3 from the real ratings, known truths in simulations, the command, the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import DataError, InputError
from harness.judges.page import write_validation
from harness.judges.ratings import Item, Rating, RatingSet, Scale, load_ratings
from harness.judges.scorers import metric_scores
from harness.judges.validate import Report, powered_mean, validate
from tests.conftest import Cli


@pytest.fixture(scope="module")
def empo(real_data: Path) -> Report:
    path = real_data / "human" / "empo_he_data.csv"
    if not path.is_file():
        pytest.skip("the human-rated sets are not at hand")
    ratings = load_ratings(f"empo:{path}")
    names = ("rouge_l", "length")
    return validate(ratings, {n: metric_scores(ratings, n)[n] for n in names}, resamples=300)


def test_metrics_hardly_track_people(empo: Report) -> None:
    """FIELD E3, ROUGE-L and length: Spearman on 540 model responses, within systems in brackets."""
    published = {
        "rouge_l": ((0.08, 0.08), (0.12, 0.13), (0.08, 0.10), (0.08, 0.09)),
        "length": ((0.11, 0.00), (0.24, 0.09), (0.03, -0.09), (0.15, 0.04)),
    }
    for name, rows in published.items():
        found = [a for a in empo.agreements if a.predictor == name][:4]
        assert all(a.n == 540 for a in found)
        for agreement, (pooled, inside) in zip(found, rows, strict=True):
            assert agreement.spearman.value == pytest.approx(pooled, abs=0.0051)
            assert agreement.within.value == pytest.approx(inside, abs=0.0051)
    empathy = next(
        a for a in empo.agreements if (a.predictor, a.criterion) == ("rouge_l", "empathy")
    )
    # FIELD E3: 95 % [.03, .20]; rater ceiling √ICC(1,3) ≈ .54–.63.
    assert empathy.spearman.low == pytest.approx(0.03, abs=0.02)
    assert empathy.spearman.high == pytest.approx(0.20, abs=0.02)
    ceilings = [c.ceiling.value for c in empo.ceilings[:4]]
    assert (round(min(c for c in ceilings if c), 2), round(max(c for c in ceilings if c), 2)) == (
        0.54, 0.63,
    )  # fmt: skip


def simulated(
    noise: float = 1.0, *, items: int = 120, seed: int = 0
) -> tuple[RatingSet, dict[str, float]]:
    """Two systems with a true quality per reply, two raters who see it with noise."""
    rng = np.random.default_rng(seed)
    rated, ratings, truth = [], [], {}
    for n in range(items):
        for system in ("a", "b"):
            name = f"d{n}/{system}"
            truth[name] = float(rng.normal() + (system == "b"))
            rated.append(Item(id=name, dialogue=f"d{n}", system=system, context=(), response="x"))
            for rater in ("r", "s"):
                value = float(np.clip(truth[name] + noise * rng.normal(), -9, 9))
                ratings.append(Rating(name, rater, "people", "quality", value))
    scales = {"quality": Scale(-9, 9, False, "quality")}
    return RatingSet("made", "none", "none", tuple(rated), tuple(ratings), scales), truth


def test_the_ceiling_is_what_the_truth_itself_reaches() -> None:
    ratings, truth = simulated()
    found = validate(ratings, {"truth": truth}, resamples=200)
    (agreement,), (limit,) = found.agreements, found.ceilings
    assert limit.ceiling.value is not None and agreement.spearman.value is not None
    assert agreement.spearman.value == pytest.approx(limit.ceiling.value, abs=0.06)


def test_what_tells_systems_apart_alone_has_nothing_within_them() -> None:
    ratings, _ = simulated()
    scores = {item.id: float(item.system == "b") for item in ratings.items}
    (found,) = validate(ratings, {"system": scores}, resamples=100).agreements
    assert found.spearman.value is not None and found.spearman.value > 0.25
    assert found.within.value is None  # nothing varies


def test_a_predictor_of_noise_has_an_interval_around_nothing() -> None:
    hits = 0
    for seed in range(20):
        ratings, _ = simulated(seed=seed, items=40)
        rng = np.random.default_rng(1000 + seed)
        scores = {item.id: float(rng.normal()) for item in ratings.items}
        (found,) = validate(ratings, {"noise": scores}, resamples=200).agreements
        assert found.spearman.low is not None and found.spearman.high is not None
        hits += found.spearman.low <= 0 <= found.spearman.high
    assert hits >= 17


def test_the_powered_mean_is_unbiased_and_covers() -> None:
    """A judge that is half a point too kind, 40 of 400 items rated by people."""
    covered, errors = 0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = rng.normal(3, 1, size=400)
        judged = {f"i{n}": float(t + 0.5 + 0.3 * rng.normal()) for n, t in enumerate(truth)}
        human = {f"i{n}": float(truth[n]) for n in range(40)}
        clusters = {name: name for name in judged}
        found = powered_mean(judged, human, clusters, seed=seed, resamples=200)
        assert found.value is not None and found.low is not None and found.high is not None
        errors.append(found.value - 3)
        covered += found.low <= 3 <= found.high
    assert abs(float(np.mean(errors))) < 0.03
    assert 52 <= covered <= 60
    with pytest.raises(DataError, match="rate more"):
        powered_mean(judged, {}, clusters)


def test_a_metric_without_values_for_single_replies_is_refused() -> None:
    ratings, _ = simulated(items=6)
    with pytest.raises(
        InputError, match="--metric emotion_accuracy: has no value for single replies"
    ):
        metric_scores(ratings, "emotion_accuracy")
    with pytest.raises(DataError, match="scores no item"):
        validate(ratings, {"other": {"nowhere": 1.0}})


OWN = "item,system,rater,criterion,value,response,reference\n" + "".join(
    f"d{n},{system},{rater},empathy,{1 + (n * k) % 5},Oh no {n} {system}.,Oh dear {n}.\n"
    for n in range(12)
    for system, k in (("mine", 2), ("yours", 3))
    for rater in ("anna", "ben")
)


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(OWN)
    rows = [{"id": f"d{n}/{s}", "score": n % 4} for n in range(12) for s in ("mine", "yours")]
    (tmp_path / "judge.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("judge", "validate", "--ratings", "csv:own.csv", "--scores", "judge.jsonl",
             "--resamples", "100")  # fmt: skip
    done = cli(*asked, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    predictors = [row["predictor"] for row in found["agreements"]]
    assert predictors == ["bleu_4_sentence", "rouge_l", "chrf", "length", "judge"]
    assert "Who says what people say" in cli(*asked).stdout
    page = (tmp_path / "validation.html").read_text()
    assert "judge" in page and "http" not in page.replace("http-equiv", "")
    for arguments, words in (
        ((*asked, "--group", "experts"), "raters are people"),
        ((*asked, "--scores", "nowhere.jsonl"), "nowhere.jsonl: no such file"),
        (("judge", "validate", "--ratings", "csv:none.csv"), "none.csv: no such file"),
    ):
        refused = cli(*arguments)
        assert refused.returncode == 2 and words in refused.stderr, refused.stderr
    (tmp_path / "judge.jsonl").write_text('{"id": "d0/mine", "score": "high"}\n')
    refused = cli(*asked)
    assert refused.returncode == 2
    assert 'judge.jsonl:1: needs {"id": text, "score": number}' in refused.stderr


def test_the_page_in_a_browser(chromium: str, tmp_path: Path) -> None:
    playwright: Any = pytest.importorskip("playwright.sync_api")
    ratings, truth = simulated(items=20)
    hostile = "<img src=x onerror=window.hacked=1>"
    report = validate(ratings, {"truth": truth, hostile: truth}, resamples=100)
    write_validation(report, tmp_path / "page.html")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for script in (True, False):
            context = browser.new_context(
                java_script_enabled=script, viewport={"width": 390, "height": 800}
            )
            page = context.new_page()
            asked: list[str] = []
            errors: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda m, errors=errors: errors.append(m.text)
                    if m.type == "error" else None)  # fmt: skip
            page.goto((tmp_path / "page.html").as_uri())
            assert page.locator("figure svg").count() == 1
            assert page.locator("g.pooled circle").count() == 2
            assert all(url.startswith("file:") for url in asked) and errors == []
            if script:
                assert page.evaluate("window.hacked") is None
                assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()


def test_kappa_stands_where_the_scale_is_kept_and_judges_make_a_panel(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "own.csv").write_text(OWN)
    items = [f"d{n}/{s}" for n in range(12) for s in ("mine", "yours")]
    people = {
        f"d{n}/{s}": 1 + (n * k) % 5 for n in range(12) for s, k in (("mine", 2), ("yours", 3))
    }
    rng = np.random.default_rng(0)
    for name, scores in (
        ("same", people),
        ("noisy", {i: float(np.clip(v + rng.normal(0, 1), 1, 5)) for i, v in people.items()}),
        ("percent", {i: 20.0 * v + rng.normal(0, 20) for i, v in people.items()}),
    ):
        lines = [json.dumps({"id": item, "score": scores[item]}) for item in items]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    done = cli("judge", "validate", "--ratings", "csv:own.csv", "--metric", "none", "--scale",
               "empathy=1:5", "--resamples", "100", "--json",
               *(a for n in ("same", "noisy", "percent") for a in ("--scores", f"{n}.jsonl")))  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {row["predictor"]: row for row in json.loads(done.stdout)["agreements"]}
    assert found["same"]["kappa"]["value"] == pytest.approx(1.0)
    assert 0 < found["noisy"]["kappa"]["value"] < 1
    assert found["percent"]["kappa"] is None and found["panel of 3"]["kappa"] is None
    # Three standardised judges, one of them right, together say more than the noisy ones alone.
    rho = {name: row["spearman"]["value"] for name, row in found.items()}
    assert rho["panel of 3"] > max(rho["noisy"], rho["percent"])
    from sklearn.metrics import cohen_kappa_score

    (tmp_path / "steps.jsonl").write_text(
        "\n".join(json.dumps({"id": i, "score": 1 + (v * 2) % 5}) for i, v in people.items())
    )
    done = cli("judge", "validate", "--ratings", "csv:own.csv", "--metric", "none", "--scale",
               "empathy=1:5", "--resamples", "100", "--json", "--scores", "steps.jsonl")  # fmt: skip
    (row,) = json.loads(done.stdout)["agreements"]
    theirs = cohen_kappa_score(list(people.values()), [1 + (v * 2) % 5 for v in people.values()],
                               weights="quadratic", labels=[1, 2, 3, 4, 5])  # fmt: skip
    assert row["kappa"]["value"] == pytest.approx(theirs)
