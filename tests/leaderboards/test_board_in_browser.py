"""The page in a real browser: it holds against hostile names, asks the network nothing, and works."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_results import metric, result

from harness.results import Result
from leaderboards.page import write_page
from leaderboards.standings import Standing
from leaderboards.table import build_board

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    "<img src=x onerror='window.hacked = 3'>",
    '" onmouseover="window.hacked = 4" x="',
    "' autofocus onfocus='window.hacked = 5",
    "</title><svg onload=window.hacked=6>",
    "<!-- {{ 7*7 }} {% raw %}",
    '=HYPERLINK("http://example.org","x")',
    "\u202eright to left\u2028 line",
    "x" * 5000,
]


def rows() -> list[Result]:
    found = [
        result("Constant reply", metric("bleu_4", 2.43, 0.2), metric("dist_2", 0.1), kind="floor"),
        result("Human", metric("bleu_4", 100.0), metric("dist_2", 43.0), kind="human"),
        result("paper", metric("bleu_4", 9.0), provenance="reported"),
        result("no value", metric("bleu_4", None), metric("dist_2", 5.0, 0.2)),
    ]
    for i, (name, bleu) in enumerate((("alpha", 3.1), ("beta", 2.9), ("gamma", 1.0))):
        card = {"url": "javascript:window.hacked=8"}
        found.append(
            result(name, metric("bleu_4", bleu, 0.2), metric("dist_2", i + 1.0, 0.1), model=card)
        )
    return found


def hostile_rows() -> list[Result]:
    return [
        result(
            text,
            metric("bleu_4", float(i), 0.5, signature=text, note=text, unit=text),
            metric(text, 1.0, signature=text),
            metric("dist_2", float(i)),
            task=text if i % 2 else "ed_response",
            example_set=text,
            fingerprint=text,
            profile=text if i % 3 else "harness",
            created=text,
            prompt={text: {text: text}},
            model={"url": text, "parameters": text, "source": text, "same_as": HOSTILE[i // 2]},
            citation=text,
            provenance="reported" if i % 4 == 0 else "re-scored",
        )
        for i, text in enumerate(HOSTILE)
    ]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


class Visit:
    """An open page with everything it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.url = path.as_uri()
        self.page.goto(self.url + fragment)

    def names(self, body: str = "measured") -> list[str]:
        shown = self.page.locator(f"tbody.{body} tr.row:visible")
        return list(shown.evaluate_all("rows => rows.map(row => row.dataset.name)"))

    def clean(self) -> bool:
        asked = [url for url in self.requests if not url.startswith((self.url, "data:", "blob:"))]
        return not asked and not self.complaints


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.html"
    write_page(path, build_board(rows()), rows())
    return path


def test_hostile_text_stays_text(browser: Any, tmp_path: Path) -> None:
    path, results = tmp_path / "board.html", hostile_rows()
    write_page(path, build_board(results, title=HOSTILE[1]), results)
    visit = Visit(browser, path)
    for cell in visit.page.locator("td[data-tip]:visible").all()[:10]:
        cell.hover()
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    visit.page.locator("thead button[data-col=name]").first.click()
    visit.page.locator("#filter").fill("<img src=x onerror=window.hacked=9>")
    assert visit.page.evaluate("window.hacked") is None
    assert visit.clean(), (visit.requests, visit.complaints)
    shown = visit.page.locator("tr.row").evaluate_all("rows => rows.map(r => r.dataset.name)")
    assert sorted(shown) == sorted(HOSTILE)
    assert visit.page.title() == HOSTILE[1]
    assert visit.page.locator("script").count() == 2
    assert visit.page.locator("main img, main svg[onload], [onmouseover], [onfocus]").count() == 0


def test_the_policy_blocks_even_a_script_that_got_in(browser: Any, board: Path) -> None:
    text = board.read_text().replace("</main>", "<script>window.hacked = 1</script></main>")
    board.write_text(text)
    visit = Visit(browser, board)
    assert visit.page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)


