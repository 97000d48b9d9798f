"""How expected a reply is: its likelihood, given its context, under an outside language model.

    reply_ppl_word = exp(Σ nll / Σ words)      reply_bits_per_byte = Σ nll / (ln 2 · Σ bytes)

with nll = −ln p(reply | context), summed over all replies. The context is put as its turns, one a
line, and the cue "Reply:"; the reply follows after a space, its blanks made single. What the
scorer reads is the same for every system, and no task prompt or chat template is in it.

This measures expectedness, not quality: dull replies have the lowest perplexity and human ones
rarely do, so neither metric has a direction. It is not `ppl_word`, which says how well the system
under test predicts the human reply; the human row scored by this metric is the figure to lie near.

Nothing has no likelihood: a failed or blank reply enters with neither nats nor words and is left
out of the value. Only the failure count of the result says that it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.neural.encoder import clean
from harness.metrics.neural.progress import note, reporter
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray
    from harness.models.language_model import LanguageModel

__all__ = ["Scorer", "load_scorer", "make", "weights_of"]

# A reply's part that is scored, and the context's that is shown, in the scorer's tokens.
_REPLY_TOKENS = 512
_CONTEXT_TOKENS = 1024
# Rows × reply tokens of one call: the probabilities over a vocabulary of 50,000 take 400 MB.
_CALL_TOKENS = 2048
_CUE = "Reply:"
_MEMO_REPLIES = 2**18

# Context and reply as the scorer is shown them.
Request = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """−ln p of the scored part of a reply in nats, and that part's length."""

    nll: float
    words: int
    utf8: int


