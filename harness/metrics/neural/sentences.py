"""Sentence vectors as sentence-transformers makes them (Reimers & Gurevych 2019): pooled and unit.

A folder's own `modules.json` decides how: mean of all tokens or the opening token; a folder without
one gets the mean. Anything else between the transformer and the vector is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import ModelError
from harness.metrics.neural.encoder import Encoder, load_encoder
from harness.metrics.neural.model_files import ModelFiles, read_json
from harness.metrics.neural.progress import reporter
from harness.metrics.neural.vectors import VectorCache

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["SentenceEncoder", "load_sentence_encoder"]

Side = Literal["start", "end"]

# Sentence vectors held: 256 MB. Texts encoded before the next are looked up.
_CACHE_BYTES = 2**28
_BLOCK_TEXTS = 2**12


@dataclass(frozen=True, slots=True, eq=False)
class SentenceEncoder:
    """Unit vectors of texts; `max_tokens` of each are read, special tokens included."""

    encoder: Encoder
    pooling: Literal["mean", "cls"]
    max_tokens: int
    lower: bool
    cache: VectorCache

    def vectors(self, texts: Sequence[str], *, keep: Side = "start") -> FloatArray:
        """(n, width); what is too long keeps its start or its end. A blank text is all zeros."""
        import numpy as np

        found = np.zeros((len(texts), self.encoder.width))
        rows = [number for number, text in enumerate(texts) if text.strip()]
        # Texts new to the cache, by length: a block then holds many of one length.
        rows.sort(key=lambda number: len(texts[number]))
        report = reporter("sentence vectors, texts", len(rows))
        for start in range(0, len(rows), _BLOCK_TEXTS):
            block = rows[start : start + _BLOCK_TEXTS]
            found[block] = self._block([(texts[number], keep) for number in block])
            report(start + len(block))
        return found

    def _block(self, keys: Sequence[tuple[str, Side]]) -> FloatArray:
        import torch

        absent: list[Any] = self.cache.missing(keys)
        self.cache.reserve(len(absent))
        texts = [text.lower() if self.lower else text for text, _ in absent]
        ids = self.encoder.token_ids(texts, max_tokens=self.max_tokens, keep=keys[0][1])
        special = torch.tensor(sorted(self.encoder.special), device=self.encoder.device)
        for rows, tokens, states in self.encoder.hidden(ids):
            pooled = states.mean(1) if self.pooling == "mean" else states[:, 0]
            units = torch.nn.functional.normalize(pooled, dim=-1)
            # Invisible characters leave no token: such a text is as blank as an empty one.
            said = ~torch.isin(tokens, special).all(1, keepdim=True)
            self.cache.put([absent[row] for row in rows], (units * said)[:, None], said)
        held, _, _ = self.cache.gather(keys)
        vectors: FloatArray = held[:, 0].cpu().double().numpy()
        return vectors


@lru_cache(maxsize=2)
def load_sentence_encoder(files: ModelFiles) -> SentenceEncoder:
    """The sentence encoder in a folder.

    Raises:
        ModelError: it cannot be loaded, or makes its vectors in a way that is not known here.
    """
    pooling = _pooling(files.folder)
    settings = read_json(files.folder / "sentence_bert_config.json")
    encoder = load_encoder(files)
    capacity = max(_CACHE_BYTES // (4 * encoder.width), 2 * _BLOCK_TEXTS)
    return SentenceEncoder(
        encoder=encoder,
        pooling=pooling,
        max_tokens=min(settings.get("max_seq_length") or encoder.max_tokens, encoder.max_tokens),
        lower=bool(settings.get("do_lower_case")),
        cache=VectorCache(width=encoder.width, capacity=capacity, device=encoder.device),
    )


def _pooling(folder: Path) -> Literal["mean", "cls"]:
    modules = _modules(folder)
    unknown = sorted(set(modules) - {"Transformer", "Pooling", "Normalize"})
    if unknown:
        raise ModelError(f"{folder}: modules.json names {unknown[0]}, which is not supported here")
    if read_json(folder / "config_sentence_transformers.json").get("default_prompt_name"):
        raise ModelError(f"{folder}: puts a prompt before every text, which is not supported here")
    settings = read_json(folder / (modules.get("Pooling") or "1_Pooling") / "config.json")
    named = settings.get("pooling_mode")
    modes = {named} if named else {k for k, on in settings.items() if on is True}
    modes = {str(mode).removeprefix("pooling_mode_") for mode in modes if mode != "include_prompt"}
    if not modes or modes in ({"mean"}, {"mean_tokens"}):
        return "mean"
    if modes in ({"cls"}, {"cls_token"}):
        return "cls"
    raise ModelError(f"{folder}: pools by {', '.join(sorted(modes))}; mean and cls are supported")


def _modules(folder: Path) -> dict[str, str]:
    """The modules of a sentence-transformers folder, by class: where each is configured."""
    import json

    path = folder / "modules.json"
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return {str(m["type"]).rpartition(".")[2]: str(m["path"]) for m in listed}
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: not a list of modules; fetch the model again") from error
