"""The page of traces in a real browser: hostile answers stay text, filters filter, no request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from stride_ed.trace import render
from stride_ed.viewer import view_page
from tests.stride_ed.training_work import annotated, cli, make_work, write_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    "<img src=x onerror='window.hacked = 3'>",
    "</style><svg onload=window.hacked=4>",
    "{{ 7*7 }} {% raw %} \u202e \u2028",
    "word " * 10_000,
    "",
    # Names of no strategy, as long as an untrained model likes.
    "<thinking></thinking><answer>listener: (very " + "long " * 300 + ") Hm.</answer>",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    examples, annotations = annotated("ed/test")
    good, bad = {}, {}
    for number, example in enumerate(examples):
        trace = annotations[example.id].trace
        assert trace is not None
        good[example.id] = render(trace)
        bad[example.id] = (
            render(trace).replace(f"<Emotion> {trace.emotion}", f"<Emotion> {HOSTILE[4]}")
            if number % 9 == 8
            else HOSTILE[number % len(HOSTILE)]
        )
    return [write_run(folder, "good", good), write_run(folder, "bad <b>", bad)]


@pytest.fixture(scope="module")
def page_file(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    held = make_work(tmp_path_factory.mktemp("held"), example_set="ed/test")
    path = tmp_path_factory.mktemp("page") / "traces.html"
    assert view_page(runs, path, data="sample", annotations=held, limit=50) == 50
    return path


@pytest.fixture
def page(chromium: str, page_file: Path) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 390, "height": 900})
        asked: list[str] = []
        errors: list[str] = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(page_file.as_uri())
        yield opened
        assert [url for url in asked if not url.startswith("file:")] == []
        assert errors == []
        assert opened.evaluate("window.hacked") is None
        browser.close()


def shown(page: Any) -> int:
    found: int = page.locator(".dialogue:visible").count()
    return found


def test_each_stage_stands_with_what_it_earned(page: Any) -> None:
    first = page.locator("article").first
    assert first.locator("dt").all_inner_texts() == [
        "Context", "Emotion", "Strategy", "Action", "announced", "Response", "format"
    ]  # fmt: skip
    assert first.locator(".right").count() == 3
    assert first.locator(".total").inner_text() == "3 of 3"
    assert page.locator("#status").inner_text() == "50 of 50 dialogues"


def test_what_is_no_trace_is_shown_as_written_with_its_reason(page: Any) -> None:
    second = page.locator("article").nth(1)
    assert second.locator("pre").inner_text() == HOSTILE[0]
    assert second.locator(".failed").inner_text().startswith("not_the_format")
    wrong = page.locator("article .wrong").first
    assert wrong.text_content().startswith("+0, gold: ")


def test_filters_filter(page: Any) -> None:
    everything = shown(page)
    page.select_option("#system", "bad <b>")
    page.select_option("#total", "2")
    assert shown(page) == everything // 9
    page.select_option("#kind", "unknown_emotion")
    assert shown(page) == everything // 9
    page.select_option("#system", "good")
    assert shown(page) == 0
    for name in ("#system", "#total", "#kind"):
        page.select_option(name, "")
    page.fill("#search", "no such words anywhere")
    assert shown(page) == 0
    page.fill("#search", "")
    page.check("#differ")
    assert shown(page) == everything


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_works_by_keyboard(page: Any) -> None:
    page.focus("#search")
    for name in ("system", "total", "kind", "emotion", "strategy", "differ"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name
    page.keyboard.press("Space")
    assert page.is_checked("#differ")
    # What scrolls in its own box is reached too.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "PRE"


def test_made_up_strategies_are_one_choice(page: Any) -> None:
    page.select_option("#strategy", "(another name)")
    assert 0 < shown(page) < 50
    assert "long long" in page.locator(".dialogue:visible >> nth=0").text_content()


def test_it_is_read_without_javascript(chromium: str, page_file: Path) -> None:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_context(java_script_enabled=False).new_page()
        opened.goto(page_file.as_uri())
        assert opened.locator(".dialogue").count() == 50
        assert opened.locator("#tools").is_hidden()
        browser.close()


def test_the_command_says_what_is_missing(runs: list[Path], tmp_path: Path) -> None:
    done = cli("stride", "view", *runs, "--data", "sample", "-o", tmp_path / "p.html")
    assert done.returncode == 0, done.stderr
    assert "p.html: " in done.stdout
    examples, _ = annotated("ed/test")
    plain = write_run(tmp_path, "plain", {example.id: "Oh no." for example in examples})
    with pytest.raises(InputError, match="holds no trace; .* stride:FOLDER"):
        view_page([plain], tmp_path / "q.html", data="sample", annotations=None, limit=5)
    assert not (tmp_path / "q.html").exists()
