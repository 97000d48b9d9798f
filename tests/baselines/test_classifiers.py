"""Classifiers: what they read, how they are trained, resumed and refused, what they answer."""

from __future__ import annotations

import json
import os
import signal
import string
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.classifiers.answering import Classifier, load
from baselines.classifiers.contexts import ContextTokens, context_features
from baselines.classifiers.linear import features, fit_linear
from baselines.classifiers.rows import read_rows
from baselines.classifiers.scores import measure
from baselines.classifiers.settings import Settings, check
from baselines.classifiers.training import train_classifier
from harness import checkpoint
from harness.checkpoint import Step
from harness.datasets import ExampleSet, load_example_set
from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES, Example, Turn
from harness.errors import DataError, InputError, ModelError, StorageError
from harness.metrics.neural.model_files import find_model
from harness.models import Question
from harness.models import Settings as Asked
from harness.tasks import TASKS
from harness.training_log import CARD, TrainingLog, read_curve
from tests.conftest import Cli

STRATEGY = TASKS["esconv_strategy"]
TINY = Settings(
    task="esconv_strategy", method="encoder", epochs=3, batch_size=8, rate=3e-3,
    head_rate=3e-2, max_len=32, patience=9, validate_every=4, history=True,
)  # fmt: skip
ODD = ("", " ", "🙂🙂", "word " * 10_000, "كيف حالك اليوم", "\u200b", "a\nb\tc")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Vectors of this module's texts, away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def tiny_bert(folder: Path) -> Path:
    """A BERT of two layers, 16 wide, with random weights, that spells words by letters."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = string.ascii_lowercase + string.punctuation
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "speaker", "listener", *letters]
    words += [f"##{letter}" for letter in string.ascii_lowercase]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", name="bert")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("encoder") / "tiny-bert")


def sample(split: str, dataset: str = "esconv") -> ExampleSet:
    suffix = "-910-195-195" if dataset == "esconv" else ""
    return load_example_set(f"{dataset}/{split}{suffix}", "sample")


@pytest.fixture(scope="session", name="tuned")
def tuned_folder(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder trained without interruption."""
    folder = tmp_path_factory.mktemp("tuned") / "classifier"
    train_classifier(sample("train"), sample("valid"), folder, settings=TINY, encoder=str(bert))
    return folder


@pytest.fixture(scope="module", name="linear")
def linear_folder(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linear") / "classifier"
    asked = replace(TINY, method="linear", costs=(0.1, 10.0))
    train_classifier(sample("train"), sample("valid"), folder, settings=asked, encoder=str(bert))
    return folder


@pytest.fixture(params=["linear", "tuned"])
def model(request: pytest.FixtureRequest) -> Classifier:
    return load(str(request.getfixturevalue(request.param)), Asked(data="sample"))


def answers(model: Classifier, examples: Sequence[Example]) -> list[dict[str, float]]:
    found = []
    for batch in model.batches(STRATEGY, [Question(example) for example in examples]):
        found += [
            dict(prediction.strategy_scores or {}) for prediction in model.predict(STRATEGY, batch)
        ]
    return found


def close(one: Sequence[dict[str, float]], other: Sequence[dict[str, float]]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and np.allclose(list(a.values()), list(b.values()), atol=1e-4)
        for a, b in zip(one, other, strict=True)
    )


# --- what is read


def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder))


def talk(*texts: str, strategy: str | None = None) -> Example:
    turns = tuple(
        Turn(i, "listener" if i % 2 else "speaker", text, strategy if i % 2 else None)
        for i, text in enumerate(texts)
    )
    return Example("esconv/test/0/9", "esconv/test/0", turns, "?", strategy="Others")


