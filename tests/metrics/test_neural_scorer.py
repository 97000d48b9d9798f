"""The likelihood of replies under an outside language model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ModelError, UnknownNameError
from harness.metrics import Metric, Scored, example_values, missing, score_metric
from harness.metrics.neural import scorer as module
from harness.metrics.neural.scorer import make
from tests.metrics.build import scored, value
from tests.metrics.neural_models import ODD, TALK, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama over single bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("scorer") / "tiny-lm"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_ = Tokenizer(models.BPE({c: i for i, c in enumerate([*alphabet, "<end>"])}, []))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=bytes_, eos_token="<end>", pad_token="<end>", model_max_length=600
    ).save_pretrained(place)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=600, bos_token_id=256, eos_token_id=256,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    # Random weights near zero say the same of everything; these differ.
    for parameter in model.parameters():
        parameter.data.mul_(6)
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def metrics(folder: Path) -> dict[str, Metric]:
    return {metric.name: metric for metric in make(f"hf:{folder}")}


def examples(said: Sequence[str | None], **fields: Any) -> list[Scored]:
    contexts = [TALK[i % 3 : i % 3 + 1 + i % 2] for i in range(len(said))]
    return scored(list(said), [TALK[0]] * len(said), context=contexts, **fields)


def naive_nll(folder: Path, prompt: str, reply: str) -> float:
    """−ln p(" " + reply | prompt), token by token, by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    before = tokenizer(prompt)["input_ids"]
    after = tokenizer(f" {reply}")["input_ids"]
    with torch.inference_mode():
        logits = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
    return -sum(float(logits[len(before) + i - 1, token]) for i, token in enumerate(after))


def test_values_equal_a_loop_over_tokens(folder: Path, metrics: dict[str, Metric]) -> None:
    said = examples(TALK)
    nll = [naive_nll(folder, "\n".join([*(x.context or ()), "Reply:"]), x.text) for x in said]
    words = [len(x.text.split()) for x in said]
    size = [len(x.text.encode()) for x in said]
    assert np.std(np.array(nll) / size) > 0.05
    assert value(metrics["reply_ppl_word"], said) == pytest.approx(
        math.exp(sum(nll) / sum(words)), rel=1e-4
    )
    assert value(metrics["reply_bits_per_byte"], said) == pytest.approx(
        sum(nll) / math.log(2) / sum(size), rel=1e-5
    )
    alone = example_values(metrics["reply_bits_per_byte"], said)
    expected = [n / math.log(2) / s for n, s in zip(nll, size, strict=True)]
    assert alone == pytest.approx(expected, rel=1e-4)


def test_blanks_in_a_reply_are_single(metrics: dict[str, Metric]) -> None:
    plain, spaced = examples(["so sorry to hear"]), examples(["  so\tsorry \n to  hear "])
    for metric in metrics.values():
        assert value(metric, spaced) == pytest.approx(value(metric, plain))


def test_the_context_matters(metrics: dict[str, Metric]) -> None:
    one, two = (scored(["so sorry"], context=[(c,)]) for c in ("my dog died", "we won !"))
    assert value(metrics["reply_ppl_word"], one) != value(metrics["reply_ppl_word"], two)
    assert "lack context" in missing(metrics["reply_ppl_word"], scored(["so sorry"]))


def test_failed_and_blank_replies_are_left_out_and_counted(metrics: dict[str, Metric]) -> None:
    whole = examples(TALK)
    some = [*whole[:6], *(replace(x, failed=True) for x in whole[6:])]
    for metric in metrics.values():
        result = score_metric(metric, some)
        assert result.n_failed == len(TALK) - 6
        assert result.value == pytest.approx(value(metric, whole[:6]), rel=1e-6)
        blank = [*whole[:6], *(replace(x, response=" \n") for x in whole[6:])]
        assert value(metric, blank) == pytest.approx(result.value)
        nothing = score_metric(metric, examples([None] * 6, failed=[True] * 6))
        assert nothing.value is None
        assert nothing.note


def test_odd_and_endless_replies_do_not_crash(metrics: dict[str, Metric]) -> None:
    said = [*ODD, "word " * 10_000, "x" * 30_000, "你好" * 5_000]
    for metric in metrics.values():
        found = rows(metric, examples(said))
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        spoken = [bool(text.strip()) for text in said]
        assert ((found[:, 1] > 0) == spoken).all()


