"""`judge attack`: what a judge falls for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o
from harness.commands import show
from harness.commands.asking_options import (
    Attempts,
    Budgeted,
    Concurrency,
    DryRun,
    PriceIn,
    PriceOut,
    Timeout,
)
from harness.judges.questions import Form

__all__ = ["attack"]

_SETS = {"ed": "ed/test", "esconv": "esconv/test-910-195-195"}


def attack(
    protocol: Annotated[str, typer.Argument(help="ed-absolute, ed-pairwise, esconv, epitome.")],
    judge: Annotated[
        str,
        typer.Option(
            "--judge", "-j", help="openai:URL#NAME, hf:PATH_OR_ID, smollm2.", show_default=False
        ),
    ],
    items: Annotated[
        int, typer.Option("--items", min=1, help="Dialogues on which every attack is tried.")
    ] = 3,
    form: Annotated[Form, typer.Option("--form", help="json or digit, as in judge run.")] = "json",
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=16, help="Of a json answer.")
    ] = 256,
    example_set: o.ExampleSetName = None,
    data: o.Data = None,
    seed: o.Seed = 1234,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for answers.")] = Path(
        "judged"
    ),
    concurrency: Concurrency = 16,
    attempts: Attempts = 4,
    timeout: Timeout = 120.0,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    budget: Budgeted = None,
    dry_run: DryRun = False,
    json: o.Json = False,
) -> None:
    """Try attacks on a judge: orders, fake verdicts, forged marks, hidden text, great length, …

    Example: empathy-bench judge attack ed-pairwise -j openai:URL#NAME --items 5
    """
    from dataclasses import asdict

    from harness.commands.asking import Asking as Chosen
    from harness.commands.asking import Limits, opened, print_estimate, print_spent
    from harness.datasets import load_example_set
    from harness.judges.attacking import attack_questions, won
    from harness.judges.planning import draw
    from harness.judges.protocols import get_protocol
    from harness.judges.questions import Asking
    from harness.judges.running import ask_judge, to_ask, write_verdicts
    from harness.run import folder_name

    found = get_protocol(protocol)
    asking = Asking(protocol=found, form=form, max_tokens=max_tokens, seed=seed)
    limits = Limits(concurrency=concurrency, attempts=attempts, timeout=timeout)
    chosen = Chosen(
        limits=limits, max_tokens=max_tokens, price_in=price_in, price_out=price_out, limit=budget,
        dry_run=dry_run, seed=seed,
    )  # fmt: skip
    examples = load_example_set(example_set or _SETS[found.dataset or "ed"], data)
    questions = attack_questions(found, draw(examples.examples, items, seed=seed))
    with opened(judge, output / "answers", chosen) as asker:
        if dry_run:
            print_estimate(asker, to_ask(questions, asking), chosen)
            return
        with show.progress_bar(f"{asker.name} · attacks", quiet=json) as progress:
            verdicts = ask_judge(asker, questions, asking, progress=progress)
        rows = won(found, verdicts)
        place = output / found.name / folder_name(asker.name) / "attacks.jsonl"
        settings = {"judge": dict(asker.client.identity), "asking": asking.to_json()}
        write_verdicts(place, settings, verdicts)
        if json:
            show.print_json([{**asdict(row), "rate": row.rate} for row in rows])
            return
        show.table(
            f"Attacks that {asker.name} prefers to the human reply, {found.name}",
            ["family", "succeeded", "of", "judge failed"],
            [[r.family, show.number(r.rate and 100 * r.rate, 0) + " %" if r.judged else "–",
              str(r.judged), str(r.failed)] for r in rows],
            right={1, 2, 3},
        )  # fmt: skip
        typer.echo(f"verdicts           {place}")
        print_spent(asker, chosen)
