"""`judge report`: what it says of judges whose likings are known, and its page in a real browser."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.judges.report import make_report, read_judged
from tests.clients.servers import Upstream
from tests.judges.test_judge_run import cli, criteria, replies, seal

HOSTILE = "</script><script>document.title='owned'</script>\u202e\"'"


def liking(*, place: float, length: float, noise: str) -> Callable[[list[dict[str, str]]], str]:
    """A judge that hears content words, with likings in log-odds, and fails on 3 in 100."""

    def answer(messages: list[dict[str, str]]) -> str:
        rng = random.Random(noise + messages[1]["content"])
        if rng.random() < 0.03:
            return "I would rather not."
        shown = replies(messages)
        worth = [length * len(reply.split()) / 10 + rng.gauss(0, 1) for reply in shown]
        if len(shown) == 2:
            first = worth[0] + place > worth[1]
            verdict = 1 if first else 2
        else:
            verdict = max(1, min(5, round(3 + worth[0])))
        return json.dumps({"seal": seal(messages), "reason": "so",
                           **dict.fromkeys(criteria(messages), verdict)})  # fmt: skip

    return answer


JUDGES = {
    "fair-judge": liking(place=0.0, length=0.0, noise="a"),
    "first-judge": liking(place=2.0, length=0.0, noise="b"),
    "long-judge": liking(place=0.0, length=2.0, noise="c"),
}


@pytest.fixture(scope="module", name="judged")
def judged_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three judges on three systems, one of which bears a hostile name."""
    folder = tmp_path_factory.mktemp("judged")
    done = cli(folder, "run", "-m", "retrieval", "-m", "shuffled", "-m", "human", "-t", "ed_response",
               "--data", "sample", "-o", "runs", "--mlflow", "off", "--limit", 60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = sorted((folder / "runs" / "ed_response").iterdir())
    shuffled = next(run for run in runs if "Shuffled" in run.name) / "predictions.jsonl"
    lines = shuffled.read_text(encoding="utf-8").splitlines()
    header = json.loads(lines[0])
    header["model"]["name"] = HOSTILE
    shuffled.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n", encoding="utf-8")
    for name, answer in JUDGES.items():
        with Upstream(answer) as upstream:
            for protocol in ("ed-absolute", "ed-pairwise"):
                done = cli(folder, "judge", "run", protocol, *runs, "-j",
                           f"openai:{upstream.url}#{name}", "--data", "sample", "--items", 50,
                           "--controls", 12, "--attempts", 1, "--mlflow", "off")  # fmt: skip
                assert done.returncode == 0, done.stderr
    return folder


def test_likings_are_found_and_taken_out(judged: Path) -> None:
    found = make_report(read_judged(judged / "judged" / "ed-pairwise"))
    controls = {c.judge: c for c in found.games if c.criterion == "overall"}
    fair, first, long = (controls[name] for name in JUDGES)
    assert fair.first.low is not None and fair.first.low < 0.5 < (fair.first.high or 0)
    assert first.first.low is not None and first.first.low > 0.7
    assert first.consistency.high is not None and first.consistency.high < (
        fair.consistency.value or 0
    )
    assert long.longer.low is not None and long.longer.low > 0.6
    biases = {judge: s.biases[0] for judge, s in found.strengths.items()}
    for judge, term in (("first-judge", biases["first-judge"].position),
                        ("long-judge", biases["long-judge"].length)):  # fmt: skip
        assert term is not None and term.low is not None and term.low > 0, judge
    for term in (biases["fair-judge"].position, biases["fair-judge"].length):
        assert term is not None and term.low is not None and term.low < 0 < (term.high or 0)
    # The fair judge has no favourite; liking for the first place makes none either.
    for judge in ("fair-judge", "first-judge"):
        for win in found.wins[judge]:
            if "control" not in win.a + win.b:
                assert win.rate.low is not None and win.rate.low < 0.5 < (win.rate.high or 0)


def test_failures_controls_and_the_panel_are_said(judged: Path) -> None:
    found = make_report(read_judged(judged / "judged" / "ed-absolute"), scheme="consistency")
    assert {c.judge for c in found.grades} == set(JUDGES)
    for c in found.grades:
        assert dict(c.coverage.failures).keys() == {"wrong_schema"}
        assert 0.9 < (c.coverage.share or 0) < 1
    # Orders to the judge are many words: the one who likes words falls for them.
    assert any(w.startswith("long-judge grades “injection” no lower") for w in found.warnings)
    assert found.panel and found.panel.weighting.scheme == "consistency"
    assert {a.judge for a in found.panel.absences} <= set(JUDGES)
    assert json.loads(json.dumps(found.to_json()))["panel"]["judges"] == list(JUDGES)


def test_people_can_weigh_judges(judged: Path, tmp_path: Path) -> None:
    """Ratings that follow one judge's grades give it the greater weight."""
    said = read_judged(judged / "judged" / "ed-absolute")
    rows = ["item,system,rater,criterion,value"]
    for v in said.verdicts:
        if v.judge == "long-judge" and v.criterion == "empathy" and not v.failure:
            system: Any = v.system  # type: ignore[attr-defined]
            if not system.startswith("control") and system != HOSTILE:
                rows.append(f"{v.item},{system},r1,empathy,{v.value:g}")  # type: ignore[attr-defined]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    done = cli(tmp_path, "judge", "report", judged / "judged" / "ed-absolute", "--weights", "human",
               "--human", f"csv:{path}", "-o", "page.html", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    panel = json.loads(done.stdout)["panel"]
    weights = dict(zip(panel["judges"], panel["weights"], strict=True))
    assert max(weights, key=lambda name: weights[name]) == "long-judge"


def test_the_page_opens_from_a_file_and_runs_nothing_of_strangers(
    judged: Path, tmp_path: Path, chromium: str
) -> None:
    from playwright.sync_api import sync_playwright

    page_file = tmp_path / "report.html"
    done = cli(tmp_path, "judge", "report", judged / "judged" / "ed-pairwise", "-o", page_file)
    assert done.returncode == 0, done.stderr
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(page_file.as_uri())
            assert page.title() == "What judges say: ed-pairwise" and not said
            assert asked == [page_file.as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("figure svg[role=img]").count() == len(JUDGES)
            heads = page.get_by_role("heading", level=2).all_inner_texts()
            assert heads == ["Games", "Strengths", "The judges", "The panel", "The rubric"]
            assert "</script><script>" in page.locator("table").first.inner_text()
        browser.close()
    assert shutil.which(chromium)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "name a folder such as"),
        (("ed-absolute", "--weights", "human"), "belong together"),
        (("ed-absolute", "--human", "csv:x.csv"), "belong together"),
    ],
)
def test_wrong_usage_is_told(judged: Path, arguments: tuple[str, ...], words: str) -> None:
    done = cli(judged / "judged", "judge", "report", *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_judges_of_other_examples_make_no_panel(judged: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ed-absolute"
    shutil.copytree(judged / "judged" / "ed-absolute", folder)
    path = folder / "fair-judge" / "verdicts.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"fingerprint": "sha256:', '"fingerprint": "sha256:0', 1),
                    encoding="utf-8")  # fmt: skip
    done = cli(tmp_path, "judge", "report", folder)
    assert done.returncode == 2 and "fingerprint" in done.stderr
    path.write_text(text + "{}\n", encoding="utf-8")
    done = cli(tmp_path, "judge", "report", folder)
    assert done.returncode == 2 and f"{path}:" in done.stderr
