"""Speed and memory of the metrics, as ratios against the reference libraries in the same run.

    python benchmarks/metrics.py --data DIR [--plot growth.svg]

DIR holds ed/csv/test.csv and outputs/ed/moel_repo.txt: MoEL's 5,255 real replies. Every measurement
runs in a fresh process of its own, so that no cache of one helps another; seconds are CPU seconds
(user + system) after imports. BERTScore has a benchmark of its own (benchmarks/bertscore.py).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.datasets import load_example_set
from harness.imports import read_outputs
from harness.metrics import get_metric, metric_names, missing, pair
from harness.metrics.contract import Scored

LEXICAL = (
    *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "bleu_4_sentence", "chrf"),
    *("rouge_1", "rouge_2", "rouge_l", "dist_1", "dist_2", "unique_share", "length"),
)
ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
SIZES = (12_500, 25_000, 50_000, 100_000)
RESAMPLES = 1000


def read(data: Path) -> list[Scored]:
    """MoEL's replies to the 5,255 examples."""
    examples = load_example_set("ed/test", str(data))
    file = data / "outputs" / "ed" / "moel_repo.txt"
    return pair(examples, read_outputs(file, examples, system="MOE").predictions)


def texts(scored: Sequence[Scored]) -> tuple[list[str], list[str]]:
    return [item.text for item in scored], [item.reference for item in scored]


def values(scored: Sequence[Scored], names: Sequence[str]) -> dict[str, float]:
    import numpy as np

    found = {}
    for name in names:
        metric = get_metric(name)
        if not missing(metric, scored):
            rows = metric.statistics(scored)
            found[name] = float(metric.score(rows.aggregate(np.ones(len(rows)))))
    return found


def ours(scored: Sequence[Scored]) -> dict[str, float]:
    """The metrics that the references below compute too."""
    return values(scored, LEXICAL)


def whole_suite(scored: Sequence[Scored]) -> dict[str, float]:
    """Every metric of the default profile that these examples have, on 5,760 pairs."""
    return values([*scored, *scored[: 5760 - len(scored)]], metric_names())


def references(scored: Sequence[Scored]) -> dict[str, float]:
    """The libraries whose definitions these are, one metric after the other."""
    import sacrebleu

    said, meant = texts(scored)
    found: dict[str, float] = {}
    for n in range(1, 5):
        bleu = sacrebleu.BLEU(lowercase=True, max_ngram_order=n)
        found[f"bleu_{n}"] = bleu.corpus_score(said, [meant]).score
    single = sacrebleu.BLEU(lowercase=True, effective_order=True)
    scores = [single.sentence_score(s, [m]).score for s, m in zip(said, meant, strict=True)]
    found["bleu_4_sentence"] = sum(scores) / len(scores)
    found["chrf"] = sacrebleu.CHRF(lowercase=True).corpus_score(said, [meant]).score
    for name in ROUGE:
        found[name] = rouge_score(scored, name)
    tokenise = sacrebleu.tokenizers.tokenizer_13a.Tokenizer13a()
    for n in (1, 2):
        tokens = [tokenise(text.lower()).split() for text in said]
        grams = [tuple(t[i : i + n]) for t in tokens for i in range(len(t) - n + 1)]
        found[f"dist_{n}"] = 100 * len(set(grams)) / len(grams)
    found["unique_share"] = 100 * len({" ".join(text.lower().split()) for text in said}) / len(said)
    found["length"] = sum(len(text.split()) for text in said) / len(said)
    return found


def rouge_score(scored: Sequence[Scored], name: str) -> float:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([ROUGE[name]])
    said, meant = texts(scored)
    found = [scorer.score(m, s)[ROUGE[name]].fmeasure for s, m in zip(said, meant, strict=True)]
    return 100 * sum(found) / len(found)


def rouge_ours(scored: Sequence[Scored]) -> dict[str, float]:
    return values(scored, list(ROUGE))


