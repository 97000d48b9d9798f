"""Small random models with a tokenizer of their own, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BlenderbotSmallConfig,
    BlenderbotSmallForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from harness.datasets import load_example_set

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL: dict[str, dict[str, str | None]] = {
    "llama": {"bos": "<|im_start|>", "eos": "<|im_end|>", "template": None},
    "bart": {"bos": "<s>", "eos": "</s>", "template": "<s> $A </s>"},
    "t5": {"bos": None, "eos": "</s>", "template": "$A </s>"},
    "blenderbot": {"bos": "__start__", "eos": "__end__", "template": None},
}


def tokenizer(kind: str, *, chat: bool) -> Any:
    special = SPECIAL[kind]
    names = [name for name in ("<pad>", special["bos"], special["eos"], "<unk>") if name]
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    words = [
        text
        for name in ("ed/train", "esconv/train-910-195-195")
        for example in load_example_set(name, "sample")
        for text in (example.reference, *(turn.text for turn in example.context))
    ]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        words,
        trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=names,
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    if special["template"]:
        pairs = [(name, raw.token_to_id(name)) for name in names if name in special["template"]]
        raw.post_processor = processors.TemplateProcessing(
            single=special["template"], special_tokens=pairs
        )
    made: Any = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token=special["eos"],
        bos_token=special["bos"],
    )
    made.chat_template = CHATML if chat else None
    return made


def tiny(kind: str, folder: Path, *, chat: bool = True, tied: bool = True, seed: int = 0) -> Path:
    """A model folder; `kind` is llama, bart, t5 or blenderbot."""
    words: Any = tokenizer(kind, chat=chat and kind == "llama")
    ids: dict[str, Any] = {
        "vocab_size": len(words),
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    wide: dict[str, Any] = {
        "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
        "max_position_embeddings": 160, "forced_eos_token_id": words.eos_token_id,
    }  # fmt: skip
    torch.manual_seed(seed)
    if kind == "llama":
        config: Any = LlamaConfig(
            **ids, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=512, tie_word_embeddings=tied,
        )  # fmt: skip
        model: Any = LlamaForCausalLM(config)
    elif kind == "t5":
        model = T5ForConditionalGeneration(
            T5Config(
                **ids, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2,
                decoder_start_token_id=words.pad_token_id,
            )
        )  # fmt: skip
    elif kind == "bart":
        model = BartForConditionalGeneration(
            BartConfig(**ids, **wide, decoder_start_token_id=words.eos_token_id)
        )
        # As the summarisers' authors have it: nothing of it may reach an answer.
        model.generation_config.update(num_beams=3, min_length=9, no_repeat_ngram_size=2)
    else:
        model = BlenderbotSmallForConditionalGeneration(
            BlenderbotSmallConfig(**ids, **wide, decoder_start_token_id=words.bos_token_id)
        )
        model.generation_config.update(num_beams=3, min_length=9)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
