"""The metrics as `evaluate` modules: the same numbers, by every way in, without a network."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.errors import InputError, UnknownNameError
from harness.metrics import get_metric, score_metric
from harness.metrics.contract import Scored
from harness.metrics.families import FAMILIES, Family
from harness.metrics.meteor import make as make_meteor
from harness.metrics.profiles import PROFILES
from harness.results import MetricResult

evaluate = pytest.importorskip("evaluate")

from harness.metrics.evaluate_modules import (  # noqa: E402
    EvaluateMetric,
    empathy_bench_module_path,
    evaluate_names,
)

ROOT = Path(__file__).parents[2]
REPLIES = ["i am so sorry to hear that .", "that is great !", "oh no , what happened ?"] * 4
HUMAN = ["i am sorry to hear it .", "wow , that is great !", "oh no ! are you okay ?"] * 4
LABELS = ["sad", "joyful", "afraid"] * 4
GUESSES = ["sad", "proud", "no label"] * 4
CLUSTERS = [f"dialogue {i // 2}" for i in range(12)]
COLUMNS: dict[str, list[Any]] = {
    "cluster": CLUSTERS,
    "context": [["my friend left", "oh ?", "yes"], ["i won !"], ["there was a noise"]] * 4,
    "raw": [f"Listener: {reply}" for reply in REPLIES],
    "file_reference": [f"{text} really ?" for text in HUMAN],
    "file_emotion": LABELS,
    "emotion": GUESSES,
    "gold_emotion": LABELS,
    "strategy": ["Question", "Others", "nothing"] * 4,
    "gold_strategy": ["Question", "Information", "Others"] * 4,
    "emotion_scores": [[-float(i % 7 + j % 5) for j in range(32)] for i in range(12)],
    "strategy_scores": [[-float(i % 3 * j) for j in range(8)] for i in range(12)],
    "reference_nll": [10.0 + i for i in range(12)],
    "reference_surcharge": [float(i % 3) for i in range(12)],
    "reference_tokens": [7 + i for i in range(12)],
    "reference_words": [5 + i for i in range(12)],
    "failed": [False] * 11 + [True],
}


def module(name: str, columns: Sequence[str] = (), **options: Any) -> Any:
    return EvaluateMetric(name, columns=columns, keep_in_memory=True, **options)


def examples(**changes: Any) -> list[Scored]:
    """What `COLUMNS` say, as the command line would see it."""
    names = {"emotion_scores": ED_EMOTIONS, "strategy_scores": ESCONV_STRATEGIES}
    rows = []
    for i in range(12):
        row = {name: values[i] for name, values in (COLUMNS | changes).items()}
        row["context"] = tuple(row["context"])
        for name, labels in names.items():
            row[name] = dict(zip(labels, row[name], strict=True))
        rows.append(Scored(id=str(i), response=REPLIES[i], reference=HUMAN[i], **row))
    return rows


def parts(result: MetricResult) -> dict[str, Any]:
    """A result as `compute` returns it."""
    return {
        result.name: result.value,
        f"{result.name}_low": result.low,
        f"{result.name}_high": result.high,
        "signature": result.signature,
        "n": result.n,
        "n_failed": result.n_failed,
        "note": result.note,
    }


def expected(name: str, profile: str = "harness") -> dict[str, Any]:
    return parts(score_metric(get_metric(name, profile=profile), examples(), resamples=30))


NAMES = [name for name in evaluate_names() if name not in FAMILIES]


def test_every_profile_and_family_is_named() -> None:
    named = set(evaluate_names())
    for profile, content in PROFILES.items():
        prefix = "" if profile == "harness" else f"{profile}/"
        assert {prefix + metric.name for metric in content.metrics} <= named
    assert set(FAMILIES) <= named


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_is_score_metrics(name: str) -> None:
    profile, slash, metric = name.rpartition("/")
    found = module(name).compute(predictions=REPLIES, references=HUMAN, **COLUMNS, resamples=30)
    assert found == expected(metric, profile if slash else "harness")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_reached_with_its_argument(name: str) -> None:
    metrics = (get_metric("length"), get_metric("dist_1"))
    with patch.object(Family, "make", autospec=True, return_value=metrics) as make:
        found = module(f"{name}:some/folder@3").compute(predictions=REPLIES, references=HUMAN)
    make.assert_called_once_with(FAMILIES[name], "some/folder@3")
    assert {"length", "length_low", "dist_1", "dist_1_high"} <= set(found)
    assert found["length_signature"] != found["dist_1_signature"]


def test_meteor_is_score_metrics() -> None:
    (metric,) = make_meteor()
    found = module("meteor").compute(predictions=REPLIES, references=HUMAN, cluster=CLUSTERS)
    plain = [
        Scored(id=str(i), cluster=CLUSTERS[i], response=REPLIES[i], reference=HUMAN[i])
        for i in range(12)
    ]
    assert found == parts(score_metric(metric, plain))


WAYS = ["bleu_4", "dist_2", "emotion_accuracy", "moel/bleu_4", "empdg/p_2"]


@pytest.mark.parametrize("name", WAYS)
def test_one_by_one_in_batches_and_at_once_are_the_same(name: str, tmp_path: Path) -> None:
    labels = name == "emotion_accuracy"
    said, meant = (GUESSES, LABELS) if labels else (REPLIES, HUMAN)
    at_once = module(name).compute(predictions=said, references=meant)
    one_by_one = EvaluateMetric(name, cache_dir=str(tmp_path))
    for prediction, reference in zip(said, meant, strict=True):
        one_by_one.add(prediction=prediction, reference=reference)
    batches = module(name)
    for start in (0, 5):
        stop = start + 5 if not start else 12
        batches.add_batch(predictions=said[start:stop], references=meant[start:stop])
    assert one_by_one.compute() == batches.compute() == at_once
    metric = get_metric(
        name.split("/")[-1], profile=name.split("/")[0] if "/" in name else "harness"
    )
    fields: list[dict[str, Any]] = [
        {"response": None, "reference": "", "emotion": s, "gold_emotion": m}
        if labels
        else {"response": s, "reference": m}
        for s, m in zip(said, meant, strict=True)
    ]
    plain = [Scored(id=str(i), cluster=str(i), **row) for i, row in enumerate(fields)]
    assert at_once == parts(score_metric(metric, plain))


def test_metrics_combine() -> None:
    labels = ("emotion", "gold_emotion")
    combined = evaluate.combine(
        [
            module("bleu_4"),
            module("dist_2"),
            module("emotion_accuracy", columns=labels),
            module("moel/bleu_4", columns=("file_reference",)),
        ]
    )
    given = {name: COLUMNS[name] for name in (*labels, "file_reference")}
    combined.add_batch(
        predictions=REPLIES[:7], references=HUMAN[:7], **{n: v[:7] for n, v in given.items()}
    )
    for i in range(7, 12):
        combined.add(
            prediction=REPLIES[i], reference=HUMAN[i], **{n: v[i] for n, v in given.items()}
        )
    found = combined.compute()
    plain = examples(cluster=[str(i) for i in range(12)], failed=[False] * 12)
    for name in ("dist_2", "emotion_accuracy"):
        result = score_metric(get_metric(name), plain)
        assert found[name] == result.value
        assert found[f"{name}_low"] == result.low
        assert found[f"{name}_signature"] == result.signature
    # Two metrics of one name are told apart by the name of their module.
    assert found["bleu_4_bleu_4"] == score_metric(get_metric("bleu_4"), plain).value
    legacy = score_metric(get_metric("bleu_4", profile="moel"), plain)
    assert found["moel/bleu_4_bleu_4"] == legacy.value != found["bleu_4_bleu_4"]
    assert found["moel/bleu_4_signature"] == legacy.signature
    assert "|refs:file|" in legacy.signature


def test_a_declared_column_is_kept_with_its_example() -> None:
    by_dialogue = module("bleu_2", columns=("cluster",))
    for i in range(12):
        by_dialogue.add(prediction=REPLIES[i], reference=HUMAN[i], cluster=CLUSTERS[i])
    later = module("bleu_2").compute(predictions=REPLIES, references=HUMAN, cluster=CLUSTERS)
    assert by_dialogue.compute() == later
    alone = module("bleu_2").compute(predictions=REPLIES, references=HUMAN)
    assert alone["bleu_2"] == later["bleu_2"]
    assert alone["bleu_2_low"] != later["bleu_2_low"]


def test_what_a_metric_needs_is_a_column_of_itself() -> None:
    perplexity = module("ppl_word")
    assert list(perplexity.features) == [
        *("predictions", "references", "reference_nll", "reference_words")
    ]
    with pytest.raises(ValueError, match="reference_nll"):
        perplexity.compute(predictions=REPLIES, references=HUMAN)
    assert list(module("emotion_ece").features) == ["predictions", "references", "emotion_scores"]
    found = module("emotion_top5_accuracy").compute(
        predictions=GUESSES, references=LABELS, emotion_scores=COLUMNS["emotion_scores"]
    )
    assert found["note"] == "" and found["n"] == 12


def test_one_who_knows_no_dialogues_still_has_an_interval() -> None:
    found = module("length").compute(predictions=REPLIES, references=HUMAN)
    assert found["length_low"] < found["length"] < found["length_high"]


def test_seed_and_resamples_are_ours() -> None:
    def low(**options: Any) -> float:
        found = module("length", seed=7).compute(
            predictions=[f"{'a ' * i}" for i in range(30)], references=["b"] * 30, **options
        )
        return float(found["length_low"])

    assert low() == low(seed=0) != low(seed=1)
    assert low(resamples=10) != low(resamples=1000)


@pytest.mark.parametrize(
    ("name", "columns", "error", "words"),
    [
        (None, (), InputError, "which metric"),
        ("blue_4", (), UnknownNameError, "Did you mean 'bleu_4'"),
        ("moell/bleu_4", (), UnknownNameError, "unknown profile 'moell'"),
        ("moel/chrf", (), UnknownNameError, "unknown metric 'chrf'"),
        ("bleu_4", ("clusters",), UnknownNameError, "Did you mean 'cluster'"),
        ("meteor:/nowhere", (), InputError, "no WordNet"),
    ],
)
def test_unknown_names_are_told(
    name: str, columns: tuple[str, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        EvaluateMetric(name, columns=columns)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"clusters": CLUSTERS}, "Did you mean 'cluster'"),
        ({"cluster": CLUSTERS[:3]}, "column 'cluster' has 3 values for 12 predictions"),
        ({"emotion_scores": [[0.0] * 31] * 12}, "row of 31 scores; give 32"),
    ],
)
def test_columns_that_do_not_fit_are_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        module("bleu_4").compute(predictions=REPLIES, references=HUMAN, **given)


def test_odd_replies_do_not_crash() -> None:
    odd = ["", " ", "\n", "🙂", "a\x00b", "ＡＢ", "word " * 10_000]
    found = module("bleu_4").compute(predictions=odd, references=["what ?"] * 7)
    assert found["bleu_4"] == 0.0 and found["n"] == 7
    assert (
        module("emotion_accuracy").compute(predictions=odd, references=["sad"] * 7)[
            "emotion_accuracy"
        ]
        == 0.0
    )


def run_python(code: str, home: Path) -> str:
    offline = {
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_EVALUATE_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
    }
    no_network = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('the network is asked for')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", no_network + code],
        cwd=home,
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_evaluate_loads_it_from_our_path_without_a_network(tmp_path: Path) -> None:
    code = f"""
