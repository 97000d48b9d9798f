"""Forms for people: blind, balanced, filled by keyboard in a real browser, read back as typed."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.judges.test_judge_run import cli

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
NAMES = ("Constant reply", "Human reference", "Shuffled human replies")


@pytest.fixture(scope="module", name="work")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    done = cli(folder, "run", "-m", "constant", "-m", "shuffled", "-m", "human", "-t",
               "ed_response", "--data", "sample", "-o", "runs", "--mlflow", "off", "--limit", 40)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def export(work: Path, folder: Path, protocol: str, *more: object) -> Path:
    runs = sorted((work / "runs" / "ed_response").iterdir())
    done = cli(folder, "judge", "export-humans", protocol, *runs, "--data", "sample", "--items", 4,
               *more)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "people"


def key_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    return found


def results(folder: Path, choose: Any) -> list[Path]:
    """What raters who answer by `choose(form, code, item, criterion)` would save."""
    key, paths = key_of(folder), []
    names = {"ed-pairwise": ["empathy", "relevance", "fluency", "overall"],
             "ed-absolute": ["empathy", "relevance", "fluency"]}[key["protocol"]]  # fmt: skip
    for form in key["forms"]:
        answers = [
            {"code": code, "seconds": 9.0, "values": {n: choose(form, item, n) for n in names}}
            for code, item in form["items"].items()
        ]
        path = folder / f"results-{form['rater']}.json"
        path.write_text(json.dumps({"schema": "empathy-bench/people/1", "form": form["hash"],
                                    "rater": form["rater"], "answers": answers}))  # fmt: skip
        paths.append(path)
    return paths


def passing(item: dict[str, Any], name: str, otherwise: int) -> int:
    return int(item["check"]["passes"].get(name, [otherwise])[0]) if item["check"] else otherwise


def test_forms_are_blind_balanced_and_in_another_order_for_each(work: Path, tmp_path: Path) -> None:
    folder = export(work, tmp_path, "ed-pairwise", "--raters", 4)
    forms = sorted(folder.glob("form-*.html"))
    assert len(forms) == 4
    for form in forms:
        text = form.read_text(encoding="utf-8").casefold()
        assert not any(name.casefold() in text for name in (*NAMES, "constant", "shuffled"))
    key = key_of(folder)
    first: Counter[Any] = Counter()
    for form in key["forms"]:
        real = [item for item in form["items"].values() if not item["check"]]
        assert len(real) == 4 * 3 and len(form["items"]) == len(real) + 2
        first.update((item["item"], *item["systems"]) for item in real)
    # Each pair of each example stands each way round for two of four raters.
    assert set(first.values()) == {2}
    orders = {tuple(i["item"] for i in form["items"].values()) for form in key["forms"]}
    assert len(orders) == 4
    again = export(work, tmp_path / "..", "ed-pairwise", "--raters", 4, "-o", tmp_path / "again")
    assert again and key_of(tmp_path / "again") == key


def test_what_raters_meant_comes_back(work: Path, tmp_path: Path) -> None:
    """Everybody prefers people to the rest, whichever stands first, and the report says so."""
    folder = export(work, tmp_path, "ed-pairwise", "--raters", 4)

    def fond(form: Any, item: Any, name: str) -> int:
        place = item["systems"].index(NAMES[1]) + 1 if NAMES[1] in item["systems"] else 0
        return passing(item, name, place)

    done = cli(tmp_path, "judge", "import-humans", folder, *results(folder, fond))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("none") >= 4 and "1.00" in done.stdout
    report = cli(tmp_path, "judge", "report", folder / "ed-pairwise", "--json")
    assert report.returncode == 0, report.stderr
    for win in json.loads(report.stdout)["wins"]["people"]:
        rate = win["rate"]["value"]
        wanted = 1.0 if win["a"] == NAMES[1] else 0.0 if win["b"] == NAMES[1] else 0.5
        assert rate == wanted and win["coverage"]["failures"] == []


def test_grades_become_ratings_that_validate_reads(work: Path, tmp_path: Path) -> None:
    folder = export(work, tmp_path, "ed-absolute", "--raters", 3)
    key = key_of(folder)

    def grade(form: Any, item: Any, name: str) -> int:
        value = 1 + (len(item["replies"][0]) + len(name)) % 5
        return passing(item, name, value)

    done = cli(tmp_path, "judge", "import-humans", folder, *results(folder, grade), "--json")
    assert done.returncode == 0, done.stderr
    assert all(a["alpha"] == 1.0 for a in json.loads(done.stdout)["agreement"].values())
    rows = list(csv.DictReader((folder / "ratings.csv").open(encoding="utf-8")))
    assert len(rows) == 3 * (4 * 3) * 3 and {row["system"] for row in rows} == set(NAMES)
    assert {row["rater"] for row in rows} == {form["rater"] for form in key["forms"]}
    seen = cli(tmp_path, "judge", "validate", "--ratings", f"csv:{folder / 'ratings.csv'}",
               "--metric", "length", "--json")  # fmt: skip
    assert seen.returncode == 0, seen.stderr
    assert {c["criterion"] for c in json.loads(seen.stdout)["ceilings"]} == {
        "empathy", "relevance", "fluency"}  # fmt: skip


def test_failed_checks_and_hurry_are_named_and_left_out_only_when_asked(
    work: Path, tmp_path: Path
) -> None:
    folder = export(work, tmp_path, "ed-absolute", "--raters", 3)
    careless = key_of(folder)["forms"][0]["rater"]

    def grade(form: Any, item: Any, name: str) -> int:
        if form["rater"] == careless and item["check"]:
            return 5 if item["check"]["passes"].get(name) != [5] else 1
        return passing(item, name, 3)

    paths = results(folder, grade)
    hurried = json.loads(paths[1].read_text())
    hurried["answers"] = [{**row, "seconds": 0.4} for row in hurried["answers"]][:-2]
    paths[1].write_text(json.dumps(hurried))
    done = cli(tmp_path, "judge", "import-humans", folder, *paths)
    assert done.returncode == 0, done.stderr
    assert "hurried" in done.stdout and " of 2" in done.stdout
    raters = {r["rater"] for r in csv.DictReader((folder / "ratings.csv").open(encoding="utf-8"))}
    assert careless in raters
    done = cli(tmp_path, "judge", "import-humans", folder, *paths, "--exclude-failed-checks",
               "--json")  # fmt: skip
    told = {row["rater"]: row for row in json.loads(done.stdout)["raters"]}
    assert not told[careless]["kept"] and told[hurried["rater"]]["left_out"] == 2
    raters = {r["rater"] for r in csv.DictReader((folder / "ratings.csv").open(encoding="utf-8"))}
    assert careless not in raters and len(raters) == 2


DAMAGE: dict[str, tuple[Any, str]] = {
    "no JSON": (lambda told: None, "is no JSON"),
    "another schema": (lambda told: told.update(schema="x"), "no results file"),
    "another form": (lambda told: told.update(form="0" * 16), "not of this key"),
    "an unknown code": (lambda told: told["answers"][0].update(code="999"), "is no item"),
    "a code twice": (lambda told: told["answers"].append(told["answers"][0]), "stands there twice"),
    "off the scale": (lambda told: told["answers"][1]["values"].update(empathy=6), "were offered"),
    "a word": (lambda told: told["answers"][1]["values"].update(empathy="5"), "were offered"),
    "truth": (lambda told: told["answers"][1]["values"].update(empathy=True), "were offered"),
    "an open question": (lambda told: told["answers"][1]["values"].pop("fluency"), "were offered"),
    "a list": (lambda told: told["answers"].insert(0, [1]), "expected code and values"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_results_are_refused(kind: str, work: Path, tmp_path: Path) -> None:
    folder = export(work, tmp_path, "ed-absolute", "--raters", 1)
    (path,) = results(folder, lambda form, item, name: passing(item, name, 3))
    change, words = DAMAGE[kind]
    told = json.loads(path.read_text())
    change(told)
    path.write_text("{" if kind == "no JSON" else json.dumps(told))
    done = cli(tmp_path, "judge", "import-humans", folder, path)
    assert done.returncode == 2 and words in done.stderr and path.name in done.stderr
    assert not (folder / "ratings.csv").exists() and "Traceback" not in done.stderr


def test_a_rater_counts_once_and_huge_files_are_not_read(work: Path, tmp_path: Path) -> None:
    folder = export(work, tmp_path, "ed-absolute", "--raters", 1)
    (path,) = results(folder, lambda form, item, name: passing(item, name, 3))
    done = cli(tmp_path, "judge", "import-humans", folder, path, path)
    assert done.returncode == 2 and "answered in" in done.stderr
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**30)
    done = cli(tmp_path, "judge", "import-humans", folder, huge)
    assert done.returncode == 2 and "larger than" in done.stderr
    done = cli(tmp_path, "judge", "export-humans", "ed-absolute",
               *sorted((work / "runs" / "ed_response").iterdir()), "--data", "sample")  # fmt: skip
    assert done.returncode == 2 and "holds forms already" in done.stderr


HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\u202e"


@pytest.fixture(name="hostile")
def hostile_forms(work: Path, tmp_path: Path) -> Path:
    """Forms in which one system's replies are code, another's 50,000 characters."""
    runs = []
    for number, run in enumerate(sorted((work / "runs" / "ed_response").iterdir())):
        lines = (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
        text = (HOSTILE, "", "long " * 10_000)[number]
        rows = [json.loads(line) for line in lines[1:]]
        changed = [{**row, "response": text} if text else row for row in rows]
        target = tmp_path / "runs" / run.name / "predictions.jsonl"
        target.parent.mkdir(parents=True)
        target.write_text("\n".join([lines[0], *map(json.dumps, changed)]) + "\n")
        runs.append(target.parent)
    done = cli(tmp_path, "judge", "export-humans", "ed-absolute", *runs, "--data", "sample",
               "--items", 2, "--raters", 1, "--contact", "anna@example.org")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tmp_path / "people"


def digits(item: int, question: int) -> int:
    return 1 + (3 * item + question) % 5


def test_filled_by_keyboard_reloaded_finished_and_read_back(
    hostile: Path, tmp_path: Path, chromium: str
) -> None:
    (form,) = hostile.glob("form-*.html")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 390, "height": 844})
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(form.as_uri())
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        count = int(page.locator("#bar").get_attribute("max") or 0)
        assert count == 2 * 3 + 2
        for item in range(count):
            assert page.locator("label[for=bar]").inner_text() == f"Item {item + 1} of {count}"
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            if item == 1:
                # Nothing answered: told, and not let on.
                page.keyboard.press("Enter")
                assert page.get_by_role("alert").is_visible()
            if item == 3:
                # In the middle of an item the page is closed and opened again.
                page.keyboard.press(str(digits(item, 0)))
                page.reload()
                assert page.get_by_role("button", name="Go on").is_visible()
                page.keyboard.press("Tab")
                page.keyboard.press("Enter")
                assert page.get_by_role("group", name="empathy").get_by_role(
                    "radio", checked=True).count() == 1  # fmt: skip
            for question in range(3):
                page.keyboard.press(str(digits(item, question)))
            if item == 2:
                # Back to look, and on again: what was said stays.
                page.keyboard.press("Backspace")
                assert page.get_by_role("radio", checked=True).count() == 3
                page.get_by_role("button", name="Next").press("Enter")
            page.get_by_role("button", name="Finish" if item + 1 == count else "Next").press(
                "Enter"
            )
        assert page.get_by_role("heading", name="Done, thank you").is_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save results").press("Enter")
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        told = json.loads(path.read_text(encoding="utf-8"))
        assert json.loads(page.locator("#text").input_value())["answers"] == told["answers"]
        assert (
            not said
            and asked
            and set(asked) <= {form.as_uri(), *(u for u in asked if u.startswith("blob:"))}
        )
        assert page.evaluate("window.hacked") is None
        browser.close()
    names = ("empathy", "relevance", "fluency")
    assert [[row["values"][n] for n in names] for row in told["answers"]] == [
        [digits(item, question) for question in range(3)] for item in range(count)
    ]
    done = cli(tmp_path, "judge", "import-humans", hostile, path, "--json")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((hostile / "ratings.csv").open(encoding="utf-8")))
    by_code = key_of(hostile)["forms"][0]["items"]
    typed = {
        (item["item"], item["systems"][0], name): digits(place, question)
        for place, item in enumerate(by_code.values()) if not item["check"]
        for question, name in enumerate(names)
    }  # fmt: skip
    assert {(r["item"], r["system"], r["criterion"]): int(r["value"]) for r in rows} == typed


def test_a_screen_reader_is_told_all(hostile: Path, chromium: str) -> None:
    """Questions are named groups of named radio buttons; without storage the page says so."""
    (form,) = hostile.glob("form-*.html")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw 1; }})")
        page.goto(form.as_uri())
        assert page.get_by_text("finish in one go").is_visible()
        page.get_by_role("button", name="Begin").click()
        assert page.get_by_role("group", name="Conversation").is_visible()
        assert page.get_by_role("progressbar", name="Item 1 of 8").count() == 1
        for name in ("empathy", "relevance", "fluency"):
            radios = page.get_by_role("group", name=name).get_by_role("radio")
            assert radios.count() == 5
            for number in range(5):
                label = radios.nth(number).evaluate("e => e.labels[0].innerText")
                assert label.startswith(str(number + 1)) and len(label) > 5
        assert page.get_by_role("heading", level=1).count() == 1
        browser.close()
