"""`empathy-bench stride export-verl` and `stride launch-files`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o
from harness.commands import show
from stride_ed.command_options import Work
from stride_ed.training.command import Limited, LimitedValid, Valid, Variant

__all__ = ["export_verl", "launch_files"]


def export_verl(
    work: Work,
    data: o.Data = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")] = Path("verl"),
    base: Annotated[
        str, typer.Option("--base", help="The backbone, as verl's machine finds it.")
    ] = "deepseek-ai/deepseek-llm-7b-chat",
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="Of one node.")] = 4,
    variant: Variant = "full",
    mix: Annotated[
        float, typer.Option("--mix", min=0.0, help="Response-only examples per traced one.")
    ] = 7.0,
    valid: Valid = None,
    limit: Limited = None,
    limit_valid: LimitedValid = None,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Write data, reward and launch files for verl, the paper's engine: SFT and PPO of 7B models.

    Example: empathy-bench stride export-verl work --data DIR --gpus 4 -o verl
    """
    from stride_ed.scale_out.export import export_verl as export
    from stride_ed.training.data import lessons
    from stride_ed.training.variants import find_variant

    chosen = find_variant(variant)
    learnt = lessons(work, data, chosen, mix=mix, seed=seed, valid=valid, limit=limit,
                     limit_valid=limit_valid)  # fmt: skip
    card = export(learnt, output, variant=chosen, base=base, gpus=gpus)
    if json:
        show.print_json(card)
        return
    for warning in card["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{output}: {card['traced']:,} traced and {card['response_only']:,} response-only "
        f"examples, {card['valid']:,} held out, for verl {card['verl']}\n"
        f"Next, where verl is installed: {output}/sft.sh, then {output}/ppo.sh (README.md)"
    )


def launch_files(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")] = Path(
        "launch"
    ),
) -> None:
    """Write configurations for `accelerate launch`: FSDP2 and DeepSpeed for SFT, DDP for PPO.

    Example: empathy-bench stride launch-files -o launch && accelerate launch --config_file
    launch/fsdp2.yaml -m harness.cli stride sft work --full --device cuda

    The paper's batch is 16: 4 GPUs with --batch-size 4, 8 GPUs with --batch-size 2.
    """
    from importlib.resources import files

    from harness.files import write_atomic

    for entry in sorted(files("stride_ed.scale_out").joinpath("configs").iterdir(), key=str):
        write_atomic(output / entry.name, entry.read_bytes())
        typer.echo(str(output / entry.name))