import evaluate
from harness.metrics.evaluate_modules import empathy_bench_module_path
said, meant = {REPLIES!r}, {HUMAN!r}
for name in ("bleu_4", "moel/bleu_4"):
    metric = evaluate.load(empathy_bench_module_path(), name)
    metric.add_batch(predictions=said[:5], references=meant[:5])
    metric.add_batch(predictions=said[5:], references=meant[5:])
    print(metric.name, metric.compute()["bleu_4"])
metric = evaluate.load(empathy_bench_module_path(), "bleu_4", columns=["cluster"])
print(list(metric.features))
"""
    lines = run_python(code, tmp_path).splitlines()[-3:]
    plain = examples(file_reference=[None] * 12, failed=[False] * 12)
    ours = score_metric(get_metric("bleu_4"), plain).value
    legacy = score_metric(get_metric("bleu_4", profile="moel"), plain).value
    assert lines == [
        f"bleu_4 {ours}",
        f"moel/bleu_4 {legacy}",
        "['predictions', 'references', 'cluster']",
    ]


def test_the_path_is_that_of_the_script() -> None:
    folder = Path(empathy_bench_module_path())
    assert (folder / f"{folder.name}.py").is_file()


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "evaluate.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) >= 3
    printed = run_python("\n".join(blocks), tmp_path)
    claimed = re.findall(r"^print\(.*# (.+)$", "\n".join(blocks), flags=re.MULTILINE)
    assert claimed and printed.splitlines()[-len(claimed) :] == claimed


def test_nothing_else_in_the_project_imports_evaluate() -> None:
    for room in ("harness", "baselines", "stride_ed", "leaderboards"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                tops = {name.split(".")[0] for name in names}
                assert "evaluate" not in tops or path.name == "evaluate_modules.py", path
                adapter = "harness.metrics.evaluate_modules" in names
                assert not adapter or path.name == "evaluate_module.py", path
