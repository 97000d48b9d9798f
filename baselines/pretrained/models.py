"""Base models found, given label tokens and adapters, kept and loaded again.

FOLDER/model/   full: config.json, model.safetensors        (`hf:FOLDER/model` loads it as well)
                LoRA: adapter_config.json, adapter_model.safetensors, to be put upon the base
                both: the tokenizer, with the label tokens in it
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from baselines.pretrained.settings import Kind, Settings, label_token
from harness.errors import ModelError
from harness.files import disk_errors, sha256_file

__all__ = [
    "MODEL",
    "Base",
    "build",
    "find_base",
    "keep",
    "label_ids",
    "load_base",
    "load_kept",
    "quieten",
    "settle",
    "weights_hash",
]

MODEL = "model"
_COMPLETE = ".model.complete"
_PART = ".model.part"
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
        raise ModelError(f"cannot load {base.spec}: {_first_line(error)}; {fix}") from error
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


def build(settings: Settings, base: Base, *, dtype: str = "float32") -> tuple[Any, Any]:
    """The model as it is before the first step, and its tokenizer."""
    model, tokenizer = load_base(base, settings.kind, dtype=dtype)
    if settings.joint:
        _add_labels(model, tokenizer, settings)
    if settings.lora:
        model = _with_adapters(model, tokenizer, settings)
    return model, tokenizer


def label_ids(settings: Settings, tokenizer: Any) -> list[int]:
    """The tokens of the labels, in the order of `settings.labels`."""
    if not settings.joint:
        return []
    tokens = [label_token(settings.joint, label) for label in settings.labels]
    ids: list[int] = tokenizer.convert_tokens_to_ids(tokens)
    return ids


def keep(model: Any, tokenizer: Any, folder: Path) -> None:
    """Make FOLDER/model these weights; a crash leaves the old ones or the new ones.

    Raises:
        OSError: the disk refuses; transformers and safetensors raise their own as well.
    """
    part, complete = folder / _PART, folder / _COMPLETE
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part)
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


def load_kept(
    folder: Path, settings: Settings, base: Base | None, *, dtype: str
) -> tuple[Any, Any]:
    """The model of FOLDER/model, adapters merged into the base, and its tokenizer.

    Raises:
        ModelError: weights are missing, damaged or of another model.
    """
    from transformers import AutoTokenizer

    kept = folder / MODEL
    if base is None:
        return load_base(Base(str(kept), kept.name, str(kept), ""), settings.kind, dtype=dtype)
    from peft import PeftModel

    model, _ = load_base(base, settings.kind, dtype=dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(kept)
        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        model = PeftModel.from_pretrained(model, str(kept)).merge_and_unload()
    except Exception as error:
        raise ModelError(
            f"{kept}: does not fit the base {base.spec}: {_first_line(error)}; train it again"
        ) from error
    return model, tokenizer


def weights_hash(folder: Path) -> str:
    """`sha256:` and 16 hex digits over the weight files of FOLDER/model."""
    digest = hashlib.sha256()
    for path in sorted((folder / MODEL).glob("*.safetensors")):
        digest.update(sha256_file(path).encode())
    return f"sha256:{digest.hexdigest()[:16]}"


def quieten() -> None:
    """Transformers says every step at INFO, draws bars while loading, and warns of renamings."""
    import os
    import warnings

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|trl)\b")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def _add_labels(model: Any, tokenizer: Any, settings: Settings) -> None:
    """One token per label; its embeddings begin as the mean of those of the label's words."""
    import torch
    from tokenizers import AddedToken

    assert settings.joint is not None
    words = [tokenizer(f" {x}", add_special_tokens=False)["input_ids"] for x in settings.labels]
    tokens = [
        AddedToken(label_token(settings.joint, label), special=True, normalized=False)
        for label in settings.labels
    ]
    tokenizer.add_tokens(tokens, special_tokens=True)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = label_ids(settings, tokenizer)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            weight = layer.weight
            for token, parts in zip(ids, words, strict=True):
                weight[token] = weight[parts].mean(0)


def _with_adapters(model: Any, tokenizer: Any, settings: Settings) -> Any:
    from peft import LoraConfig, get_peft_model

    trained = None
    if settings.joint:
        layers = [model.get_input_embeddings()]
        if model.get_output_embeddings().weight is not layers[0].weight:
            layers.append(model.get_output_embeddings())
        names = {module: name for name, module in model.named_modules()}
        ids = label_ids(settings, tokenizer)
        trained = {names[layer].rsplit(".", 1)[-1]: ids for layer in layers}
    config = LoraConfig(
        task_type="CAUSAL_LM" if settings.kind == "causal" else "SEQ_2_SEQ_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        trainable_token_indices=trained,
    )
    wrapped = get_peft_model(model, config)
    # Only the rows of the label tokens are trained, and these go with the adapters.
    save = partial(wrapped.save_pretrained, save_embedding_layers=False)
    wrapped.save_pretrained = save  # type: ignore[method-assign]
    head = wrapped.get_output_embeddings()
    if "bias" not in dir(head):
        # PEFT's wrapper of a tied head has no bias to look up, which TRL's fused head asks for.
        head.register_parameter("bias", None)
    return wrapped


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


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
