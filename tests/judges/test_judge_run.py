"""`judge run` and `judge attack` as processes: a real endpoint, faults, kills, a real model."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.judges.attacks import ATTACKS
from harness.judges.planning import CONTROLS, HUMAN
from harness.judges.protocols import PROTOCOLS
from harness.judges.running import read_verdicts
from harness.judges.verdicts import Game, Grade
from harness.results import read_result
from tests.clients.servers import FAULTS, FaultyProxy, Upstream

ITEMS = 8


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "harness.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]), "OPENAI_API_KEY": "sk-very-secret-key",
    }  # fmt: skip


def cli(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=folder, env=environment(), check=False,
                          capture_output=True, text=True, timeout=600)  # fmt: skip


def seal(messages: list[dict[str, str]]) -> str:
    found = re.search(r'"seal": "([0-9a-f]{12})", "reason": …', messages[0]["content"])
    assert found
    return found[1]


def replies(messages: list[dict[str, str]]) -> list[str]:
    lines = messages[1]["content"].splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("Reply")]


def criteria(messages: list[dict[str, str]]) -> list[str]:
    shape = messages[0]["content"].rpartition('"reason": …, ')[2].partition("}")[0]
    return re.findall(r'"(\w+)": …', shape)


def judge(messages: list[dict[str, str]]) -> str:
    """A judge that counts words: more are better, on any protocol."""
    sizes = [len(reply.split()) for reply in replies(messages)]
    if len(sizes) == 2:
        answer = 0 if sizes[0] == sizes[1] else 1 if sizes[0] > sizes[1] else 2
    else:
        answer = min(2, sizes[0] // 4) if "interpretations" in criteria(messages) else min(
            5, 1 + sizes[0] // 4)  # fmt: skip
    verdict = dict.fromkeys(criteria(messages), answer)
    return json.dumps({"seal": seal(messages), "reason": f"{sizes} words", **verdict})


@pytest.fixture(scope="module", name="work")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of floors and human replies, for ED and ESConv."""
    folder = tmp_path_factory.mktemp("work")
    for task in ("ed_response", "esconv_response"):
        done = cli(folder, "run", "-m", "constant", "-m", "shuffled", "-m", "human", "-t", task,
                   "--data", "sample", "-o", "runs", "--mlflow", "off", "--limit", 40)  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder


