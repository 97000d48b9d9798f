"""`empathy-bench stride sft` and `stride ppo`: parse, train, print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress
from harness.errors import ModelError
from stride_ed.command_options import Work
from stride_ed.training.settings import (
    PPO_PRESETS,
    SFT_PRESETS,
    Algorithm,
    PpoSettings,
    SftSettings,
)

__all__ = ["Limited", "LimitedValid", "Preset", "Valid", "Variant", "ppo", "settings_of", "sft"]

_FITTING = "Fitting"
S = TypeVar("S", SftSettings, PpoSettings)
Preset = Annotated[
    Literal["paper", "small"],
    typer.Option(
        "--preset", help="paper: as printed, for 7B on GPUs; small: for the bundled model on CPU."
    ),
]
Variant = Annotated[
    str,
    typer.Option(
        "--variant",
        help="full, or an ablation: without-emotion, -summary, -strategy, -cot, -refinement, -ppo.",
    ),
]
Resumed = Annotated[bool, typer.Option("--resume", help="Go on with the training in --output.")]
Valid = Annotated[
    Path | None,
    typer.Option(
        "--valid",
        help="An annotated folder of a held-out split (`stride annotate`); else 5 % of the set's "
        "dialogues are held out.",
        show_default=False,
    ),
]
Limited = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only N traced examples, drawn by seed.",
                 show_default=False),
]  # fmt: skip
LimitedValid = Annotated[
    int | None,
    typer.Option("--limit-valid", min=1, help="Only N held-out examples, drawn by seed.",
                 show_default=False),
]  # fmt: skip


def _given(flag: str, words: str, **limits: Any) -> Any:
    """An option whose default is the preset's."""
    return typer.Option(flag, help=f"{words} Default: the preset's.", show_default=False,
                        rich_help_panel=_FITTING, **limits)  # fmt: skip


def sft(
    work: Work,
    data: o.Data = None,
    base: Annotated[
        str, typer.Option("--base", help="smollm2, a model folder, a hub id, or id@revision.")
    ] = "smollm2",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="New folder; else models/stride-sft-VARIANT-SEED."),
    ] = None,
    preset: Preset = "paper",
    variant: Variant = "full",
    valid: Valid = None,
    limit: Limited = None,
    limit_valid: LimitedValid = None,
    resume: Resumed = False,
    mix: Annotated[
        float | None, _given("--mix", "Response-only examples per traced one.", min=0.0)
    ] = None,
    lora: Annotated[
        bool | None, _given("--lora/--full", "Low-rank adapters, or all weights.")
    ] = None,
    rank: Annotated[int | None, _given("--rank", "Of the adapters.", min=1)] = None,
    alpha: Annotated[int | None, _given("--alpha", "Of the adapters.", min=1)] = None,
    epochs: Annotated[float | None, _given("--epochs", "Passes.")] = None,
    steps: Annotated[int | None, _given("--steps", "At most, instead of --epochs.", min=1)] = None,
    rate: Annotated[float | None, _given("--rate", "Learning rate.")] = None,
    batch_size: Annotated[
        int | None, _given("--batch-size", "Rows a process takes at once.", min=1)
    ] = None,
    accumulate: Annotated[int | None, _given("--accumulate", "Batches a step.", min=1)] = None,
    max_len: Annotated[
        int | None, _given("--max-len", "Tokens of prompt and answer; longer rows are left out.")
    ] = None,
    validate_every: Annotated[int | None, _given("--validate-every", "Steps.", min=1)] = None,
    patience: Annotated[
        int | None, _given("--patience", "Validations without a lower loss that end it.", min=1)
    ] = None,
    grouped: Annotated[
        bool | None, _given("--grouped/--shuffled", "Batches of like lengths, or as they come.")
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        _given("--gradient-checkpointing/--no-gradient-checkpointing", "Less memory, more time."),
    ] = None,
    seed: o.Seed = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    mlflow: o.TrainingMlflow = None,
    json: o.Json = False,
) -> None:
    """Fine-tune a language model on the refined set: summary, emotion, strategy, action, reply.

    Example: empathy-bench stride sft work --data DIR --preset small -o models/sft
    """
    settings = settings_of(SftSettings, SFT_PRESETS[preset], locals())
    folder = output or Path("models") / f"stride-sft-{variant}-{seed}"
    card = _sft(
        settings, folder, work, data, valid=valid, limit=limit, limit_valid=limit_valid,
        resume=resume, device=device, mlflow=mlflow, quiet=json,
    )  # fmt: skip
    if json:
        show.print_json(card)
        return
    found, used = card["validation"], card["examples"]
    if used["too_long"]:
        typer.echo(f"{used['too_long']:,} rows were left out: longer than --max-len")
    typer.echo(
        f"{card['name']}: validation PPL {found['ppl']:.3f} at step {card['best_step']:,} of "
        f"{card['steps']:,}; {card['trained_parameters']:,} of {card['parameters']:,} parameters "
        f"trained on {card['trained_on']}, {card['seconds']:.0f} s\n"
        f"kept in {folder} (curve.png shows how it went)\n"
        f"Next: empathy-bench stride ppo {work} --sft {folder}\n"
        f"or use it: empathy-bench run --model stride:{folder} --task ed_response"
    )


