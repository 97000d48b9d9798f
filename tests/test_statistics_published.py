"""Intervals and differences of published outputs, recorded before this code existed.

FIELD B3: an independent bootstrap over examples of corpus BLEU (words cut at spaces, unsmoothed) on
the same files; bounds are printed to two digits and carry the resampling noise of that bootstrap.
Its KEMP − MoEL (−0.46 [−0.66, −0.25]) needs KEMP's whole output file, which is not at hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.metrics import get_metric, score_metric
from harness.metrics.contract import Metric
from harness.statistics import Spread, compare, ranks, systems
from tests.metrics.published import replies


def bleu(order: int) -> Metric:
    return get_metric(f"bleu_{order}", profile="moel")


@pytest.mark.parametrize("test", ["randomisation", "bootstrap"])
@pytest.mark.parametrize(
    ("order", "a", "b", "difference", "low", "high"),
    [
        (4, "TRS", "MoEL", 0.12, -0.10, 0.35),
        (4, "Multi-TRS", "MoEL", 0.08, -0.14, 0.30),
        (4, "MIME beam", "TRS", 0.10, -0.09, 0.29),
        (4, "MIME beam", "MIME greedy", 0.37, 0.18, 0.55),
        (1, "TRS", "MoEL", 2.25, 1.91, 2.62),
    ],
)
def test_published_differences_and_their_intervals(
    real_data: Path,
    order: int,
    a: str,
    b: str,
    difference: float,
    low: float,
    high: float,
    test: str,
) -> None:
    found = compare(
        bleu(order),
        replies(real_data, a),
        replies(real_data, b),
        resamples=4000,
        test=test,  # type: ignore[arg-type]
    )
    assert found.value == pytest.approx(difference, abs=0.0051)
    assert found.low == pytest.approx(low, abs=0.04)
    assert found.high == pytest.approx(high, abs=0.04)
    assert (found.p < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize(("order", "half"), [(4, 0.24), (1, 0.4)])
def test_published_half_widths(real_data: Path, order: int, half: float) -> None:
    found = []
    for system in ("TRS", "Multi-TRS", "MoEL"):
        result = score_metric(bleu(order), replies(real_data, system))
        assert result.low is not None and result.high is not None
        found.append((result.high - result.low) / 2)
    assert sum(found) / 3 == pytest.approx(half, rel=0.15)


def test_the_order_of_published_bleu_is_as_unsure_as_its_differences(real_data: Path) -> None:
    names = ("TRS", "Multi-TRS", "MoEL", "MIME greedy", "MIME beam")
    found = ranks(systems(bleu(4), [replies(real_data, name) for name in names]))
    assert found is not None
    placed = dict(zip(names, found, strict=True))
    # 3.13 beats 2.76 and nothing else: four systems cannot be told apart.
    assert placed["MIME beam"].rank == 1
    assert placed["MIME beam"].high >= 2
    assert placed["MIME beam"].p_best < 0.95
    assert placed["MIME greedy"].low >= 3
    assert placed["TRS"].low == 1 and placed["TRS"].high >= 3


def test_the_test_set_sees_a_quarter_of_a_point_of_bleu(real_data: Path) -> None:
    found = compare(bleu(4), replies(real_data, "MIME beam"), replies(real_data, "MIME greedy"))
    assert found.standard_error is not None
    spread = Spread.measured(found.standard_error, dialogues=found.clusters, examples=found.n)
    # Half the recorded interval, .185, is 1.96 standard errors: 2.80 of them are .265.
    assert spread.detectable(found.clusters) == pytest.approx(0.265, rel=0.05)
