"""BERTScore of real replies: seconds of the `bert_score` package over seconds of ours.

    python benchmarks/bertscore.py --data FOLDER [--limit N] [--systems 10] [--threads 1]

FOLDER holds the published outputs and data sets (EMPATHY_BENCH_DATA). Systems that answer the same
5,255 examples: six published ones, then floors made of their replies. Both sides use the packaged
MiniLM, layer 6, float32, and as many threads; they take turns on each system, so that a busy
machine slows both. Seconds are CPU seconds. Loading is not counted. Ours keeps what it has encoded
from one system to the next, which is the point; the package cannot.

Values: the package counts a token that is like nothing in the other text as 0 where that text was
padded in its batch, and as less than 0 where it was the longest there (every reply of a constant
is). Ours is 0 always. Pairs that differ by more than 1e-4 are of that kind.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

Texts = Sequence[str]


def systems(data: Path, limit: int | None, count: int) -> tuple[dict[str, list[str]], list[str]]:
    """`count` systems' replies by name, and the references."""
    from tests.metrics.published import SYSTEMS, replies

    found = {name: replies(data, name) for name in SYSTEMS}
    most = max(map(len, found.values()))
    full = {name: rows for name, rows in found.items() if len(rows) == most}
    references = [row.reference for row in next(iter(full.values()))][:limit]
    said = {name: [row.text for row in rows][:limit] for name, rows in full.items()}
    commonest = Counter(text for rows in said.values() for text in rows).most_common(2)
    said |= {f"constant {n}": [text] * len(references) for n, (text, _) in enumerate(commonest, 1)}
    for seed in range(max(0, count - len(said))):
        shuffled = np.random.default_rng(seed).permutation(np.array(references, dtype=object))
        said[f"shuffled {seed + 1}"] = shuffled.tolist()
    return dict(list(said.items())[:count]), references


def timed(work: Callable[[Texts], np.ndarray], texts: Texts) -> tuple[float, np.ndarray]:
    started = time.process_time()
    values = work(texts)
    return time.process_time() - started, values


def main() -> None:
    """Score every system with both, print ratios and the largest difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMPATHY_BENCH_DATA"))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--systems", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data FOLDER or set EMPATHY_BENCH_DATA")
    # Before torch is loaded, which reads it once.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import torch
    from bert_score import BERTScorer  # type: ignore[import-untyped]

    from harness.metrics.neural.bertscore import load_matcher
    from harness.metrics.neural.model_files import find_model

    torch.set_num_threads(options.threads)
    files = find_model("")
    matcher = load_matcher(files)
    package = BERTScorer(model_type=str(files.folder), num_layers=matcher.encoder.layer)
    said, references = systems(Path(options.data), options.limit, options.systems)

    def ours(texts: Texts) -> np.ndarray:
        return matcher.precision_recall(list(zip(texts, references, strict=True)))

    def theirs(texts: Texts) -> np.ndarray:
        precision, recall, _ = package.score(list(texts), references)
        return np.stack([precision.numpy(), recall.numpy()], axis=1)

    warm = references[:64]
    package.score(warm, warm)
    list(matcher.encoder.hidden(matcher.encoder.token_ids(warm)))
    spent = np.zeros(2)
    print(f"{len(said)} systems, {len(references)} replies each, {options.threads} thread(s)")
    for number, (name, texts) in enumerate(said.items(), 1):
        seconds, mine = timed(ours, texts)
        reference_seconds, expected = timed(theirs, texts)
        apart, means = np.abs(mine - expected), np.abs(mine.mean(0) - expected.mean(0))
        spent += seconds, reference_seconds
        print(
            f"{number:>3} {name:<14} ours {seconds:6.2f} s, bert_score {reference_seconds:6.2f} s, "
            f"{reference_seconds / seconds:5.2f}×, all so far {spent[1] / spent[0]:5.2f}×; "
            f"largest difference {apart.max():.1e}, of means {means.max():.1e}, "
            f"{int((apart.max(1) > 1e-4).sum())} pairs over 1e-4",
            flush=True,
        )


if __name__ == "__main__":
    main()