def settings_of(kind: type[S], preset: Mapping[str, Any], given: Mapping[str, Any]) -> S:
    """The preset's settings, but for what was given; None is not given."""
    names = {field.name for field in fields(kind)}
    chosen = {name: x for name, x in given.items() if name in names and x is not None}
    return kind(**{**preset, **chosen})


def _sft(
    settings: SftSettings,
    folder: Path,
    work: Path,
    data: str | None,
    *,
    valid: Path | None,
    limit: int | None,
    limit_valid: int | None,
    resume: bool,
    device: str,
    mlflow: str | None,
    quiet: bool,
) -> dict[str, Any]:
    from importlib.util import find_spec

    if find_spec("trl") is None:
        raise ModelError("TRL is not installed; run: pip install 'empathy-bench[train]'")
    from harness.parallel import join, leave
    from harness.tracking.training import training_mirror
    from harness.training_log import TrainingLog, read_curve
    from stride_ed.training.card import make_readme
    from stride_ed.training.data import lessons
    from stride_ed.training.sft import train_sft
    from stride_ed.training.variants import find_variant

    variant = find_variant(settings.variant)
    learnt = lessons(work, data, variant, mix=settings.mix, seed=settings.seed, valid=valid,
                     limit=limit, limit_valid=limit_valid)  # fmt: skip
    mirror = training_mirror(mlflow, folder, task="stride_ed")
    world = join()
    with fitting_progress(quiet=quiet or not world.first) as progress:
        card = train_sft(
            learnt, folder, settings=settings, resume=resume, device=device, mirror=mirror,
            show=progress,
        )  # fmt: skip
    leave()
    if not world.first:
        raise typer.Exit
    TrainingLog(folder, mirror=mirror).finish(card, make_readme(card, read_curve(folder)))
    return card


