"""`stride sft`: traced and response-only examples, loss on completions alone, through TRL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checkpoint import Step
from harness.training_log import read_curve
from harness.tuning.bases import find_base, load_base
from harness.tuning.kept import weights_hash, with_adapters
from harness.tuning.tokens import Rows
from harness.tuning.training import Fitted, Job, tune
from stride_ed.training.data import Lessons
from stride_ed.training.rows import make_rows
from stride_ed.training.settings import SftSettings, check_sft
from stride_ed.training.variants import find_variant

if TYPE_CHECKING:
    from harness.tuning.loop import Fitting

__all__ = ["train_sft"]


def train_sft(
    learnt: Lessons,
    output: Path,
    *,
    settings: SftSettings,
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> dict[str, Any]:
    """Train; `output`/model is the best model by validation loss on held-out traces. The card.

    Raises:
        DataError: no row fits.
        InputError: settings that cannot work, or `output` holds another run.
        ModelError: the base cannot be loaded, or the loss is no number any more.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    check_sft(settings)
    variant = find_variant(settings.variant)
    base = find_base(settings.base)
    settings = replace(settings, base=base.spec)

    def rows(tokenizer: Any, positions: int | None) -> tuple[Rows, Rows]:
        longest = min(settings.max_len, positions or settings.max_len)
        return (
            make_rows(learnt.traced, learnt.plain, variant.stages, tokenizer, longest=longest),
            make_rows(learnt.valid, (), variant.stages, tokenizer, longest=longest),
        )

    # Adapters learn in float32 beside a frozen base; a base that learns needs float32 itself.
    dtype = "bfloat16" if settings.lora and device.startswith("cuda") else "float32"

    def build() -> tuple[Any, Any]:
        model, tokenizer = load_base(base, "causal", dtype=dtype)
        if settings.lora:
            model = with_adapters(
                model, "causal", rank=settings.rank, alpha=settings.alpha, dropout=settings.dropout
            )
        return model, tokenizer

    job = Job(
        wanted={
            "stage": "sft",
            **asdict(settings),
            "base_revision": base.revision,
            "data": learnt.digest,
        },
        seed=settings.seed,
        max_len=settings.max_len,
        build=build,
        rows=rows,
        fitting=lambda count, processes: _fitting(settings, count, processes, device),
    )
    fitted = tune(job, output, resume=resume, device=device, mirror=mirror, show=show)
    return _card(fitted, settings, learnt, {"name": base.name, "revision": base.revision})


def _fitting(settings: SftSettings, rows: int, processes: int, device: str) -> Fitting:
    from harness.tuning.loop import Fitting, steps_per_epoch

    per_epoch = steps_per_epoch(rows, settings.batch_size, settings.accumulate, processes=processes)
    return Fitting(
        kind="causal",
        steps=settings.steps or max(1, round(settings.epochs * per_epoch)),
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        rate=settings.rate,
        warm_up=settings.warm_up,
        validate_every=settings.validate_every,
        patience=settings.patience,
        gradient_checkpointing=settings.gradient_checkpointing,
        seed=settings.seed,
        device=device,
        grouped=settings.grouped,
    )


def _card(
    fitted: Fitted, settings: SftSettings, learnt: Lessons, base: dict[str, str]
) -> dict[str, Any]:
    from harness import __version__

    variant, progress = find_variant(settings.variant), fitted.progress
    best = next(row for row in read_curve(fitted.folder) if row["step"] == progress.best_step)
    return {
        "name": f"{variant.title} SFT of {base['name']} (seed {settings.seed})",
        "stage": "sft",
        "settings": asdict(settings),
        "base": base,
        "whole": not settings.lora,
        "variant": variant.name,
        "stages": list(variant.stages),
        "method": "LoRA SFT" if settings.lora else "SFT",
        "parameters": fitted.parameters,
        "trained_parameters": fitted.trained_parameters,
        "seed": settings.seed,
        "trained_on": f"{len(learnt.traced):,} traced and {len(learnt.plain):,} response-only "
        f"examples of {learnt.source.name}",
        "dataset": {"name": learnt.source.name, "fingerprint": learnt.source.fingerprint},
        "fingerprint": learnt.source.fingerprint,
        "data": learnt.digest,
        "examples": {
            "traced": len(learnt.traced),
            "response_only": len(learnt.plain),
            "valid": len(learnt.valid),
            "too_long": fitted.train.too_long + fitted.valid.too_long,
        },
        "steps": progress.step,
        "best_step": progress.best_step,
        "best_by": "validation loss",
        "validation": {
            name.removeprefix("valid/"): value
            for name, value in best.items()
            if name.startswith("valid/")
        },
        "seconds": round(progress.seconds, 1),
        "weights": weights_hash(fitted.folder),
        "harness_version": __version__,
    }
