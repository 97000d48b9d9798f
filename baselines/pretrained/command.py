"""`empathy-bench train sft` and `train seq2seq`: parse, train, print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from baselines.pretrained.settings import DEFAULTS, Joint, Settings
from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress
from harness.errors import ModelError
from harness.tuning.bases import Kind

__all__ = ["seq2seq", "sft"]

_FITTING = "Fitting"
_WORDS: dict[Kind, tuple[str, str]] = {
    "causal": (
        "Fine-tune a causal language model on replies, through TRL.",
        "empathy-bench train sft --base smollm2 --task ed_response --data DIR -o models/sft",
    ),
    "seq2seq": (
        "Fine-tune an encoder–decoder (BART, T5, BlenderBot) on replies.",
        "empathy-bench train seq2seq --base facebook/blenderbot_small-90M --task esconv_response "
        "--joint strategy --data DIR -o models/blenderbot",
    ),
}


def _number(flag: str, words: str | None = None, *, least: int = 1) -> Any:
    return typer.Option(flag, help=words, min=least, rich_help_panel=_FITTING)


def _trainer(kind: Kind) -> Callable[..., None]:
    plain = Settings(kind=kind, base="", task="", **DEFAULTS[kind])
    max_len_option = typer.Option(
        plain.max_len,
        "--max-len",
        min=8,
        help="Tokens of prompt and reply; longer rows are left out."
        if kind == "causal"
        else "Tokens of the dialogue; of a longer one the beginning is cut.",
        rich_help_panel=_FITTING,
    )
    max_reply_option = typer.Option(
        plain.max_reply,
        "--max-reply",
        min=2,
        help="Tokens of a reply; longer ones are left out.",
        rich_help_panel=_FITTING,
        hidden=kind == "causal",
    )

    def train(
        base: Annotated[
            str, typer.Option("--base", help="smollm2, a model folder, a hub id, or id@revision.")
        ] = "smollm2" if kind == "causal" else ...,  # type: ignore[assignment]
        task: Annotated[
            Literal["ed_response", "esconv_response"],
            typer.Option("--task", "-t", help="Whose prompt and training split."),
        ] = "ed_response",
        output: Annotated[
            Path | None,
            typer.Option(
                "--output", "-o", help="New folder for the model; else models/NAME-TASK-SEED."
            ),
        ] = None,
        data: o.Data = None,
        joint: Annotated[
            Joint | None,
            typer.Option(
                "--joint",
                help="A label token before the reply, chosen by the model: the joint generator.",
                show_default=False,
            ),
        ] = None,
        limit: Annotated[
            int | None, typer.Option("--limit", min=1, help="Only the first N training examples.")
        ] = None,
        limit_valid: Annotated[
            int | None,
            typer.Option("--limit-valid", min=1, help="Only the first N validation examples."),
        ] = None,
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on with the training in --output.")
        ] = False,
        lora: Annotated[
            bool,
            typer.Option(
                "--lora/--full", help="Low-rank adapters, or all weights.", rich_help_panel=_FITTING
            ),
        ] = plain.lora,
        rank: Annotated[int, _number("--rank", "Of the adapters.")] = plain.rank,
        alpha: Annotated[int, _number("--alpha", "Of the adapters.")] = plain.alpha,
        epochs: Annotated[
            float, typer.Option("--epochs", help="At most.", rich_help_panel=_FITTING)
        ] = plain.epochs,
        steps: Annotated[int | None, _number("--steps", "At most, instead of --epochs.")] = None,
        rate: Annotated[
            float, typer.Option("--rate", help="Learning rate.", rich_help_panel=_FITTING)
        ] = plain.rate,
        batch_size: Annotated[int, _number("--batch-size")] = plain.batch_size,
        accumulate: Annotated[int, _number("--accumulate", "Batches per step.")] = plain.accumulate,
        max_len: int = max_len_option,
        max_reply: int = max_reply_option,
        validate_every: Annotated[
            int, _number("--validate-every", "Steps.")
        ] = plain.validate_every,
        patience: Annotated[
            int, _number("--patience", "Validations without a lower loss that end it.")
        ] = plain.patience,
        gradient_checkpointing: Annotated[
            bool,
            typer.Option(
                "--gradient-checkpointing", help="Less memory, more time.", rich_help_panel=_FITTING
            ),
        ] = False,
        seed: Annotated[int, _number("--seed", least=0)] = plain.seed,
        device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
        mlflow: o.TrainingMlflow = None,
        json: o.Json = False,
    ) -> None:
        given = locals()
        names = {field.name for field in fields(Settings)}
        settings = Settings(
            kind=kind,
            dropout=plain.dropout,
            warm_up=plain.warm_up,
            **{name: value for name, value in given.items() if name in names - {"kind"}},
        )
        folder = output or Path("models") / f"{_PROGRAM[kind]}-{task}-{seed}"
        card = _train(
            settings, folder, data, limit, limit_valid, resume, device, mlflow, quiet=json
        )
        if json:
            show.print_json(card)
            return
        _print(card, folder)

    words, example = _WORDS[kind]
    train.__doc__ = f"{words}\n\nExample: {example}"
    return train


_PROGRAM: dict[Kind, str] = {"causal": "sft", "seq2seq": "seq2seq"}

sft = _trainer("causal")
seq2seq = _trainer("seq2seq")


def _train(
    settings: Settings,
    folder: Path,
    data: str | None,
    limit: int | None,
    limit_valid: int | None,
    resume: bool,
    device: str,
    mlflow: str | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from importlib.util import find_spec

    if find_spec("trl") is None:
        raise ModelError("TRL is not installed; run: pip install 'empathy-bench[train]'")
    from dataclasses import replace

    from baselines.pretrained.card import make_card, make_readme
    from baselines.pretrained.settings import check
    from baselines.pretrained.training import train
    from harness.datasets import load_example_set
    from harness.tracking.training import training_mirror
    from harness.training_log import TrainingLog, read_curve
    from harness.tuning.bases import find_base

    check(settings)
    settings = replace(settings, base=find_base(settings.base).spec)
    learn_from = settings.response_task().train_set
    learn = load_example_set(learn_from, data).limited(limit)
    stop_by = load_example_set(learn_from.replace("/train", "/valid"), data).limited(limit_valid)
    mirror = training_mirror(mlflow, folder, task=settings.task)
    with fitting_progress(quiet=quiet) as progress:
        trained = train(
            learn.examples,
            stop_by.examples,
            folder,
            settings=settings,
            resume=resume,
            device=device,
            mirror=mirror,
            show=progress,
        )
    card = make_card(trained, learn, stop_by)
    TrainingLog(folder, mirror=mirror).finish(card, make_readme(card, read_curve(folder)))
    return card


def _print(card: dict[str, Any], folder: Path) -> None:
    best, used = card["validation"], card["examples"]["train"]
    accuracy = f", accuracy {best['accuracy']:.2f} %" if "accuracy" in best else ""
    if used["too_long"]:
        typer.echo(
            f"{used['too_long']:,} training examples were left out: their replies would have been "
            "cut off (--max-len)"
        )
    typer.echo(
        f"{card['name']}: validation PPL {best['ppl']:.2f}{accuracy} at step "
        f"{card['best_step']:,}; {card['trained_parameters']:,} of {card['parameters']:,} "
        f"parameters trained, {card['seconds']:.0f} s\n"
        f"kept in {folder} (curve.png shows how it went)\n"
        f"use it: empathy-bench run --model tuned:{folder} --task {card['task']}"
    )
