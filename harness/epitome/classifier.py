"""A fitted folder read back: the levels of any (seeker post, reply) pairs.

    folder ─load_classifier─▶ Classifier ─probabilities─▶ (n, mechanisms, 3)

Posts are cut at the length the classifier was fitted with. Pairs are looked at once: what was
answered before is remembered while the classifier lives, so that the human replies of a task cost
nothing for the second system.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import checkpoint
from harness.epitome.data import LEVELS, MECHANISMS
from harness.epitome.settings import ENCODER
from harness.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoders import Tokenizer
    from harness.epitome.model import BiEncoder
    from harness.metrics.contract import FloatArray

__all__ = ["Classifier", "build", "encode_seekers", "load_classifier"]

_BATCH = 64
# Pairs whose seeker states are held in memory at once.
_CHUNK = 1024
TextPair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A fitted classifier; `card` is what training wrote beside the weights."""

    card: dict[str, Any]
    model: BiEncoder
    tokenizer: Tokenizer
    known: dict[TextPair, FloatArray] = field(default_factory=dict)

    def probabilities(self, pairs: Sequence[TextPair]) -> FloatArray:
        """n (seeker post, reply) → (n, mechanisms, 3) probabilities of the levels.

        They are those of a loss that weights rare levels up: they rank, they are not calibrated.
        """
        import numpy as np

        from harness.metrics.neural.progress import reporter

        new = [pair for pair in dict.fromkeys(pairs) if pair not in self.known]
        # Neighbours share seeker posts, which are then encoded once a chunk.
        new.sort()
        report = reporter("EPITOME levels", len(new))
        for start in range(0, len(new), _CHUNK):
            report(start)
            chunk = new[start : start + _CHUNK]
            self.known.update(zip(chunk, self._chunk(chunk), strict=True))
        if not pairs:
            return np.zeros((0, len(MECHANISMS), LEVELS))
        return np.stack([self.known[pair] for pair in pairs])

    def _chunk(self, pairs: Sequence[TextPair]) -> FloatArray:
        import numpy as np
        import torch

        self.model.eval()
        seekers = encode_seekers(self.model, self.tokenizer, [seeker for seeker, _ in pairs])
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][1]))
        found = np.empty((len(pairs), len(MECHANISMS), LEVELS))
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                batch = order[start : start + _BATCH]
                tokens, mask = self.tokenizer([pairs[index][1] for index in batch])
                logits = self.model([seekers[pairs[index][0]] for index in batch], tokens, mask)
                found[batch] = logits.softmax(-1).double().cpu().numpy()
        return found


def build(
    folder: Path,
    *,
    max_len: int,
    dropout: float = 0.0,
    frozen_layers: int = 0,
    device: str = "cpu",
) -> tuple[BiEncoder, Tokenizer]:
    """An untrained classifier on the encoder kept in `folder`; draws from torch's global generator.

    Raises:
        ModelError: the encoder is damaged, too shallow for `frozen_layers` or reads fewer tokens.
    """
    from harness.encoders import load_encoder, load_tokenizer
    from harness.epitome.model import BiEncoder, freeze

    source = folder / ENCODER
    response = load_encoder(source)
    positions = getattr(response.config, "max_position_embeddings", max_len)
    if max_len > positions:
        raise ModelError(f"max_len is {max_len}, but the encoder reads {positions} tokens at most")
    freeze(response, frozen_layers)
    model = BiEncoder(load_encoder(source), response, MECHANISMS, LEVELS, dropout).to(device)
    return model, load_tokenizer(source, max_len=max_len, device=device)


def encode_seekers(
    model: BiEncoder,
    tokenizer: Tokenizer,
    posts: Sequence[str],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Tensor]:
    """The seeker encoder's states (length, H) of every different post."""
    different = sorted(set(posts), key=lambda post: (len(post), post))
    states: dict[str, Tensor] = {}
    model.eval()
    for start in range(0, len(different), _BATCH):
        batch = different[start : start + _BATCH]
        states.update(zip(batch, model.encode_seekers(*tokenizer(batch)), strict=True))
        progress(len(states), len(different))
    return states


def load_classifier(folder: Path, *, device: str = "cpu") -> Classifier:
    """The classifier fitted into `folder`.

    Raises:
        ModelError: there is none, its training was not finished, or a file is damaged.
    """
    from harness.epitome.card import read_card

    card = read_card(folder)
    settings = card["settings"]
    model, tokenizer = build(folder, max_len=settings["max_len"], device=device)
    weights, _ = checkpoint.load(folder / checkpoint.BEST)
    heads = {f"mechanisms.{name}" for name, _ in model.mechanisms.named_parameters()}
    odd = heads - weights.keys() | weights.keys() - dict(model.named_parameters()).keys()
    if odd:
        raise ModelError(f"{folder}: {min(odd)} does not fit the encoder; train into a new folder")
    model.load_state_dict(weights, strict=False)
    return Classifier(card=card, model=model.eval(), tokenizer=tokenizer)
