"""Kill -9 at random moments, over and over: is anything lost, doubled or altered?

    python benchmarks/soak.py [--kills 200] [--only predict,judge,annotate,train] [--seed 0]

Each work is done once in peace. Then it is begun, killed at a moment drawn between its start and
its end, gone on with, killed again, and when it has ended what it left is held against the peaceful
one; then it begins anew, until the kills are used up. Servers are real sockets, answer by the words
of the question, so that the same question has the same answer, and count what they were asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.clients.servers import Upstream  # noqa: E402

LIMIT, CONCURRENCY = 48, 4
Snapshot = dict[str, object]


@dataclass(frozen=True)
class Work:
    """A command, and what it leaves that must not differ: name → content."""

    name: str
    arguments: Callable[[str], Sequence[str]]
    left: Callable[[Path], Snapshot]
    before: Sequence[str] = ()


@dataclass
class Tally:
    kills: int = 0
    ends: int = 0
    altered: list[str] = field(default_factory=list)
    paid_twice: int = 0
    under_way: int = 0


def answer(messages: list[dict[str, str]]) -> str:
    """A judge, an annotator, or a listener, by what is asked."""
    number = sum(messages[-1]["content"].encode())
    system = messages[0]["content"]
    seal = re.search(r'"seal": "([0-9a-f]{12})", "reason": …', system)
    if seal:
        names = re.findall(r'"(\w+)": …', system.rpartition('"reason": …, ')[2])
        return json.dumps({"seal": seal[1], "reason": "so", **dict.fromkeys(names, 1 + number % 5)})
    if "You explain replies" in system:
        return json.dumps({"context": f"They told {number}.", "action": "Listen.",
                           "strategy": "Information"})  # fmt: skip
    return f"That is number {number} for you."


def rows(path: Path) -> list[str]:
    """Rows without the header, which names the server."""
    return path.read_text("utf-8").splitlines()[1:]


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def predicted(folder: Path) -> Snapshot:
    (path,) = folder.rglob("predictions.jsonl")
    return {"predictions": rows(path), "doubled": len(rows(path)) - len(set(rows(path)))}


def judged(folder: Path) -> Snapshot:
    answers = [row["key"] for row in objects(folder / "judged" / "answers" / "answers.jsonl")]
    return {"verdicts": rows(folder / "judged" / "ed-absolute" / "tiny" / "verdicts.jsonl"),
            "doubled": len(answers) - len(set(answers))}  # fmt: skip


def annotated(folder: Path) -> Snapshot:
    found = [json.loads(line) for line in rows(folder / "work" / "annotations.jsonl")]
    return {"annotations": {row["id"]: row for row in found},
            "doubled": len(found) - len({row["id"] for row in found})}  # fmt: skip


def trained(folder: Path) -> Snapshot:
    """The curve without times, and the weights."""
    lines = objects(folder / "model" / "curve.jsonl")
    keys = ("step", "train/loss", "valid/perplexity", "valid/loss")
    curve = [{key: line[key] for key in keys if key in line} for line in lines]
    weights = sorted((folder / "model").rglob("model.safetensors"))
    return {"curve": curve, "weights": [path.read_bytes() for path in weights],
            "doubled": len(curve) - len({json.dumps(line) for line in curve})}  # fmt: skip


def asking(url: str) -> list[str]:
    return ["--concurrency", str(CONCURRENCY)] if url else []


WORKS = (
    Work("predict",
         lambda url: ["predict", "-m", f"openai:{url}#tiny", "-t", "ed_response", "--data",
                      "sample", "--limit", str(LIMIT), "-o", "runs", "--resume", *asking(url)],
         predicted),
    Work("judge",
         lambda url: ["judge", "run", "ed-absolute", "runs/ed_response/Constant-reply",
                      "runs/ed_response/Human-reference", "-j", f"openai:{url}#tiny", "--data",
                      "sample", "--items", "30", "--mlflow", "off", *asking(url)],
         judged,
         ["run", "-m", "constant", "-m", "human", "-t", "ed_response", "--data", "sample", "-o",
          "runs", "--mlflow", "off"]),
    Work("annotate",
         lambda url: ["stride", "annotate", "work", "--annotator", f"openai:{url}#tiny", "--data",
                      "sample", "--limit", str(LIMIT), "--resume", *asking(url)],
         annotated),
    Work("train",
         lambda url: ["train", "transformer", "--data", "sample", "-o", "model", "--steps", "60",
                      "--validate-every", "10", "--width", "24", "--batch-size", "8", "--resume"],
         trained),
)  # fmt: skip


def start(arguments: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
                                "MLFLOW_DISABLE_TELEMETRY": "true"}  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "harness.cli", *arguments], cwd=folder,
                            env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
                            stderr=(folder / "stderr.txt").open("w"))  # fmt: skip


def finished(process: subprocess.Popen[bytes], folder: Path, name: str) -> None:
    if process.wait() != 0:
        words = (folder / "stderr.txt").read_text()[-1000:]
        raise SystemExit(f"{name} ended with {process.returncode}: {words}")


def soak(work: Work, kills: int, rng: random.Random, place: Path) -> Tally:
    """Until `kills` have hit, and the last one is gone on from."""
    tally = Tally()
    with Upstream(answer, delay_s=0.05) as upstream:
        peace = place / "peace"
        peace.mkdir()
        if work.before:
            finished(start(work.before, peace), peace, work.name)
        shutil.copytree(peace, place / "prepared")
        began = time.monotonic()
        finished(start(work.arguments(upstream.url), peace), peace, work.name)
        lasts = time.monotonic() - began
        truth = work.left(peace)
        asked = Counter(upstream.finished)
        rough = place / "rough"
        while tally.kills < kills or rough.exists():
            if not rough.exists():
                shutil.copytree(place / "prepared", rough)
                upstream.finished.clear()
                hit = 0
            process = start(work.arguments(upstream.url), rough)
            if tally.kills < kills:
                # Early and late moments alike; what ends before it is hit has ended.
                try:
                    process.wait(rng.uniform(0.3, 1.0) * lasts)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    tally.kills += 1
                    hit += 1
                    continue
            finished(process, rough, work.name)
            found = work.left(rough)
            tally.altered += [key for key in truth if found[key] != truth[key]]
            again = sum((upstream.finished - asked).values())
            tally.paid_twice += max(0, again - hit * CONCURRENCY)
            tally.under_way += again
            tally.ends += 1
            shutil.rmtree(rough)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", default=",".join(work.name for work in WORKS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    works = [work for work in WORKS if work.name in given.only.split(",")]
    rng, bad = random.Random(given.seed), 0
    print("work        kills  ends  altered  paid twice  under way at a kill")
    for number, work in enumerate(works):
        share = given.kills // len(works) + (number < given.kills % len(works))
        with tempfile.TemporaryDirectory() as folder:
            found = soak(work, share, rng, Path(folder))
        bad += len(found.altered) + found.paid_twice
        row = f"{found.kills:6} {found.ends:5} {len(found.altered):8} {found.paid_twice:11}"
        print(f"{work.name:10} {row} {found.under_way:20} {' '.join(found.altered)}", flush=True)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
