"""`data`: find, check and fingerprint the data sets; look for leaks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o

__all__ = ["app", "check", "leaks"]

app = typer.Typer(
    help="Find, check and fingerprint the data sets; look for leaks.", no_args_is_help=True
)


@app.command()
def check(data: o.Data = None, json: o.Json = False) -> None:
    """Count what is at hand against the official numbers, and print fingerprints.

    Example: empathy-bench data check --data DIR
    """
    from harness.commands import show
    from harness.datasets.check import check_data

    report = check_data(data)
    if json:
        show.print_json(dataclasses.asdict(report))
        return
    heads = ["split", "dialogues", "utterances", "examples", "labels", "same situation in train"]
    rows = [
        [
            f"{s.dataset}/{s.split}",
            _against(s.dialogues, s.dialogues_official),
            _against(s.utterances, s.utterances_official),
            f"{s.examples:,}",
            str(s.labels),
            "–" if s.situations_in_train is None else str(s.situations_in_train),
        ]
        for s in report.splits
    ]
    show.table("Data at hand (official count in brackets)", heads, rows, right=set(range(1, 6)))
    sets = [[s.name, _against(s.size, s.size_official), s.fingerprint[:23]] for s in report.sets]
    show.table("Example sets", ["set", "examples", "fingerprint"], sets, right={1})
    for sentence in report.missing:
        typer.echo(f"not at hand: {sentence}", err=True)


@app.command()
def leaks(
    training: Annotated[
        list[Path],
        typer.Argument(
            help="Training data: folders or files in any layout that --data takes.",
            show_default=False,
        ),
    ],
    example_set: Annotated[
        str, typer.Option("--example-set", help="What the model is evaluated on.")
    ] = "ed/test",
    data: o.Data = None,
    json: o.Json = False,
) -> None:
    """Say which evaluation examples occur in training data.

    Example: empathy-bench data leaks my-training-folder --example-set ed/test --data DIR
    """
    from harness.commands import show
    from harness.datasets import EXAMPLE_SETS, load_dialogues, load_example_set
    from harness.datasets.leaks import find_leaks

    examples = load_example_set(example_set, data)
    dataset = EXAMPLE_SETS[example_set].dataset
    dialogues = [d for path in training for d in load_dialogues(dataset, "train", path)]
    report = find_leaks(examples, dialogues)
    if json:
        show.print_json(dataclasses.asdict(report))
        return
    rows = [
        [name, str(len(ids)), ", ".join(ids[:3])]
        for name, ids in (
            ("situation is a training situation", report.situations),
            ("context is a training context", report.contexts),
            ("half of the context's 8-grams in training", report.near_contexts),
            ("reference (8 words or more) is a training reply", report.references),
        )
    ]
    title = f"{example_set} ({report.examples:,} examples) in {len(dialogues):,} training dialogues"
    show.table(title, ["finding", "examples", "first"], rows, right={1})


def _against(found: int, official: int | None) -> str:
    if official is None:
        return f"{found:,}"
    return f"{found:,} [{official:,}]" + ("" if found == official else " ≠")
