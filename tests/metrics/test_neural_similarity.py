"""Sentence vectors as sentence-transformers makes them, and what is measured with them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ModelError
from harness.metrics import Metric, Scored, example_values, missing, score_metric
from harness.metrics.neural.model_files import find_model
from harness.metrics.neural.sentences import SentenceEncoder, load_sentence_encoder
from harness.metrics.neural.similarity import make_relevance, make_similarity
from harness.statistics import compare
from tests.metrics.build import scored, value
from tests.metrics.neural_models import ODD, TALK, byte_roberta, packaged, rows, tiny
from tests.metrics.published import replies


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    packaged()
    return load_sentence_encoder(find_model(""))


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    packaged()
    return {metric.name: metric for metric in (*make_similarity(), *make_relevance())}


def dialogues(said: list[str], *, per_dialogue: int = 2) -> list[Scored]:
    """Each reply answers a context of its own, which grows within a dialogue."""
    contexts = [
        tuple(TALK[(i + j) % len(TALK)] for j in range(1 + i % 3)) for i in range(len(said))
    ]
    return scored(said, [TALK[0]] * len(said), per_dialogue=per_dialogue, context=contexts)


def by_package(folder: Path, texts: list[str]) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)


def test_vectors_equal_sentence_transformers(encoder: SentenceEncoder, real_data: Path) -> None:
    texts = [x.text for x in replies(real_data, "EmoPrepend")[::20]]
    texts += [*TALK, "🙂🙂", "?!", "\u202eabc", "a\x00b", "ＡＢ １", "word " * 10_000]
    expected = by_package(packaged(), texts)
    assert np.abs(encoder.vectors(texts) - expected).max() < 1e-5


@pytest.mark.parametrize("mode", ["cls_token", "mean_tokens"])
def test_pooling_and_length_are_the_folders_own(mode: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path / "enc", "Bert")
    kind = "sentence_transformers.models"
    steps = [("0", "", f"{kind}.Transformer"), ("1", "1_Pooling", f"{kind}.Pooling")]
    (folder / "modules.json").write_text(
        json.dumps([{"idx": int(n), "name": n, "path": p, "type": t} for n, p, t in steps])
    )
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{m}": m == mode for m in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, **modes})
    )
    found = load_sentence_encoder(find_model(str(folder)))
    assert np.abs(found.vectors(TALK) - by_package(folder, list(TALK))).max() < 1e-5
    (metric,) = make_similarity(str(folder))
    assert f"|pool:{mode.partition('_')[0]}|max:9-right|" in metric.signature


def test_robertas_tokeniser_is_used_as_sentence_transformers_does(tmp_path: Path) -> None:
    folder = byte_roberta(tmp_path / "enc")
    texts = ["i see", "oh , i know", *TALK]
    found = load_sentence_encoder(find_model(str(folder)))
    assert np.abs(found.vectors(texts) - by_package(folder, texts)).max() < 1e-5


def test_folders_with_other_ways_to_a_vector_are_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "enc", "Bert")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(ModelError, match="pools by max_tokens"):
        make_similarity(str(folder))
    (folder / "modules.json").write_text(
        '[{"type": "sentence_transformers.models.Dense", "path": "2"}]'
    )
    find_model.__globals__["_files"].cache_clear()
    with pytest.raises(ModelError, match="names Dense"):
        make_similarity(str(folder))


def test_similarity_is_the_cosine_of_reply_and_reference(metrics: dict[str, Metric]) -> None:
    said, meant = by_package(packaged(), list(TALK)), by_package(packaged(), list(TALK[::-1]))
    found = example_values(metrics["embedding_similarity"], scored(TALK, TALK[::-1]))
    assert found == pytest.approx(100 * (said * meant).sum(1), abs=1e-3)
    assert value(metrics["embedding_similarity"], scored(TALK, TALK)) == pytest.approx(100)


def test_relevance_and_gap_equal_a_loop_over_contexts(metrics: dict[str, Metric]) -> None:
    examples = dialogues([*TALK, "", "i see"])
    contexts = by_package(packaged(), ["\n".join(x.context or ()) for x in examples])
    said = by_package(packaged(), [x.text for x in examples])
    own = [
        0.0 if not x.text else 100 * float(s @ c)
        for x, s, c in zip(examples, said, contexts, strict=True)
    ]
    gaps = []
    for x, s, mine in zip(examples, said, own, strict=True):
        others = [
            100 * float(s @ c)
            for y, c in zip(examples, contexts, strict=True)
            if y.cluster != x.cluster
        ]
        gaps.append(mine - float(np.mean(others)) if x.text else 0.0)
    found = rows(metrics["context_relevance"], examples)
    assert found[:, 0] == pytest.approx(own, abs=1e-3)
    found = rows(metrics["relevance_gap"], examples)
    assert found[:, 0] == pytest.approx(gaps, abs=1e-3)


def test_a_reply_to_its_own_context_has_a_gap_and_a_generic_or_shuffled_one_has_none(
    metrics: dict[str, Metric], real_data: Path
) -> None:
    import csv

    with (real_data / "ed" / "csv" / "test.csv").open(encoding="utf-8") as file:
        turns = [row for row in csv.DictReader(file) if row["utterance_idx"] in ("1", "2")][:240]
    pairs = [(a["utterance"], b["utterance"]) for a, b in zip(turns[::2], turns[1::2], strict=True)]
    contexts = [(a.replace("_comma_", ","),) for a, _ in pairs]
    human = [b.replace("_comma_", ",") for _, b in pairs]
    shuffled = random.Random(0).sample(human, len(human))
    gap = metrics["relevance_gap"]
    found = [
        score_metric(gap, scored(said, human, context=contexts), resamples=200)
        for said in (human, shuffled, ["i am sorry to hear that ."] * len(human))
    ]
    (real, mixed, constant) = found
    assert real.low is not None and mixed.high is not None and constant.high is not None
    assert real.low > 10
    assert mixed.low < 0 < mixed.high  # type: ignore[operator]
    assert abs(constant.value or 0) < 0.5


def test_two_systems_compared_have_the_gaps_they_have_alone(metrics: dict[str, Metric]) -> None:
    gap = metrics["relevance_gap"]
    a = dialogues(list(TALK))
    b = [replace(item, response="i see") for item in a]
    found = compare(gap, a, b, resamples=20)
    assert found.value_a == pytest.approx(value(gap, a), abs=1e-9)
    assert found.value_b == pytest.approx(value(gap, b), abs=1e-9)


def test_long_contexts_keep_their_end(metrics: dict[str, Metric]) -> None:
    relevance = metrics["context_relevance"]
    long = ("noise " * 2000, "the dog ran away")
    short = ("noise " * 300, "the dog ran away")
    cut = scored(["poor dog !"] * 2, context=[long, short])
    found = example_values(relevance, cut)
    assert found is not None
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    replies = scored(["poor dog !"], context=[(long[0], "i sold my car")])
    assert value(relevance, replies) < found[0] - 5


def test_without_contexts_or_other_dialogues_there_is_no_value(metrics: dict[str, Metric]) -> None:
    relevance, gap = metrics["context_relevance"], metrics["relevance_gap"]
    assert "lack context" in missing(relevance, scored(TALK))
    none = scored(["hello", "hi"], context=[(), ("hello there",)])
    assert value(relevance, none) == pytest.approx(value(relevance, none[1:]))
    single = scored(["hello", "hi"], context=[("hello",)] * 2, per_dialogue=2)
    assert score_metric(gap, single).value is None


def test_failed_and_blank_replies_count_nothing_and_odd_ones_do_not_crash(
    metrics: dict[str, Metric],
) -> None:
    said = [None, *ODD, "word " * 10_000, *TALK]
    blank = {
        i for i, t in enumerate(said) if t is None or not t.strip() or t in ("\u200b", "[SEP]")
    }
    examples = dialogues([text or "" for text in said])
    examples[0] = replace(examples[0], response="left over", failed=True)
    for metric in metrics.values():
        found = rows(metric, examples)
        assert np.isfinite(found).all()
        assert {i for i in range(len(said)) if found[i, 0] == 0} == blank
        assert (found[:, 1] == 1).all()
        low, high = metric.range
        assert ((found[:, 0] >= low) & (found[:, 0] <= high)).all()


def test_values_depend_neither_on_order_nor_on_company(metrics: dict[str, Metric]) -> None:
    examples = dialogues([*TALK, *ODD])
    order = np.random.default_rng(0).permutation(len(examples))
    for name, metric in metrics.items():
        load_sentence_encoder.cache_clear()
        family = make_similarity if name == "embedding_similarity" else make_relevance
        other = next(m for m in family() if m.name == name)
        found = rows(metric, examples)
        shuffled = rows(other, [examples[i] for i in order])
        assert np.abs(shuffled - found[order]).max() < 1e-3


def test_each_text_is_encoded_once_for_all_systems(metrics: dict[str, Metric]) -> None:
    load_sentence_encoder.cache_clear()
    relevance, gap = make_relevance()
    (similarity,) = make_similarity()
    tally = load_sentence_encoder(find_model("")).encoder.tally
    before = tally.texts
    examples = dialogues(["one", "two", "one", "three"])
    value(relevance, examples)
    assert tally.texts - before == 3 + 4
    value(gap, examples)
    assert tally.texts - before == 7
    value(similarity, examples)
    assert tally.texts - before == 8  # the one reference
    value(gap, [replace(item, response="a constant") for item in examples])
    assert tally.texts - before == 9


def test_signatures_name_weights_and_no_path(metrics: dict[str, Metric], tmp_path: Path) -> None:
    seen = set()
    for metric in (*metrics.values(), *make_similarity(str(tiny(tmp_path / "enc", "Bert")))):
        assert "|weights:" in metric.signature
        assert "/" not in metric.signature
        seen.add(metric.signature)
    assert len(seen) == 4
