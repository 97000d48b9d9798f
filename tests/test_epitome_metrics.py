"""EPITOME's metrics: levels of replies, distance to the human reply's, odd and failed replies."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.epitome.classifier import Classifier
from harness.errors import ModelError
from harness.metrics import choose_metrics, example_values, score_metric
from harness.metrics.contract import Metric, Scored
from harness.metrics.neural import epitome
from harness.statistics import compare
from tests.test_epitome_training import (
    FAST,
    Material,
    epitome_fitted,  # noqa: F401
    epitome_material,  # noqa: F401
)

ByTable = tuple[dict[str, Metric], list[tuple[str, str]]]
MECHANISMS = ("er", "ip", "ex")
# Made-up levels of texts, for tests of what is computed from levels.
TABLE = {
    "none": (0, 0, 0),
    "strong": (2, 2, 2),
    "warm": (1, 0, 2),
    "ask": (0, 1, 2),
}


def item(number: int, response: str | None, reference: str = "none", **fields: Any) -> Scored:
    return Scored(
        id=str(number),
        cluster=f"dialogue {number}",
        response=response,
        reference=reference,
        **({"context": ("hello", "my dog is gone")} | fields),
    )


@pytest.fixture
def by_table(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> ByTable:
    """The family on a fitted folder whose levels are those of TABLE; what it was asked for."""
    asked: list[tuple[str, str]] = []

    class Table:
        def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray[Any, Any]:
            asked.extend(pairs)
            levels = np.array([TABLE[reply] for _, reply in pairs])
            return np.asarray(0.8 * np.eye(3)[levels] + 0.2 / 3)

    monkeypatch.setattr(epitome, "_classifier", lambda folder, digest: Table())
    return {metric.name: metric for metric in epitome.make(str(fitted))}, asked


def values(metric: Metric, scored: Sequence[Scored]) -> np.ndarray[Any, Any]:
    found = example_values(metric, scored)
    assert found is not None
    return found


def value(metric: Metric, scored: Sequence[Scored]) -> float:
    rows = metric.statistics(scored)
    return float(metric.score(rows.aggregate(np.ones(len(rows)))))


def test_level_is_the_mean_of_the_most_probable(by_table: ByTable) -> None:
    metrics, asked = by_table
    scored = [item(0, "warm"), item(1, "strong"), item(2, "none"), item(3, "none")]
    assert value(metrics["epitome_er"], scored) == pytest.approx((1 + 2 + 0 + 0) / 4)
    assert value(metrics["epitome_ex"], scored) == pytest.approx((2 + 2 + 0 + 0) / 4)
    assert values(metrics["epitome_ip"], scored).tolist() == [0, 2, 0, 0]
    assert {seeker for seeker, _ in asked} == {"my dog is gone"}


def test_distance_is_squared_as_in_lee_et_al(by_table: ByTable) -> None:
    metrics, _ = by_table
    scored = [item(0, "warm", "strong"), item(1, "strong", "none"), item(2, "ask", "ask")]
    # er: (1−2)² + (2−0)² + 0; ip: (0−2)² + (2−0)² + 0; ex: 0 + 4 + 0.
    assert value(metrics["diff_epitome_er"], scored) == pytest.approx((1 + 4 + 0) / 3)
    assert value(metrics["diff_epitome_ip"], scored) == pytest.approx((4 + 4 + 0) / 3)
    assert value(metrics["diff_epitome_ex"], scored) == pytest.approx((0 + 4 + 0) / 3)


def test_distances_are_those_that_empo_published(
    by_table: ByTable, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EmPO's released table holds levels and diff-EPITOME of 2,540 replies: ours from its levels."""
    metrics, _ = by_table
    csv.field_size_limit(10**7)
    path = real_data / "outputs" / "ed" / "empo" / "sft.txt"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="~"))
    for i, row in enumerate(rows):
        for kind, text in (("pred", f"reply {i}"), ("gt", f"human {i}")):
            levels = tuple(int(row[f"{kind}_{m.upper()}_scores"]) for m in MECHANISMS)
            monkeypatch.setitem(TABLE, text, levels)
    scored = [item(i, f"reply {i}", f"human {i}") for i in range(len(rows))]
    for name in MECHANISMS:
        published = [float(row[f"diff_{name.upper()}_scores"]) for row in rows]
        assert values(metrics[f"diff_epitome_{name}"], scored).tolist() == published
    assert len(rows) == 2540


def test_no_reply_has_level_0_and_the_greatest_distance(by_table: ByTable) -> None:
    """Human replies mostly have level 0: silence must not be as near to them as can be."""
    metrics, asked = by_table
    silent = [item(0, "", "none"), item(1, " \n", "ask"), item(2, None, "strong", failed=True)]
    torn = [*silent, item(3, "strong", "none", failed=True)]
    assert value(metrics["epitome_er"], torn) == 0
    assert values(metrics["diff_epitome_er"], torn).tolist() == [4, 4, 4, 4]
    # Level 1 of the human reply: nothing is further away than 1.
    assert values(metrics["diff_epitome_ip"], torn).tolist() == [4, 1, 4, 4]
    assert all(reply.strip() for _, reply in asked)


