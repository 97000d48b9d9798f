"""Clients by name: `openai:URL#NAME`, or any local model of `harness.models`."""

from __future__ import annotations

from pathlib import Path

from harness.clients.endpoint import load_endpoint
from harness.clients.local import Local
from harness.clients.types import Client
from harness.errors import ModelError

__all__ = ["client_name", "load_client"]


def load_client(
    spec: str,
    *,
    concurrency: int = 16,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    attempts: int = 8,
    timeout: float = 120.0,
    batch_size: int = 8,
) -> Client:
    """The client of `openai:URL#NAME`, `hf:PATH_OR_ID`, `smollm2`, … .

    Limits, `attempts` and `timeout` (seconds of one) are for endpoints, `batch_size` for others.

    Raises:
        ModelError: it cannot be loaded or reached, or has no chat template.
        UnknownNameError: no such kind of model.
    """
    if spec.startswith("openai:"):
        from harness.models.backends import check_endpoint

        endpoint = load_endpoint(
            spec,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            attempts=attempts,
            timeout=timeout,
        )
        # Said at once, not by a thousand failures.
        check_endpoint(endpoint.base)
        return endpoint
    from harness.metrics.neural.scorer import weights_of
    from harness.models import Settings, load_model
    from harness.models.language_model import LanguageModel

    model = load_model(spec, Settings(batch_size=batch_size))
    if not isinstance(model, LanguageModel) or not hasattr(model.lm, "tok_encode"):
        raise ModelError(f"{spec} cannot be asked in prompts of our own; use openai: or hf:")
    if not model.chat:
        raise ModelError(f"{spec} has no chat template; use an instruction-tuned model")
    return Local(model=model, weights=weights_of(spec, model), batch_size=batch_size)


def client_name(spec: str) -> str:
    """A short name that stands in files and tables: the model's, without URL or folders."""
    _, _, rest = spec.partition(":")
    name = spec.rpartition("#")[2] if "#" in spec else rest or spec
    return Path(name).name or spec
