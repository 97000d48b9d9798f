"""Rows of FIELD E3 and of Kumar et al. that need another tool's definition, taken from that tool."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError, InputError
from harness.judges.agreement import weighted_kappa
from harness.judges.calibrated import calibrated_means
from harness.judges.ratings import Item, Rating, RatingSet, Scale, load_ratings
from harness.judges.scorers import metric_scores, read_scores
from harness.judges.validate import validate
from tests.conftest import Cli


def sacre_sentence(ratings: RatingSet) -> dict[str, float]:
    """sacreBLEU's own sentence BLEU: cased, 13a, exponential smoothing, effective order."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU(effective_order=True)
    return {
        item.id: bleu.sentence_score(item.response or "", [item.reference or ""]).score
        for item in ratings.items
        if item.system != "human"
    }


def at_hand(path: Path) -> Path:
    if not path.exists():
        pytest.skip("the human-rated sets are not at hand")
    return path


def test_sentence_bleu_on_empo(real_data: Path) -> None:
    """FIELD E3, first row: .02 (.05), .00 (.07), .05 (.09), .03 (.07); BLEU–Dim1 [−.07, .11].

    The published row is cased BLEU; our own `bleu_4_sentence` lower-cases and reaches .04 to .06.
    """
    ratings = load_ratings(f"empo:{at_hand(real_data / 'human' / 'empo_he_data.csv')}")
    report = validate(ratings, {"sacrebleu": sacre_sentence(ratings)}, resamples=300)
    published = ((0.02, 0.05), (0.00, 0.07), (0.05, 0.09), (0.03, 0.07))
    for found, (pooled, inside) in zip(report.agreements, published, strict=False):
        assert found.n == 540
        assert found.spearman.value == pytest.approx(pooled, abs=0.0051)
        assert found.within.value == pytest.approx(inside, abs=0.0051)
    first = report.agreements[0].spearman
    assert first.low == pytest.approx(-0.07, abs=0.02)
    assert first.high == pytest.approx(0.11, abs=0.02)


def test_sentence_bleu_on_welivita(real_data: Path) -> None:
    """FIELD E3: BLEU against the human reply and rating, ρ .03 and .07 by arm."""
    path = at_hand(real_data / "human" / "welivita" / "data" / "dataset_and_ratings.csv")
    ratings = load_ratings(f"welivita:{path}")
    scores, human = sacre_sentence(ratings), ratings.means("empathy")
    from scipy.stats import spearmanr

    found = []
    for system in ("ChatGPT", "ChatGPT + definition"):
        ids = [item.id for item in ratings.items if item.system == system]
        found.append(spearmanr([scores[i] for i in ids], [human[i] for i in ids]).statistic)
    assert [round(float(rho), 2) for rho in found] == [0.03, 0.07]


def test_published_kappas_of_groups_number_the_categories_that_occur(real_data: Path) -> None:
    """Kumar et al.'s κ of experts, crowd and "llm" weight by rank among the values seen.

    Half points of the crowd then count as whole steps, and steps that nobody used as none. Ours is
    on the scale itself; the two are equal wherever every whole step is used and no half.
    """
    ratings = load_ratings(f"kumar:{at_hand(real_data / 'human' / 'kumar')}")
    published = {
        "empathy": (0.34, 0.15, 0.00), "relevance": (0.23, 0.56, 0.18), "fluency": (0.27, 0.35, 0.30),
    }  # fmt: skip
    ours = {}
    for criterion, wanted in published.items():
        values = ratings.values(criterion)
        experts = np.array(
            [np.median([v[f"expert{n}"] for n in (1, 2, 3)]) for v in values.values()]
        )
        crowd, gemini = (np.array([v[r] for v in values.values()]) for r in ("crowd", "gemini"))
        pairs = ((experts, gemini), (experts, crowd), (gemini, crowd))
        for (a, b), kappa in zip(pairs, wanted, strict=True):
            seen = np.unique(np.concatenate([a, b]))
            places = [np.searchsorted(seen, x).astype(float) for x in (a, b)]
            assert weighted_kappa(*places, low=0, high=len(seen) - 1) == pytest.approx(
                kappa, abs=0.0055
            )
        ours[criterion] = weighted_kappa(experts, gemini, low=1, high=5)
    assert ours["empathy"] == pytest.approx(0.34, abs=0.0055)
    assert ours["fluency"] == pytest.approx(0.215, abs=0.001)  # not .27: nobody said 2


def rated(
    *, items: int = 40, known: int = 40, reference: str | None = None, response: str = "Oh no."
) -> RatingSet:
    rng = np.random.default_rng(3)
    all_items, ratings = [], []
    for n in range(items):
        for system in ("a", "b"):
            name = f"d{n}/{system}"
            all_items.append(
                Item(id=name, dialogue=f"d{n}", system=system, context=(), response=response,
                     reference=reference)
            )  # fmt: skip
            if n < known:
                value = float(np.clip(round(rng.normal(3 + (system == "b"))), 1, 5))
                ratings.append(Rating(name, "r", "people", "empathy", value))
    return RatingSet("made", "none", "none", tuple(all_items), tuple(ratings),
                     {"empathy": Scale(1, 5, True, "empathy")})  # fmt: skip


