"""Submissions made by hand from the embedded sample, for the tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.datasets import load_example_set
from harness.datasets.sets import ExampleSet
from harness.dialogue import Example
from harness.predictions import Header, Prediction, PredictionWriter
from leaderboards.submissions.card import ModelCard, read_card
from leaderboards.submissions.pack import pack

SIZE = 12
EXAMPLES = load_example_set("ed/test", "sample").limited(SIZE)
NAME, REVISION = "my-lab__warm-7b", "r1"
WORDS = [
    "kind",
    "warm",
    "soft",
    "calm",
    "glad",
    "open",
    "true",
    "deep",
    "wise",
    "fair",
    "bold",
    "keen",
]
WORDS += ["mild", "safe"]

Reply = Callable[[int, Example], str]


def own_reply(number: int, example: Example) -> str:
    """Nobody else's words, other ones for every example."""
    return " ".join(WORDS[(number * 5 + step * (number + 1)) % len(WORDS)] for step in range(9))


def card_fields(**changes: Any) -> dict[str, Any]:
    fields = {
        "name": NAME,
        "revision": REVISION,
        "parameters": 7_241_732_096,
        "family": "mistral",
        "training_data": ["EmpatheticDialogues train"],
        "ed_test_seen": "no",
        "esconv_test_seen": "unknown",
        "licence": "apache-2.0",
        "link": "https://example.org/warm-7b",
        "contact": "somebody@example.org",
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


def card(folder: Path, **changes: Any) -> ModelCard:
    path = folder / "card.json"
    path.write_text(json.dumps(card_fields(**changes)))
    return read_card(path)


def run(
    folder: Path, reply: Reply = own_reply, *, examples: ExampleSet = EXAMPLES, **header: Any
) -> Path:
    """A run folder that answers the first examples of the sample's ed_response."""
    fields: dict[str, Any] = {
        "task": "ed_response",
        "task_version": 1,
        "example_set": EXAMPLES.name,
        "fingerprint": EXAMPLES.fingerprint,
        "size": SIZE,
        "limit": SIZE,
        "model": {"name": "Warm", "kind": "model"},
    }
    path = folder / "ed_response" / "Warm" / "predictions.jsonl"
    with PredictionWriter(path, Header(**(fields | header))) as writer:
        writer.append(
            Prediction(id=example.id, response=reply(i, example))
            for i, example in enumerate(examples)
        )
    return path.parent


def submission(tmp_path: Path, reply: Reply = own_reply, **changes: Any) -> Path:
    """The folder of a submission in `tmp_path`/store."""
    runs = tmp_path / f"runs-{changes.get('name', NAME)}-{changes.get('revision', REVISION)}"
    return pack([run(runs, reply)], card(tmp_path, **changes), tmp_path / "store").folder


def reseal(folder: Path) -> None:
    """Make the manifest true again, as a sender who means harm would."""
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": files}))


def edit(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the decoded lines of a submission's predictions in place, and its manifest with it."""
    path = folder / "ed_response" / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    header: Mapping[str, Any] = rows[0]
    protocol = {key: item for key, item in header.items() if key not in ("model", "schema")}
    protocol["generated_with"] = protocol.pop("harness_version")
    (folder / "ed_response" / "protocol.json").write_text(json.dumps(protocol))
    reseal(folder)
