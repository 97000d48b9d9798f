"""How long board and example pages take in a browser, and how large they are.

    python benchmarks/board.py [MODELS] [DIALOGUES]

MODELS systems answer 2 × DIALOGUES synthetic examples (20 and 2,628: 5,256, as in ED's test set);
the real commands score them and write the pages. The reference, in the same run, is the same board
of two systems. Needs Chromium.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPEATS = 5
WORDS = 3000
COLUMNS = (
    *("conv_id", "utterance_idx", "context", "prompt"),
    *("speaker_idx", "utterance", "selfeval", "tags"),
)
LABELS = ("angry", "proud", "lonely", "hopeful", "guilty", "joyful")

# From the moment of typing until the page has said what it found and is drawn anew.
DRAWN = """(selector) => new Promise((done) => {
  const box = document.querySelector(selector);
  const status = document.getElementById("status");
  const start = performance.now();
  new MutationObserver((_, watch) => {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
  }).observe(status, { subtree: true, childList: true, attributes: true, characterData: true });
  box.value = box.value ? "" : "w12";
  box.dispatchEvent(new Event("input"));
})"""
PAINT = """() => new Promise((done) => {
  new PerformanceObserver((list) => {
    const [found] = list.getEntriesByName("first-contentful-paint");
    if (found) done(found.startTime);
  }).observe({ type: "paint", buffered: true });
})"""


def sentence(draw: random.Random, length: int = 13) -> str:
    """Words of falling frequency, as in any text."""
    return " ".join(f"w{int(WORDS ** draw.random()):d}" for _ in range(length))


def write_data(folder: Path, dialogues: int) -> list[tuple[str, str]]:
    """A test set in ED's own columns; (id, reference) of its listener turns."""
    draw = random.Random(0)
    found = []
    target = folder / "test.csv"
    target.parent.mkdir(parents=True)
    with target.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for n in range(dialogues):
            label, prompt = LABELS[n % len(LABELS)], sentence(draw, 20)
            for turn in range(1, 5):
                text = sentence(draw)
                rows.writerow([f"hit:{n}_conv:{n}", turn, label, prompt, turn % 2, text, "", ""])
                if turn % 2 == 0:
                    found.append((f"ed/test/hit:{n}_conv:{n}/{turn}", text))
    return found


def score(folder: Path, data: Path, models: int, examples: list[tuple[str, str]]) -> None:
    """Predictions of `models` systems, ever nearer to the references, scored by the command."""
    for model in range(models):
        draw = random.Random(model + 1)
        file = folder / f"system {model}.jsonl"
        with file.open("w") as lines:
            for name, reference in examples:
                near = draw.random() < 0.02 * model
                reply = reference if near else sentence(draw)
                lines.write(json.dumps({"id": name, "response": reply}) + "\n")
        command(
            *("score", "--predictions", str(file), "--task", "ed_response", "--data", str(data)),
            *("--name", file.stem, "--output", str(folder / "runs"), "--mlflow", "off"),
            *("--metrics", "bleu_4,bleu_1,rouge_l,dist_1,dist_2,unique_share,length"),
        )


def command(*arguments: str) -> None:
    program = Path(sys.executable).with_name("empathy-bench")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: {done.stderr}")


def timed(page: Any, path: Path, box: str, ready: str) -> tuple[float, float]:
    """(first contentful paint, filter) in milliseconds, medians of REPEATS."""
    paints, filters = [], []
    for _ in range(REPEATS):
        page.goto(path.as_uri())
        page.locator(ready).first.wait_for()
        paints.append(page.evaluate(PAINT))
        page.evaluate(DRAWN, box)  # the first reads what is looked through
        filters.append(page.evaluate(DRAWN, box))
    return statistics.median(paints), statistics.median(filters)


def pages(folder: Path, runs: list[Path], data: Path) -> Iterator[tuple[str, Path, str, str]]:
    """(kind, file, filter box, what is there when it is ready) of one board and its examples."""
    board = folder / "board.html"
    start = time.perf_counter()
    command(
        *("leaderboard", "build", *map(str, runs), "--no-reported", "--examples"),
        *("--data", str(data), "-o", str(board)),
    )
    print(f"{len(runs):2} systems built in {time.perf_counter() - start:.0f} s")
    yield "board", board, "#filter", "tr.row"
    (file,) = (folder / "board-examples").glob("*.html")
    yield "examples", file, "#find", "article"


def main() -> None:
    from playwright.sync_api import sync_playwright

    models, dialogues = (int(a) for a in [*sys.argv[1:], "20", "2628"][:2])
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        examples = write_data(folder / "data" / "ed", dialogues)
        score(folder, folder / "data", models, examples)
        runs = sorted(path.parent for path in (folder / "runs").rglob("result.json"))
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        found: dict[tuple[str, int], tuple[float, float]] = {}
        for count in (2, models):
            some = pages(folder / str(count), runs[:count], folder / "data")
            for kind, path, box, ready in some:
                paint, drawn = found[kind, count] = timed(page, path, box, ready)
                before = found[kind, 2]
                print(
                    f"{kind:8} {count:2} systems × {len(examples):,}: "
                    f"{path.stat().st_size / 1e6:.2f} MB, first paint {paint:.0f} ms "
                    f"({paint / before[0]:.1f} × that of 2), filter {drawn:.0f} ms "
                    f"({drawn / before[1]:.1f} ×)"
                )
        browser.close()


if __name__ == "__main__":
    main()
