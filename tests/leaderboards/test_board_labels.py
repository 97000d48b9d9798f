"""Confusion matrices on the board: only sound ones are drawn, and they say what was counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_results import metric, result

from harness.results import Result
from leaderboards.labels import label_views
from leaderboards.page import write_page
from leaderboards.table import build_board

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

LABELS = ["calm", "<img src=x onerror='window.hacked=1'>"]
COUNTS = [[6, 2, 0], [1, 8, 3]]


def labelled(name: str, table: Any, **fields: Any) -> Result:
    made = result(name, metric("emotion_accuracy", 70.0, 2.0), task="ed_emotion", **fields)
    return dataclasses.replace(made, tables={"emotion": table})


def views(*results: Result) -> list[Any]:
    (table,) = build_board(results).tables
    return label_views(table.rows, {r.id: r for r in results})


def test_the_commonest_mistakes_are_told() -> None:
    (view,) = views(labelled("net", {"labels": ["calm", "sad"], "counts": COUNTS}))
    assert view.confusions == (
        "calm taken for sad 2 of 8 times",
        "sad taken for calm 1 of 12 times",
    )


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"labels": ["a"], "counts": [[1, 0]]},
        {"labels": ["a", "b"], "counts": [[1, 0, 0]]},
        {"labels": ["a", "b"], "counts": [[1, 0], [0, 1]]},
        {"labels": ["a", "b"], "counts": [[1, 0, 0], [0, -1, 0]]},
        {"labels": ["a", "b"], "counts": [[1, 0, 0], [0, 1.5, 0]]},
        {"labels": ["a", "b"], "counts": [[1, 0, 0], [0, True, 0]]},
        {"labels": ["a", 2], "counts": [[1, 0, 0], [0, 1, 0]]},
        {"labels": ["a"] * 1000, "counts": [[0] * 1001] * 1000},
        {"labels": "ab", "counts": "cd"},
    ],
)
def test_what_is_no_matrix_is_passed_over(table: Any) -> None:
    assert views(labelled("net", table)) == []


def test_people_have_no_matrix() -> None:
    good = {"labels": LABELS, "counts": COUNTS}
    assert [v.name for v in views(labelled("Human", good, kind="human"))] == []
    assert [v.name for v in views(labelled("Constant", good, kind="floor"))] == ["Constant"]


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running.new_page()
        running.close()


def test_the_plots_are_drawn_when_opened(page: Any, tmp_path: Path) -> None:
    other = [[5, 0, 0], [5, 0, 0]]
    results = [
        labelled("net", {"labels": LABELS, "counts": COUNTS}),
        labelled("worse", {"labels": LABELS, "counts": other}, model={"parameters": 3}),
    ]
    path, complaints = tmp_path / "board.html", []
    write_page(path, build_board(results), results)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    fold = page.locator("details.confused")
    assert fold.locator("svg").count() == 0
    fold.locator("summary").click()
    fold.locator("svg").first.wait_for()  # drawn in a task of its own, after the click
    assert fold.locator("svg").count() == 2
    titles = fold.locator("rect.heat title").all_text_contents()
    assert len(titles) == 6
    assert titles[0] == "calm → calm: 6 of 8, 75.0 %"
    assert titles[5].endswith("→ no label: 3 of 12, 25.0 %")
    said = fold.locator("rect.said title").all_text_contents()
    assert said[0] == "calm: answered 7, right 8 of 20"
    assert said[2] == "no label: answered 3, right 0 of 20"
    fold.locator("select").select_option(index=1)
    assert fold.locator("rect.heat title").all_text_contents()[0] == "calm → calm: 5 of 5, 100.0 %"
    assert page.evaluate("window.hacked") is None
    assert complaints == []