def arguments(work: Path, url: str, protocol: str, *more: object) -> list[object]:
    task = "esconv_response" if protocol == "esconv" else "ed_response"
    runs = sorted((work / "runs" / task).iterdir())
    return ["judge", "run", protocol, *runs, "-j", f"openai:{url}#tiny", "--data", "sample",
            "--items", ITEMS, "--controls", 3, *more]  # fmt: skip


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_every_protocol_says_what_the_judge_said(work: Path, protocol: str, tmp_path: Path) -> None:
    with Upstream(judge) as upstream:
        done = cli(tmp_path, *arguments(work, upstream.url, protocol, "--json"))
    assert done.returncode == 0, done.stderr
    settings, verdicts = read_verdicts(tmp_path / "judged" / protocol / "tiny" / "verdicts.jsonl")
    assert settings["asking"]["rubric"] == PROTOCOLS[protocol].hash
    names = {c.name for c in PROTOCOLS[protocol].criteria}
    assert {v.criterion for v in verdicts} == names and not any(v.failure for v in verdicts)
    for v in verdicts:
        if isinstance(v, Grade):
            # The null reply is shown as two words, "(no reply)".
            size = v.words or 2
            assert v.value == (
                min(2, size // 4) if protocol == "epitome" else min(5, 1 + size // 4)
            )
        elif isinstance(v, Game) and not (v.reason or "").startswith("rule"):
            sizes = [size or 2 for size in v.words]
            assert v.preference == (sizes[0] > sizes[1]) + (sizes[0] == sizes[1]) / 2
    if protocol == "ed-pairwise":
        shown = Counter((v.item, frozenset((v.first, v.second)), v.criterion)
                        for v in verdicts if isinstance(v, Game))  # fmt: skip
        assert set(shown.values()) == {2}
        orders = {(v.item, v.first, v.second, v.criterion) for v in verdicts if isinstance(v, Game)}
        assert len(orders) == len(verdicts)
    results = json.loads(done.stdout)
    assert [r["model"]["name"] for r in results] == ["Constant reply", "Human reference",
                                                     "Shuffled human replies"]  # fmt: skip
    for result in results:
        assert all(m["n"] == ITEMS and m["n_failed"] == 0 for m in result["metrics"])
        assert all(
            f"rubric:{PROTOCOLS[protocol].hash}" in m["signature"] for m in result["metrics"]
        )


def test_results_are_the_means_of_their_verdicts_and_reach_board_and_mlflow(
    work: Path, tmp_path: Path
) -> None:
    with Upstream(judge) as upstream:
        done = cli(tmp_path, *arguments(work, upstream.url, "ed-absolute"))
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in CONTROLS)
    place = tmp_path / "judged" / "ed-absolute" / "tiny"
    result = read_result(place / "Human-reference" / "result.json")
    _, verdicts = read_verdicts(place / "Human-reference" / "verdicts.jsonl")
    values = [v.value for v in verdicts if isinstance(v, Grade) and v.criterion == "empathy"]
    metric = result.metric("empathy")
    assert metric and metric.value == pytest.approx(sum(v or 0 for v in values) / ITEMS)
    assert metric.low is not None and 1 <= metric.low < metric.value < (metric.high or 0) <= 5
    assert "3 new" in done.stderr
    board = cli(tmp_path, "leaderboard", "build", "--mlflow", "sqlite:///judged/mlflow.db")
    assert board.returncode == 0, board.stderr
    page = (tmp_path / "board.html").read_text(encoding="utf-8")
    assert "judge_ed_absolute" in page and "Human reference" in page
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/judged/mlflow.db")
    (experiment,) = client.search_experiments(
        filter_string="name = 'empathy-bench/judge_ed_absolute/v1'"
    )
    runs = client.search_runs([experiment.experiment_id])
    named = {run.info.run_name: run for run in runs}
    run = named["Human reference @tiny"]
    assert run.data.metrics["empathy"] == pytest.approx(metric.value)
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == {
        "result.json", "verdicts.jsonl"}  # fmt: skip


def lines(path: Path) -> list[str]:
    """Verdicts without their header, which names the host."""
    return path.read_text(encoding="utf-8").splitlines()[1:]