def test_expected_level_reads_the_probabilities(fitted: Path, by_table: ByTable) -> None:
    metrics = {m.name: m for m in epitome.make(f"{fitted}@expected")}
    assert set(metrics) == {
        f"{kind}epitome_{name}_expected" for kind in ("", "diff_") for name in MECHANISMS
    }
    # 0.8 · 1 + 0.2 · (0 + 1 + 2) / 3 = 1; 0.8 · 2 + 0.2 = 1.8; 0.8 · 0 + 0.2 = 0.2.
    assert value(metrics["epitome_er_expected"], [item(0, "warm")]) == pytest.approx(1.0)
    assert value(metrics["epitome_ex_expected"], [item(0, "warm")]) == pytest.approx(1.8)
    assert value(metrics["diff_epitome_ex_expected"], [item(0, "warm")]) == pytest.approx(1.6**2)
    assert "level:expected" in metrics["epitome_er_expected"].signature


def test_signature_names_classifier_encoder_and_length(fitted: Path) -> None:
    card = json.loads((fitted / "card.json").read_text())
    metrics = {m.name: m for m in epitome.make(str(fitted))}
    assert list(metrics) == [f"{k}epitome_{m}" for k in ("", "diff_") for m in MECHANISMS]
    digest = card["sha256"]["classifier"][:12]
    assert metrics["epitome_er"].signature == (
        f"epitome_er|classifier:{digest}|encoder:tiny-bert|max_len:16|level:argmax"
        "|seeker:last-turn|failed:0|v1"
    )
    assert metrics["diff_epitome_ex"].signature.endswith("|failed:worst|v1")
    assert {m.direction for m in metrics.values()} == {"higher", "lower"}
    assert metrics["diff_epitome_er"].range == (0.0, 4.0)


def test_odd_replies_neither_crash_nor_leave_the_range(fitted: Path) -> None:
    odd = ["😀" * 3, "слова на другом языке", "word " * 10_000, "\x00\u202e", "?", "a" * 5000]
    scored = [item(i, text, "so sorry about your dog") for i, text in enumerate(odd)]
    scored += [item(90, "why ?", "", context=()), item(91, "why ?", "ok", context=("  ",))]
    for metric in epitome.make(str(fitted)):
        found = values(metric, scored)
        assert np.isfinite(found).all()
        assert found.min() >= metric.range[0]
        assert found.max() <= metric.range[1]


def test_levels_do_not_depend_on_company_or_order(fitted: Path) -> None:
    texts = [f"{'so sorry about your dog ' * (i % 4)}what happened {i} ?" for i in range(150)]
    metric = epitome.make(str(fitted))[2]
    together = values(metric, [item(i, t) for i, t in enumerate(texts)])
    epitome._classifier.cache_clear()
    backwards = values(metric, [item(i, t) for i, t in enumerate(texts)][::-1])[::-1]
    epitome._classifier.cache_clear()
    alone = [values(metric, [item(0, t)])[0] for t in texts[:10]]
    assert together.tolist() == backwards.tolist()
    assert together[:10].tolist() == alone


def test_each_text_is_read_once_across_metrics_and_systems(
    fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, str]] = []
    chunk = Classifier._chunk

    def counted(self: Classifier, pairs: Sequence[tuple[str, str]]) -> Any:
        read.extend(pairs)
        return chunk(self, pairs)

    monkeypatch.setattr(Classifier, "_chunk", counted)
    epitome._classifier.cache_clear()
    for reply in ("what happened ?", "so sorry"):
        scored = [item(i, reply, f"you must feel lost {i % 2}") for i in range(8)]
        for metric in epitome.make(str(fitted)):
            metric.statistics(scored)
    # Two different replies and two different human ones, after one seeker post.
    assert len(read) == len(set(read)) == 4


def test_family_scores_with_interval_and_compares(fitted: Path) -> None:
    good = [item(i, "so sorry about your dog", "so sorry about your dog") for i in range(12)]
    bad = [item(i, None, "so sorry about your dog", failed=True) for i in range(12)]
    chosen = choose_metrics(good, kind="response", names=[f"epitome:{fitted}"])
    distance = {m.name: m for m in chosen}["diff_epitome_er"]
    result = score_metric(distance, good)
    assert (result.value, result.low, result.high, result.n_failed) == (0, 0, 0, 0)
    difference = compare(distance, good, bad)
    assert difference.value < 0
    assert difference.p < 0.01


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("", "needs the folder of a classifier: epitome:FOLDER; fit one: empathy-bench train"),
        ("no/such/folder", "no EPITOME classifier here; fit one: empathy-bench train epitome"),
        ("{fitted}@mode", "unknown 'mode' after @"),
    ],
)
def test_without_a_classifier_the_error_teaches(fitted: Path, argument: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        epitome.make(argument.format(fitted=fitted))


@pytest.mark.parametrize("name", ["model.safetensors", "encoder/model.safetensors", "card.json"])
def test_damaged_classifier_is_refused(fitted: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(fitted, tmp_path / "copy")
    path = folder / name
    path.write_bytes(path.read_bytes()[:-40] + b"x" * 40)
    with pytest.raises(ModelError, match=name.split("/")[-1]):
        epitome.make(str(folder))


def test_retrained_folder_is_another_classifier(
    fitted: Path, material: Material, tmp_path: Path
) -> None:
    from harness.epitome.training import train_epitome

    folder = shutil.copytree(fitted, tmp_path / "copy")
    before = epitome.make(str(folder))[0]
    shutil.rmtree(folder)
    other = replace(FAST, seed=5)
    train_epitome(material[0], folder, settings=other, encoder=str(material[1]))
    assert epitome.make(str(folder))[0].signature != before.signature