def test_only_the_start_of_an_endless_reply_is_scored(
    folder: Path, metrics: dict[str, Metric], capsys: pytest.CaptureFixture[str]
) -> None:
    # 600 positions leave 300 tokens, here bytes, to the reply; one is the space before it.
    found = rows(metrics["reply_bits_per_byte"], examples(["y" * 5_000]))
    assert found[0, 1] == 299
    assert "1 replies are longer than 300 tokens" in capsys.readouterr().err
    expected = naive_nll(folder, f"{TALK[0]}\nReply:", "y" * 299) / math.log(2)
    assert found[0, 0] == pytest.approx(expected, rel=1e-4)
    # A part of a character is no text: 2,000 bytes of it in three-byte characters.
    found = rows(metrics["reply_bits_per_byte"], examples(["你" * 700]))
    assert found[0, 1] % 3 == 0
    assert 200 < found[0, 1] < 300


def test_long_contexts_keep_their_end(metrics: dict[str, Metric]) -> None:
    def bits(context: str) -> float:
        return value(metrics["reply_bits_per_byte"], scored(["oh no"], context=[(context,)]))

    same = bits("a" * 1000 + " my dog died")
    assert bits("b" * 50 + "a" * 1000 + " my dog died") == pytest.approx(same)
    assert bits("a" * 1000 + " my cat died") != pytest.approx(same, rel=1e-6)


def test_values_depend_neither_on_order_nor_on_company(metrics: dict[str, Metric]) -> None:
    metric, said = metrics["reply_bits_per_byte"], examples([*TALK, *ODD])
    together = rows(metric, said)
    memo = load_scorer_of(metric).memo
    memo.clear()
    order = np.random.default_rng(0).permutation(len(said))
    shuffled = rows(metric, [said[i] for i in order])
    assert shuffled == pytest.approx(together[order], rel=1e-4)
    for i in range(len(said)):
        memo.clear()
        assert rows(metric, [said[i]])[0] == pytest.approx(together[i], rel=1e-4)


def test_a_reply_is_scored_once_for_both_metrics_and_all_systems(
    metrics: dict[str, Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = load_scorer_of(metrics["reply_ppl_word"])
    scorer.memo.clear()
    asked: list[int] = []
    inner = scorer.lm._loglikelihood_tokens

    def record(requests: list[Any], **options: Any) -> Any:
        asked.append(len(requests))
        return inner(requests, **options)

    monkeypatch.setattr(scorer.lm, "_loglikelihood_tokens", record)
    said = examples(["i see"] * 12)
    value(metrics["reply_ppl_word"], said)
    assert sum(asked) == len({x.context for x in said})
    value(metrics["reply_bits_per_byte"], said)
    value(metrics["reply_ppl_word"], said)
    assert sum(asked) == len({x.context for x in said})


def test_calls_are_bounded(metrics: dict[str, Metric], monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = load_scorer_of(metrics["reply_ppl_word"])
    scorer.memo.clear()
    cells: list[int] = []
    inner = scorer.lm._loglikelihood_tokens

    def record(requests: list[Any], **options: Any) -> Any:
        cells.append(len(requests) * max(len(tail) for _, _, tail in requests))
        return inner(requests, **options)

    monkeypatch.setattr(scorer.lm, "_loglikelihood_tokens", record)
    monkeypatch.setattr(module, "_CALL_TOKENS", 400)
    value(metrics["reply_ppl_word"], examples([f"{'word ' * n}{n}" for n in range(40)]))
    assert len(cells) > 5
    assert max(cells) <= 400


def test_no_direction_and_a_signature_with_hash_and_no_path(
    folder: Path, metrics: dict[str, Metric]
) -> None:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
    for metric in metrics.values():
        assert metric.direction == "none"
        assert f"|scorer:tiny-lm|weights:{digest}|dtype:float32|" in metric.signature
        assert "|tok:scorer|" in metric.signature
        assert "/" not in metric.signature
    assert [m.signature for m in make(str(folder))] == [m.signature for m in metrics.values()]


def test_models_without_likelihoods_are_refused() -> None:
    with pytest.raises(ModelError, match="gives no likelihoods"):
        make("constant")
    with pytest.raises(UnknownNameError, match="no-such-kind"):
        make("no-such-kind:x")
    with pytest.raises(ModelError, match="no such model folder"):
        make("hf:/nowhere/at/all")


def load_scorer_of(metric: Metric) -> Any:
    return metric.statistics.keywords["scorer"]  # type: ignore[attr-defined]