TEXTS = st.lists(st.text(string.ascii_lowercase + " ,!", max_size=30), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, max_len=st.integers(8, 80))
def test_the_last_tokens_that_fit_are_read_behind_their_speaker(
    bert: Path, texts: list[str], max_len: int
) -> None:
    inner = tokenizer_once(bert)
    ids = ContextTokens(inner, max_len, history=False)(talk(*texts))
    assert len(ids) <= max_len
    assert ids[0] == inner.cls_token_id and ids[-1] == inner.sep_token_id
    turns = [
        (inner.encode(f"{'listener' if i % 2 else 'speaker'}:", add_special_tokens=False),
         inner.encode(text, add_special_tokens=False))
        for i, text in enumerate(texts)
    ]  # fmt: skip
    # Naively: drop words of the oldest turn one by one, with its last one the turn, until it fits.
    while sum(len(name) + len(words) for name, words in turns) + 2 > max_len:
        name, words = turns[0]
        turns = [(name, words[1:]), *turns[1:]] if len(words) > 1 else turns[1:]
    assert ids[1:-1] == [number for name, words in turns for number in (*name, *words)]


_TOKENIZERS: dict[Path, Any] = {}


def tokenizer_once(folder: Path) -> Any:
    return _TOKENIZERS.setdefault(folder, tokenizer(folder))


def test_earlier_strategies_are_read_with_history_only(bert: Path) -> None:
    inner = tokenizer(bert)
    one, other = (talk("hi", "oh", "so", strategy=name) for name in ("Question", "Others"))
    plain, told = (ContextTokens(inner, 64, history=flag) for flag in (False, True))
    assert plain(one) == plain(other) and told(one) != told(other)
    assert "question" in inner.decode(told(one)).replace(" ", "")

    def vectors(texts: Sequence[str]) -> Any:
        return np.array([[len(text), 1.0] for text in texts])

    first, second = (context_features([e], vectors) for e in (one, other))
    assert np.array_equal(first, second)
    row = context_features([talk("hi", "ohh", "so", "a", strategy="Question")], vectors,
                           history=True)[0]  # fmt: skip
    assert row[:6].tolist() == [1, 1, 2, 1, 2, 1]  # last; mean of "hi", "so"; of "ohh", "a"
    shares, last = row[6:14].tolist(), row[14:].tolist()
    assert shares == last == [float(name == "Question") for name in ESCONV_STRATEGIES]


def test_a_side_that_has_not_spoken_is_zero() -> None:
    row = context_features([talk("hi")], lambda texts: np.ones((len(texts), 2)))
    assert row.tolist() == [[1, 1, 1, 1, 0, 0]]


def test_no_gold_label_reference_or_situation_is_read(model: Classifier) -> None:
    examples = sample("test").examples[:6]
    turned = [
        replace(e, strategy="Others", emotion="x", situation="y", problem="z", reference="r")
        for e in examples
    ]
    assert answers(model, examples) == answers(model, turned)


def test_odd_contexts_are_answered(model: Classifier) -> None:
    examples = [replace(talk("hello", "oh", text), id=f"esconv/test/0/{i}")
                for i, text in enumerate(ODD)] + [talk(text) for text in ODD]  # fmt: skip
    assert all(np.isfinite(list(row.values())).all() for row in answers(model, examples))


# --- answers


def test_scores_are_log_probabilities_of_the_learnt_labels(model: Classifier) -> None:
    examples = sample("test").examples[:8]
    for prediction in model.predict(STRATEGY, [Question(e) for e in examples]):
        scores = prediction.strategy_scores
        assert scores is not None and set(scores) <= set(ESCONV_STRATEGIES)
        assert sum(np.exp(list(scores.values()))) == pytest.approx(1, abs=1e-5)
        assert prediction.strategy == max(scores, key=lambda name: scores[name])
        assert not prediction.error and prediction.response is None


def test_neither_order_nor_company_matters(model: Classifier) -> None:
    examples = list(sample("test").examples[:9])
    whole = answers(model, examples)
    alone = [answers(model, [example])[0] for example in examples]
    assert close(whole, alone)
    assert close(answers(model, examples[::-1])[::-1], whole)


def test_what_was_asked_before_changes_no_digit(model: Classifier) -> None:
    first, second = sample("test").examples[:20], sample("test").examples[8:30]
    before = answers(model, second)
    answers(model, first)
    assert answers(model, second) == before


