"""Base models: found by name, loaded with their tokenizer, on a device that is there."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import ModelError

__all__ = ["Base", "Kind", "choose_device", "find_base", "first_line", "load_base", "quieten"]

Kind = Literal["causal", "seq2seq"]
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Base:
    """A base model found: what it was called, its name, where transformers loads it from.

    `revision` changes with the weights: a hash for a folder, the commit or branch for a hub id.
    """

    spec: str
    name: str
    path: str
    revision: str


def find_base(spec: str) -> Base:
    """The base of `--base smollm2 | FOLDER | HUB_ID[@REVISION]`.

    Raises:
        ModelError: there is no such folder, or it holds no transformers model.
    """
    if spec == "smollm2":
        from harness.models.bundled import CARD, bundled_directory

        folder = bundled_directory()
        return Base(spec, str(CARD["name"]), str(folder), _folder_hash(folder))
    path = Path(spec).expanduser()
    if path.is_dir():
        path = path.resolve()
        if not (path / "config.json").is_file() or not any(path.glob("*.safetensors")):
            raise ModelError(
                f"{spec}: needs config.json and *.safetensors; give a transformers model folder"
            )
        return Base(str(path), path.name, str(path), _folder_hash(path))
    if not spec or path.is_absolute() or spec.startswith((".", "~")) or spec.count("/") > 1:
        raise ModelError(f"{spec}: no such model folder; give a folder, a hub id or smollm2")
    name, _, revision = spec.partition("@")
    return Base(spec, name.rsplit("/", 1)[-1], name, revision or "main")


def load_base(base: Base, kind: Kind, *, dtype: str = "float32") -> tuple[Any, Any]:
    """Model and tokenizer.

    Raises:
        ModelError: they cannot be loaded, or the base is of the other kind.
    """
    quieten()
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        AutoTokenizer,
    )

    hub = {} if Path(base.path).is_dir() else {"revision": base.revision}
    try:
        config = AutoConfig.from_pretrained(base.path, **hub)
        found: Kind = "seq2seq" if config.is_encoder_decoder else "causal"
        if found != kind:
            what, trainer = (
                ("an encoder–decoder", "seq2seq")
                if found == "seq2seq"
                else ("no encoder–decoder", "sft")
            )
            raise ModelError(f"{base.spec} is {what}; use `empathy-bench train {trainer}`")
        tokenizer = AutoTokenizer.from_pretrained(base.path, **hub)
        auto = AutoModelForSeq2SeqLM if kind == "seq2seq" else AutoModelForCausalLM
        model, read = auto.from_pretrained(base.path, dtype=dtype, output_loading_info=True, **hub)
    except ModelError:
        raise
    except Exception as error:
        fix = (
            "is it a whole transformers model?"
            if not hub
            else "download it where the hub can be reached, and give its folder as --base"
        )
        raise ModelError(f"cannot load {base.spec}: {first_line(error)}; {fix}") from error
    if read["missing_keys"]:
        raise ModelError(
            f"{base.spec}: its weights lack {len(read['missing_keys'])} tensors, such as "
            f"{min(read['missing_keys'])}; give the model that config.json describes"
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(f"{base.spec}: its tokenizer has no end-of-sequence token; name one there")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def quieten() -> None:
    """Transformers says every step at INFO, draws bars while loading, and warns of renamings."""
    import warnings

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|trl)\b")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def choose_device(device: str) -> None:
    """Show the trainer the one GPU that is meant; it would take all that it sees.

    Raises:
        ModelError: the device is unknown or not there.
    """
    name, _, number = device.partition(":")
    if name not in ("cpu", "cuda", "mps") or not (number or "0").isdigit():
        raise ModelError(f"--device must be cpu, cuda, cuda:N or mps, found {device!r}")
    if name == "cuda":
        seen = [x for x in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if x]
        if "LOCAL_RANK" not in os.environ:
            place = int(number or 0)
            os.environ["CUDA_VISIBLE_DEVICES"] = seen[place] if place < len(seen) else str(place)
    import torch

    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if name in there and not there[name]():
        raise ModelError(f"--device {device}: no such device here; use --device cpu")


def _folder_hash(folder: Path) -> str:
    """Changes with configuration and weights; reads two MiB of a weight file at most."""
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:12]


def first_line(error: BaseException) -> str:
    """What an error says, without the rest of its essay."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
