"""Forms for people, piece by piece: sides by pair, odd texts and files, saving part of the way."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from harness.datasets import load_example_set
from harness.judges.people import command
from harness.judges.people.forms import Form, make_forms
from harness.judges.people.results import read_key, read_results
from harness.judges.people.verdicts import ratings_csv
from harness.judges.planning import Plan
from harness.judges.protocols import get_protocol
from harness.judges.questions import Question, Shown
from harness.judges.ratings import load_ratings

FORMULA = '=HYPERLINK("http://example.org","x") , said he'
ODD = (FORMULA, "lone \ud800 half", "", "نعم\u202e " + "long " * 10_000)


def forms(protocol: str, texts: tuple[str, ...], *, raters: int, items: int = 6) -> list[Form]:
    examples = load_example_set("ed/test", "sample").examples[:items]
    systems = tuple(f"system {number}" for number in range(len(texts)))
    replies = [Shown(name, text) for name, text in zip(systems, texts, strict=True)]
    pairs = list(combinations(replies, 2))
    orders = [o for a, b in pairs for o in ((a, b), (b, a))] if protocol == "ed-pairwise" else [
        (reply,) for reply in replies]  # fmt: skip
    plan = Plan(examples, systems, tuple(Question(e, order) for e in examples for order in orders))
    return make_forms(get_protocol(protocol), plan, raters=raters, seed=1)


def written(folder: Path, made: list[Form]) -> Path:
    command._write_forms(folder, made, {"example_set": "ed/test", "size": 6})
    return folder


def answers(form: Form, **more: Any) -> dict[str, Any]:
    names = [criterion.name for criterion in form.protocol.criteria]
    return {
        "schema": "empathy-bench/people/1", "form": form.hash, "rater": form.rater,
        "answers": [{"code": s.code, "values": dict.fromkeys(names, 2), **more}
                    for s in form.screens],
    }  # fmt: skip


@pytest.mark.parametrize("systems", [2, 3, 4])
@pytest.mark.parametrize("raters", [1, 3])
def test_each_pair_stands_each_way_as_often_for_every_rater(systems: int, raters: int) -> None:
    """With four systems an example has six pairs: sides must not hang on the pair's place."""
    for form in forms("ed-pairwise", ("a",) * systems, raters=raters):
        first = Counter(screen.systems for screen in form.screens if not screen.check)
        assert set(first.values()) == {3} and len(first) == systems * (systems - 1)


def test_a_reply_that_names_its_system_is_told_to_the_researcher() -> None:
    (example,) = load_example_set("ed/test", "sample").examples[:1]
    replies = (Shown("SmolLM2", "As smollm2, I feel with you."), Shown("other", "Oh no."))
    plan = Plan((example,), ("SmolLM2", "other"), tuple(Question(example, (r,)) for r in replies))
    assert command._named(plan) == ["SmolLM2"]


def test_odd_texts_come_back_from_the_table_as_they_were_shown(tmp_path: Path) -> None:
    (form,) = forms("ed-absolute", ODD, raters=1, items=2)
    folder = written(tmp_path, [form])
    path = tmp_path / "results.json"
    path.write_text(json.dumps(answers(form)))
    key = read_key(folder)
    table = tmp_path / "ratings.csv"
    table.write_text(ratings_csv(key, read_results([path], key)), encoding="utf-8")
    with table.open(encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    said = {item.system: item.response for item in load_ratings(f"csv:{table}").items}
    assert said["system 0"] == FORMULA
    assert said["system 1"] == "lone ? half" and said["system 2"] is None


def test_a_key_of_long_replies_is_read_however_large(tmp_path: Path) -> None:
    made = forms("ed-absolute", ("word " * 10_000,) * 4, raters=18)
    written(tmp_path, made)
    assert (tmp_path / "key.json").stat().st_size > 20 * 2**20
    assert len(read_key(tmp_path).forms) == 18


@pytest.mark.parametrize("seconds", ["1e999", "1" + "0" * 400, "-1", "true", '"9"', "null"])
def test_times_that_are_none_do_not_count(seconds: str, tmp_path: Path) -> None:
    (form,) = forms("ed-absolute", ("a", "b"), raters=1)
    written(tmp_path, [form])
    path = tmp_path / "results.json"
    path.write_text(json.dumps(answers(form, seconds="HERE")).replace('"HERE"', seconds))
    (found,) = read_results([path], read_key(tmp_path))
    assert found.seconds is None and found.left_out == 0


def test_every_check_can_be_failed() -> None:
    for name in ("ed-absolute", "esconv", "epitome", "stride-trace"):
        (form,) = forms(name, ("a", "b"), raters=1)
        for check in (s.check for s in form.screens if s.check):
            offered = {c.name: set(form.protocol.allowed(c)) for c in form.protocol.criteria}
            assert any(set(passes) < offered[c] for c, passes in check.passes.items()), name


@pytest.fixture(name="page")
def opened(chromium: str, tmp_path: Path) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    (form,) = forms("ed-pairwise", ODD[1:], raters=1, items=2)
    written(tmp_path, [form])
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((tmp_path / f"form-{form.rater}.html").as_uri())
        yield page
        assert complaints == []
        browser.close()


def test_a_rater_who_stops_hands_in_what_there_is(page: Any, tmp_path: Path) -> None:
    page.get_by_role("button", name="Begin").press("Enter")
    for _ in range(4):
        page.keyboard.press("1")
    page.get_by_role("button", name="Next").press("Enter")
    page.keyboard.press("2")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save so far").press("Enter")
    path = tmp_path / "part.json"
    download.value.save_as(path)
    key = read_key(tmp_path)
    (found,) = read_results([path], key)
    assert set(found.answers) == {"001"} and found.left_out == 2 * 3 + 2 - 1
    assert page.get_by_role("status").filter(has_text="you can go on").is_visible()


def test_what_lies_in_storage_is_not_believed(page: Any) -> None:
    for junk in ('{"answers": 3}', "[1]", '{"answers": {"001": {"values": {"empathy": 9}}}}', "{"):
        page.evaluate(
            "junk => localStorage.setItem('empathy-bench:'"
            " + JSON.parse(document.getElementById('data').textContent).form, junk)", junk)  # fmt: skip
        page.reload()
        page.locator("#begin").click()
        assert page.get_by_role("radio", checked=True).count() == 0


def test_a_reply_that_scrolls_is_reached_by_keyboard(page: Any) -> None:
    page.get_by_role("button", name="Begin").click()
    while not (long := page.locator(".reply", has_text="long long")).count():
        for _ in range(4):
            page.keyboard.press("0")
        page.get_by_role("button", name="Next").press("Enter")
    long = long.first
    assert long.get_attribute("tabindex") == "0" and long.get_attribute("role") == "group"
    long.focus()
    page.keyboard.press("End")
    page.wait_for_function("e => e.scrollTop > 1000", arg=long.element_handle())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