def test_another_task_is_refused_in_a_line(model: Classifier) -> None:
    assert model.generation(STRATEGY) == model.generation(TASKS["esconv_strategy_generate"])
    for name in ("ed_emotion", "esconv_response", "ed_response"):
        with pytest.raises(ModelError, match=f"cannot answer {name}; give --task esconv_strategy"):
            model.generation(TASKS[name])


def test_the_card_says_what_was_trained_on_what(tuned: Path, linear: Path, bert: Path) -> None:
    for folder in (tuned, linear):
        card = json.loads((folder / CARD).read_text())
        shown = load(str(folder), Asked()).card
        assert shown["kind"] == "baseline" and "source" not in shown["encoder"]
        assert card["encoder"]["weights"] == find_model(str(bert)).weights
        assert card["trained_on"] == "esconv/sample-train, 69 examples"
        assert card["task"] == "esconv_strategy" and card["seed"] == 0
        assert card["examples"] == {"train": 69, "valid": 13}
        assert str(folder) not in (folder / CARD).read_text()
        rows = read_curve(folder)
        best = next(row for row in rows if row["step"] == card["best_step"])
        assert card["validation"]["macro_f1"] == best["valid/macro_f1"] == max(
            row["valid/macro_f1"] for row in rows
        )  # fmt: skip
        assert (folder / "README.md").is_file() and (folder / "curve.png").is_file()


# --- the linear one


