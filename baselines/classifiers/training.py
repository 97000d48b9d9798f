"""Training a classifier into a folder: what both methods share.

    example sets ─▶ rows with labels ─▶ locked folder, settings.json ─▶ linear or fine-tuned
                 ─▶ card.json, README.md, curve.png

A training that ended is not begun again: its card is given back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.classifiers.card import make_card, make_readme
from baselines.classifiers.rows import read_rows
from baselines.classifiers.settings import Settings, check, task_of
from harness import checkpoint
from harness.checkpoint import Step
from harness.files import canonical_json, sha256_text
from harness.training_log import CARD, TrainingLog, read_curve

if TYPE_CHECKING:
    from baselines.classifiers.rows import Rows
    from harness.datasets.sets import ExampleSet
    from harness.metrics.neural.model_files import ModelFiles

__all__ = ["train_classifier"]


def train_classifier(
    learn: ExampleSet,
    stop_by: ExampleSet,
    output: Path,
    *,
    settings: Settings,
    encoder: str = "",
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> dict[str, Any]:
    """Learn the labels of `learn`, choose by `stop_by`; the card of what came out.

    `encoder` is a folder or an id, the packaged MiniLM if empty. `mirror` is told of every row of
    the curve (harness.training_log).

    Raises:
        DataError: no example has a label, one label alone occurs, or a dialogue is on both sides.
        ModelError: the encoder cannot be loaded, or the loss is no number any more.
        InputError: settings that cannot work, or `output` holds another run.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    from harness.metrics.neural.model_files import find_model

    check(settings)
    task = task_of(settings)
    rows, held_out = read_rows(learn, stop_by, task)
    files = find_model(encoder)
    data = sha256_text(
        canonical_json([[[e.id, task.gold(e)] for e in r.examples] for r in (rows, held_out)])
    )
    asked = {
        **asdict(settings),
        "encoder": f"{files.name}@{files.weights}.{files.setup}",
        "data": data[:16],
    }
    with checkpoint.locked(output):
        checkpoint.prepare(output, asked, resume=resume)
        if (output / CARD).is_file():
            if mirror is not None:
                mirror(output)
            done: dict[str, Any] = json.loads((output / CARD).read_text(encoding="utf-8"))
            return done
        started = time.monotonic()
        log = TrainingLog(output, mirror=mirror)
        went = _fit(rows, held_out, output, settings, files, encoder, device, log, show)
        went.setdefault("fitting_seconds", time.monotonic() - started)
        card = make_card(output, settings, rows, held_out, (learn, stop_by), files, encoder, went)
        log.finish(card, make_readme(card, read_curve(output)))
    return card


def _fit(
    rows: Rows,
    held_out: Rows,
    folder: Path,
    settings: Settings,
    files: ModelFiles,
    encoder: str,
    device: str,
    log: TrainingLog,
    show: Callable[[Step], None],
) -> dict[str, Any]:
    """Train by the method asked for; how it went."""
    if settings.method == "linear":
        from baselines.classifiers.linear import fit_linear

        return fit_linear(
            rows, held_out, folder, settings=settings, files=files, log=log, show=show
        )
    from baselines.classifiers.finetuning import ENCODER, fit_encoder
    from harness.encoders import keep_encoder

    kept = keep_encoder(encoder or None, folder / ENCODER)
    went = fit_encoder(rows, held_out, folder, settings=settings, device=device, log=log, show=show)
    return went | {"kept_encoder": f"sha256:{kept[:16]}"}
