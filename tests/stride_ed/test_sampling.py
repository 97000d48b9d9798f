"""Sampling: targets met within one item, nothing drawn twice, no order of the file decides."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialogue import ED_EMOTIONS
from harness.errors import InputError
from stride_ed.sampling import Candidate, draw, shares, targets
from stride_ed.strategies import STRATEGIES, STRATEGY_NAMES

POOLS = st.lists(
    st.tuples(
        st.sampled_from(STRATEGY_NAMES[:6]), st.sampled_from(["sad", "proud", "afraid"]),
        st.integers(0, 3),
    ),
    min_size=1, max_size=120,
).map(lambda rows: [Candidate(id=f"i{n:03}", strategy=s, emotion=e, score=x)
                    for n, (s, e, x) in enumerate(rows)])  # fmt: skip


def test_shares_are_the_formulas() -> None:
    counts = {"Others": 90, "Cognitive Reframing": 10}
    assert shares(counts, alpha=0, beta=0) == pytest.approx(
        {"Others": 0.9, "Cognitive Reframing": 0.1}
    )
    assert shares(counts, alpha=1, beta=0)["Others"] == pytest.approx(0.5)
    # √.9 · 1 against √.1 · 3: .94868 : .94868
    assert shares(counts, alpha=0.5, beta=1)["Others"] == pytest.approx(0.5)


def test_an_exhausted_strategy_leaves_its_rest_to_the_others() -> None:
    q = {"Others": 0.5, "Information": 0.25, "Self-disclosure": 0.25}
    # 40 wanted of Others, 4 there: 76 for the other two, half each.
    assert targets(80, q, {"Others": 4, "Information": 50, "Self-disclosure": 50}) == {
        "Others": 4, "Information": 38, "Self-disclosure": 38,
    }  # fmt: skip
    # … of which one has 10 only.
    assert targets(80, q, {"Others": 4, "Information": 10, "Self-disclosure": 90}) == {
        "Others": 4, "Information": 10, "Self-disclosure": 66,
    }  # fmt: skip


@settings(deadline=None)
@given(POOLS, st.data())
def test_draws_are_exact_unrepeated_and_free_of_order(
    pool: list[Candidate], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(pool)))
    options = {
        "alpha": data.draw(st.floats(0, 1)), "beta": data.draw(st.floats(0, 3)),
        "seed": data.draw(st.integers(0, 5)), "emotion_least": data.draw(st.integers(0, 4)),
    }  # fmt: skip
    drawn = draw(pool, size, **options)  # type: ignore[arg-type]
    assert len(drawn.ids) == len(set(drawn.ids)) == size == sum(drawn.taken.values())
    assert set(drawn.ids) <= {c.id for c in pool}
    assert draw(data.draw(st.permutations(pool)), size, **options).ids == drawn.ids  # type: ignore[arg-type]
    counts = Counter(c.strategy for c in pool)
    q = shares(counts, alpha=options["alpha"], beta=options["beta"])
    assert sum(drawn.wanted.values()) == size
    for name, share in q.items():
        assert abs(drawn.wanted[name] - size * share) <= 1
        assert drawn.target[name] <= counts[name]
        if options["emotion_least"] == 0:
            assert drawn.taken.get(name, 0) == drawn.target[name]
    if all(size * share + 1 <= counts[name] for name, share in q.items()):
        assert drawn.target == drawn.wanted
    # An exhausted strategy is the only reason to be below what was wanted.
    assert all(drawn.target[n] == counts[n] for n in q if drawn.target[n] < drawn.wanted[n])


@settings(deadline=None)
@given(POOLS, st.integers(0, 3))
def test_the_best_of_a_strategy_come_first(pool: list[Candidate], seed: int) -> None:
    drawn = set(draw(pool, max(1, len(pool) // 2), seed=seed).ids)
    for name in STRATEGY_NAMES:
        mine = [c for c in pool if c.strategy == name]
        taken = [c.score for c in mine if c.id in drawn]
        left = [c.score for c in mine if c.id not in drawn]
        assert not taken or not left or min(taken) >= max(left)


def test_equal_scores_are_drawn_alike() -> None:
    pool = [Candidate(id=f"i{n:02}", strategy="Others", emotion="sad") for n in range(40)]
    hits = Counter(i for seed in range(400) for i in draw(pool, 10, seed=seed).ids)
    # 400 draws of 10 out of 40: 100 each, standard deviation 8.7; five of them.
    assert len(hits) == 40 and all(56 < count < 144 for count in hits.values())


def test_emotions_are_covered_where_the_pool_has_them() -> None:
    rng = Random(0)
    pool = [
        Candidate(id=f"i{n:03}", strategy=rng.choice(STRATEGY_NAMES[:3]),
                  emotion="sad" if n >= 6 else "proud", score=-10.0 if n < 6 else rng.random())
        for n in range(300)
    ]  # fmt: skip
    assert "proud" not in draw(pool, 60).emotions
    covered = draw(pool, 60, emotion_least=4)
    assert covered.emotions["proud"] == 4
    assert covered.taken == covered.target and covered.beyond == 0
    assert draw(pool, 60, emotion_least=50).emotions["proud"] == 6


def test_no_emotion_starves_while_another_has_many() -> None:
    pool = [
        Candidate(id=f"i{n:03}", strategy="Others", emotion=ED_EMOTIONS[n % 32], score=-(n % 32))
        for n in range(320)
    ]
    assert len(draw(pool, 64, emotion_least=3).emotions) == 32


def test_more_emotion_than_a_target_holds_is_told() -> None:
    pool = [Candidate(id=f"a{n}", strategy="Others", emotion="sad") for n in range(5)]
    pool += [Candidate(id=f"b{n}", strategy="Others", emotion="afraid") for n in range(5)]
    pool += [Candidate(id=f"c{n}", strategy="Information", emotion="proud") for n in range(10)]
    drawn = draw(pool, 8, alpha=1, beta=0, emotion_least=3)
    assert drawn.target == {"Others": 4, "Information": 4}
    assert drawn.taken == {"Others": 5, "Information": 3} and drawn.beyond == 1
    assert sorted(drawn.emotions.values()) == [2, 3, 3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "cannot be drawn"),
        ({"size": 3}, "cannot be drawn from 2"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_settings_that_cannot_work_are_named(options: dict[str, float], words: str) -> None:
    pool = [Candidate(id=n, strategy="Others", emotion="sad") for n in "ab"]
    with pytest.raises(InputError, match=words):
        draw(pool, **({"size": 1} | options))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="twice"):
        draw([pool[0], pool[0]], 1)


def test_difficulties_are_the_three_levels() -> None:
    assert {s.difficulty for s in STRATEGIES.values()} == {1, 2, 3}
