"""`stride refine`, `sample` and `inspect`: load, work, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.commands import show
from harness.errors import InputError
from stride_ed.work import examples_of

if TYPE_CHECKING:
    from stride_ed.weights import Scheme

__all__ = ["run_inspect", "run_refine", "run_sample"]


def run_refine(
    work: Path,
    data: str | None,
    *,
    scheme: Scheme,
    human: Path | None,
    top_k: int | None,
    seed: int,
    json: bool,
) -> None:
    """`stride refine`."""
    from stride_ed.refine import read_human, refine
    from stride_ed.report import print_refined

    if (scheme == "human") != (human is not None):
        raise InputError("--weights human and --human FILE belong together")
    _, annotations = examples_of(work, data)
    grades = read_human(human) if human else None
    found = refine(work, annotations, scheme=scheme, human=grades, top_k=top_k, seed=seed)
    if json:
        show.print_json(found.report)
        return
    print_refined(found.report)
    typer.echo(f"\nNext: empathy-bench stride sample {work}")


def run_sample(
    work: Path,
    data: str | None,
    *,
    size: int,
    alpha: float,
    beta: float,
    emotion_least: int,
    seed: int,
    mlflow: str | None,
    json: bool,
) -> None:
    """`stride sample`."""
    import os

    from harness import tracking
    from stride_ed.made_set import Sampling, make_set
    from stride_ed.report import print_shares

    examples, annotations = examples_of(work, data)
    sampling = Sampling(size=size, alpha=alpha, beta=beta, emotion_least=emotion_least, seed=seed)
    made = make_set(work, examples, annotations, sampling, data)
    named = (mlflow or "").strip() or os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    store = tracking.resolve_store(named, made.folder) if named else None
    report = tracking.track_data(store, made.folder) if store else None
    if json:
        show.print_json(made.card)
        return
    print_shares(made.card)
    typer.echo(f"\n{made.folder}: {', '.join(made.card['files'])}, README.md, data_card.json")
    if store and report:
        done = "registered" if report.logged else "was there before"
        typer.echo(f"{store.label}: {done} as data/{made.card['name']}")
    typer.echo(f"Read it: empathy-bench stride inspect {work}")


def run_inspect(work: Path, data: str | None, *, output: Path | None, limit: int) -> None:
    """`stride inspect`."""
    from stride_ed.inspect_page import inspect_page

    examples, annotations = examples_of(work, data)
    path = output or work / "inspect.html"
    count = inspect_page(work, examples, annotations, path, limit=limit)
    typer.echo(f"{path}: {count:,} traces; open it in a browser, it needs no network")
