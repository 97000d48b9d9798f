"""Which encoder a trained classifier reads with: the packaged MiniLM, or any of transformers.

A fitted folder carries its encoder (`encoder/`: configuration, tokenizer, weights), so that it can
be used on a machine without that package and without a hub.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError, StorageError
from harness.files import disk_errors, sha256_file
from harness.metrics.neural.model_files import find_model

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "PACKAGED",
    "Tokenizer",
    "encoder_name",
    "keep_encoder",
    "load_encoder",
    "load_tokenizer",
]

# The name under which the default stands in settings, cards and signatures.
PACKAGED = "all-MiniLM-L6-v2"
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Texts → tokens and mask, at most `max_len` tokens a text."""

    inner: Any
    max_len: int
    device: str

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """n texts → (n, L) tokens and (n, L) mask, L the longest of them."""
        found = self.inner(
            list(texts),
            truncation=True,
            max_length=self.max_len,
            padding=True,
            return_tensors="pt",
        ).to(self.device)
        return found["input_ids"], found["attention_mask"]


def encoder_name(encoder: str | None) -> str:
    """What settings, cards and signatures call it: an id, or a folder's last part."""
    if encoder is None:
        return PACKAGED
    path = Path(encoder).expanduser()
    return path.resolve().name if path.is_dir() else encoder


def keep_encoder(encoder: str | None, folder: Path) -> str:
    """Copy the encoder and its tokenizer to `folder`; the sha256 of its weights.

    A folder that is there is kept: it was renamed into place whole.

    Raises:
        ModelError: `encoder` is neither a folder nor an id from which transformers loads one.
        StorageError: the folder cannot be written.
    """
    if not folder.is_dir():
        model, tokenizer = _load(str(find_model(encoder or "").folder))
        with disk_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            working = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            try:
                with _no_bars():
                    model.save_pretrained(working)
                    tokenizer.save_pretrained(working)
                working.chmod(0o755)
                working.replace(folder)
            except BaseException:
                shutil.rmtree(working, ignore_errors=True)
                raise
    return sha256_file(_weights(folder))


def load_encoder(folder: Path) -> Any:
    """The encoder kept in `folder`, in float32.

    Raises:
        ModelError: the folder is damaged.
    """
    return _load(str(folder), tokenizer=False)[0]


def load_tokenizer(folder: Path, *, max_len: int, device: str) -> Tokenizer:
    """The tokenizer kept in `folder`.

    Raises:
        ModelError: the folder is damaged, or the encoder cannot read `max_len` tokens.
    """
    inner = _load(str(folder), model=False)[1]
    return Tokenizer(inner, max_len, device)


def _weights(folder: Path) -> Path:
    path = folder / _WEIGHTS
    if not path.is_file():
        raise StorageError(f"{path}: not there; the folder is damaged, train into a new one")
    return path


def _load(source: str, *, model: bool = True, tokenizer: bool = True) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        with _no_bars():
            return (
                AutoModel.from_pretrained(source, dtype=torch.float32) if model else None,
                AutoTokenizer.from_pretrained(source) if tokenizer else None,
            )
    except Exception as error:
        # transformers raises a dozen kinds of exception for folders that hold something else.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"{source}: cannot be loaded as an encoder ({reason}); give a folder or an id from "
            "which transformers' AutoModel and AutoTokenizer load, e.g. roberta-base"
        ) from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """Without the bars of transformers: the command shows one of its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
