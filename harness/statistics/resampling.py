"""Weights: how often each dialogue enters a resample, and which dialogues are swapped.

    bootstrap_weights   C dialogues drawn with replacement       multiplicities 0, 1, 2 …   sum C
    subsample_weights   `kept` of them without replacement       0 or 1                     sum kept
    swaps               each exchanged between two systems       0 or 1                     any

A metric is never computed from text again: (draws, C) weights times (C, k) sums of its statistics
are the resampled sums. Weights come in blocks of at most 8 MiB, whatever C. One seed means the same
draws for every metric and system of a call, so they are kept as bytes (36 MiB at most) and not
drawn again: this is what makes differences paired, ranks joint, and scoring quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.metrics.contract import FloatArray, IntArray

    Bytes: TypeAlias = NDArray[np.uint8]

__all__ = ["bootstrap_weights", "cluster_codes", "ones", "subsample_weights", "swaps"]

# Weights at once: 2**20 of 8 bytes; the scratch of drawing them is three times that.
_BLOCK = 2**20
# Bytes of one set of draws that is kept, and how many sets: bootstrap, subsample, swaps.
_KEEP = 12 * 2**20
_SETS = 3

Kind = Literal["bootstrap", "subsample", "swap"]


def ones(size: int) -> FloatArray:
    """Every row once: (size,)."""
    return np.ones(size)


def cluster_codes(clusters: Sequence[str]) -> tuple[IntArray, int]:
    """Clusters as numbers in order of first appearance, (n,), and how many there are."""
    index: dict[str, int] = {}
    codes = [index.setdefault(cluster, len(index)) for cluster in clusters]
    return np.array(codes, dtype=np.int64), len(index)


def bootstrap_weights(size: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of rows of multinomial multiplicities, (≤ block, size), `draws` rows in all."""
    return _blocks("bootstrap", size, size, draws, seed)


def subsample_weights(size: int, kept: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of rows with `kept` ones and otherwise zeros, (≤ block, size)."""
    return _blocks("subsample", size, kept, draws, seed)


def swaps(size: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of rows that say by 1 which clusters are swapped, by 0 which are not."""
    return _blocks("swap", size, size, draws, seed)


def _blocks(kind: Kind, size: int, kept: int, draws: int, seed: int) -> Iterator[FloatArray]:
    small = size * draws <= _KEEP
    make = _stored if small else _drawn
    for block in make(kind, size, kept, draws, seed):
        yield block.astype(float)


@lru_cache(maxsize=_SETS)
def _stored(kind: Kind, size: int, kept: int, draws: int, seed: int) -> tuple[Bytes, ...]:
    return tuple(_drawn(kind, size, kept, draws, seed))


def _drawn(kind: Kind, size: int, kept: int, draws: int, seed: int) -> Iterator[Bytes]:
    rng = np.random.default_rng(seed)
    draw: Callable[[np.random.Generator, int], Bytes] = {
        "bootstrap": partial(_multiplicities, size=size),
        "subsample": partial(_subsets, size=size, kept=kept),
        "swap": partial(_coins, size=size),
    }[kind]
    step = max(1, _BLOCK // max(size, 1))
    for start in range(0, draws, step):
        yield draw(rng, min(step, draws - start))


def _multiplicities(rng: np.random.Generator, rows: int, *, size: int) -> Bytes:
    picked = rng.integers(size, size=(rows, size))
    picked += size * np.arange(rows)[:, None]
    counts = np.bincount(picked.ravel(), minlength=rows * size)
    # A byte holds them: 256 draws of one dialogue among 256 or more have a chance below 1e-500.
    return counts.astype(np.uint8).reshape(rows, size)


def _subsets(rng: np.random.Generator, rows: int, *, size: int, kept: int) -> Bytes:
    base = (np.arange(size) < kept).astype(np.uint8)
    return rng.permuted(np.broadcast_to(base, (rows, size)), axis=1)


def _coins(rng: np.random.Generator, rows: int, *, size: int) -> Bytes:
    flips = np.frombuffer(rng.bytes((rows * size + 7) // 8), dtype=np.uint8)
    return np.unpackbits(flips, count=rows * size).reshape(rows, size)