@dataclass(slots=True, eq=False)
class Scorer:
    """An lm-eval backend that gives likelihoods, with what it has scored so far."""

    lm: Any
    name: str
    weights: str
    dtype: str
    limit: int
    context_limit: int
    memo: dict[Request, Likelihood] = field(default_factory=dict)

    def likelihoods(self, requests: Sequence[Request]) -> list[Likelihood | None]:
        """One for each (context, reply); None where the reply is blank."""
        new = [r for r in dict.fromkeys(requests) if r[1] and r not in self.memo]
        scored = self._score(new)
        found = [scored.get(r) or self.memo.get(r) for r in requests]
        self.memo.update(scored)
        excess = len(self.memo) - _MEMO_REPLIES
        for request in list(self.memo)[:excess] if excess > 0 else ():
            del self.memo[request]
        return found

    def _score(self, requests: Sequence[Request]) -> dict[Request, Likelihood]:
        prepared = [(request, *self._prepare(request)) for request in requests]
        cut = sum(text != request[1] for request, text, _, _ in prepared)
        if cut:
            note(f"{cut} replies are longer than {self.limit} tokens: only their start is scored")
        # Replies of like length together, long contexts first: no row waits for another.
        prepared.sort(key=lambda item: (-len(item[3]), -len(item[2]), item[0]))
        report = reporter(f"likelihood under {self.name}, replies", len(prepared))
        scored: dict[Request, Likelihood] = {}
        start = 0
        while start < len(prepared):
            size = max(1, _CALL_TOKENS // len(prepared[start][3]))
            batch = prepared[start : start + size]
            answers = self.lm._loglikelihood_tokens(
                [(None, context, reply) for _, _, context, reply in batch], disable_tqdm=True
            )
            for (request, text, _, _), (score, _) in zip(batch, answers, strict=True):
                scored[request] = Likelihood(
                    nll=-float(score), words=len(text.split()), utf8=len(text.encode())
                )
            start += len(batch)
            report(start)
        return scored

    def _prepare(self, request: Request) -> tuple[str, list[int], list[int]]:
        """The part of the reply that is scored, the ids of the context, the ids of that part."""
        prompt, reply = request
        while True:
            context, ids = self.lm._encode_pair(prompt, f" {reply}")
            if len(ids) <= self.limit:
                return reply, context[-self.context_limit :], ids
            # Cut text, not ids: the bytes of a part of a character cannot be counted.
            shorter = reply[: max(1, min(len(reply) - 1, len(reply) * self.limit // len(ids)))]
            reply = shorter.rstrip() or shorter


@lru_cache(maxsize=1)
def load_scorer(specification: str) -> Scorer:
    """The scorer of a `--model` specification; "" is the bundled SmolLM2, a folder is `hf:FOLDER`.

    Raises:
        ModelError: it cannot be loaded, or gives no likelihoods of given text.
        UnknownNameError: no such kind of model.
    """
    from harness.models import Settings, load_model, model_names
    from harness.models.language_model import LanguageModel

    named = specification or "smollm2"
    if named not in model_names() and Path(named).expanduser().is_dir():
        named = f"hf:{named}"
    model = load_model(named, Settings(chat_template=False))
    if (
        not isinstance(model, LanguageModel)
        or not model.likelihood
        or not hasattr(model.lm, "_loglikelihood_tokens")
    ):
        raise ModelError(
            f"ppl_scorer:{specification} gives no likelihoods of given text; "
            "use a local model, such as hf:FOLDER"
        )
    limit = min(_REPLY_TOKENS, model.lm.max_length // 2)
    return Scorer(
        lm=model.lm,
        name=str(model.card["name"]),
        weights=weights_of(named, model),
        dtype=str(model.card.get("dtype", "auto")),
        limit=limit,
        context_limit=min(_CONTEXT_TOKENS, model.lm.max_length - limit),
    )


def weights_of(specification: str, model: LanguageModel) -> str:
    """Twelve digits that tell a model's weights from others: their hash, else a revision."""
    from harness.metrics.neural.model_files import weights_digest

    folder = Path(specification.partition(":")[2]).expanduser()
    if specification.startswith("hf:") and folder.is_dir():
        return weights_digest(folder)
    config = getattr(getattr(model.lm, "model", None), "config", None)
    commit = getattr(config, "_commit_hash", None)
    return str(commit or model.card.get("revision", "unknown"))[:12]


def make(argument: str = "") -> tuple[Metric, ...]:
    """Perplexity per word and bits per byte of replies under the scorer of a specification.

    Raises:
        ModelError: it cannot be loaded, or gives no likelihoods of given text.
    """
    scorer = load_scorer(argument)
    return (
        _metric(
            scorer,
            name="reply_ppl_word",
            per="word",
            unit="",
            range_=(1.0, math.inf),
            description=f"Perplexity per word of the reply under {scorer.name}, given its context",
            row=lambda found: (found.nll, found.words),
            score=_perplexity,
        ),
        _metric(
            scorer,
            name="reply_bits_per_byte",
            per="utf-8",
            unit="bits",
            range_=(0.0, math.inf),
            description=f"Bits per byte of the reply under {scorer.name}, given its context",
            row=lambda found: (found.nll / math.log(2.0), found.utf8),
            score=mean,
        ),
    )


def _metric(
    scorer: Scorer,
    *,
    name: str,
    per: str,
    unit: str,
    range_: tuple[float, float],
    description: str,
    row: Callable[[Likelihood], tuple[float, float]],
    score: Callable[[FloatArray], FloatArray],
) -> Metric:
    return Metric(
        name=name,
        signature=signature(
            name.replace("_", "-"),
            scorer=scorer.name.replace("|", "-").replace(":", "-"),
            weights=scorer.weights,
            dtype=scorer.dtype,
            prompt="lines",
            per=per,
            tok="scorer",
            max=f"{scorer.limit}-of-reply,last-{scorer.context_limit}-of-context",
            agg="corpus",
            failed="left-out",
        ),
        direction="none",
        unit=unit,
        range=range_,
        description=f"{description}: how expected it is, not how good. Read it beside that of the "
        "human row; ppl_word is another thing, the system's own view of the human reply.",
        statistics=partial(_statistics, scorer=scorer, row=row),
        score=score,
        needs=("context",),
    )


def _statistics(
    scored: Sequence[Scored], *, scorer: Scorer, row: Callable[[Likelihood], tuple[float, float]]
) -> Statistics:
    """n × 2: the reply's nats or bits, and the words or bytes they are spread over."""
    from harness.metrics.arrays import additive

    found = scorer.likelihoods([_request(item) for item in scored])
    return additive((row(likelihood) if likelihood else (0.0, 0.0) for likelihood in found), 2)


def _request(item: Scored) -> Request:
    lines = [_line(turn) for turn in item.context or ()]
    return "\n".join([*filter(None, lines), _CUE]), _line(item.text)


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _perplexity(sums: FloatArray) -> FloatArray:
    import numpy as np

    with np.errstate(over="ignore"):
        return np.exp(mean(sums))
