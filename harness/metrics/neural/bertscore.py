"""BERTScore: greedy matching of contextual token vectors (Zhang et al. 2020, ICLR, eq. 1-3).

    R = 1/|x| Σ_i max_j (x_i·y_j)⁺    P = 1/|y| Σ_j max_i (x_i·y_j)⁺    F1 = 2PR / (P + R)

over the unit-length vectors x of the reference and y of the reply. As in the authors' bert_score:
the opening and closing tokens may be matched but are not averaged over; no idf weights; no
rescaling by a baseline; upper layers of the model are dropped. A token that is like none of the
other text counts 0, never less: there, that holds for all texts but the longest of each batch,
whose padding has the cosine 0, and here for all, so that no value depends on its batch.

An empty or failed reply scores 0, as does any reply against an empty reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.neural.encoder import Encoder, load_encoder
from harness.metrics.neural.model_files import ModelFiles, find_model
from harness.metrics.neural.progress import reporter
from harness.metrics.neural.vectors import VectorCache
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from torch import Tensor

    from harness.metrics.contract import FloatArray

__all__ = ["Matcher", "load_matcher", "make"]

Pair = tuple[str, str]

# The layer that agrees best with human ratings of WMT16: Zhang et al. 2020, appendix B, extended in
# the table model2layers of bert_score 0.3.13. Of models not named here, the last layer is taken.
_LAYERS: Mapping[str, int] = {
    "bert-base-uncased": 9,
    "bert-large-uncased": 18,
    "bert-base-multilingual-cased": 9,
    "roberta-base": 10,
    "roberta-large": 17,
    "roberta-large-mnli": 19,
    "xlm-roberta-base": 9,
    "xlm-roberta-large": 17,
    "distilbert-base-uncased": 5,
    "distilroberta-base": 5,
    "albert-base-v2": 9,
    "albert-xxlarge-v2": 8,
    "bart-base": 6,
    "bart-large": 10,
    "bart-large-mnli": 11,
    "deberta-base-mnli": 9,
    "deberta-large-mnli": 18,
    "deberta-xlarge-mnli": 40,
    "deberta-v3-base": 9,
    "deberta-v3-large": 12,
    "t5-base": 11,
}

# Token vectors held: 512 MB, unless vectors are so long that two blocks would not fit.
_CACHE_BYTES = 2**29
# Token vectors gathered at once, and pairs that are kept with their scores.
_BLOCK_ROWS = 2**16
_MEMO_PAIRS = 2**18
# Products in one matching: B × reply tokens × reference tokens.
_MATCH_CELLS = 2**21
_MATCH_PAIRS = 256

_MEASURES = {
    "precision": "how well the reply's tokens are found in the human reply",
    "recall": "how well the human reply's tokens are found in the reply",
    "f1": "the harmonic mean of precision and recall, reply by reply",
}


@dataclass(slots=True, eq=False)
class Matcher:
    """Scores pairs of texts under one encoder; keeps token vectors and pairs it has seen."""

    encoder: Encoder
    cache: VectorCache
    memo: dict[Pair, tuple[float, float]] = field(default_factory=dict)

    def precision_recall(self, pairs: Sequence[Pair]) -> FloatArray:
        """Precision and recall, cosines, of (reply, reference) pairs: (n, 2)."""
        import numpy as np

        blank = {pair for pair in pairs if not (pair[0].strip() and pair[1].strip())}
        known = self.memo
        new = [pair for pair in dict.fromkeys(pairs) if pair not in known and pair not in blank]
        scored = dict(zip(new, self._score(new), strict=True)) if new else {}
        found = [(0.0, 0.0) if pair in blank else scored.get(pair) or known[pair] for pair in pairs]
        self._remember(scored)
        return np.array(found, dtype=float).reshape(-1, 2)

    def _remember(self, scored: Mapping[Pair, tuple[float, float]]) -> None:
        self.memo.update(scored)
        excess = len(self.memo) - _MEMO_PAIRS
        for pair in list(self.memo)[:excess] if excess > 0 else ():
            del self.memo[pair]

    def _score(self, pairs: Sequence[Pair]) -> list[tuple[float, float]]:
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        ids = dict(zip(texts, self.encoder.token_ids(texts), strict=True))
        order = sorted(range(len(pairs)), key=lambda i: [len(ids[t]) for t in reversed(pairs[i])])
        scores: dict[int, tuple[float, float]] = {}
        report = reporter("BERTScore, pairs", len(pairs))
        for block in _blocks(order, pairs, ids):
            self._encode({text: ids[text] for i in block for text in pairs[i]})
            for part in _parts(block, pairs, ids):
                values = self._match([pairs[i] for i in part])
                scores.update(zip(part, values, strict=True))
            report(len(scores))
        return [scores[i] for i in range(len(pairs))]

    def _encode(self, ids: Mapping[str, list[int]]) -> None:
        """Have the token vectors of these texts in the cache."""
        import torch

        absent = [str(key) for key in self.cache.missing(list(ids))]
        wanted = [ids[text] for text in absent]
        self.cache.reserve(sum(map(len, wanted)))
        special = torch.tensor(sorted(self.encoder.special), device=self.encoder.device)
        for rows, tokens, states in self.encoder.hidden(wanted):
            units = torch.nn.functional.normalize(states, dim=-1)
            self.cache.put([absent[row] for row in rows], units, ~torch.isin(tokens, special))

    def _match(self, pairs: Sequence[Pair]) -> list[tuple[float, float]]:
        """Precision and recall of pairs whose token vectors are in the cache."""
        import torch

        with torch.inference_mode():
            reply, reply_there, reply_counts = self.cache.gather([pair[0] for pair in pairs])
            wanted, wanted_there, wanted_counts = self.cache.gather([pair[1] for pair in pairs])
            cosines = reply @ wanted.transpose(1, 2)  # [pairs, reply tokens, reference tokens]
            cosines *= wanted_there[:, None, :] & reply_there[:, :, None]
            precision = _average(cosines.amax(2).clamp(0, 1), reply_counts)
            recall = _average(cosines.amax(1).clamp(0, 1), wanted_counts)
            # Two special tokens around nothing, or only special tokens: nothing was said.
            said = reply_counts.any(1) & wanted_counts.any(1)
            both = torch.stack([precision, recall], 1) * said[:, None]
        return [(float(p), float(r)) for p, r in both.tolist()]


def _average(best: Tensor, counts: Tensor) -> Tensor:
    """The mean over the tokens that count: (pairs, tokens) → (pairs,)."""
    return (best * counts).sum(1) / counts.sum(1).clamp(min=1)


def _blocks(
    order: Sequence[int], pairs: Sequence[Pair], ids: Mapping[str, list[int]]
) -> Iterator[list[int]]:
    """Pairs, in order, whose token vectors fit the cache together."""
    block: list[int] = []
    rows = 0
    for i in order:
        size = sum(len(ids[text]) for text in pairs[i])
        if block and rows + size > _BLOCK_ROWS:
            yield block
            block, rows = [], 0
        block.append(i)
        rows += size
    if block:
        yield block


def _parts(
    block: Sequence[int], pairs: Sequence[Pair], ids: Mapping[str, list[int]]
) -> Iterator[list[int]]:
    """Pairs, in order, whose padded matrices of cosines are small enough to make together."""
    part: list[int] = []
    longest = [0, 0]
    for i in block:
        grown = [max(a, len(ids[text])) for a, text in zip(longest, pairs[i], strict=True)]
        cells = (len(part) + 1) * grown[0] * grown[1]
        if part and (cells > _MATCH_CELLS or len(part) >= _MATCH_PAIRS):
            yield part
            part, grown = [], [len(ids[text]) for text in pairs[i]]
        part.append(i)
        longest = grown
    if part:
        yield part


@lru_cache(maxsize=2)
def load_matcher(files: ModelFiles, layer: int | None = None) -> Matcher:
    """The matcher of an encoder's layer: as given, else as published for it, else its last.

    Raises:
        ModelError: the encoder cannot be loaded or has no such layer.
    """
    published = _LAYERS.get(files.name.rpartition("/")[2].lower())
    # bert_score asks for that space; published values have it, those on transformers 5 do not.
    encoder = load_encoder(files, published if layer is None else layer, leading_space=True)
    capacity = max(_CACHE_BYTES // (4 * encoder.width), 2 * _BLOCK_ROWS)
    cache = VectorCache(width=encoder.width, capacity=capacity, device=encoder.device)
    return Matcher(encoder, cache)


def make(argument: str = "") -> tuple[Metric, ...]:
    """BERTScore precision, recall and F1 under the encoder `PATH_OR_ID[@LAYER]`.

    Raises:
        ModelError: the encoder cannot be loaded or has no such layer.
    """
    found = re.fullmatch(r"(.*)@(\d+)", argument)
    name, layer = (found[1], int(found[2])) if found else (argument, None)
    matcher = load_matcher(find_model(name), layer)
    return tuple(_metric(measure, matcher) for measure in _MEASURES)


def _metric(measure: str, matcher: Matcher) -> Metric:
    encoder = matcher.encoder
    return Metric(
        name=f"bertscore_{measure}",
        signature=signature(
            "bertscore",
            measure=measure,
            model=encoder.files.name,
            layer=encoder.layer,
            weights=encoder.files.weights,
            setup=encoder.files.setup,
            max=f"{encoder.max_tokens}-right",
            idf="no",
            rescaled="no",
            refs="canonical",
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"BERTScore (Zhang et al. 2020): {_MEASURES[measure]}.",
        statistics=partial(_statistics, matcher=matcher, measure=measure),
        score=mean,
    )


def _statistics(scored: Sequence[Scored], *, matcher: Matcher, measure: str) -> Statistics:
    """n × 2: the measure of each reply in percent, and 1."""
    import numpy as np

    from harness.metrics.arrays import columns

    pairs = [(item.text, item.reference) for item in scored]
    precision, recall = matcher.precision_recall(pairs).T
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return columns(100.0 * {"precision": precision, "recall": recall, "f1": f1}[measure])
