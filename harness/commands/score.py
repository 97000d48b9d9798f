"""`score`: numbers for any predictions file, without any model."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands import options as o
from harness.commands import show, spread

if TYPE_CHECKING:
    from harness.imports import Imported
    from harness.predictions import Header
    from harness.results import Result
    from harness.run import Plan

__all__ = ["score"]


def score(
    predictions: Annotated[
        Path,
        typer.Option(
            "--predictions",
            "-p",
            help="predictions.jsonl, plain {id, response} lines, text lines in canonical order, "
            "or a published system's output file.",
            show_default=False,
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="Needed unless the file's header names it."),
    ] = None,
    data: o.Data = None,
    example_set: o.ExampleSetName = None,
    limit: o.Limit = None,
    file_format: Annotated[
        str, typer.Option("--format", help="Layout of the file (`empathy-bench list formats`).")
    ] = "auto",
    system: Annotated[
        str | None, typer.Option("--system", help="Which system of a file that holds several.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The model's name on tables and boards.")
    ] = None,
    profile: o.Profile = "harness",
    all_profiles: Annotated[
        bool,
        typer.Option("--all-profiles", help="One table: what every published evaluator says."),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            help="Only these, comma-separated (`empathy-bench list metrics`); 'default' stands for "
            "those shown unasked: default,bertscore.",
        ),
    ] = None,
    floors: Annotated[
        bool,
        typer.Option("--floors/--no-floors", help="Also score answers that take no model."),
    ] = True,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the resampling of intervals.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also keep it as a run folder below this folder."),
    ] = None,
    mlflow: o.Mlflow = None,
    json: o.Json = False,
) -> None:
    """Score a file of outputs: every metric with interval and signature, on CPU.

    Example: empathy-bench score --predictions replies.txt --task ed_response --name "My model"
    """
    if all_profiles and (output or profile != "harness" or metrics):
        raise typer.BadParameter(
            "it shows every profile's own metrics and keeps nothing; "
            "leave out --profile, --metrics and --output",
            param_hint="--all-profiles",
        )
    from harness.imports import read_outputs
    from harness.score import make_result

    header = _peek(predictions)
    plan = _plan(task, data, example_set, limit, header)
    imported = read_outputs(predictions, plan.examples, format=file_format, system=system)
    if imported.header:
        from harness.score import check_header

        check_header(imported.header, plan.task, plan.examples, predictions)
    card = _card(name, predictions, imported)
    if all_profiles:
        spread.show_spread(plan, card, imported, seed=seed, json=json)
        return
    path = predictions
    if output:
        path = _keep(output, plan, card, imported, profile)
    with show.progress_bar("scoring", quiet=json) as bar:
        result = make_result(
            plan.task,
            plan.examples,
            imported.header,
            imported.predictions,
            path=path,
            model=card,
            provenance="re-scored",
            profile=profile,
            names=[part.strip() for part in metrics.split(",")] if metrics else None,
            seed=seed,
            floors=floors,
            data=data,
            progress=bar,
        )
    if output:
        _finish(result, path, mlflow, output, quiet=json)
    if json:
        show.print_json(result.to_json())
        return
    show.print_result(result)
    for note in imported.notes:
        typer.echo(f"note: {note}", err=True)


def _peek(path: Path) -> Header | None:
    """The header of a file that has one, read without the rest."""
    from harness.errors import PredictionsError
    from harness.predictions import parse_header

    try:
        with path.open("rb") as file:
            first = file.readline(1_000_000)
    except OSError as error:
        raise PredictionsError(f"{path}: no such predictions file") from error
    try:
        value = json_module.loads(first)
    except (ValueError, RecursionError):
        return None
    is_header = isinstance(value, dict) and "schema" in value
    return parse_header(value, f"{path}:1") if is_header else None


def _plan(
    task: str | None,
    data: str | None,
    example_set: str | None,
    limit: int | None,
    header: Header | None,
) -> Plan:
    from harness.errors import InputError
    from harness.run import Plan
    from harness.tasks import get_tasks

    if header and task in (None, header.task) and example_set is None and limit is None:
        return Plan.of(header, data)
    task = task or (header.task if header else None)
    if task is None:
        raise InputError("the file has no header, so say which task it answers: --task ed_response")
    found = get_tasks(task)
    if len(found) > 1:
        raise InputError(f"{task} is a group; a predictions file answers one task: name it")
    return Plan.load(found[0], data=data, example_set=example_set, limit=limit)


def _card(name: str | None, path: Path, imported: Imported) -> dict[str, object]:
    card: dict[str, object] = dict(imported.header.model) if imported.header else {}
    fallback = f"{path.stem}:{imported.system}" if imported.system else path.stem
    card["name"] = name or card.get("name") or fallback
    card.setdefault("kind", "model")
    return card


def _keep(
    output: Path, plan: Plan, card: dict[str, object], imported: Imported, profile: str
) -> Path:
    """The predictions as a run folder of their own, in our format."""
    from harness import __version__
    from harness.predictions import FILE_NAME as PREDICTIONS
    from harness.predictions import Header, PredictionWriter
    from harness.run import run_folder

    header = imported.header or Header(
        task=plan.task.name,
        task_version=plan.task.version,
        example_set=plan.examples.name,
        fingerprint=plan.examples.fingerprint,
        size=len(plan.examples),
        limit=plan.limit,
        model=card,
        generation={"imported_from": imported.format},
        harness_version=__version__,
    )
    label = str(card["name"]) + ("" if profile == "harness" else f"@{profile}")
    path = run_folder(output, plan.task, label) / PREDICTIONS
    with PredictionWriter(path, header, resume=True) as writer:
        writer.append([row for row in imported.predictions if row.id not in writer.done])
    return path


def _finish(result: Result, path: Path, mlflow: str | None, output: Path, *, quiet: bool) -> None:
    from harness import tracking
    from harness.results import FILE_NAME, write_result

    write_result(path.parent / FILE_NAME, result)
    store = tracking.resolve_store(mlflow, output)
    if store:
        tracking.check_store(store)
        tracking.track(store, [path.parent])
    if not quiet:
        typer.echo(f"kept in {path.parent}", err=True)
