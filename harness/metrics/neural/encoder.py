"""A transformer encoder from a folder of safetensors, and the vectors of texts under it.

    texts → token ids (cut on the right) → hidden states of one layer, (texts, tokens, width)

Only texts of the same length are laid side by side: no padding is computed, no mask is needed, and
a text's vectors do not depend on its neighbours beyond float rounding. float32 throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import ModelError
from harness.metrics.neural.lean import Forward, forward_pass
from harness.metrics.neural.model_files import ModelFiles
from harness.metrics.neural.progress import note

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Encoder", "Tally", "clean", "load_encoder"]

# Tokens in one forward pass: activations that still fit a core's cache; a GPU wants more.
_BATCH_TOKENS = {"cpu": 1024, "cuda": 32_768}
# Positions of encoders that state no limit (T5 and its like), as BERT has.
_DEFAULT_LENGTH = 512


@dataclass(slots=True)
class Tally:
    """What an encoder has done so far: texts and tokens encoded, and texts that were cut."""

    texts: int = 0
    tokens: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A loaded encoder whose output is its hidden layer number `layer`.

    `max_tokens` counts the special tokens in; `special` are the ids of the opening and closing one.
    """

    files: ModelFiles
    layer: int
    width: int
    max_tokens: int
    special: frozenset[int]
    model: Any
    tokenizer: Any
    device: str
    forward: Forward
    tally: Tally = field(default_factory=Tally)

    def token_ids(
        self,
        texts: Sequence[str],
        *,
        max_tokens: int | None = None,
        keep: Literal["start", "end"] = "start",
    ) -> list[list[int]]:
        """The ids of each text with special tokens, `max_tokens` at most.

        What is longer loses its end, or its beginning where `keep` is "end".
        """
        if not texts:
            return []
        limit = min(max_tokens or self.max_tokens, self.max_tokens)
        cleaned = [clean(text) for text in texts]
        ids: list[list[int]] = self._tokenise(cleaned, keep, max_length=limit)
        full = [text for text, row in zip(cleaned, ids, strict=True) if len(row) == limit]
        cut = sum(len(row) > limit for row in self._tokenise(full, keep)) if full else 0
        if cut:
            self.tally.cut += cut
            side = "end" if keep == "start" else "beginning"
            note(f"{cut} of {len(texts)} texts are longer than {limit} tokens: their {side} is cut")
        return ids

    def hidden(self, ids: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """By length: which rows of `ids`, their ids (rows, tokens), their states (…, width).

        Every row comes once, in order of length.
        """
        import torch

        for batch in _batches(ids, _BATCH_TOKENS.get(self.device, _BATCH_TOKENS["cpu"])):
            groups = [
                torch.tensor([ids[number] for number in rows], device=self.device) for rows in batch
            ]
            with torch.inference_mode():
                found = self.forward(groups)
            self.tally.texts += sum(map(len, batch))
            self.tally.tokens += sum(tokens.numel() for tokens in groups)
            yield from zip(batch, groups, found, strict=True)

    def _tokenise(
        self, texts: Sequence[str], keep: Literal["start", "end"], max_length: int | None = None
    ) -> list[list[int]]:
        before = self.tokenizer.truncation_side
        self.tokenizer.truncation_side = "right" if keep == "start" else "left"
        try:
            encoded = self.tokenizer(
                list(texts),
                truncation=max_length is not None,
                max_length=max_length,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
        finally:
            self.tokenizer.truncation_side = before
        rows: list[list[int]] = encoded["input_ids"]
        return rows


def _batches(ids: Sequence[Sequence[int]], budget: int) -> Iterator[list[list[int]]]:
    """Rows of one length each, in order of length, together `budget` tokens, or one row."""
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    batch: list[list[int]] = []
    room = budget
    for length, group in groupby(order, key=lambda number: len(ids[number])):
        rows = list(group)
        while rows:
            if room < length and batch:
                yield batch
                batch, room = [], budget
            fitting = max(1, room // max(length, 1))
            batch.append(rows[:fitting])
            room -= length * len(rows[:fitting])
            rows = rows[fitting:]
    if batch:
        yield batch


def clean(text: str) -> str:
    """A text as tokenisers take it: no outer blanks, no half of a UTF-16 pair."""
    return text.strip().encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=4)
def load_encoder(
    files: ModelFiles, layer: int | None = None, *, leading_space: bool = False
) -> Encoder:
    """The encoder in a folder, without the layers above `layer` (None: all are kept).

    `leading_space`: tokenisers of RoBERTa's kind treat the first word as any other.

    Raises:
        ModelError: it cannot be loaded, lacks weights, or has no such layer.
    """
    import torch

    model, tokenizer = _load(files, leading_space=leading_space)
    depth = _keep_layers(model, layer, files)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.eval().to(device)
    return Encoder(
        files=files,
        layer=depth,
        width=model.config.hidden_size,
        max_tokens=_max_tokens(model, tokenizer),
        special=frozenset({tokenizer.cls_token_id, tokenizer.sep_token_id} - {None}),
        model=model,
        tokenizer=tokenizer,
        device=device,
        forward=forward_pass(model),
    )


def _load(files: ModelFiles, *, leading_space: bool) -> tuple[Any, Any]:
    """Model and tokeniser, from safetensors alone, without running any code of the folder's."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder, safe = str(files.folder), {"local_files_only": True, "trust_remote_code": False}
    try:
        model, report = AutoModel.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **safe
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        if leading_space and type(tokenizer).__name__.startswith(("Roberta", "GPT2")):
            tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True, **safe)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"cannot load the encoder {folder}: {reason}") from error
    # Pooling heads are often missing and never used here.
    lacking = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if lacking:
        raise ModelError(f"{folder}: weights are missing, {lacking[0]} and others")
    if hasattr(model, "decoder") and hasattr(model, "encoder"):
        model = model.encoder
    return model, tokenizer


def _keep_layers(model: Any, layer: int | None, files: ModelFiles) -> int:
    """Drop what is above `layer`, as bert_score does; returns how many layers are left."""
    depth, cut = _layers(model, files)
    if layer is not None and not 1 <= layer <= depth:
        raise ModelError(f"{files.name} has no layer {layer}; it has layers 1 to {depth}")
    if layer is not None and layer < depth:
        cut(layer)
    return layer or depth


def _layers(model: Any, files: ModelFiles) -> tuple[int, Callable[[int], None]]:
    """How many layers a model has, and a function that cuts them to a number."""
    owners = (model, *(getattr(model, name, None) for name in ("encoder", "transformer")))
    for owner in owners:
        if hasattr(owner, "albert_layer_groups"):
            return model.config.num_hidden_layers, partial(
                setattr, model.config, "num_hidden_layers"
            )
        for name in ("layer", "layers", "block"):
            stack = getattr(owner, name, None)
            if stack is not None:
                return len(stack), partial(_cut, owner, name)
    raise ModelError(f"{files.folder}: no stack of layers in a {type(model).__name__}")


def _cut(owner: Any, name: str, layer: int) -> None:
    setattr(owner, name, getattr(owner, name)[:layer])


def _max_tokens(model: Any, tokenizer: Any) -> int:
    """The most tokens the model has positions for; positions up to a padding id are not used."""
    positions = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    unused = getattr(positions, "padding_idx", None)
    limits = [tokenizer.model_max_length]
    stated = getattr(model.config, "max_position_embeddings", None)
    # DeBERTa and others state a limit where there is none to count from (0 or −1).
    if stated and stated > 0:
        limits.append(stated - (0 if unused is None else unused + 1))
    shortest = int(min(limits))
    return shortest if shortest < 10**6 else _DEFAULT_LENGTH
