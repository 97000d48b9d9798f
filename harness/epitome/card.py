"""What a finished training leaves to read: card.json for programs, README.md for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import checkpoint
from harness.epitome.data import MECHANISMS, Split
from harness.epitome.evaluation import REPLICATION, REPLICATION_SOURCE, evaluate
from harness.epitome.settings import ENCODER
from harness.errors import ModelError
from harness.files import canonical_json, sha256_file, sha256_text, write_atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CARD", "finished_card", "read_card", "write_card"]

CARD = "card.json"
README = "README.md"
SCHEMA = 1
_ADVICE = "fit one: empathy-bench train epitome --data DIR --output FOLDER"


def finished_card(folder: Path) -> dict[str, Any] | None:
    """The card of a training that ended here, if one did."""
    return read_card(folder) if (folder / CARD).is_file() else None


def read_card(folder: Path) -> dict[str, Any]:
    """The card of the classifier in `folder`, its weights checked against it.

    Raises:
        ModelError: there is no finished classifier, or a file of it is damaged.
    """
    path = folder / CARD
    if not path.is_file():
        if (folder / checkpoint.SETTINGS).is_file():
            raise ModelError(
                f"{folder}: its training was not finished; go on with: "
                f"empathy-bench train epitome --data DIR --output {folder} --resume"
            )
        raise ModelError(f"{folder}: no EPITOME classifier here; {_ADVICE}")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        schema, hashes = card["schema"], card["sha256"]
        wanted = (hashes["weights"], hashes["encoder"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: is damaged ({error}); {_ADVICE}") from error
    if schema != SCHEMA:
        raise ModelError(f"{path}: schema {schema}, this version reads {SCHEMA}; {_ADVICE}")
    files = (checkpoint.BEST, f"{ENCODER}/model.safetensors")
    for name, expected in zip(files, wanted, strict=True):
        if not (folder / name).is_file() or sha256_file(folder / name) != expected:
            raise ModelError(f"{folder / name}: is missing or not what {CARD} says; {_ADVICE}")
    return dict(card)


def write_card(
    folder: Path,
    *,
    asked: Mapping[str, Any],
    encoder_hash: str,
    split: Split,
    state: Mapping[str, Any],
    predicted: Mapping[str, NDArray[np.int64]],
) -> dict[str, Any]:
    """Evaluate `predicted` (side → (n, mechanisms) levels) and write card.json and README.md.

    README.md is written first: where card.json stands, everything does.
    """
    import numpy as np

    levels = np.array([pair.levels for pair in split.train])
    floors = [int(np.bincount(column).argmax()) for column in levels.T]
    evaluation = {}
    for side, found in predicted.items():
        pairs = getattr(split, side)
        evaluation[side] = evaluate(
            np.array([pair.levels for pair in pairs]),
            found,
            [pair.seeker for pair in pairs],
            seed=asked["seed"],
            floors=floors,
        )
    weights_hash = sha256_file(folder / checkpoint.BEST)
    about = {"weights": weights_hash, "encoder": encoder_hash, "max_len": asked["max_len"]}
    card = {
        "schema": SCHEMA,
        "kind": "epitome-classifier",
        "encoder": asked["encoder"],
        "settings": dict(asked),
        "sizes": {side: len(getattr(split, side)) for side in ("train", "valid", "test")},
        "training": dict(state),
        "evaluation": evaluation,
        "replication": {
            "source": REPLICATION_SOURCE,
            "accuracy_macro_f1": {name: list(REPLICATION[name]) for name in MECHANISMS},
        },
        "versions": _versions(),
        "sha256": {
            "weights": weights_hash,
            "encoder": encoder_hash,
            "classifier": sha256_text(canonical_json(about)),
        },
    }
    write_atomic(folder / README, _markdown(card))
    write_atomic(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return card


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from harness import __version__

    return {"empathy-bench": __version__} | {n: version(n) for n in ("torch", "transformers")}


def _markdown(card: Mapping[str, Any]) -> str:
    rows = []
    for name, found in card["evaluation"]["test"].items():
        reported = REPLICATION[name]
        cells = [f"{found['name']} ({name})"]
        for column, key in enumerate(("accuracy", "macro_f1")):
            value = found[key]
            cells.append(f"{value['value']:.1f} [{value['low']:.1f}, {value['high']:.1f}]")
            cells.append(f"{found['majority'][key]:.1f}")
            cells.append(f"{reported[column]:.1f}")
        rows.append("| " + " | ".join(cells) + " |")
    settings, sizes, training = card["settings"], card["sizes"], card["training"]
    listed = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "data")
    return f"""# EPITOME classifier

Levels 0–2 of emotional reactions, interpretations and explorations in a reply to a seeker post:
the bi-encoder of Sharma et al. 2020 on {card["encoder"]}, one response encoder for all three
mechanisms. Fitted by `empathy-bench train epitome` on the public Reddit annotations.

## Held-out figures
{sizes["test"]} test pairs, in per cent, with 95 % intervals over seeker posts; no seeker post is on
two sides of the split ({sizes["train"]} / {sizes["valid"]} / {sizes["test"]}). *floor*: always the
commonest level. *RoBERTa*: a replication with RoBERTa-base, one pair of encoders per mechanism, on
another split of the same files ({REPLICATION_SOURCE}).

| mechanism | accuracy | floor | RoBERTa | macro-F1 | floor | RoBERTa |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

## Training
Best epoch {training["best_epoch"]} of {training["epoch"]}, {training["seconds"]:.0f} s;
{listed}.
Weights {card["sha256"]["weights"]}, encoder {card["sha256"]["encoder"]}.

## Limits
Fitted on posts about mental health on Reddit, in English, and read at most {settings["max_len"]}
tokens of either post; elsewhere, EmpatheticDialogues included, it is out of its domain. It is a
measuring instrument for systems, not a judge of people or of single conversations. A high level
says that a mechanism is there, not that it fits. The annotations come without a licence of their
own for redistribution; ask their authors before publishing weights.
"""