def test_a_judge_too_kind_is_put_on_peoples_scale() -> None:
    ratings = rated(items=200, known=60)
    human = ratings.means("empathy")
    rng = np.random.default_rng(5)
    scores = {
        item.id: min(5.0, human.get(item.id, 3.0 + (item.system == "b")) + rng.choice([0.5, 1.0]))
        for item in ratings.items
    }
    found = {row.system: row for row in calibrated_means(ratings, {"kind": scores}, resamples=300)}
    assert set(found) == {None, "a", "b"}
    for system, truth in (("a", 3.0), ("b", 4.0)):
        row = found[system]
        assert (row.judged, row.rated) == (200, 60)
        assert row.judge_mean > truth + 0.3
        assert row.powered.value == pytest.approx(truth, abs=0.35)
        assert row.powered.low is not None and row.powered.low < (row.powered.value or 0)


def test_where_all_were_rated_the_powered_mean_is_peoples_own() -> None:
    ratings = rated()
    scores = {item.id: 5.0 for item in ratings.items}
    for row in calibrated_means(ratings, {"fives": scores}, resamples=100):
        assert row.powered.value == pytest.approx(row.human)
    assert calibrated_means(ratings, {"other scale": dict.fromkeys(scores, 80.0)}) == ()


def test_a_metric_that_needs_references_says_so_and_empty_replies_are_scored() -> None:
    with pytest.raises(InputError, match="made has none; add a column reference"):
        metric_scores(rated(items=6), "rouge_l")
    ratings = rated(items=6, reference="I am sorry.")
    blank = Item(id="d0/c", dialogue="d0", system="c", context=(), reference="I am sorry.")
    more = RatingSet(ratings.name, "", "", (*ratings.items, blank), ratings.ratings, ratings.scales)
    assert metric_scores(more, "length")["length"]["d0/c"] == 0
    assert metric_scores(more, "rouge_l")["rouge_l"]["d0/c"] == 0


def test_failed_verdicts_are_counted_and_never_scored(tmp_path: Path) -> None:
    ratings = rated(items=20)
    path = tmp_path / "judge.jsonl"
    rows = [
        {"id": item.id, "score": None if n < 5 else 3 + n % 3}
        for n, item in enumerate(ratings.items)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    judge = read_scores(path)
    assert len(judge.failed) == 5 and not judge.failed & set(judge.values)
    (found,) = validate(
        ratings, {"judge": judge.values}, failed={"judge": judge.failed}, resamples=100
    ).agreements
    assert (found.n, found.failed) == (35, 5)
    path.write_text('{"id": "d0/a", "score": null}\n{"id": "d0/a", "score": 3}\n')
    with pytest.raises(DataError, match="stands twice"):
        read_scores(path)


def test_the_command_prints_calibrated_means_and_failures(cli: Cli, tmp_path: Path) -> None:
    lines = ["item,system,rater,criterion,value,response"]
    lines += [
        f"d{n},{s},{r},empathy,{1 + (n * k) % 5},Oh."
        for n in range(12) for s, k in (("a", 2), ("b", 3)) for r in ("x", "y")
    ]  # fmt: skip
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    rows = [
        {"id": f"d{n}/{s}", "score": None if n == 0 else 1 + n % 5}
        for n in range(12) for s in ("a", "b")
    ]  # fmt: skip
    (tmp_path / "judge.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("judge", "validate", "--ratings", "csv:own.csv", "--metric", "length", "--scores",
             "judge.jsonl", "--resamples", "100")  # fmt: skip
    done = cli(*asked, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["failed"] for row in found["agreements"]] == [0, 2]
    assert {row["system"] for row in found["calibrated"]} == {None, "a", "b"}
    shown = cli(*asked).stdout
    assert "people's scale" in shown and "2 failed" in shown
    page = (tmp_path / "validation.html").read_text()
    assert "people’s scale" in page or "people's scale" in page or "people&#39;s scale" in page


def test_bounds_of_ones_own_scale(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("item,system,rater,criterion,value\nd1,a,x,empathy,2\nd2,a,x,empathy,4\n")
    found = load_ratings(f"csv:{path}", scales={"empathy": (1.0, 5.0)})
    assert (found.scales["empathy"].low, found.scales["empathy"].high) == (1, 5)
    with pytest.raises(DataError, match=r'own.csv:3: "value" 4 of empathy is not between 1 and 3'):
        load_ratings(f"csv:{path}", scales={"empathy": (1.0, 3.0)})
    with pytest.raises(DataError, match="--scale warmth: nothing was rated by that name"):
        load_ratings(f"csv:{path}", scales={"warmth": (1.0, 3.0)})
    with pytest.raises(InputError, match="empo has scales of its own"):
        load_ratings("empo:x", scales={"empathy": (1.0, 3.0)})


@pytest.mark.parametrize(
    "words", ["empathy", "empathy=1", "=1:5", "empathy=5:1", "empathy=a:b", "empathy=nan:5"]
)
def test_a_scale_in_another_form_is_refused(words: str) -> None:
    from harness.judges.command import _scale

    with pytest.raises(InputError, match="write CRITERION=LOW:HIGH"):
        _scale(words)
