"""A model on this machine as a client: greedy or sampled, in batches, through its chat template."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.clients.schema import misfit_text
from harness.clients.types import Permit, Reply, Request, key
from harness.models.language_model import LanguageModel, generate

__all__ = ["Local"]


@dataclass(slots=True, kw_only=True)
class Local:
    """`weights` tells the model's weights from others of its name.

    A greedy answer depends on its request; what is sampled is drawn from the request's key, one
    request at a time, so that neither batch nor order changes it. Where the schema lists the
    answers (`enum`) and log-probabilities are asked for, the answers' likelihoods are compared, and
    the likeliest is given.
    """

    model: LanguageModel
    weights: str
    batch_size: int = 8
    concurrency: int = field(default=1, init=False)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"client": "local", "model": self.model.card["name"], "weights": self.weights}

    def count_tokens(self, request: Request) -> tuple[int, bool]:
        """The prompt's length in the model's tokens."""
        return len(self.model.lm.tok_encode(self._prompt(request))), True

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Nothing to open: the model is loaded."""
        yield

    async def answer(self, requests: Sequence[Request], permit: Permit) -> list[Reply]:
        """One reply per request, in order; see `Client.answer`."""
        begun = time.monotonic()
        allowed = [request for request in requests if permit(request)]
        lengths = {id(r): self.count_tokens(r)[0] for r in allowed}
        room = int(self.model.lm.max_length)
        fitting = [r for r in allowed if lengths[id(r)] + r.max_tokens <= room]
        listed = [r for r in fitting if _listed(r)]
        chosen = self._choices(listed)
        free = [r for r in fitting if not _listed(r)]
        texts = self._texts(free)
        each = (time.monotonic() - begun) / max(len(fitting), 1)
        made = {
            id(r): self._reply(r, text, lengths[id(r)], each)
            for r, text in zip(free, texts, strict=True)
        }
        for r, row in zip(listed, chosen, strict=True):
            made[id(r)] = _chosen(row, lengths[id(r)], each)
        return [made.get(id(r)) or _unasked(r, lengths.get(id(r)), room) for r in requests]

    def _texts(self, requests: Sequence[Request]) -> list[str]:
        greedy = [r for r in requests if not r.temperature]
        found: dict[int, str] = {}
        # Equal bounds side by side: a batch is generated to one length.
        for bound in sorted({r.max_tokens for r in greedy}):
            batch = [r for r in greedy if r.max_tokens == bound]
            texts = generate(self.model, [self._prompt(r) for r in batch], max_tokens=bound)
            found |= {id(r): text for r, text in zip(batch, texts, strict=True)}
        for r in requests:
            if r.temperature:
                seed = int(key(r, self.identity)[:14], 16)
                (found[id(r)],) = generate(
                    self.model,
                    [self._prompt(r)],
                    max_tokens=r.max_tokens,
                    temperature=r.temperature,
                    seed=seed,
                )
        return [found[id(r)] for r in requests]

    def _choices(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """The likeliest listed answer of each, and the log-probabilities (nats) of all."""
        answers = [[json.dumps(value) for value in (r.schema or {})["enum"]] for r in requests]
        pairs = [
            (self._prompt(r), answer)
            for r, listed in zip(requests, answers, strict=True)
            for answer in listed
        ]
        scores = iter(self.model.loglikelihood(pairs))
        rows: list[dict[str, Any]] = []
        for listed in answers:
            known: list[dict[str, Any]] = [
                {"token": answer, "logprob": min(next(scores)[0], 0.0)} for answer in listed
            ]
            best = max(known, key=lambda row: float(row["logprob"]))
            rows.append({**best, "top_logprobs": known})
        return rows

    def _reply(self, request: Request, text: str, prompt_tokens: int, seconds: float) -> Reply:
        tokens = len(self.model.lm.tok_encode(text)) if text else 0
        cut = tokens >= request.max_tokens
        counts: dict[str, Any] = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "attempts": 1,
            "seconds": seconds,
            "finish_reason": "length" if cut else "stop",
        }
        bad = misfit_text(text, request.schema) if request.schema is not None else None
        if not text.strip():
            return Reply(failure="empty", reason="the answer is empty", **counts)
        if cut and (bad or request.schema is None):
            words = f"the answer was cut at {request.max_tokens} tokens"
            return Reply(failure="truncated", reason=words, **counts)
        if bad:
            return Reply(failure="wrong_schema", reason=f"{bad}: {text[:200]}", **counts)
        return Reply(text=text, **counts)

    def _prompt(self, request: Request) -> str:
        rows = [message._asdict() for message in request.messages]
        return str(self.model.lm.apply_chat_template(rows))


def _chosen(row: Mapping[str, Any], prompt_tokens: int, seconds: float) -> Reply:
    counts: dict[str, Any] = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": 1,
        "attempts": 1,
        "seconds": seconds,
    }
    if not all(math.isfinite(known["logprob"]) for known in row["top_logprobs"]):
        return Reply(failure="not_finite", reason="a likelihood is not finite", **counts)
    return Reply(text=row["token"], finish_reason="stop", logprobs=(row,), **counts)


def _listed(request: Request) -> bool:
    return request.logprobs is not None and "enum" in (request.schema or {})


def _unasked(request: Request, length: int | None, room: int) -> Reply:
    if length is None:
        return Reply(failure="budget", reason="the budget is used up")
    words = f"{length} tokens and {request.max_tokens} for the answer, of {room}"
    return Reply(failure="too_long", reason=words, attempts=1)
