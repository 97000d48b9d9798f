"""A fitted judge in a folder: numbers in safetensors, the rest in JSON; nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.files import canonical_json, disk_errors, sha256_file, sha256_text, write_atomic
from harness.judges.offline.fitting import OfflineJudge

__all__ = ["JUDGE", "identity_of", "keep_judge", "load_offline_judge"]

JUDGE, WEIGHTS = "judge.json", "judge.safetensors"
SCHEMA = "empathy-bench/offline-judge/1"
_ARRAYS = ("weight", "mean", "spread")


def identity_of(judge: OfflineJudge) -> str:
    """Twelve digits that change with any number of it."""
    parts = [sha256_text(getattr(judge, name).tobytes().hex()) for name in _ARRAYS]
    told = [judge.criterion, judge.bias, dict(judge.about), parts]
    return sha256_text(canonical_json(told))[:12]


def keep_judge(judge: OfflineJudge, folder: Path) -> None:
    """Write the judge; the JSON, with the hash of the numbers, comes last.

    Raises:
        StorageError: the disk refuses.
    """
    import numpy as np
    from safetensors.numpy import save

    arrays = {name: np.asarray(getattr(judge, name), dtype=np.float64) for name in _ARRAYS}
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / WEIGHTS, save(arrays))
    told = {
        "schema": SCHEMA,
        "criterion": judge.criterion,
        "bias": judge.bias,
        "about": dict(judge.about),
        "identity": identity_of(judge),
        "sha256": sha256_file(folder / WEIGHTS),
    }
    write_atomic(folder / JUDGE, json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def load_offline_judge(folder: Path) -> OfflineJudge:
    """The judge of a folder.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    from safetensors.numpy import load

    try:
        told: dict[str, Any] = json.loads((folder / JUDGE).read_text("utf-8"))
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {told['schema']!r} is not {SCHEMA}")
        if sha256_file(folder / WEIGHTS) != told["sha256"]:
            raise ValueError(f"{WEIGHTS} is not the one that was written")
        arrays = load((folder / WEIGHTS).read_bytes())
        return OfflineJudge(
            criterion=str(told["criterion"]),
            bias=float(told["bias"]),
            about=dict(told["about"]),
            **{name: arrays[name] for name in _ARRAYS},
        )
    except (OSError, ValueError, TypeError, KeyError) as bad:
        raise ModelError(
            f"{folder}: no offline judge ({bad}); make one with `empathy-bench judge fit`"
        ) from bad
