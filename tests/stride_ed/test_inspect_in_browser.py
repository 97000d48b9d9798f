"""The page of traces in a real browser: hostile dialogues stay text, filters filter, no request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.datasets import ExampleSet
from harness.dialogue import Example, Turn
from harness.files import write_atomic
from stride_ed.inspect_page import inspect_page
from stride_ed.records import Annotation, Score, score_file
from stride_ed.refine import refine
from stride_ed.trace import Trace, plain

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    "<img src=x onerror='window.hacked = 3'>",
    "</title><svg onload=window.hacked=6>",
    "<!-- {{ 7*7 }} {% raw %}",
    "\u202eright to left\u2028 line",
    "x" * 5000,
)
STRATEGIES = ("Others", "Information", "Self-disclosure")


@pytest.fixture(scope="module", name="page_file")
def written_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    examples = ExampleSet("ed/train", tuple(
        Example(id=f"ed/train/{n:02}/1", dialogue_id=f"ed/train/{n:02}", emotion="sad",
                context=(Turn(0, "speaker", HOSTILE[n % len(HOSTILE)]),),
                reference=f"{HOSTILE[(n + 1) % len(HOSTILE)]} reply {n}")
        for n in range(60)))  # fmt: skip
    annotations = {
        e.id: Annotation(id=e.id, mended=("fence",), trace=Trace(
            context=plain(e.context[0].text), emotion="sad", strategy=STRATEGIES[n % 3],
            action=plain(HOSTILE[n % len(HOSTILE)]), response=plain(e.reference)))
        if n else Annotation(id=e.id, error=HOSTILE[0])
        for n, e in enumerate(examples)
    }  # fmt: skip
    for name in ("kind", "harsh"):
        with score_file(work / "scores" / f"{name}.jsonl", {}, resume=False) as file:
            file.append(
                Score(
                    id=e.id, values={"quality": 1 + (n * 7 % 41) / (11 if name == "kind" else 12)}
                )
                for n, e in enumerate(examples)
            )
    refine(work, annotations, top_k=20)
    write_atomic(work / "set" / "train.jsonl", '{"id": "ed/train/05/1"}\n')
    inspect_page(work, examples, annotations, work / "inspect.html", limit=1000)
    return work / "inspect.html"


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


def status(page: Any) -> str:
    return str(page.text_content("#status"))


def test_all_traces_can_be_read_page_by_page(page: Any) -> None:
    assert status(page) == "60 of 60 traces"
    seen = 0
    while True:
        seen += page.locator(".trace").count()
        if page.locator("#next").is_disabled():
            break
        page.click("#next")
    assert seen == 60
    # Long words wrap or scroll in their own box: the page itself never scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_filters_and_orders(page: Any) -> None:
    page.select_option("#strategy", "Information")
    assert status(page) == "20 of 60 traces"
    page.select_option("#stage", "refined")
    kept = int(status(page).split()[0])
    assert 0 < kept < 20
    page.select_option("#strategy", "")
    assert status(page) == "20 of 60 traces"
    page.select_option("#stage", "sampled")
    assert status(page) == "1 of 60 traces"
    assert "ed/train/05/1" in page.inner_text(".trace")
    page.select_option("#stage", "failed")
    assert status(page) == "1 of 60 traces"
    assert "<script>window.hacked = 1</script>" in page.inner_text(".trace")
    page.select_option("#stage", "")
    page.select_option("#order", "best")
    best = page.inner_text(".trace >> nth=0")
    page.select_option("#order", "worst")
    assert page.inner_text(".trace >> nth=0") != best
    page.select_option("#order", "torn")
    shown = [float(text.split()[1]) for text in page.locator("h3 small").all_inner_texts()
             if text.startswith("disagreement")]  # fmt: skip
    assert shown == sorted(shown, reverse=True)


def test_search_finds_words_of_dialogue_and_reply(page: Any) -> None:
    page.fill("#search", "REPLY 41")
    assert status(page) == "1 of 60 traces"
    page.fill("#search", "no such words")
    assert status(page) == "0 of 60 traces"
    assert page.locator("#next").is_disabled()


def test_it_works_by_keyboard(page: Any) -> None:
    page.focus("#search")
    for name in ("strategy", "emotion", "stage", "order"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name
    page.focus("#next")
    page.keyboard.press("Enter")
    assert page.text_content("#page") == "page 2 of 3"
