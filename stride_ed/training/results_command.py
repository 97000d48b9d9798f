"""`empathy-bench stride score` and `stride ablate`: what trained models earn, and what is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress
from harness.errors import InputError
from stride_ed.command_options import Work
from stride_ed.training.command import Limited, LimitedValid, Preset, Valid, settings_of
from stride_ed.training.settings import PPO_PRESETS, SFT_PRESETS, PpoSettings, SftSettings
from stride_ed.training.variants import VARIANTS, find_variant

__all__ = ["ablate", "score", "view"]

Annotations = Annotated[
    Path | None,
    typer.Option(
        "--annotations",
        help="An annotated folder of the split that was answered: strategies are scored by it.",
        show_default=False,
    ),
]


def score(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders or predictions.jsonl files; the first is compared to.",
            show_default=False,
        ),
    ],
    data: o.Data = None,
    annotations: Annotations = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="More metrics, comma-separated.", show_default=False),
    ] = None,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Score traces: format, emotion, strategy and reward, with intervals and paired tests.

    Example: empathy-bench stride score runs/ed_response/base runs/ed_response/stride
    --annotations held-out --data DIR
    """
    from stride_ed.training.scoring import score_runs

    more = [name.strip() for name in metrics.split(",")] if metrics else []
    found = score_runs(runs, data=data, annotations=annotations, more=more, seed=seed)
    if json:
        show.print_json(found.to_json())
        return
    heads = [f"{m.name} {show.arrow(m.direction)}" for m in found.metrics[0]]
    rows = [
        [name, *(f"{show.number(m.value)} {show.interval(m)}".strip() for m in of)]
        for name, of in zip(found.names, found.metrics, strict=True)
    ]
    size = found.metrics[0][0].n
    show.table(f"{size:,} examples", ["model", *heads], rows, right=set(range(1, len(heads) + 1)))
    if found.annotator:
        typer.echo(f"Strategies: the {found.annotator} annotator's labels of the human replies.")
    for item in found.differences:
        if item.verdict != "equal":
            typer.echo(f"- {item.claim}")


def view(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders or predictions.jsonl files.", show_default=False),
    ],
    data: o.Data = None,
    annotations: Annotations = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("traces.html"),
    limit: Annotated[int, typer.Option("--limit", min=1, help="Dialogues on the page.")] = 300,
    seed: o.Seed = 0,
) -> None:
    """Make an offline page to read traces stage by stage, with the reward that each part earned.

    Example: empathy-bench stride view runs/ed_response/stride --annotations held-out --data DIR
    """
    from stride_ed.viewer import view_page

    count = view_page(runs, output, data=data, annotations=annotations, limit=limit, seed=seed)
    typer.echo(f"{output}: {count:,} dialogues; open it in a browser, it needs no network")


def ablate(
    work: Work,
    data: o.Data = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of models, runs and table.")
    ] = Path("ablation"),
    variants: Annotated[
        str,
        typer.Option("--variants", help="Comma-separated; full is always there."),
    ] = ",".join(VARIANTS),
    base: Annotated[
        str, typer.Option("--base", help="smollm2, a model folder, a hub id, or id@revision.")
    ] = "smollm2",
    preset: Preset = "paper",
    valid: Valid = None,
    annotations: Annotations = None,
    limit: Limited = None,
    limit_valid: LimitedValid = None,
    limit_test: Annotated[
        int | None,
        typer.Option("--limit-test", min=1, help="Only the first N of ed/test.",
                     show_default=False),
    ] = None,
    sft_steps: Annotated[
        int | None,
        typer.Option("--sft-steps", min=1, help="Instead of the preset's.", show_default=False),
    ] = None,
    ppo_steps: Annotated[
        int | None,
        typer.Option("--ppo-steps", min=1, help="Instead of the preset's.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, help="PPO's prompts a step; its mini-batch is half.",
                     show_default=False),
    ] = None,
    max_tokens: o.MaxTokens = None,
    seed: o.Seed = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    json: o.Json = False,
) -> None:  # fmt: skip
    """Train, answer and score every variant: the paper's ablation, with intervals and tests.

    The same command goes on where it was killed.

    Example: empathy-bench stride ablate work --data DIR --preset small --limit-test 200
    """
    from stride_ed.training.ablation import TABLE, Ablation, as_markdown
    from stride_ed.training.ablation import ablate as train_all

    sft = settings_of(SftSettings, SFT_PRESETS[preset], {"base": base, "steps": sft_steps,
                                                         "seed": seed})  # fmt: skip
    halves: dict[str, Any] = {"batch_size": batch_size}
    if batch_size is not None:
        halves["mini_batch"] = max(1, batch_size // 2)
        if batch_size > 1 and batch_size % 2:
            raise InputError(f"--batch-size must be even, found {batch_size}")
    ppo = settings_of(
        PpoSettings, PPO_PRESETS[preset], {"sft": "", "steps": ppo_steps, "seed": seed, **halves}
    )
    plan = Ablation(
        work=work, data=data, output=output,
        variants=[find_variant(name.strip()) for name in variants.split(",")],
        sft=sft, ppo=ppo, valid=valid, annotations=annotations, limit=limit,
        limit_valid=limit_valid, limit_test=limit_test, max_tokens=max_tokens, device=device,
    )  # fmt: skip
    with fitting_progress(quiet=json) as progress:
        table = train_all(
            plan,
            show=progress,
            tell=(lambda words: None) if json else (lambda words: typer.echo(words, err=True)),
        )
    if json:
        show.print_json(table)
        return
    typer.echo(as_markdown(table))
    typer.echo(f"{output / TABLE}.md, .json; next: empathy-bench leaderboard build {output}/runs")
