"""axe-core on the board: nothing that keeps anybody from reading or working it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from board_results import metric, result

from leaderboards.page import write_page
from leaderboards.reported import reported_rows
from leaderboards.standings import Standing
from leaderboards.table import build_board

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
_AXE = find_spec("axe_playwright_python")
pytestmark = pytest.mark.skipif(_AXE is None, reason="axe-playwright-python is not installed")


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running.new_page()
        running.close()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every part a board can have: ranks, filters, seeds, plots, printed rows, warnings."""
    models = [
        result(
            f"net (seed {i})",
            metric("bleu_4", i + 2.0, 0.3, n_failed=i),
            metric("dist_2", i + 1.0, 0.2),
            metric("length", 12.0, 1.0, direction="none"),
            model={"parameters": 10 ** (7 + i), "family": f"family {i}"},
        )
        for i in range(3)
    ]
    rest = [
        result("Constant reply", metric("bleu_4", 1.0, 0.1), kind="floor"),
        result("Human", metric("bleu_4", 100.0), metric("dist_2", 38.0), kind="human"),
        result("else", metric("bleu_4", 2.0, 0.5, signature="other|v2")),
        result("few", metric("bleu_4", 3.0, 0.5), example_set="sample/ed", size=40),
    ]
    ranks = {
        (model.id, "bleu_4"): Standing(
            rank=3 - i, low=1, high=3, p_best=0.3, rivals=3, best=model.id, behind=None
        )
        for i, model in enumerate(models)
    }
    results = [*models, *rest]
    made = build_board(results, reported=reported_rows(), standings=ranks)
    path = tmp_path_factory.mktemp("board") / "board.html"
    write_page(path, made, results)
    return path


def violations(page: Any) -> list[str]:
    assert _AXE is not None and _AXE.origin is not None
    page.evaluate((Path(_AXE.origin).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe did not run"
    return [
        f"{item['impact']} {item['id']}: {node['html'][:200]}"
        for item in found["violations"]
        for node in item["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(page: Any, board: Path, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(board.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert violations(page) == []


def test_axe_would_find_something(page: Any, board: Path) -> None:
    page.goto(board.as_uri())
    page.evaluate("document.getElementById('filter').labels[0].remove()")
    page.evaluate("document.getElementById('filter').placeholder = ''")
    assert any(found.startswith("critical label") for found in violations(page))
