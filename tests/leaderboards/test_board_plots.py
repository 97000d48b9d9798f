"""Plots of any two metrics, of cost and of paired differences, and where rows lead, in a browser."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_results import metric, result
from sample_runs import answer
from typer.testing import CliRunner

from harness.results import Result
from leaderboards.command import app
from leaderboards.links import with_links
from leaderboards.page import write_page
from leaderboards.points import plot_points
from leaderboards.standings import Standing
from leaderboards.table import build_board

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

HOSTILE = "</script><script>window.hacked = 1</script>"


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        made = running.new_page()
        made.complaints = []
        made.on("console", lambda message: made.complaints.append(message.text))
        made.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made
        running.close()


def rows() -> list[Result]:
    return [
        result(
            name,
            metric("bleu_4", value, 0.3),
            metric("dist_2", 9.0 - value, 0.2),
            metric("ppl_word", 30.0 + value, direction="lower", unit=""),
            model={"parameters": size},
        )
        for name, value, size in (("best", 3.0, 7 * 10**9), ("near", 2.9, 10**8), (HOSTILE, 1, 124))
    ] + [
        result("Constant", metric("bleu_4", 2.0, 0.1), kind="floor"),
        result("other words", metric("bleu_4", 1.5, 0.1, signature="other|v9")),
    ]


def ranked(results: list[Result]) -> dict[tuple[str, str], Standing]:
    best, near, far = results[:3]
    behind = {best.id: None, near.id: (-0.1, -0.3, 0.1), far.id: (-2.0, -2.2, -1.8)}
    return {
        (r.id, "bleu_4"): Standing(
            rank=i + 1, low=1, high=3, p_best=0.3, rivals=3, best=best.id, behind=behind[r.id]
        )
        for i, r in enumerate(results[:3])
    }


def test_points_hold_one_definition_and_costs_that_are_known() -> None:
    results = rows()
    (table,) = build_board(results, standings=ranked(results)).tables
    found = plot_points(table, {r.id: r for r in results})
    assert found is not None
    names = [axis["name"] for axis in found["axes"]]
    assert names == ["bleu_4", "dist_2", "ppl_word", "parameters"]
    by_name = {row["name"]: row for row in found["rows"]}
    assert by_name["best"]["at"] == [[3.0, 2.7, 3.3], [6.0, 5.8, 6.2], [33.0, None, None],
                                     [7e9, None, None]]  # fmt: skip
    assert by_name["other words"]["at"][0] is None  # defined differently
    assert by_name["Constant"]["behind"] == [None, None, None]
    assert by_name["best"]["behind"][0] == "best"
    assert by_name["near"]["behind"][0] == [-0.1, -0.3, 0.1]
    (alone,) = build_board(results[:1]).tables
    assert plot_points(alone, {results[0].id: results[0]}) is None


def numbers(plot: Any) -> list[float]:
    text = " ".join(path.get_attribute("d") for path in plot.locator("path").all())
    assert "NaN" not in text and "undefined" not in text
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_any_two_axes_are_drawn_and_differences_from_the_best(page: Any, tmp_path: Path) -> None:
    results, path = rows(), tmp_path / "board.html"
    write_page(path, build_board(results, standings=ranked(results)), results)
    page.goto(path.as_uri())
    fold = page.locator("details.freeplots")
    assert fold.locator("svg").count() == 0
    fold.locator("summary").click()
    fold.locator("svg").first.wait_for()  # drawn in a task of its own, after the click
    across, up = fold.locator("select").all()
    assert across.input_value() == "3" and up.input_value() == "0"  # cost against quality
    cloud, gaps = fold.locator("svg").all()
    assert cloud.locator(".mark").count() == 3
    assert cloud.locator("title").all_text_contents()[0] == "best: Parameters 7B, BLEU-4 3.00"
    assert "logarithmic" in cloud.locator("text.title").first.text_content()
    assert gaps.locator("title").all_text_contents() == [
        "near minus best: −0.10, interval −0.30 to 0.10",
        f"{HOSTILE} minus best: −2.00, interval −2.20 to −1.80",
    ]
    marks = [numbers(cloud), numbers(gaps)]
    assert all(math.isfinite(n) and -20 < n < 480 for found in marks for n in found)
    across.select_option(label="Dist-2")
    assert fold.locator("svg").first.locator(".mark").count() == 3
    up.select_option(label="PPL/word")
    assert fold.locator("svg").count() == 1  # nothing is ranked by it here
    up.select_option(label="Parameters")
    numbers(fold.locator("svg").first)
    assert page.evaluate("window.hacked") is None
    assert page.complaints == []


def test_a_row_leads_to_its_answers_and_its_run(page: Any, tmp_path: Path) -> None:
    for name, share in (("good", 1.0), ("half one & #2", 0.5)):
        answer(tmp_path, name, share)
    board = tmp_path / "my board.html"
    arguments = ["build", str(tmp_path / "runs"), "--data", "sample", "-o", str(board)]
    done = CliRunner().invoke(app, [*arguments, "--examples"])
    assert done.exit_code == 0, done.output
    page.goto(board.as_uri())
    row = page.locator("tr.row", has_text="half one & #2")
    row.locator("a.rowlink", has_text="answers").click()
    page.locator("#where", has_text="page").wait_for()
    checked = page.locator("#systems label", has=page.locator("input:checked"))
    assert [text.strip() for text in checked.all_text_contents()] == ["half one & #2"]
    assert page.complaints == []
    plain = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / "plain.html")])
    assert plain.exit_code == 0 and 'rowlink"' not in (tmp_path / "plain.html").read_text()


def test_links_of_one_row_stand_together(tmp_path: Path) -> None:
    (made, *_) = rows()
    links = with_links(
        {made.id: {"run": "http://127.0.0.1:5000/#/x?a=1&b=<"}}, {made.id: {"a": "b"}}
    )
    write_page(tmp_path / "b.html", build_board([made]), [made], links)
    text = (tmp_path / "b.html").read_text()
    assert 'href="http://127.0.0.1:5000/#/x?a=1&amp;b=&lt;"' in text and 'href="b"' in text
