"""lm-eval's HF backend with label scoring that reads each context once.

Plain lm-eval runs context + label through the model for every label: 32 emotions cost 32 times
the context. Here the context's key/value cache is computed once and all its labels are scored on
top of it in one small batch; the log-likelihoods are the same up to float rounding.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import DynamicCache

__all__ = ["SharedPrefixHFLM"]

Tokens = list[int]
Request = tuple[tuple[str, str] | None, Tokens, Tokens]


class SharedPrefixHFLM(HFLM):
    """HFLM whose runs of requests with one context are scored from one prefill."""

    def _loglikelihood_tokens(
        self,
        requests: list[Request],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        groups = [list(group) for _, group in groupby(requests, key=lambda request: request[1])]
        if self.backend != "causal" or all(len(group) == 1 for group in groups):
            plain: list[tuple[float, bool]] = super()._loglikelihood_tokens(
                requests, disable_tqdm, override_bs
            )
            return plain
        answers: list[tuple[float, bool]] = []
        for group in groups:
            answers.extend(self._score_labels(group[0][1], [request[2] for request in group]))
        return answers

    @torch.inference_mode()
    def _score_labels(self, context: Tokens, labels: list[Tokens]) -> list[tuple[float, bool]]:
        """log p(label | context), nats, and whether greedy decoding would give the label."""
        longest = max(map(len, labels))
        prefix = torch.tensor([context[-(self.max_length + 1 - longest) :]], device=self.device)
        output = self.model(prefix, use_cache=True, logits_to_keep=1)
        first = output.logits[0, -1].float().log_softmax(-1)  # [vocab]

        scores = [float(first[label[0]]) for label in labels]
        greedy = [int(first.argmax()) == label[0] for label in labels]
        longer = [index for index, label in enumerate(labels) if len(label) > 1]
        if longer:
            tails = self._score_tails(output.past_key_values, [labels[index] for index in longer])
            for index, (score, matches) in zip(longer, tails, strict=True):
                scores[index] += score
                greedy[index] = greedy[index] and matches
        return list(zip(scores, greedy, strict=True))

    def _score_tails(self, cache: Any, labels: list[Tokens]) -> list[tuple[float, bool]]:
        """Σ log p(token | context, label so far) over each label's tokens after the first."""
        if not isinstance(cache, DynamicCache):
            raise TypeError(f"the model keeps a {type(cache).__name__}, expected a DynamicCache")
        cache.batch_repeat_interleave(len(labels))
        width = max(map(len, labels)) - 1
        padded = [label[:-1] + [0] * (width - len(label) + 1) for label in labels]
        logits = self.model(
            torch.tensor(padded, device=self.device), past_key_values=cache, use_cache=True
        ).logits  # [labels, width, vocab]
        log_p = logits.float().log_softmax(-1)
        results = []
        for row, label in enumerate(labels):
            tail = torch.tensor(label[1:], device=self.device)
            steps = log_p[row, : len(tail)]
            score = steps.gather(1, tail[:, None]).sum()
            results.append((float(score), bool((steps.argmax(-1) == tail).all())))
        return results
