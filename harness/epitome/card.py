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
from harness.files import canonical_json, sha256_file, sha256_text
from harness.training_log import CARD, TrainingLog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CARD", "finished_card", "read_card", "write_card"]

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
    log: TrainingLog,
    *,
    asked: Mapping[str, Any],
    encoder_hash: str,
    split: Split,
    state: Mapping[str, Any],
    parameters: int,
    predicted: Mapping[str, NDArray[np.int64]],
) -> dict[str, Any]:
    """Evaluate `predicted` (side → (n, mechanisms) levels); write the card and what goes with it.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    evaluation = _evaluate(split, predicted, seed=asked["seed"])
    weights_hash = sha256_file(folder / checkpoint.BEST)
    about = {"weights": weights_hash, "encoder": encoder_hash, "max_len": asked["max_len"]}
    card = {
        "schema": SCHEMA,
        "kind": "epitome-classifier",
        **_origin(asked, split, state),
        "parameters": parameters,
        "weights": f"sha256:{weights_hash[:16]}",
        "validation": {
            f"{name}_macro_f1": found["macro_f1"]["value"]
            for name, found in evaluation["valid"].items()
        },
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
    log.finish(card, _markdown(card))
    return card


def _evaluate(
    split: Split, predicted: Mapping[str, NDArray[np.int64]], *, seed: int
) -> dict[str, Any]:
    """Side → mechanism → scores with intervals, beside always the commonest training level."""
    import numpy as np

    levels = np.array([pair.levels for pair in split.train])
    floors = [int(np.bincount(column).argmax()) for column in levels.T]
    found = {}
    for side, sides_levels in predicted.items():
        pairs = getattr(split, side)
        found[side] = evaluate(
            np.array([pair.levels for pair in pairs]),
            sides_levels,
            [pair.seeker for pair in pairs],
            seed=seed,
            floors=floors,
        )
    return found


def _origin(asked: Mapping[str, Any], split: Split, state: Mapping[str, Any]) -> dict[str, Any]:
    """What every trainer's card says of where its weights come from."""
    from harness import __version__

    return {
        "name": f"EPITOME classifier (seed {asked['seed']})",
        "task": "epitome",
        "seed": asked["seed"],
        "trained_on": f"EPITOME, {len(split.train):,} pairs",
        "best_step": state["best_epoch"],
        "seconds": round(state["seconds"], 1),
        "harness_version": __version__,
    }


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