def rouge_theirs(scored: Sequence[Scored]) -> dict[str, float]:
    """All three types by one scorer, as its users call it."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE.values()))
    said, meant = texts(scored)
    rows = [scorer.score(m, s) for s, m in zip(said, meant, strict=True)]
    return {
        name: 100 * sum(r[kind].fmeasure for r in rows) / len(rows) for name, kind in ROUGE.items()
    }


def bootstrap_ours(scored: Sequence[Scored]) -> dict[str, float]:
    """Statistics from text once, then the interval of 1,000 resamples of dialogues."""
    from harness.metrics import score_metric

    result = score_metric(get_metric("bleu_4"), scored, resamples=RESAMPLES)
    return {"resamples": RESAMPLES, "low": result.low or 0.0, "high": result.high or 0.0}


def bootstrap_lm_eval(scored: Sequence[Scored]) -> dict[str, float]:
    """Three of lm-eval's resamples, its tokeniser's cache warm."""
    from lm_eval.api.metrics import _bootstrap_internal, bleu

    items = [(meant, said) for said, meant in zip(*texts(scored), strict=True)]
    found = _bootstrap_internal(bleu, 3)((0, items))
    return {"resamples": 3, "mean": sum(found) / 3}


def growth(scored: Sequence[Scored], size: int) -> dict[str, float]:
    """The whole suite on `size` different examples made of the real ones' words."""
    rng = random.Random(0)
    words = " ".join(item.reference for item in scored).split()
    many = [
        replace(
            scored[i % len(scored)],
            id=str(i),
            cluster=str(i // 2),
            response=" ".join(rng.choices(words, k=rng.randrange(4, 22))),
            reference=" ".join(rng.choices(words, k=rng.randrange(4, 22))),
        )
        for i in range(size)
    ]
    before = time.process_time()
    values(many, metric_names())
    return {"seconds": time.process_time() - before}


MEASUREMENTS: dict[str, Callable[[Sequence[Scored]], dict[str, float]]] = {
    function.__name__: function
    for function in (
        ours,
        whole_suite,
        references,
        rouge_ours,
        rouge_theirs,
        bootstrap_ours,
        bootstrap_lm_eval,
    )
}


def child(data: Path, name: str) -> None:
    """Measure in this process and print JSON."""
    import numpy  # noqa: F401 - imports are not what is measured
    import sacrebleu.tokenizers.tokenizer_13a  # noqa: F401

    scored = read(data)
    if name.startswith("rouge") or name == "references":
        import rouge_score.rouge_scorer  # noqa: F401
    if name == "bootstrap_lm_eval":
        import lm_eval.api.metrics

        lm_eval.api.metrics.bleu([(s, m) for s, m in zip(*texts(scored), strict=True)])
    started = time.process_time()
    if name.isdigit():
        found = growth(scored, int(name))
    else:
        found = MEASUREMENTS[name](scored)
        found["seconds"] = time.process_time() - started
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def measure(data: Path, name: str) -> dict[str, float]:
    print(f"  measuring {name} …", file=sys.stderr)
    command = [sys.executable, __file__, "--data", str(data), "--child", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def plot(rows: Sequence[tuple[int, float, float]], path: Path) -> None:
    """CPU seconds and peak memory against the number of examples."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    sizes = [size for size, _, _ in rows]
    for axis, column, label in ((axes[0], 1, "CPU seconds"), (axes[1], 2, "peak memory, MB")):
        axis.plot(sizes, [row[column] for row in rows], marker="o")
        axis.set(xlabel="examples", ylabel=label, xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.suptitle("The whole lexical suite")
    figure.savefig(path)


def report(data: Path, path: Path | None) -> None:
    found = {name: measure(data, name) for name in MEASUREMENTS}
    suite, libraries = found["ours"], found["references"]
    worst = max(abs(suite[name] - libraries[name]) for name in LEXICAL)
    per_ours = found["bootstrap_ours"]["seconds"] / RESAMPLES
    per_theirs = found["bootstrap_lm_eval"]["seconds"] / 3
    print(f"lexical suite, {len(LEXICAL)} metrics, 5,255 replies")
    print(f"  reference libraries one by one   {libraries['seconds']:.2f} s")
    print(
        f"  ours                             {suite['seconds']:.2f} s, "
        f"{libraries['seconds'] / suite['seconds']:.1f}× faster, largest difference {worst:.1e}"
    )
    print(f"  whole default suite, 5,760 pairs {found['whole_suite']['seconds']:.2f} s")
    print("BLEU bootstrap, per resample")
    print(f"  lm-eval                          {1000 * per_theirs:.1f} ms")
    print(
        f"  ours, statistics included        {1000 * per_ours:.3f} ms, "
        f"{per_theirs / per_ours:.0f}× faster"
    )
    mine, theirs = found["rouge_ours"]["seconds"], found["rouge_theirs"]["seconds"]
    apart = max(abs(found["rouge_ours"][name] - found["rouge_theirs"][name]) for name in ROUGE)
    print("ROUGE-1, -2 and -L")
    print(f"  rouge_score                      {theirs:.2f} s")
    print(
        f"  ours                             {mine:.2f} s, {theirs / mine:.1f}× faster, "
        f"largest difference {apart:.1e}"
    )
    grown = [(size, measure(data, str(size))) for size in SIZES]
    rows = [(size, row["seconds"], row["peak_mb"]) for size, row in grown]
    print("growth of the whole suite")
    for size, seconds, megabytes in rows:
        print(
            f"  {size:>7,} examples  {seconds:6.1f} s  {1e6 * seconds / size:5.0f} µs each  "
            f"{megabytes:5.0f} MB peak"
        )
    if path:
        plot(rows, path)
        print(f"plot in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.data, arguments.child)
    else:
        report(arguments.data, arguments.plot)


if __name__ == "__main__":
    main()
