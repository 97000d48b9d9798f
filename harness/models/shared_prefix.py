"""lm-eval's HF backend with cheaper likelihoods, equal to its own up to float rounding.

Labels of one context (32 emotions, 8 strategies): plain lm-eval runs context + label once per
label; here the context's key/value cache is computed once and all its labels are scored on it.

Single continuations (the reference reply): plain lm-eval keeps logits over the whole vocabulary
for every position of the context; here only those of the continuation are ever computed.
"""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import DynamicCache

__all__ = ["SharedPrefixHFLM"]

Tokens = list[int]
Answer = tuple[float, bool]
Request = tuple[tuple[str, str] | None, Tokens, Tokens]


class SharedPrefixHFLM(HFLM):
    """HFLM with shared-prefix label scoring and continuation-only logits for causal models."""

    def _loglikelihood_tokens(
        self,
        requests: list[Request],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[Answer]:
        if self.backend != "causal" or not self._keeps_chosen_logits():
            plain: list[Answer] = super()._loglikelihood_tokens(requests, disable_tqdm, override_bs)
            return plain
        numbered = list(enumerate(requests))
        groups = [list(group) for _, group in groupby(numbered, key=lambda item: item[1][1])]
        answers: dict[int, Answer] = {}
        singles = [group[0] for group in groups if len(group) == 1]
        singles.sort(key=lambda item: -len(item[1][1]) - len(item[1][2]))
        for start in range(0, len(singles), self._rows_per_batch()):
            batch = singles[start : start + self._rows_per_batch()]
            scores = self._score_continuations([request for _, request in batch])
            answers.update(zip((index for index, _ in batch), scores, strict=True))
        for group in groups:
            if len(group) > 1:
                scores = self._score_labels(group[0][1][1], [request[2] for _, request in group])
                answers.update(zip((index for index, _ in group), scores, strict=True))
        return [answers[index] for index in range(len(requests))]

    def _keeps_chosen_logits(self) -> bool:
        return "logits_to_keep" in inspect.signature(self.model.forward).parameters

    def _rows_per_batch(self) -> int:
        return self.batch_size if isinstance(self.batch_size, int) else 16

    @torch.inference_mode()
    def _score_continuations(self, batch: list[Request]) -> list[Answer]:
        """log p(continuation | context), nats, for left-padded rows of one forward pass."""
        rows = [(context + tail)[-(self.max_length + 1) : -1] for _, context, tail in batch]
        width = max(map(len, rows))
        keep = max(len(tail) for _, _, tail in batch)
        tokens = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor(
            [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device
        )
        logits = self.model(
            tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            logits_to_keep=keep,
        ).logits  # [batch, keep, vocab]
        return [
            _read(logits[row, keep - len(tail) :], tail) for row, (_, _, tail) in enumerate(batch)
        ]

    @torch.inference_mode()
    def _score_labels(self, context: Tokens, labels: list[Tokens]) -> list[Answer]:
        """log p(label | context), nats, and whether greedy decoding would give the label."""
        longest = max(map(len, labels))
        prefix = torch.tensor([context[-(self.max_length + 1 - longest) :]], device=self.device)
        output = self.model(prefix, use_cache=True, logits_to_keep=1)
        heads = [_read(output.logits[0, -1:], label[:1]) for label in labels]
        if longest == 1:
            return heads
        tails = self._score_tails(output.past_key_values, labels)
        return [
            (head + tail, starts and goes_on)
            for (head, starts), (tail, goes_on) in zip(heads, tails, strict=True)
        ]

    def _score_tails(self, cache: Any, labels: list[Tokens]) -> list[Answer]:
        """Σ log p(token | context, label so far) over each label's tokens after the first."""
        if not isinstance(cache, DynamicCache):
            raise TypeError(f"the model keeps a {type(cache).__name__}, expected a DynamicCache")
        cache.batch_repeat_interleave(len(labels))
        width = max(map(len, labels)) - 1
        padded = [(label[:-1] + [0] * width)[:width] for label in labels]
        logits = self.model(
            torch.tensor(padded, device=self.device), past_key_values=cache, use_cache=True
        ).logits  # [labels, width, vocab]
        return [_read(logits[row, : len(label) - 1], label[1:]) for row, label in enumerate(labels)]


def _read(logits: torch.Tensor, tokens: Tokens) -> Answer:
    """Summed log-probability of `tokens` under `logits` [len(tokens), vocab], and greediness."""
    if not tokens:
        return 0.0, True
    chosen = torch.tensor(tokens, device=logits.device)
    log_p = logits.float().log_softmax(-1)
    score = log_p.gather(1, chosen[:, None]).sum()
    return float(score), bool((log_p.argmax(-1) == chosen).all())
