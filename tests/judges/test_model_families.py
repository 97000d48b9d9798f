"""Who is kin to whom, by the names that people and servers use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judges.model_families import model_families, same_family


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", {"llama"}),
        ("llama3:8b", {"llama"}),
        ("lmsys/vicuna-7b-v1.5", {"llama"}),
        ("hf:pretrained=Qwen/Qwen2.5-7B,dtype=auto", {"qwen"}),
        ("/models/base/Qwen3-8B/", {"qwen"}),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", {"deepseek", "qwen"}),
        ("gpt-4o-mini-2024-07-18", {"gpt"}),
        ("chatgpt-4o-latest", {"gpt"}),
        ("openai/gpt-oss-120b", {"gpt"}),
        ("o3-mini", {"gpt"}),
        ("gpt2", {"gpt-2"}),
        ("microsoft/DialoGPT-medium", {"gpt-2"}),
        ("EleutherAI/gpt-j-6b", {"eleuther"}),
        ("claude-3-5-sonnet-20241022", {"claude"}),
        ("gemini-2.0-flash", {"gemini"}),
        ("google/gemma-2-9b-it", {"gemini"}),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", {"mistral"}),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", {"smollm"}),
        ("smollm2", {"smollm"}),
        ("phi4", {"phi"}),
        # No model at all, words that only contain a family's, an empty name.
        ("moel", set()),
        ("human", set()),
        ("adopt-1", set()),
        ("graphite-7", set()),
        ("trial-o1-seed", set()),
        ("", set()),
    ],
)
def test_families_are_read_off_names(name: str, families: set[str]) -> None:
    assert model_families(name) == families


def test_own_family_is_flagged_and_the_unknown_is_no_stranger() -> None:
    assert same_family("Qwen/Qwen2.5-0.5B", "qwen2.5:72b") == "same"
    assert same_family("deepseek-r1-distill-llama-8b", "meta-llama/Llama-3-70b") == "same"
    assert same_family("smollm2", "gpt-4o") == "different"
    assert same_family("moel", "gpt-4o") == "unknown"
    assert same_family("gpt-4o", "our-judge") == "unknown"
    assert same_family("our-judge", "Our-Judge ") == "same"


@given(st.text(max_size=40), st.text(max_size=40))
def test_kinship_is_mutual(a: str, b: str) -> None:
    assert same_family(a, b) == same_family(b, a)
    assert same_family(a, a) == "same"
