"""The offline annotator's classifier: what scikit-learn says, kept, found again, judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.datasets import ExampleSet, load_example_set
from harness.errors import DataError
from harness.regression import fit_regression
from stride_ed.offline.reply_classifier import SETS, fit_reply_classifier, held_out, labelled

ODD = ("", " ", "🙂🙂", "word " * 10_000, "كيف حالك اليوم", "\u200b", "a\nb\tc")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "empathy-bench" / "stride"


def test_probabilities_are_those_of_scikit_learns_own_pipeline() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    classifier = fit_reply_classifier("sample")
    learn = labelled(load_example_set(SETS[0], "sample"))
    replies = [*(example.reference for example in learn), *ODD]
    near = []
    for cost in (1.0, 3.0, 10.0):
        pipeline = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, min_df=2,
                            token_pattern=r"(?u)\b\w+\b|[?!.]"),
            LogisticRegression(C=cost, max_iter=300),
        ).fit([e.reference for e in learn], [e.strategy for e in learn])  # fmt: skip
        assert list(pipeline.classes_) == list(classifier.labels)
        near.append(np.allclose(pipeline.predict_proba(replies), classifier.probabilities(replies)))
    assert near.count(True) == 1


def test_what_was_learnt_is_kept_and_a_damaged_file_learnt_again(own_cache: Path) -> None:
    said: list[str] = []
    first = fit_reply_classifier("sample", show=said.append)
    assert said and fit_reply_classifier("sample", show=pytest.fail).identity == first.identity
    (kept,) = own_cache.iterdir()
    for damage in (b"", b"torn", kept.read_bytes()[:-100]):
        kept.write_bytes(damage)
        again = fit_reply_classifier("sample")
        assert again.identity == first.identity
        assert np.array_equal(again.probabilities(ODD), first.probabilities(ODD))


def test_one_strategy_is_nothing_to_learn() -> None:
    learn = load_example_set(SETS[0], "sample")
    one = ExampleSet("one", tuple(e for e in learn if e.strategy == "Question"))
    with pytest.raises(DataError, match="fewer than two strategies"):
        labelled(one)


def test_held_out_figures_are_scikit_learns(real_data: Path) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    classifier = fit_reply_classifier(str(real_data))
    found = {metric.name: metric for metric in held_out(classifier, str(real_data))}
    examples = labelled(load_example_set(SETS[2], real_data))
    gold = [example.strategy for example in examples]
    rows = classifier.probabilities([e.reference for e in examples]).argmax(1)
    guesses = [classifier.labels[row] for row in rows]
    accuracy, f1 = found["strategy_accuracy"], found["strategy_macro_f1"]
    assert accuracy.value == pytest.approx(100 * accuracy_score(gold, guesses))
    assert f1.value == pytest.approx(100 * f1_score(gold, guesses, average="macro"))
    # Reading the reply must tell more than the best published reader of contexts alone
    # (EmoDynamiX, macro-F1 27.70, weighted F1 32.71).
    assert f1.low is not None and f1.low > 27.70
    assert found["strategy_weighted_f1"].value > 32.71  # type: ignore[operator]


@pytest.mark.parametrize("kinds", [2, 3])
def test_a_regression_gives_log_probabilities(kinds: int) -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(kinds)
    x: Any = rng.normal(size=(60, 4))
    gold = [f"label {row % kinds}" for row in range(60)]
    model = fit_regression(x, gold, cost=0.5)
    expected = LogisticRegression(C=0.5, max_iter=1000).fit(x, gold).predict_log_proba(x)
    assert model.log_probabilities(x) == pytest.approx(expected)
    assert model.identity == fit_regression(x, gold, cost=0.5).identity
    assert model.identity != fit_regression(x, gold, cost=0.6).identity
