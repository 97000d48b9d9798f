"""What the board puts side by side, and what it calls best."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from board_results import metric, result
from hypothesis import given
from hypothesis import strategies as st

from harness.results import Result
from leaderboards.plots import bar, forest, scatter, ticks
from leaderboards.standings import Standing
from leaderboards.table import Table, build_board


def only(results: list[Result]) -> Table:
    (table,) = build_board(results).tables
    return table


def marks(table: Table, column: str) -> dict[str, str]:
    index = [c.name for c in table.columns].index(column)
    return {row.name: row.cells[index].mark for row in (*table.rows, *table.reported)}


def test_results_on_other_examples_never_share_a_table() -> None:
    whole = result("a", metric("bleu_4", 3.0))
    part = result("a", metric("bleu_4", 9.0), fingerprint="sha256:00", size=100, limit=100)
    legacy = result("a", metric("bleu_4", 2.0), profile="moel")
    other = result("a", metric("bleu_4", 2.0), task="esconv_response")
    board = build_board([part, legacy, other, whole])
    assert [len(t.rows) for t in board.tables] == [1, 1, 1, 1]
    # The whole set in our own definitions opens the page.
    assert board.tables[0].size == 5255
    assert board.tables[0].profile == "harness"


def test_every_value_whose_interval_overlaps_the_best_is_marked() -> None:
    table = only(
        [
            result("best", metric("bleu_4", 3.15, 0.2)),
            result("near", metric("bleu_4", 2.90, 0.1)),
            result("far", metric("bleu_4", 2.50, 0.1)),
        ]
    )
    assert marks(table, "bleu_4") == {"best": "best", "near": "tied", "far": ""}
    near = next(row for row in table.rows if row.name == "near")
    assert "not separable from the best" in near.cells[0].notes


def test_paired_differences_say_more_than_overlap_where_they_are_known() -> None:
    results = [
        result("best", metric("bleu_4", 3.15, 0.3)),
        result("overlaps but differs", metric("bleu_4", 2.90, 0.3)),
        result("may be as good", metric("bleu_4", 2.80, 0.3)),
        result("unknown", metric("bleu_4", 2.95, 0.3)),
    ]
    best, differs, near, _ = results

    def standing(behind: tuple[float, float, float] | None, first: str = best.id) -> Standing:
        return Standing(rank=1, low=1, high=3, p_best=0.5, rivals=3, best=first, behind=behind)

    known = {
        (best.id, "bleu_4"): standing(None),
        (differs.id, "bleu_4"): standing((-0.25, -0.4, -0.1)),
        (near.id, "bleu_4"): standing((-0.35, -0.8, 0.1)),
    }
    (table,) = build_board(results, standings=known).tables
    assert marks(table, "bleu_4") == {
        "best": "best", "overlaps but differs": "", "may be as good": "tied", "unknown": "tied",
    }  # fmt: skip
    # A difference from another than the best of the table says nothing of the best.
    other = {(differs.id, "bleu_4"): standing((-0.25, -0.4, -0.1), first=near.id)}
    (table,) = build_board(results, standings=other).tables
    assert marks(table, "bleu_4")["overlaps but differs"] == "tied"


def test_lower_is_better_where_the_metric_says_so() -> None:
    table = only(
        [
            result("a", metric("ppl_word", 30.0, 1.0, direction="lower")),
            result("b", metric("ppl_word", 40.0, 1.0, direction="lower")),
        ]
    )
    assert marks(table, "ppl_word") == {"a": "best", "b": ""}
    assert [row.name for row in table.rows] == ["a", "b"]


def test_a_metric_without_direction_has_no_best() -> None:
    rows = [result(n, metric("length", v, direction="none")) for n, v in (("a", 9.0), ("b", 12.0))]
    assert set(marks(only(rows), "length").values()) == {""}


def test_floors_and_people_are_shown_but_never_best() -> None:
    table = only(
        [
            result("Constant", metric("bleu_4", 5.0), kind="floor"),
            result("Human", metric("bleu_4", 100.0), kind="human"),
            result("a", metric("bleu_4", 3.0, 0.1)),
            result("b", metric("bleu_4", 2.0, 0.1), kind="baseline"),
        ]
    )
    assert marks(table, "bleu_4") == {"Constant": "", "Human": "", "a": "best", "b": ""}
    assert table.gaps == ()
    assert "Constant, 5.00" in table.columns[0].floor_sentence
    assert "2 of 2 models do no better" in table.columns[0].floor_sentence


def test_a_table_without_floors_says_how_to_make_them() -> None:
    (floors, human) = only([result("a", metric("bleu_4", 3.0))]).gaps
    assert "empathy-bench run --model constant --model shuffled --task ed_response" in floors
    assert "--model human" in human


def test_reported_rows_stand_apart_and_are_never_compared() -> None:
    table = only(
        [
            result("paper", metric("bleu_4", 99.0), provenance="reported", kind="model"),
            result("a", metric("bleu_4", 3.0, 0.1)),
            result("b", metric("bleu_4", 2.0, 0.1)),
        ]
    )
    assert [row.name for row in table.reported] == ["paper"]
    assert [row.name for row in table.rows] == ["a", "b"]
    assert marks(table, "bleu_4") == {"paper": "", "a": "best", "b": ""}
    assert table.columns[0].high < 4


def test_another_definition_of_the_same_metric_is_not_compared() -> None:
    table = only(
        [
            result("a", metric("bleu_4", 3.0, signature="bleu|v1")),
            result("b", metric("bleu_4", 2.0, signature="bleu|v1")),
            result("c", metric("bleu_4", 9.0, signature="bleu|v2")),
        ]
    )
    assert marks(table, "bleu_4") == {"a": "best", "b": "", "c": "other"}
    odd = next(row for row in table.rows if row.name == "c")
    assert bar(odd.cells[0], table.columns[0]) is None


def test_a_missing_metric_is_a_dash_and_sorts_last() -> None:
    table = only(
        [
            result("none", metric("bleu_4", None, note="no replies"), metric("rouge_l", 1.0)),
            result("some", metric("bleu_4", 1.0)),
        ]
    )
    assert [row.name for row in table.rows] == ["some", "none"]
    some, none = table.rows
    assert [cell.text for cell in none.cells] == ["–", "1.00"]
    assert none.cells[0].notes == ("no replies",)
    assert some.cells[1].text == "–"


def test_equal_values_leave_nothing_to_mark() -> None:
    rows = [result(n, metric("failure_rate", 0.0, direction="lower")) for n in "ab"]
    assert set(marks(only(rows), "failure_rate").values()) == {""}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"example_set": "ed/sample-test", "size": 12}, "Sample data"),
        ({"size": 50, "limit": 50}, "only the first 50 examples of 5,255".capitalize()),
        ({"size": 2713}, "Not the full set. 2,713 examples instead of 5,255"),
    ],
)
def test_a_part_of_the_data_says_so(extra: dict[str, Any], expected: str) -> None:
    table = only([result("a", metric("bleu_4", 3.0), **extra)])
    assert any(expected.lower() in warning.lower() for warning in table.warnings)


def test_a_limit_above_the_size_is_no_limit() -> None:
    assert only([result("a", metric("bleu_4", 3.0), limit=100_000)]).warnings == ()


def test_equal_names_are_told_apart() -> None:
    twins = [result("a", metric("bleu_4", v), seed=s) for v, s in ((1.0, 1), (2.0, 2))]
    shots = [result("b", metric("bleu_4", 3.0), prompt={"few_shot": k}) for k in (0, 5)]
    table = only(twins + shots)
    assert len({(row.name, row.detail) for row in table.rows}) == 4
    assert "5-shot" in {row.detail for row in table.rows}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/m", True),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("data:text/html,x", False),
        ("http:///x", False),
        ("http://[", False),
        (7, False),
    ],
)
def test_only_web_addresses_become_links(url: object, kept: bool) -> None:
    (row,) = only([result("a", metric("bleu_4", 1.0), model={"url": url})]).rows
    assert (row.url == url) is kept


def test_the_card_holds_every_nested_field() -> None:
    (row,) = only(
        [result("a", metric("bleu_4", 1.0), generation={"temperature": 0.7}, seed=3)]
    ).rows
    card = dict(row.card)
    assert card["protocol.generation.temperature"] == "0.7"
    assert card["protocol.seed"] == "3"
    assert card["environment.python"] == "3.11.9"
    assert card["files.predictions.sha256"] == "ab" * 32


def test_people_far_from_the_rest_do_not_flatten_the_scale() -> None:
    table = only(
        [
            result("Human", metric("bleu_4", 100.0), kind="human"),
            result("a", metric("bleu_4", 3.0, 0.2)),
            result("b", metric("bleu_4", 2.0, 0.2)),
        ]
    )
    assert (table.columns[0].low, table.columns[0].high) == pytest.approx((1.8, 3.2))
    human = bar(table.rows[0].cells[0], table.columns[0])
    assert human is not None
    assert (human.value, human.beyond) == (100.0, 1)


def test_a_label_metric_among_replies_names_its_label() -> None:
    table = only([result("a", metric("bleu_4", 3.0), metric("emotion_macro_f1", 30.0))])
    assert [column.label for column in table.columns] == ["BLEU-4", "Emotion macro F1"]


value = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(st.tuples(value, st.floats(0, 1e5)), min_size=2, max_size=8))
def test_order_of_results_changes_nothing(numbers: list[tuple[float, float]]) -> None:
    rows = [result(f"m{i}", metric("bleu_4", v, h)) for i, (v, h) in enumerate(numbers)]
    assert build_board(rows) == build_board(rows[::-1])


any_value = value | st.sampled_from([0.0, 5e-324, 1e308, -1e308, 1.0, 1.0000000001])


@given(st.lists(st.tuples(any_value, st.floats(0, 1e5)), min_size=2, max_size=8))
def test_every_mark_of_a_plot_lies_within_it(numbers: list[tuple[float, float]]) -> None:
    rows = [
        result(f"m{i}", metric("bleu_4", v, h), metric("dist_2", -v, h))
        for i, (v, h) in enumerate(numbers)
    ]
    table = only(rows)
    for plot in (forest(table), scatter(table)):
        for point in plot.points if plot else ():
            assert 0 <= point.x <= 460
            assert 0 <= point.y <= plot.height  # type: ignore[union-attr]
    for row in table.rows:
        drawn = bar(row.cells[0], table.columns[0])
        if drawn:
            assert 0 <= drawn.low <= drawn.value <= drawn.high <= 100


@given(value, st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_within(low: float, span: float) -> None:
    marks_ = ticks(low, low + span)
    assert len(marks_) <= 7
    tolerance = 1e-6 * max(1.0, abs(low), span)
    assert all(low - tolerance <= mark <= low + span + tolerance for mark in marks_)


def test_a_repeated_result_is_the_newest_one() -> None:
    from leaderboards.collect import newest

    old = result("a", metric("bleu_4", 1.0), created="2026-11-20T10:00:00+00:00")
    new = dataclasses.replace(old, metrics=(metric("bleu_4", 2.0),), created="2026-11-21T09:00:00Z")
    undated = dataclasses.replace(old, created="")
    (kept,) = newest([undated, new, old])
    assert kept is new


def test_a_legacy_profile_says_why_it_stands_alone() -> None:
    table = only([result("a", metric("bleu_4", 3.0), profile="moel")])
    assert "MoEL" in table.profile_note
    assert "only with each other" in table.profile_note
    assert "Moses" in table.columns[0].description


def test_an_unknown_metric_of_an_unknown_task_is_shown_by_its_own_name() -> None:
    table = only([result("a", metric("my_metric", 0.0123), task="my_task", example_set="mine")])
    assert (table.title, table.columns[0].label) == ("my_task", "my_metric")
    assert table.rows[0].cells[0].text == "0.012"


def test_a_floor_that_never_fails_is_no_height_to_reach() -> None:
    table = only(
        [
            result("Constant", metric("failure_rate", 0.0, direction="lower"), kind="floor"),
            result("a", metric("failure_rate", 1.0, direction="lower")),
        ]
    )
    assert table.columns[0].floor is None
