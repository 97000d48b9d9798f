"""Factories for the language-model names: `smollm2`, `hf:`, `vllm:`, `openai:`, `lm-eval:`."""

from __future__ import annotations

import logging
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.errors import EmpathyBenchError, ModelError
from harness.files import canonical_json, sha256_file, sha256_text
from harness.models.contract import Settings
from harness.models.language_model import LanguageModel

if TYPE_CHECKING:
    from lm_eval.api.model import LM

__all__ = [
    "check_endpoint",
    "load_bundled",
    "load_hf",
    "load_lm_eval",
    "load_openai",
    "load_vllm",
]

DEFAULT_BATCH_SIZE = 16
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")


def load_bundled(argument: str, settings: Settings) -> LanguageModel:
    """`smollm2`: the bundled SmolLM2-135M-Instruct."""
    from harness.models.bundled import CARD, bundled_directory

    if argument:
        raise ModelError(f"--model smollm2 takes no argument, found {argument!r}")
    folder = bundled_directory()
    return _hf(str(folder), settings, CARD | {"revision": folder.name.rsplit("-", 1)[-1]})


def load_hf(argument: str, settings: Settings) -> LanguageModel:
    """`hf:PATH_OR_ID`: a transformers model in a folder or on the hub.

    Raises:
        ModelError: the folder holds no weights, or the hub has no such model.
    """
    if not argument:
        raise ModelError("--model hf needs a folder or a hub id: hf:PATH_OR_ID")
    path = Path(argument).expanduser()
    if path.is_dir():
        return _hf(str(path), settings, _local_card(path))
    if path.is_absolute() or argument.startswith((".", "~")) or argument.count("/") > 1:
        raise ModelError(f"{argument}: no such model folder")
    name, _, revision = argument.partition("@")
    card = {"name": name, "kind": "model", "id": name, "revision": revision or "main"}
    return _hf(name, settings, card, revision=revision or "main")


def load_vllm(argument: str, settings: Settings) -> LanguageModel:
    """`vllm:PATH_OR_ID`: the same models through vLLM, where it is installed."""
    from importlib.util import find_spec

    if find_spec("vllm") is None:
        raise ModelError("vLLM is not installed; run: pip install 'empathy-bench[vllm]'")
    path = Path(argument).expanduser()
    card = _local_card(path) if path.is_dir() else {"name": argument, "kind": "model"}
    lm = _create(
        "vllm",
        {"pretrained": argument, "dtype": settings.dtype or "auto", "seed": settings.seed},
        settings.batch_size or "auto",
        settings,
    )
    chat = _wants_chat(settings, lm)
    return LanguageModel(lm, card, settings, settings.batch_size or 256, chat, likelihood=True)


def load_openai(argument: str, settings: Settings) -> LanguageModel:
    """`openai:URL#NAME`: the model NAME behind an OpenAI-compatible endpoint.

    URL is the server's base ("http://127.0.0.1:8000/v1"); the key, where one is needed, is taken
    from the environment variable OPENAI_API_KEY and stored nowhere.

    Raises:
        ModelError: the argument has no URL or name, or nothing answers at the URL.
    """
    url, _, name = argument.partition("#")
    if not re.match(r"https?://", url) or not name:
        raise ModelError(
            f"openai:{argument} is not openai:URL#NAME, "
            "as in openai:http://127.0.0.1:8000/v1#my-model"
        )
    base = re.sub(r"/(chat/completions)?/*$", "", url)
    check_endpoint(base)
    # lm-eval insists on a key; a local server ignores it.
    os.environ.setdefault("OPENAI_API_KEY", "none")
    lm = _create(
        "local-chat-completions",
        {
            "model": name,
            "base_url": f"{base}/chat/completions",
            "num_concurrent": settings.concurrency,
            "seed": settings.seed,
            "tokenizer_backend": None,
        },
        1,
        settings,
    )
    # A local server names its model by folder; neither folder nor port belongs on a board.
    shown = Path(name).name if Path(name).is_absolute() else name
    card = {"name": shown, "kind": "model", "endpoint": urlsplit(base).hostname or ""}
    size = settings.batch_size or max(DEFAULT_BATCH_SIZE, settings.concurrency)
    return LanguageModel(lm, card, settings, size, chat=True, likelihood=False)


