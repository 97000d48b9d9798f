"""Trains every architecture for a few steps: `python two_processes.py FOLDER`, or by torchrun."""

from __future__ import annotations

import sys
from pathlib import Path

from baselines.neural.settings import KINDS, Settings
from baselines.neural.training import train
from harness.datasets import load_example_set
from harness.parallel import leave

STEPS = 6


def main() -> None:
    learn = load_example_set("ed/train", "sample").examples
    stop_by = load_example_set("ed/valid", "sample").examples
    for kind in KINDS:
        if kind == "empdg-adversarial":
            continue
        settings = Settings(
            kind=kind, width=24, heads=2, depth=8, filters=12, steps=STEPS, validate_every=2,
            warm_up=10, patience=9,
            batch_size=5,  # odd: two processes have unequal shares
        )  # fmt: skip
        train(learn, stop_by, Path(sys.argv[1]) / kind, settings=settings)
    leave()


if __name__ == "__main__":
    main()
