"""The example browser in a real browser: searched, ordered, linked to, compared; and inert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_runs import answer
from test_accessibility import violations
from typer.testing import CliRunner

from harness.datasets import load_example_set
from harness.errors import InputError
from harness.files import sha256_file
from harness.judges.running import write_verdicts
from harness.judges.verdicts import Game, Grade
from harness.results import Result, write_result
from harness.tasks import TASKS
from leaderboards.command import app

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    answer(folder, "good", 1.0)
    answer(folder, "half", 0.5)
    answer(folder, "nasty", 0.0, wrong=HOSTILE)
    done = CliRunner().invoke(
        app,
        ["examples", str(folder / "runs"), "--data", "sample", "-o", str(folder / "out")],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    (file,) = (folder / "out").glob("*.html")
    return file


class Visit:
    """An open page, with what it asked for and complained of."""

    def __init__(self, browser: Any, file: Path, fragment: str = "", **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.url = file.as_uri()
        self.page.goto(self.url + fragment)
        self.page.locator("#where", has_text="page").wait_for()

    def ids(self) -> list[str]:
        return list(self.page.locator("article h3 a").all_text_contents())

    def settled(self, said: str) -> None:
        self.page.locator("#status", has_text=said).wait_for()


def sample() -> list[Any]:
    return list(load_example_set(TASKS["ed_response"].example_set, "sample"))


def test_examples_stand_in_order_with_every_chosen_reply(browser: Any, page_file: Path) -> None:
    visit = Visit(browser, page_file)
    examples = sample()
    assert visit.ids() == [example.id for example in examples[:20]]
    first = visit.page.locator("article").first
    assert first.locator(".reply.gold span").inner_text() == examples[0].reference
    replies = first.locator(".reply.model > span:first-of-type").all_text_contents()
    assert sorted(replies) == sorted([examples[0].reference, examples[0].reference, HOSTILE])
    assert visit.page.evaluate("window.hacked") is None
    assert visit.page.locator("main img, main script").count() == 0
    visit.page.click("#after")
    visit.page.locator("#where", has_text="page 2").wait_for()
    assert visit.ids() == [example.id for example in examples[20:40]]
    assert [url for url in visit.asked if not url.startswith((visit.url, "data:"))] == []
    assert visit.complaints == []


def test_words_are_found_in_contexts_and_replies(browser: Any, page_file: Path) -> None:
    visit = Visit(browser, page_file)
    examples = sample()
    word = max(examples[3].reference.lower().split(), key=len)
    visit.page.fill("#find", word)
    visit.settled("“")
    held = [
        e.id
        for e in examples
        if word in "\n".join([e.id, *(t.text for t in e.context), e.reference]).lower()
    ]
    assert visit.ids() == held[:20] and examples[3].id in held
    visit.page.fill("#find", "purple elephants")
    visit.settled("purple")
    assert set(visit.ids()) <= {e.id for e in examples[round(len(examples) / 2) :]}
    assert visit.ids()


def test_the_address_leads_back(browser: Any, page_file: Path) -> None:
    visit = Visit(browser, page_file)
    visit.page.locator("#systems label", has_text="good").locator("input").uncheck()
    visit.page.select_option("#order", "apart")
    visit.settled("furthest apart")
    there = visit.page.url.removeprefix(visit.url)
    again = Visit(browser, page_file, there)
    assert again.ids() == visit.ids()
    assert again.page.locator("#order").input_value() == "apart"
    assert again.page.locator("#systems input:checked").count() == 2
    wanted = sample()[25].id
    linked = Visit(browser, page_file, f"#id={wanted}")
    assert linked.page.locator("article.chosen h3 a").inner_text() == wanted
    assert "page 2" in linked.page.locator("#where").inner_text()
    odd = Visit(browser, page_file, "#a=99&b=-4&show=x,77&page=1e9&order=evil&metric=zz&id=none")
    assert odd.complaints == [] and "examples" in odd.page.locator("#status").inner_text()


def test_two_systems_are_compared_in_numbers_and_in_examples(browser: Any, page_file: Path) -> None:
    visit = Visit(browser, page_file)
    names = visit.page.locator("#a option").all_text_contents()
    visit.page.select_option("#a", str(names.index("good")))
    visit.page.select_option("#b", str(names.index("half")))
    said = " ".join(visit.page.locator("#claims li").all_text_contents())
    assert "half is worse than good on bleu_1" in said or "good is better than half" in said
    visit.page.select_option("#metric", "rouge_l")
    visit.page.select_option("#order", "a")
    visit.settled("A better than B")
    wrong = {e.id for e in sample()[round(len(sample()) / 2) :]}
    assert set(visit.ids()) <= wrong  # there alone do the two differ
    visit.page.select_option("#b", str(names.index("good")))
    assert visit.page.locator("#claims").inner_text() == "Choose two systems."


def test_axe_finds_nothing(browser: Any, page_file: Path) -> None:
    for options in ({"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 800}}):
        assert violations(Visit(browser, page_file, **options).page) == []


def test_without_predictions_there_is_nothing_to_browse(tmp_path: Path) -> None:
    answer(tmp_path, "good", 1.0)
    for file in (tmp_path / "runs").rglob("predictions.jsonl"):
        file.unlink()
    with pytest.raises(InputError, match="no table with predictions at hand"):
        CliRunner().invoke(
            app,
            ["examples", str(tmp_path / "runs"), "--data", "sample", "-o", str(tmp_path / "o")],
            catch_exceptions=False,
        )


def test_what_judges_said_stands_with_the_replies_they_judged(browser: Any, tmp_path: Path) -> None:
    answer(tmp_path, "good", 1.0)
    answer(tmp_path, "half", 0.5)
    first, second, *_ = sample()
    about: Any = {"judge": "J1", "criterion": "empathy"}
    verdicts = [
        Grade(item=first.id, cluster="c", system="good", value=4.0, words=9, reason=HOSTILE, **about),
        Grade(item=first.id, cluster="c", system="half", value=None, words=9, failure="timeout",
              **about),
        Game(item=second.id, cluster="c", first="half", second="good", preference=0.0,
             words=(9, 9), **about),
    ]  # fmt: skip
    judged = tmp_path / "judged"
    write_verdicts(judged / "verdicts.jsonl", {}, verdicts)
    digest = sha256_file(judged / "verdicts.jsonl")
    files = {"verdicts": {"name": "verdicts.jsonl", "sha256": digest}}
    result = Result(
        task="ed-absolute", task_version=1, model={"name": "good"}, protocol={}, metrics=(),
        provenance="re-measured", files=files,
    )  # fmt: skip
    write_result(judged / "result.json", result)
    arguments = ["examples", str(tmp_path / "runs"), str(judged), "--data", "sample"]
    arguments += ["--task", "ed_response"]
    out = tmp_path / "out"
    done = CliRunner().invoke(app, [*arguments, "-o", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (file,) = out.glob("ed_response*.html")
    visit = Visit(browser, file)

    def told(position: int, system: str) -> str:
        name = visit.page.locator(f"b:text-is('{system}')")
        reply = visit.page.locator("article").nth(position).locator(".reply", has=name)
        return str(reply.locator("details pre").text_content())

    assert told(0, "good") == f"J1 · empathy 4: {HOSTILE}"
    assert told(0, "half") == "J1 · empathy timeout"
    assert told(1, "good") == "J1 · empathy, shown second against half: won"
    assert told(1, "half") == "J1 · empathy, shown first against good: lost"
    assert visit.page.evaluate("window.hacked") is None
    assert visit.complaints == []
    (judged / "verdicts.jsonl").open("a").write("\n")  # no longer what the result was made of
    again = tmp_path / "again"
    CliRunner().invoke(app, [*arguments, "-o", str(again)], catch_exceptions=False)
    (file,) = again.glob("ed_response*.html")
    assert Visit(browser, file).page.locator("article details").count() == 0