def load_lm_eval(argument: str, settings: Settings) -> LanguageModel:
    """`lm-eval:BACKEND,key=value,…`: any backend registered with lm-eval, with its arguments."""
    from lm_eval.utils import simple_parse_args_string

    backend, _, rest = argument.partition(",")
    options = simple_parse_args_string(rest)
    lm = _create(backend, options, settings.batch_size or 1, settings)
    card = {"name": f"{backend}({rest})", "kind": "model", "backend": backend, "arguments": rest}
    chat = _wants_chat(settings, lm)
    size = settings.batch_size or DEFAULT_BATCH_SIZE
    return LanguageModel(lm, card, settings, size, chat, hasattr(lm, "_encode_pair"))


def _hf(
    path: str, settings: Settings, card: dict[str, Any], revision: str = "main"
) -> LanguageModel:
    import torch

    _quieten()
    device = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    # bfloat16 matrix products are about 60 times slower than float32 on most CPUs.
    dtype = settings.dtype or ("float32" if device == "cpu" else "auto")
    size = settings.batch_size or DEFAULT_BATCH_SIZE
    from harness.models.shared_prefix import SharedPrefixHFLM

    try:
        lm = SharedPrefixHFLM(
            pretrained=path, device=device, dtype=dtype, batch_size=size, revision=revision
        )
    except Exception as error:
        raise ModelError(f"cannot load the model {path}: {_first_line(error)}") from error
    parameters = sum(p.numel() for p in lm.model.parameters())
    chat = _wants_chat(settings, lm)
    card = {"parameters": parameters, **card, "dtype": str(dtype), "device": device.split(":")[0]}
    return LanguageModel(lm, card, settings, size, chat, likelihood=True)


def _wants_chat(settings: Settings, lm: LM) -> bool:
    if settings.chat_template is False:
        return False
    template = getattr(getattr(lm, "tokenizer", None), "chat_template", None)
    if settings.chat_template and not template:
        raise ModelError("this model's tokenizer has no chat template; use --no-chat-template")
    return bool(template)


def _local_card(path: Path) -> dict[str, Any]:
    """A card whose revision changes when configuration or weight files change.

    Raises:
        ModelError: config.json or the weights are missing.
    """
    weights = sorted(file for pattern in _WEIGHTS for file in path.glob(pattern))
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{path}: no config.json there, so this is not a transformers model folder"
        )
    if not weights:
        raise ModelError(f"{path}: no weights there (expected *.safetensors)")
    parts = [[file.name, file.stat().st_size] for file in weights]
    revision = sha256_text(canonical_json([sha256_file(path / "config.json"), parts]))[:12]
    return {"name": path.resolve().name, "kind": "model", "revision": revision}


def _create(backend: str, options: dict[str, Any], batch: int | str, settings: Settings) -> LM:
    """An lm-eval backend by its registered name."""
    _quieten()
    import lm_eval.models  # noqa: F401 - registers the backends
    from lm_eval.api.registry import get_model

    try:
        extra = {"batch_size": batch}
        if settings.device:
            extra["device"] = settings.device
        return get_model(backend)(**options, **extra)
    except EmpathyBenchError:
        raise
    except Exception as error:
        raise ModelError(f"lm-eval cannot start {backend!r}: {_first_line(error)}") from error


def check_endpoint(base: str) -> None:
    """Ask the server for its models, so that a wrong address is told at once."""
    try:
        urllib.request.urlopen(f"{base}/models", timeout=10).close()  # noqa: S310 - http(s) only
    except urllib.error.HTTPError:
        return  # something answers; some servers list no models, others ask for a key first
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(f"nothing answers at {base} ({reason}); is the server running?") from error


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _quieten() -> None:
    """lm-eval and transformers log every step at INFO and draw bars while loading."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