def test_faults_and_kills_invent_lose_and_repeat_no_verdict(work: Path, tmp_path: Path) -> None:
    clean, rough = tmp_path / "clean", tmp_path / "rough"
    clean.mkdir(), rough.mkdir()
    with Upstream(judge) as upstream:
        done = cli(clean, *arguments(work, upstream.url, "ed-pairwise", "--mlflow", "off"))
        assert done.returncode == 0, done.stderr
        asked = len(upstream.finished)
    rng, in_flight = random.Random(3), 0
    with (
        Upstream(judge, delay_s=0.1) as upstream,
        FaultyProxy(upstream.url, rate=0.5, hold_s=3.0) as proxy,
    ):
        patient = ("--mlflow", "off", "--timeout", "2", "--attempts", "40")
        called = command(*arguments(work, proxy.url, "ed-pairwise", *patient))
        for _ in range(3):
            process = subprocess.Popen(called, cwd=rough, env=environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
            before, patience = proxy.requests, time.monotonic() + 60
            while (proxy.requests < before + rng.randrange(3, 25)
                   and process.poll() is None and time.monotonic() < patience):  # fmt: skip
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            in_flight += 16
        done = cli(rough, *called[3:])
        assert done.returncode == 0, done.stderr
        again = sum(n - 1 - proxy.spoilt[name] for name, n in upstream.finished.items())
        assert len(upstream.finished) == asked
    name = Path("judged") / "ed-pairwise" / "tiny" / "verdicts.jsonl"
    assert lines(rough / name) == lines(clean / name)
    assert set(proxy.injected) == set(FAULTS) and 0 <= again <= in_flight
    answers = lines(rough / "judged" / "answers" / "answers.jsonl")
    keys = [json.loads(line)["key"] for line in answers]
    assert len(keys) == len(set(keys))
    files = [path for path in rough.rglob("*") if path.is_file()]
    assert not any(b"very-secret" in path.read_bytes() for path in files)


def bad_answers() -> dict[str, Any]:
    def twice(messages: list[dict[str, str]]) -> str:
        return judge(messages)[:-1] + ', "empathy": 1}'

    return {
        "prose": lambda messages: "I would say that it is quite warm, perhaps a 4.",
        "echo": lambda messages: replies(messages)[0],
        "whole prompt": lambda messages: messages[1]["content"],
        "unsealed": lambda messages: judge(messages).replace(seal(messages), "0" * 12),
        "contradictory": twice,
        "two objects": lambda messages: judge(messages) * 2,
        "off the scale": lambda messages: judge(messages).replace('"fluency": ', '"fluency": 1'),
    }


@pytest.mark.parametrize("kind", bad_answers())
def test_what_is_no_verdict_is_a_counted_failure(kind: str, work: Path, tmp_path: Path) -> None:
    with Upstream(bad_answers()[kind]) as upstream:
        done = cli(tmp_path, *arguments(work, upstream.url, "ed-absolute", "--attempts", 1, "--json",
                                        "--mlflow", "off"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    for result in json.loads(done.stdout):
        for metric in result["metrics"]:
            assert metric["value"] is None and metric["n_failed"] == ITEMS == metric["n"]
            assert "between 1.00 and 5.00" in metric["note"]
        words = result["environment"]["judge_failures"]
        assert ("contradictory" if kind == "contradictory" else "wrong_schema") in words


def test_a_failure_here_and_there_keeps_its_bounds(work: Path, tmp_path: Path) -> None:
    """Judges that fail on long replies flatter nobody in silence."""

    def picky(messages: list[dict[str, str]]) -> str:
        return "no" if len(replies(messages)[0].split()) > 18 else judge(messages)

    with Upstream(picky) as upstream:
        done = cli(tmp_path, *arguments(work, upstream.url, "ed-absolute", "--attempts", 1, "--json",
                                        "--mlflow", "off"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    human = next(r for r in json.loads(done.stdout) if r["model"]["name"] == "Human reference")
    metric = human["metrics"][0]
    _, verdicts = read_verdicts(
        tmp_path / "judged" / "ed-absolute" / "tiny" / "Human-reference" / "verdicts.jsonl"
    )
    grades = [v for v in verdicts if isinstance(v, Grade) and v.criterion == "empathy"]
    lost = [v for v in grades if v.value is None]
    assert 0 < len(lost) < ITEMS and metric["n_failed"] == len(lost)
    truth = sum(min(5, 1 + v.words // 4) for v in grades) / ITEMS
    low, high = map(float, re.findall(r"between ([\d.]+) and ([\d.]+)", metric["note"])[0])
    assert low - 0.005 <= truth <= high + 0.005 and metric["value"] < truth


def test_attacks_that_win_are_counted(work: Path, tmp_path: Path) -> None:
    """A judge that counts words falls for length, and is not moved by orders."""
    with Upstream(judge) as upstream:
        done = cli(tmp_path, "judge", "attack", "ed-pairwise", "-j", f"openai:{upstream.url}#tiny",
                   "--items", 1, "--data", "sample", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["family"]: row for row in json.loads(done.stdout)}
    assert rows["length"]["rate"] == 0.75  # one of the four is a single word of 50,000 letters
    assert sum(row["judged"] for row in rows.values()) == len(ATTACKS) + 1
    _, verdicts = read_verdicts(tmp_path / "judged" / "ed-pairwise" / "tiny" / "attacks.jsonl")
    human = next(v.words[1] for v in verdicts if isinstance(v, Game) and v.second == HUMAN)
    wins = {v.first for v in verdicts if isinstance(v, Game) and v.second == HUMAN
            and v.preference == 1}  # fmt: skip
    assert {a.name for a in ATTACKS if len(a.text.split()) > human + 40} <= wins


def test_a_dry_run_counts_and_asks_nothing(work: Path, tmp_path: Path) -> None:
    with Upstream(judge) as upstream:
        done = cli(tmp_path, *arguments(work, upstream.url, "ed-absolute", "--dry-run",
                                        "--price-in", 1, "--price-out", 2))  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not upstream.finished
    # 3 systems × 8 examples and 4 controls × 3 examples, of which equal prompts are asked once.
    asked = int(re.search(r"requests +(\d+),", done.stdout)[1])  # type: ignore[index]
    assert 24 < asked <= 3 * ITEMS + 4 * 3 and "cost" in done.stdout
    assert not (tmp_path / "judged" / "ed-absolute").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--against", "Nobody"), "is none of"),
        (("--items", "0"), "--items"),
        (("-j", "openai:nowhere"), "openai:URL#NAME"),
    ],
)
def test_wrong_usage_is_one_clear_line(work: Path, tmp_path: Path, more: Any, words: str) -> None:
    with Upstream(judge) as upstream:
        done = cli(tmp_path, *arguments(work, upstream.url, "ed-pairwise", *more))
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_the_wrong_data_are_refused(work: Path, tmp_path: Path) -> None:
    runs = sorted((work / "runs" / "ed_response").iterdir())
    done = cli(tmp_path, "judge", "run", "esconv", *runs, "-j", "openai:http://127.0.0.1:1/v1#m",
               "--data", "sample")  # fmt: skip
    assert done.returncode == 2 and "is for esconv" in done.stderr
    done = cli(tmp_path, "judge", "run", "stride-trace", *runs, "-j",
               "openai:http://127.0.0.1:1/v1#m", "--data", "sample")  # fmt: skip
    assert done.returncode == 2 and "these runs have none" in done.stderr


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_real_server_with_the_bundled_model(
    protocol: str, work: Path, tmp_path: Path, server: tuple[str, str]
) -> None:
    """What the small model says is mostly no verdict: every question still ends as a record."""
    url, name = server
    task = "esconv_response" if protocol == "esconv" else "ed_response"
    runs = [work / "runs" / task / run for run in ("Human-reference", "Constant-reply")]
    found = PROTOCOLS[protocol]
    asked = len(found.criteria) * 2
    for form in ("json", "digit") if protocol == "ed-absolute" else ("json",):
        done = cli(tmp_path, "judge", "run", protocol, *runs, "-j", f"openai:{url}#{name}",
                   "--form", form, "--data", "sample", "--items", 1, "--controls", 0, "--attempts",
                   1, "--max-tokens", 32, "--mlflow", "off", "--json", "-o", form)  # fmt: skip
        assert done.returncode == 0, done.stderr
        (path,) = tmp_path.glob(f"{form}/{protocol}/*/verdicts.jsonl")
        _, verdicts = read_verdicts(path)
        assert len(verdicts) == asked
        for v in verdicts:
            value = v.value if isinstance(v, Grade) else v.preference  # type: ignore[attr-defined]
            assert (value is None) == (v.failure is not None)


def test_a_local_judge_gives_the_probability_of_each_grade(work: Path, tmp_path: Path) -> None:
    human = work / "runs" / "ed_response" / "Human-reference"
    done = cli(tmp_path, "judge", "run", "epitome", human, "-j", "smollm2", "--form", "digit",
               "--data", "sample", "--items", 2, "--controls", 0, "--mlflow", "off", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, verdicts = read_verdicts(tmp_path / "judged" / "epitome" / "smollm2" / "verdicts.jsonl")
    assert len(verdicts) == 6
    for v in verdicts:
        assert isinstance(v, Grade) and v.value is not None and 0 < v.value < 2
        assert v.mass is not None and 0 < v.mass <= 1