def test_only_web_links_leave_the_page(browser: Any, board: Path) -> None:
    visit = Visit(browser, board)
    links = visit.page.locator("a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert links
    assert all(link.startswith(("#", "https://", "http://")) for link in links)


def test_every_row_is_there_without_scripts(browser: Any, board: Path) -> None:
    visit = Visit(browser, board, java_script_enabled=False)
    assert visit.page.locator("tbody.measured tr.row").count() == 6
    assert visit.page.locator("tbody.reported tr.row").count() == 1
    assert visit.page.locator("figure svg").count() == 2


def test_a_click_sorts_and_a_second_click_turns(browser: Any, board: Path) -> None:
    visit = Visit(browser, board)
    assert visit.names() == ["Human", "alpha", "beta", "Constant reply", "gamma", "no value"]
    head = visit.page.locator("th", has=visit.page.locator("[data-col=bleu_4]"))
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert visit.names() == ["gamma", "Constant reply", "beta", "alpha", "Human", "no value"]
    visit.page.locator("details.prints summary").click()
    assert visit.names("reported") == ["paper"]
    assert visit.page.locator("th[aria-sort]").count() == 1
    assert "best last" in visit.page.locator("caption").inner_text()


def test_the_keyboard_sorts_and_walks_the_numbers(browser: Any, board: Path) -> None:
    visit = Visit(browser, board)
    button = visit.page.locator("thead [data-col=dist_2]")
    button.focus()
    visit.page.keyboard.press("Enter")
    expected = ["Human", "no value", "gamma", "beta", "alpha", "Constant reply"]
    assert visit.names() == expected
    visit.page.keyboard.press("Space")
    assert visit.names() == expected[::-1]

    stop = visit.page.locator("tbody.measured td[tabindex='0']")
    assert stop.count() == 1
    stop.focus()
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("ArrowRight")
    tip = visit.page.locator("#tip")
    assert tip.is_visible()
    assert "alpha · Dist-2" in tip.inner_text()
    assert "dist_2|v1" in tip.inner_text()
    visit.page.keyboard.press("Escape")
    assert tip.is_hidden()
    assert visit.clean()


def test_the_filter_is_visible_and_spares_floors_and_people(browser: Any, board: Path) -> None:
    visit = Visit(browser, board)
    visit.page.locator("#filter").fill("ALPH")
    assert visit.names() == ["Human", "alpha", "Constant reply"]
    assert "“ALPH”: 1 of 5 rows" in visit.page.locator("#status").inner_text()
    visit.page.locator("#clear").click()
    assert len(visit.names()) == 6
    assert visit.page.locator("#status").is_hidden()


def test_the_address_carries_the_view(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "board.html"
    results = [*rows(), result("solo", metric("emotion_accuracy", 40.0), task="ed_emotion")]
    write_page(path, build_board(results), results)
    visit = Visit(browser, path)
    visit.page.locator("nav a").nth(1).click()
    visit.page.locator("section:visible thead [data-col=dist_2]").click()
    visit.page.locator("#filter").fill("a")
    fragment = visit.page.evaluate("location.hash")

    again = Visit(browser, path, fragment)
    assert again.page.locator("section:visible").count() == 1
    assert (
        again.page.locator("nav a[aria-current]").inner_text() == "Replies in EmpatheticDialogues"
    )
    assert again.page.locator("#filter").input_value() == "a"
    # "no value" has no a … but its letters do: n-o-v-a-l-u-e.
    assert again.names() == visit.names()
    assert again.names() == ["Human", "no value", "gamma", "beta", "alpha", "Constant reply"]
    assert again.page.evaluate("location.hash") == fragment
    assert again.clean()


@pytest.mark.parametrize(
    "fragment", ["#sort=x~y", "#task=nowhere", "#%E0%A4%A", "#sort=~~~&all=<b>", "#card-none"]
)
def test_a_strange_address_shows_the_whole_board(browser: Any, board: Path, fragment: str) -> None:
    visit = Visit(browser, board, fragment)
    assert len(visit.names()) == 6
    assert visit.clean(), visit.complaints


def test_a_wide_table_opens_compact_and_widens(browser: Any, tmp_path: Path) -> None:
    names = [f"bleu_{n}" for n in (1, 2, 3, 4)] + ["rouge_l", "dist_1", "dist_2", "length"]
    names += ["unique_share", "commonest_share", "failure_rate"]
    path = tmp_path / "board.html"
    results = [result(m, *(metric(n, 5.0, 1.0) for n in names)) for m in ("a", "b")]
    write_page(path, build_board(results), results)
    visit = Visit(browser, path)
    assert visit.page.locator("thead [data-col=bleu_3]").is_hidden()
    visit.page.get_by_role("button", name="Show all 11 metrics").click()
    assert visit.page.locator("thead [data-col=bleu_3]").is_visible()
    assert "all=" in visit.page.evaluate("location.hash")
    visit.page.get_by_role("button", name="Show the main metrics only").click()
    assert visit.page.locator("thead [data-col=bleu_3]").is_hidden()


def test_the_card_of_a_row_opens(browser: Any, board: Path) -> None:
    visit = Visit(browser, board)
    row = visit.page.locator("tr.row[data-name=beta]")
    row.locator(".cardlink").click()
    card = visit.page.locator(f"details.card[id$='{row.get_attribute('data-id')}']")
    assert card.locator("dl").is_visible()
    assert "protocol.fingerprint" in card.inner_text()


def test_saved_files_hold_every_number(browser: Any, board: Path, tmp_path: Path) -> None:
    results = [*rows(), result('=cmd|"x"', metric("bleu_4", -1.5))]
    write_page(board, build_board(results), results)
    visit = Visit(browser, board)
    saved = {}
    for kind in ("json", "csv"):
        with visit.page.expect_download() as download:
            visit.page.locator(f"[data-save={kind}]").click()
        download.value.save_as(tmp_path / kind)
        saved[kind] = (tmp_path / kind).read_text("utf-8")
    assert json.loads(saved["json"])["results"] == [
        json.loads(json.dumps(r.to_json())) for r in results
    ]
    table = list(csv.DictReader(saved["csv"].splitlines()))
    assert len(table) == sum(len(r.metrics) for r in results)
    assert (table[-1]["model"], table[-1]["value"]) == ('\'=cmd|"x"', "-1.5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_the_table(browser: Any, board: Path, scheme: str) -> None:
    size = {"width": 390, "height": 844}
    visit = Visit(browser, board, viewport=size, color_scheme=scheme)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    name = visit.page.locator("tr.row th").first
    before = name.bounding_box()
    visit.page.locator(".scroll").first.evaluate("box => { box.scrollLeft = 200 }")
    after = name.bounding_box()
    assert before and after
    assert after["x"] == pytest.approx(before["x"], abs=20)


@pytest.fixture
def printed_board(tmp_path: Path) -> Path:
    """Two seeds of MoEL and a model of ours; papers that print MoEL twice and another model."""
    dist = [("MoEL (seed 0)", 2.0), ("MoEL (seed 1)", 3.0), ("ours", 9.0)]
    results = [result(name, metric("dist_2", value, 0.1)) for name, value in dist]
    prints = [("MoEL", 2.1, "CASE"), ("MoEL (21M)", 4.47, "EmpHi"), ("KEMP", 2.3, "CASE")]
    results += [
        result(
            name,
            metric("dist_2", value, note=f"{paper}: corpus Dist-2 × 100"),
            provenance="reported",
            model={"source": paper, "same_as": name.removesuffix(" (21M)")},
            citation=f"{paper}, table 1",
        )
        for name, value, paper in prints
    ]
    path = tmp_path / "printed.html"
    write_page(path, build_board(results), results)
    return path


def test_printed_rows_fold_open_without_a_script(browser: Any, printed_board: Path) -> None:
    visit = Visit(browser, printed_board, java_script_enabled=False)
    summary = visit.page.locator("details.prints summary")
    assert summary.inner_text() == (
        "Reported by papers: 3 rows of 2 systems, 1 of them printed with different values"
    )
    assert visit.page.locator("tbody.reported tr.row:visible").count() == 0
    summary.click()
    assert visit.page.locator("tbody.reported tr.row:visible").count() == 3
    shown = visit.page.locator("table.printed").inner_text()
    assert "MoEL, printed 2 times; different values of Dist-2" in shown
    assert "EmpHi, table 1" in shown
    beside = visit.page.locator("table.compared").inner_text()
    for words in ("2.10 CASE", "4.47 EmpHi: MoEL (21M)", "2.50", "mean of 2 seeds, 2.00 to 3.00"):
        assert words in beside
    assert "−1.97 to +0.40" in beside
    assert "2.50 ± 0.71" in visit.page.locator("tbody.seeds").inner_text()


def test_the_filter_finds_printed_rows_and_keeps_a_system_together(
    browser: Any, printed_board: Path
) -> None:
    visit = Visit(browser, printed_board)
    fold = visit.page.locator("details.prints")
    assert fold.get_attribute("open") is None
    visit.page.locator("#filter").fill("21m")
    assert visit.names("reported") == ["MoEL", "MoEL (21M)"]
    assert visit.names() == []
    assert "2 of 6 rows" in visit.page.locator("#status").inner_text()
    visit.page.locator("#filter").fill("moel")
    assert visit.names() == ["MoEL (seed 1)", "MoEL (seed 0)"]
    assert visit.page.locator("tbody.seeds tr.summary:visible").count() == 1
    assert visit.page.locator("table.compared tbody:visible").count() == 1
    visit.page.locator("#clear").click()
    assert fold.get_attribute("open") is None
    visit.page.locator("#filter").fill("ours")
    assert visit.names("reported") == []
    assert visit.page.locator("tbody.seeds tr.summary:visible").count() == 0
    assert visit.clean(), visit.complaints


def test_the_filter_leaves_a_fold_open_that_a_reader_opened(
    browser: Any, printed_board: Path
) -> None:
    visit = Visit(browser, printed_board)
    visit.page.locator("details.prints summary").click()
    visit.page.locator("#filter").fill("kemp")
    assert visit.names("reported") == ["KEMP"]
    visit.page.locator("#clear").click()
    assert visit.names("reported") == ["KEMP", "MoEL", "MoEL (21M)"]


def test_sorting_moves_neither_printed_rows_nor_seeds(browser: Any, printed_board: Path) -> None:
    visit = Visit(browser, printed_board)
    visit.page.locator("details.prints summary").click()
    visit.page.locator("thead [data-col=dist_2]").click()
    assert visit.names() == ["MoEL (seed 0)", "MoEL (seed 1)", "ours"]
    assert visit.names("reported") == ["KEMP", "MoEL", "MoEL (21M)"]
    assert visit.page.locator("tbody.seeds tr.group + tr.summary").count() == 1


def test_a_printed_number_has_its_words_and_its_card(browser: Any, printed_board: Path) -> None:
    visit = Visit(browser, printed_board)
    visit.page.locator("details.prints summary").click()
    row = visit.page.locator("tbody.reported tr.row[data-name=KEMP]")
    cell = row.locator("td[data-tip]")
    cell.hover()
    assert "CASE: corpus Dist-2 × 100" in visit.page.locator("#tip").inner_text()
    row.locator(".cardlink").click()
    card = visit.page.locator(f"details.card[id$='{row.get_attribute('data-id')}']")
    assert "CASE, table 1" in card.inner_text()
    assert visit.clean(), visit.complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_the_printed_tables(
    browser: Any, printed_board: Path, scheme: str
) -> None:
    size = {"width": 390, "height": 844}
    visit = Visit(browser, printed_board, viewport=size, color_scheme=scheme)
    visit.page.locator("details.prints summary").click()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


def faceted() -> list[Result]:
    cards = [
        ("tiny", {"parameters": 50_000_000, "family": "llama", "training_data": ["ED", "own"]}),
        ("small", {"parameters": 500_000_000, "family": "llama"}),
        ("large", {"parameters": 70_000_000_000, "family": "<b>qwen</b>", "training_data": "ED"}),
    ]
    models = [
        result(name, metric("bleu_4", i + 1.0, 0.1), metric("rouge_l", 3.0 - i, 0.1), model=card)
        for i, (name, card) in enumerate(cards)
    ]
    return [*models, result("Constant reply", metric("bleu_4", 0.5, 0.1), kind="floor")]


def test_facts_filter_rows_and_are_kept_in_the_address(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "board.html"
    write_page(path, build_board(faceted()), faceted())
    visit = Visit(browser, path)
    visit.page.select_option("[data-facet=family]", "llama")
    assert set(visit.names()) == {"tiny", "small", "Constant reply"}
    visit.page.select_option("[data-facet=data]", "own")
    assert set(visit.names()) == {"tiny", "Constant reply"}
    said = visit.page.locator("#status").inner_text()
    assert "Model" not in said and "Family: llama" in said and "Training data: own" in said
    assert "1 of 3 rows" in said
    again = Visit(browser, path, visit.page.url.removeprefix(visit.url))
    assert set(again.names()) == {"tiny", "Constant reply"}
    assert again.page.locator("[data-facet=family]").input_value() == "llama"
    again.page.click("#clear")
    assert len(again.names()) == 4
    assert again.page.url == again.url
    odd = Visit(browser, path, "#by=family~nobody&by=nothing~x&by=family~%3Cb%3Eqwen%3C%2Fb%3E")
    assert set(odd.names()) == {"large", "Constant reply"}
    assert odd.clean(), odd.complaints


def test_the_rank_column_speaks_of_the_sorted_metric(browser: Any, tmp_path: Path) -> None:
    results, path = faceted(), tmp_path / "board.html"
    places = {
        (r.id, name): Standing(
            rank=rank, low=rank, high=3, p_best=0.5, rivals=3, best=r.id, behind=None
        )
        for i, r in enumerate(results[:3])
        for name, rank in (("bleu_4", 3 - i), ("rouge_l", i + 1))
    }
    write_page(path, build_board(results, standings=places), results)
    visit = Visit(browser, path)

    def shown() -> dict[str, str]:
        cells = visit.page.locator("tbody.measured tr.row").evaluate_all(
            "rows => rows.map(r => [r.dataset.name, r.querySelector('td.rank .v').textContent])"
        )
        return dict(cells)

    assert shown() == {"large": "1–3", "small": "2–3", "tiny": "3", "Constant reply": "–"}
    visit.page.click("thead button[data-col=rouge_l]")
    assert shown() == {"tiny": "1–3", "small": "2–3", "large": "3", "Constant reply": "–"}
    assert "ROUGE-L" in visit.page.locator(".rankhead").inner_text()
    visit.page.click("thead button[data-col=name]")  # a name has no rank: the last one stays
    assert "ROUGE-L" in visit.page.locator(".rankhead").inner_text()
    assert visit.clean(), visit.complaints