def ppo(
    work: Work,
    sft: Annotated[
        Path,
        typer.Option("--sft", help="Folder of the SFT model that practises.", show_default=False),
    ],
    data: o.Data = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="New folder; else models/stride-ppo-VARIANT-SEED."),
    ] = None,
    algorithm: Annotated[
        Algorithm,
        typer.Option("--algorithm", help="ppo (with a value critic), or TRL's grpo or rloo."),
    ] = "ppo",
    preset: Preset = "paper",
    variant: Variant = "full",
    valid: Valid = None,
    limit: Limited = None,
    resume: Resumed = False,
    lora: Annotated[
        bool | None, _given("--lora/--full", "Low-rank adapters, or all weights.")
    ] = None,
    rank: Annotated[int | None, _given("--rank", "Of the adapters.", min=1)] = None,
    alpha: Annotated[int | None, _given("--alpha", "Of the adapters.", min=1)] = None,
    epochs: Annotated[float | None, _given("--epochs", "Passes over the prompts.")] = None,
    steps: Annotated[int | None, _given("--steps", "Instead of --epochs.", min=1)] = None,
    rate: Annotated[float | None, _given("--rate", "The actor's.")] = None,
    critic_rate: Annotated[float | None, _given("--critic-rate", "The critic's.")] = None,
    critic_warm_up: Annotated[
        int | None, _given("--critic-warm-up", "Steps that only the critic learns.", min=0)
    ] = None,
    kl: Annotated[float | None, _given("--kl", "Penalty β on ln π − ln π_ref.", min=0.0)] = None,
    kl_target: Annotated[
        float | None, _given("--kl-target", "Nats per token that β is steered to; else β stays.")
    ] = None,
    kl_stop: Annotated[
        float | None, _given("--kl-stop", "Nats per token of movement that end a step's updates.")
    ] = None,
    batch_size: Annotated[int | None, _given("--batch-size", "Prompts a step.", min=1)] = None,
    mini_batch: Annotated[int | None, _given("--mini-batch", "Answers an update.", min=1)] = None,
    micro_batch: Annotated[
        int | None, _given("--micro-batch", "Answers at once; only memory depends on it.", min=1)
    ] = None,
    ppo_epochs: Annotated[
        int | None, _given("--ppo-epochs", "Passes over a step's answers.", min=1)
    ] = None,
    max_prompt: Annotated[
        int | None, _given("--max-prompt", "Tokens; longer prompts are left out.", min=1)
    ] = None,
    max_response: Annotated[
        int | None, _given("--max-response", "Tokens of an answer.", min=1)
    ] = None,
    temperature: Annotated[float | None, _given("--temperature", "Of practice.")] = None,
    gamma: Annotated[float | None, _given("--gamma", "Discount.", min=0.0, max=1.0)] = None,
    lam: Annotated[float | None, _given("--lam", "λ of GAE.", min=0.0, max=1.0)] = None,
    validate_every: Annotated[int | None, _given("--validate-every", "Steps.", min=1)] = None,
    validate_size: Annotated[
        int | None, _given("--validate-size", "Held-out prompts.", min=1)
    ] = None,
    save_every: Annotated[int | None, _given("--save-every", "Steps.", min=1)] = None,
    patience: Annotated[
        int | None, _given("--patience", "Validations without a better reward that end it.", min=1)
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        _given("--gradient-checkpointing/--no-gradient-checkpointing", "Less memory, more time."),
    ] = None,
    seed: o.Seed = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    mlflow: o.TrainingMlflow = None,
    json: o.Json = False,
) -> None:
    """Let an SFT model practise, rewarded for format, emotion and strategy: multi-objective PPO.

    Example: empathy-bench stride ppo work --sft models/sft --data DIR --preset small -o models/ppo

    On several GPUs: accelerate launch -m harness.cli stride ppo …
    """
    given = {**locals(), "sft": str(sft)}
    settings = settings_of(PpoSettings, PPO_PRESETS[preset], given)
    folder = output or Path("models") / f"stride-{algorithm}-{variant}-{seed}"
    card = _ppo(
        settings, folder, work, data, algorithm=algorithm, valid=valid, limit=limit, resume=resume,
        device=device, mlflow=mlflow, quiet=json,
    )  # fmt: skip
    if json:
        show.print_json(card)
        return
    found = card["validation"]
    shares = ", ".join(f"{name} {100 * found[name]:.1f} %" for name in found if name != "reward")
    typer.echo(
        f"{card['name']}: held-out reward {found['reward']:.3f} ({shares}) at step "
        f"{card['best_step']:,} of {card['steps']:,}, {card['seconds']:.0f} s\n"
        f"kept in {folder} (curve.png shows how it went)\n"
        f"use it: empathy-bench run --model stride:{folder} --task ed_response"
    )


def _ppo(
    settings: PpoSettings,
    folder: Path,
    work: Path,
    data: str | None,
    *,
    algorithm: Algorithm,
    valid: Path | None,
    limit: int | None,
    resume: bool,
    device: str,
    mlflow: str | None,
    quiet: bool,
) -> dict[str, Any]:
    from harness.parallel import join, leave
    from harness.tracking.training import training_mirror
    from harness.training_log import TrainingLog, read_curve
    from stride_ed.training.card import make_readme
    from stride_ed.training.data import lessons
    from stride_ed.training.practice import practise
    from stride_ed.training.variants import find_variant

    variant = find_variant(settings.variant)
    learnt = lessons(work, data, variant, mix=0, seed=settings.seed, valid=valid, limit=limit)
    mirror = training_mirror(mlflow, folder, task="stride_ed")
    world = join()
    with fitting_progress(quiet=quiet or not world.first) as progress:
        card = practise(
            learnt, folder, algorithm=algorithm, settings=settings, resume=resume, device=device,
            mirror=mirror, show=progress,
        )  # fmt: skip
    leave()
    if not world.first:
        raise typer.Exit
    TrainingLog(folder, mirror=mirror).finish(card, make_readme(card, read_curve(folder)))
    return card
