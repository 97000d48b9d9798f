"""Weights of a fine-tuning: adapters put upon a base, kept in FOLDER/model, loaded again.

FOLDER/model/   full: config.json, model.safetensors        (`hf:FOLDER/model` loads it as well)
                LoRA: adapter_config.json, adapter_model.safetensors, to be put upon the base
                both: the tokenizer, with tokens that were added to it
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.files import disk_errors, sha256_file
from harness.tuning.bases import Base, Kind, first_line, load_base

__all__ = ["MODEL", "keep", "load_kept", "settle", "weights_hash", "with_adapters"]

MODEL = "model"
_COMPLETE = ".model.complete"
_PART = ".model.part"


def keep(
    model: Any, tokenizer: Any, folder: Path, *, weights: Mapping[str, Any] | None = None
) -> None:
    """Make FOLDER/model these weights; a crash leaves the old ones or the new ones.

    `weights`: gathered ones, where those of `model` are spread over processes.

    Raises:
        OSError: the disk refuses; transformers and safetensors raise their own as well.
    """
    part, complete = folder / _PART, folder / _COMPLETE
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part, **({} if weights is None else {"state_dict": dict(weights)}))
    tokenizer.save_pretrained(part)
    (part / "README.md").unlink(missing_ok=True)  # PEFT's, with nothing in it
    shutil.rmtree(complete, ignore_errors=True)
    part.rename(complete)
    settle(folder)


def settle(folder: Path) -> None:
    """End a replacement of FOLDER/model that a kill cut short."""
    complete = folder / _COMPLETE
    if complete.is_dir():
        with disk_errors(folder / MODEL):
            shutil.rmtree(folder / MODEL, ignore_errors=True)
            complete.rename(folder / MODEL)


def load_kept(folder: Path, kind: Kind, base: Base | None, *, dtype: str) -> tuple[Any, Any]:
    """The model of FOLDER/model, adapters merged into the base, and its tokenizer.

    Raises:
        ModelError: weights are missing, damaged or of another model.
    """
    from transformers import AutoTokenizer

    kept = folder / MODEL
    if base is None:
        return load_base(Base(str(kept), kept.name, str(kept), ""), kind, dtype=dtype)
    from peft import PeftModel

    model, _ = load_base(base, kind, dtype=dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(kept)
        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        model = PeftModel.from_pretrained(model, str(kept)).merge_and_unload()
    except Exception as error:
        raise ModelError(
            f"{kept}: does not fit the base {base.spec}: {first_line(error)}; train it again"
        ) from error
    return model, tokenizer


def weights_hash(folder: Path) -> str:
    """`sha256:` and 16 hex digits over the weight files of FOLDER/model."""
    digest = hashlib.sha256()
    for path in sorted((folder / MODEL).glob("*.safetensors")):
        digest.update(sha256_file(path).encode())
    return f"sha256:{digest.hexdigest()[:16]}"


def with_adapters(
    model: Any,
    kind: Kind,
    *,
    rank: int,
    alpha: int,
    dropout: float,
    tokens: Sequence[int] = (),
) -> Any:
    """`model` with low-rank adapters on every linear layer, which alone are trained.

    `tokens`: new ones, whose embeddings are trained and kept with the adapters.
    """
    from peft import LoraConfig, get_peft_model

    trained = None
    if tokens:
        layers = [model.get_input_embeddings()]
        if model.get_output_embeddings().weight is not layers[0].weight:
            layers.append(model.get_output_embeddings())
        names = {module: name for name, module in model.named_modules()}
        trained = {names[layer].rsplit(".", 1)[-1]: list(tokens) for layer in layers}
    config = LoraConfig(
        task_type="CAUSAL_LM" if kind == "causal" else "SEQ_2_SEQ_LM",
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        trainable_token_indices=trained,
    )
    wrapped = get_peft_model(model, config)
    # Only the rows of new tokens are trained, and these go with the adapters.
    save = partial(wrapped.save_pretrained, save_embedding_layers=False)
    wrapped.save_pretrained = save  # type: ignore[method-assign]
    head = wrapped.get_output_embeddings()
    if "bias" not in dir(head):
        # PEFT's wrapper of a tied head has no bias to look up, which TRL's fused head asks for.
        head.register_parameter("bias", None)
    return wrapped