def test_linear_equals_scikit_learn_by_hand(bert: Path, linear: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    learn, stop_by = sample("train").examples, sample("valid").examples
    files = find_model(str(bert))
    x, held_out = (features(e, files, history=True).astype(np.float64) for e in (learn, stop_by))
    best: tuple[float, Any] = (-1.0, None)
    for cost in (0.1, 10.0):
        by_hand = LogisticRegression(C=cost, max_iter=1000).fit(x, [e.strategy for e in learn])
        gold = [e.strategy for e in stop_by]
        found = 100 * f1_score(gold, by_hand.predict(held_out), average="macro", zero_division=0)
        if found > best[0]:
            best = found, by_hand
    card = json.loads((linear / CARD).read_text())
    assert card["C"] == best[1].C and card["validation"]["macro_f1"] == pytest.approx(best[0])
    examples = sample("test").examples
    expected = best[1].predict_log_proba(features(examples, files, history=True))
    for row, told in zip(answers(load(str(linear), Asked()), examples), expected, strict=True):
        assert [row[name] for name in best[1].classes_] == pytest.approx(told.tolist(), abs=1e-3)


def test_two_labels_make_two_scores(bert: Path, tmp_path: Path) -> None:
    def only(split: str) -> ExampleSet:
        whole = sample(split)
        kept = tuple(e for e in whole.examples if e.strategy in ("Question", "Others"))
        return replace(whole, examples=kept)

    asked = Settings(task="esconv_strategy", method="linear", costs=(1.0,))
    train_classifier(only("train"), only("valid"), tmp_path, settings=asked, encoder=str(bert))
    for row in answers(load(str(tmp_path), Asked()), only("test").examples):
        assert set(row) == {"Question", "Others"}
        assert sum(np.exp(list(row.values()))) == pytest.approx(1)


def test_kept_vectors_are_found_again_and_damaged_ones_made_anew(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    examples, files = sample("valid").examples, find_model(str(bert))
    first = features(examples, files, history=False, keep=True)
    (kept,) = (tmp_path / "empathy-bench" / "vectors").iterdir()
    np.save(kept, np.load(kept) + 1)
    assert np.allclose(features(examples, files, history=False, keep=True)[:, :16],
                       first[:, :16] + 1)  # fmt: skip
    kept.write_bytes(b"torn")
    assert np.allclose(features(examples, files, history=False, keep=True), first)


def test_a_tie_goes_to_the_smaller_c(bert: Path, tmp_path: Path) -> None:
    rows, held_out = read_rows(sample("train"), sample("valid"), STRATEGY)
    asked = Settings(task="esconv_strategy", method="linear", costs=(1e-9, 2e-9))
    went = fit_linear(rows, held_out, tmp_path, settings=asked, files=find_model(str(bert)),
                      log=TrainingLog(tmp_path), show=lambda step: None)  # fmt: skip
    assert went["C"] == 1e-9 and went["best_step"] == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_measures_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    gold, predicted = (np.array(side) for side in zip(*pairs, strict=True))
    found = measure(gold, predicted, 4)
    assert found["accuracy"] == pytest.approx(100 * accuracy_score(gold, predicted))
    expected = f1_score(gold, predicted, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(100 * expected)


# --- fine-tuning


def lesson(split: str, count: int) -> ExampleSet:
    """Talks whose last turn gives the strategy away: x for Question, y for Information."""
    kinds = (("x x x", "Question"), ("y y y", "Information"))
    examples = tuple(
        replace(talk("so", "and", kinds[i % 2][0]), id=f"{split}/{i}", dialogue_id=f"{split}/{i}",
                strategy=kinds[i % 2][1]) for i in range(count)
    )  # fmt: skip
    return ExampleSet(f"esconv/{split}", examples)


def test_fine_tuning_learns_what_there_is_to_learn(bert: Path, tmp_path: Path) -> None:
    asked = replace(TINY, epochs=8, rate=1e-2, patience=99)
    card = train_classifier(lesson("train", 40), lesson("valid", 10), tmp_path, settings=asked,
                            encoder=str(bert))  # fmt: skip
    assert card["validation"] == {"accuracy": 100.0, "macro_f1": 100.0}
    losses = [row["train/loss"] for row in read_curve(tmp_path)]
    assert losses[0] == pytest.approx(np.log(2), abs=0.2) and losses[-1] < 0.1
    rows = answers(load(str(tmp_path), Asked()), lesson("test", 4).examples)
    assert [max(row, key=lambda name: row[name]) for row in rows] == [
        "Question", "Information", "Question", "Information",
    ]  # fmt: skip


def test_validations_that_get_no_better_end_it(bert: Path, tmp_path: Path) -> None:
    asked = replace(TINY, epochs=50, rate=1e-2, patience=2)
    card = train_classifier(lesson("train", 40), lesson("valid", 10), tmp_path, settings=asked,
                            encoder=str(bert))  # fmt: skip
    assert card["early_stop"] and card["steps"] == card["best_step"] + 2 * 4


def test_the_seed_decides(bert: Path, tuned: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        train_classifier(sample("train"), sample("valid"), tmp_path / str(seed),
                         settings=replace(TINY, seed=seed), encoder=str(bert))  # fmt: skip
    first, same, other = (
        checkpoint.load(folder / checkpoint.LAST)[0]
        for folder in (tuned, tmp_path / "0", tmp_path / "1")
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["model.head.weight"], other["model.head.weight"])


@pytest.mark.parametrize("after", [2, 11])
def test_a_killed_training_goes_on_bit_for_bit(
    bert: Path, tuned: Path, tmp_path: Path, after: int
) -> None:
    folder = tmp_path / "killed"
    code = f"""
import os, signal, torch
from pathlib import Path
from baselines.classifiers.settings import Settings
from baselines.classifiers.training import train_classifier
from harness.datasets import load_example_set
torch.set_num_threads(1)
def show(step):
    if step.done == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
train_classifier(load_example_set("esconv/train-910-195-195", "sample"),
                 load_example_set("esconv/valid-910-195-195", "sample"), Path({str(folder)!r}),
                 settings={TINY!r}, encoder={str(bert)!r}, show=show)
"""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(ModelError, match="not finished.*--resume"):
        load(str(folder), Asked())
    with pytest.raises(InputError, match="--resume"):
        train_classifier(sample("train"), sample("valid"), folder, settings=TINY,
                         encoder=str(bert))  # fmt: skip
    steps: list[Step] = []
    train_classifier(sample("train"), sample("valid"), folder, settings=TINY, encoder=str(bert),
                     resume=True, show=steps.append)  # fmt: skip
    assert steps[0].done == (after // 4) * 4 + 1
    for name in (checkpoint.BEST, checkpoint.LAST):
        whole, parts = (checkpoint.load(place / name)[0] for place in (tuned, folder))
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[key], parts[key]) for key in whole)
    assert read_curve(folder) == read_curve(tuned)


def test_a_finished_training_is_not_begun_again(bert: Path, tuned: Path) -> None:
    before = (tuned / checkpoint.BEST).stat().st_mtime_ns
    told: list[Path] = []
    card = train_classifier(sample("train"), sample("valid"), tuned, settings=TINY, resume=True,
                            encoder=str(bert), mirror=told.append)  # fmt: skip
    assert card == json.loads((tuned / CARD).read_text()) and told == [tuned]
    assert (tuned / checkpoint.BEST).stat().st_mtime_ns == before


def test_balanced_weights_favour_rare_labels(bert: Path, tmp_path: Path) -> None:
    def said(name: str, balanced: bool) -> int:
        asked = replace(TINY, method="linear", history=False, costs=(0.001,), balanced=balanced)
        train_classifier(sample("train"), sample("valid"), tmp_path / name, settings=asked,
                         encoder=str(bert))  # fmt: skip
        rows = answers(load(str(tmp_path / name), Asked()), sample("test").examples)
        return len({max(row, key=lambda label: row[label]) for row in rows})

    assert said("plain", False) < said("balanced", True)


# --- refusals


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"task": "ed_response"}, "label task"),
    ({"task": "ed_emotion"}, "--history"),
    ({"epochs": 0}, "epochs"),
    ({"rate": 0.0}, "rate"),
    ({"dropout": 1.0}, "dropout"),
    ({"max_len": 3}, "max_len"),
    ({"costs": ()}, "costs"),
    ({"method": "forest"}, "method"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_settings_that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(replace(TINY, **changes))


def test_more_tokens_than_the_encoder_reads_or_layers_than_it_has(
    bert: Path, tmp_path: Path
) -> None:
    for name, asked, message in (
        ("a", replace(TINY, max_len=129), "reads 128 tokens"),
        ("b", replace(TINY, frozen_layers=3), "freeze 3 layers"),
    ):
        with pytest.raises(ModelError, match=message):
            train_classifier(sample("train"), sample("valid"), tmp_path / name,
                             settings=asked, encoder=str(bert))  # fmt: skip


def test_sets_that_teach_nothing() -> None:
    learn, stop_by = sample("train"), sample("valid")
    one = replace(learn, examples=tuple(e for e in learn.examples if e.strategy == "Question"))
    none = replace(learn, examples=tuple(replace(e, strategy=None) for e in learn.examples))
    for pair, message in (
        ((one, stop_by), "two at least"),
        ((none, stop_by), "none of 69 examples has a strategy"),
        ((learn, none), "none of 69"),
        ((learn, learn), "both sides"),
    ):
        with pytest.raises(DataError, match=message):
            read_rows(*pair, STRATEGY)


def spoil(name: str, content: str | None) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink() if content is None else (folder / name).write_text(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (spoil(CARD, None), "not finished"),
        (spoil(CARD, "{"), "no finished classifier"),
        (spoil(CARD, "{}"), "no finished classifier"),
        (spoil(checkpoint.BEST, "other"), "not those of card.json"),
        (spoil(checkpoint.BEST, None), "no finished classifier"),
    ],
)
def test_damaged_folders_are_refused_in_a_line(
    linear: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    import shutil

    folder = Path(shutil.copytree(linear, tmp_path / "copy"))
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load(str(folder), Asked())
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_a_kept_encoder_that_changed_is_refused(tuned: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(tuned, tmp_path / "copy"))
    (folder / "encoder" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"encoder.*not those of card\.json"):
        load(str(folder), Asked())


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    for argument in ("", str(tmp_path), str(tmp_path / "absent")):
        with pytest.raises(ModelError):
            load(argument, Asked())
    # A training of another room: the card is there, its settings are others'.
    (tmp_path / CARD).write_text(json.dumps({"settings": {"kind": "moel"}, "labels": ["a", "b"]}))
    with pytest.raises(ModelError, match="no finished classifier"):
        load(str(tmp_path), Asked())


def test_an_encoder_that_changed_is_refused(tmp_path: Path) -> None:
    encoder = tiny_bert(tmp_path / "encoder")
    asked = Settings(task="esconv_strategy", method="linear", costs=(1.0,))
    train_classifier(sample("train"), sample("valid"), tmp_path / "c", settings=asked,
                     encoder=str(encoder))  # fmt: skip
    card = json.loads((tmp_path / "c" / CARD).read_text())
    card["encoder"]["weights"] = "0" * 12
    (tmp_path / "c" / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match="bring that encoder back"):
        load(str(tmp_path / "c"), Asked())


def test_other_settings_and_foreign_folders_stay_untouched(
    bert: Path, tuned: Path, tmp_path: Path
) -> None:
    before = sorted((p.name, p.stat().st_mtime_ns) for p in tuned.iterdir() if p.is_file())
    with pytest.raises(InputError, match="batch_size"):
        train_classifier(sample("train"), sample("valid"), tuned, encoder=str(bert), resume=True,
                         settings=replace(TINY, batch_size=4))  # fmt: skip
    after = sorted((p.name, p.stat().st_mtime_ns) for p in tuned.iterdir() if p.is_file())
    assert [x for x in before if x[0] != ".lock"] == [x for x in after if x[0] != ".lock"]
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        train_classifier(sample("train"), sample("valid"), tmp_path, settings=TINY,
                         encoder=str(bert))  # fmt: skip


def test_two_trainings_do_not_share_a_folder(bert: Path, tmp_path: Path) -> None:
    with checkpoint.locked(tmp_path), pytest.raises(StorageError, match="another process"):
        train_classifier(sample("train"), sample("valid"), tmp_path, settings=TINY,
                         encoder=str(bert))  # fmt: skip


# --- the command line


def test_both_methods_by_the_command_line(cli: Cli, bert: Path, tmp_path: Path) -> None:
    for task, method in (("esconv_strategy", "encoder"), ("ed_emotion", "linear")):
        folder = tmp_path / task
        done = cli("train", "classifier", "--task", task, "--method", method, "--data", "sample",
                   "--encoder", bert, "--output", folder, "--max-len", "32", "--steps", "4",
                   "--validate-every", "2", "--mlflow", "off", "--json")  # fmt: skip
        assert done.returncode == 0, done.stderr
        card = json.loads(done.stdout)
        assert card == json.loads((folder / CARD).read_text())
        assert set(card["labels"]) <= {*ED_EMOTIONS, *ESCONV_STRATEGIES}
        ran = cli("run", "--model", f"classifier:{folder}", "--task", task, "--data", "sample",
                  "--output", "runs", "--mlflow", "off", "--json")  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        field = "strategy" if task == "esconv_strategy" else "emotion"
        assert f"{field}_macro_f1" in ran.stdout
    other = cli("run", "--model", f"classifier:{tmp_path / 'ed_emotion'}", "--task",
                "esconv_strategy", "--data", "sample", "--output", "no", "--mlflow",
                "off")  # fmt: skip
    assert other.returncode == 2 and "cannot answer esconv_strategy" in other.stderr
    assert other.stderr.count("error:") == 1 and "Traceback" not in other.stderr


def test_history_of_ed_is_refused_before_anything_is_written(cli: Cli, tmp_path: Path) -> None:
    done = cli("train", "classifier", "--task", "ed_emotion", "--history", "--data", "sample",
               "--output", "new")  # fmt: skip
    assert done.returncode == 2 and "--history" in done.stderr
    assert not (tmp_path / "new").exists()
