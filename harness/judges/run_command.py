"""`judge run`: put runs before judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    RequestsPerMinute,
    Timeout,
    TokensPerMinute,
)
from harness.judges.questions import Form

if TYPE_CHECKING:
    from harness.commands.asking import Asking as Chosen
    from harness.comparable import Runs
    from harness.judges.planning import Plan
    from harness.judges.questions import Asking
    from harness.judges.verdicts import Verdict
    from harness.results import Result

__all__ = ["run"]

_HOW = "How judges are asked"


def run(
    protocol: Annotated[
        str,
        typer.Argument(help="ed-absolute, ed-pairwise, esconv, epitome, stride-trace, …"),
    ],
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders on the same examples.", show_default=False)
    ],
    judge: Annotated[
        list[str],
        typer.Option(
            "--judge",
            "-j",
            help="openai:URL#NAME (key in OPENAI_API_KEY), hf:PATH_OR_ID, smollm2, or "
            "offline:FOLDER of judge fit; may be given several times.",
            show_default=False,
        ),
    ],
    items: Annotated[
        int, typer.Option("--items", min=1, help="Examples drawn, the same for every system.")
    ] = 100,
    controls: Annotated[
        int,
        typer.Option(
            "--controls", min=0, help="Examples on which controls stand beside the systems."
        ),
    ] = 20,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="In pairs: every system plays this one only, not all others.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Form,
        typer.Option(
            "--form",
            help="json: a reason, then all criteria. digit: one request per criterion, read by "
            "probability; for small models.",
            rich_help_panel=_HOW,
        ),
    ] = "json",
    repeats: Annotated[
        int,
        typer.Option(
            "--repeats", min=1, max=32, help="Times each question is asked.", rich_help_panel=_HOW
        ),
    ] = 1,
    temperature: Annotated[
        float,
        typer.Option("--temperature", min=0, max=2, help="Of the judge.", rich_help_panel=_HOW),
    ] = 0.0,
    max_tokens: Annotated[
        int,
        typer.Option("--max-tokens", min=16, help="Of a json answer.", rich_help_panel=_HOW),
    ] = 256,
    seed: o.Seed = 1234,
    data: o.Data = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for answers, verdicts, results.")
    ] = Path("judged"),
    mlflow: o.Mlflow = None,
    concurrency: Concurrency = 16,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    attempts: Attempts = 4,
    timeout: Timeout = 120.0,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    budget: Budgeted = None,
    dry_run: DryRun = False,
    json: o.Json = False,
) -> None:
    """Grade replies, or let two systems play, by LLM judges whose failures are counted.

    Killed or out of budget, the same command goes on: every answer is paid for once.

    Example: empathy-bench judge run ed-absolute runs/ed_response/* -j openai:URL#NAME -o judged
    """
    from harness.commands.asking import Asking as Chosen
    from harness.commands.asking import Limits
    from harness.comparable import read_runs
    from harness.judges.planning import make_plan
    from harness.judges.protocols import get_protocol
    from harness.judges.questions import Asking
    from harness.tracking import check_store, resolve_store, track

    asking = Asking(
        protocol=get_protocol(protocol), form=form, temperature=temperature,
        max_tokens=max_tokens, seed=seed,
    )  # fmt: skip
    limits = Limits(concurrency, requests_per_minute, tokens_per_minute, attempts, timeout)
    chosen = Chosen(
        limits=limits, max_tokens=max_tokens, price_in=price_in, price_out=price_out, limit=budget,
        dry_run=dry_run, seed=seed,
    )  # fmt: skip
    found = read_runs(runs, data=data)
    plan = make_plan(
        asking.protocol, found, items=items, controls=controls, against=against, repeats=repeats,
        seed=seed,
    )  # fmt: skip
    store = None if dry_run else resolve_store(mlflow, output)
    if store:
        check_store(store)
    folders, results = [], []
    for spec in judge:
        for folder, result in _one_judge(spec, found, plan, asking, chosen, output, quiet=json):
            folders.append(folder)
            results.append(result)
    if store and folders:
        report = track(store, folders)
        if not json:
            _say(f"MLflow {store.label}: {report.logged} new, {report.skipped} there before.")
    if json:
        show.print_json([result.to_json() for result in results])
    elif folders:
        _say(f"Next: empathy-bench judge report {output / protocol}")


def _one_judge(
    spec: str,
    runs: Runs,
    plan: Plan,
    asking: Asking,
    chosen: Chosen,
    output: Path,
    *,
    quiet: bool,
) -> list[tuple[Path, Result]]:
    """Ask one judge; its verdicts and a result for each system, written."""
    from harness.commands.asking import opened, print_estimate, print_spent
    from harness.judges.offline.judging import PREFIX, offline_verdicts
    from harness.judges.running import ask_judge, to_ask

    if spec.startswith(PREFIX):
        folder = Path(spec.removeprefix(PREFIX))
        identity, verdicts = offline_verdicts(folder, plan.questions, asking.protocol)
        if not quiet:
            _print(plan, asking, str(identity["name"]), verdicts)
        return _write(output, runs, plan, asking, identity, verdicts)
    with opened(spec, output / "answers", chosen) as asker:
        if chosen.dry_run:
            print_estimate(asker, to_ask(plan.questions, asking), chosen)
            return []
        label = f"{asker.name} · {asking.protocol.name}"
        with show.progress_bar(label, quiet=quiet) as progress:
            verdicts = ask_judge(asker, plan.questions, asking, progress=progress)
        identity = {"name": asker.name, **asker.client.identity}
        made = _write(output, runs, plan, asking, identity, verdicts)
        if not quiet:
            _print(plan, asking, asker.name, verdicts)
            print_spent(asker, chosen)
    return made


def _write(
    output: Path,
    runs: Runs,
    plan: Plan,
    asking: Asking,
    judge: dict[str, Any],
    verdicts: Sequence[Verdict],
) -> list[tuple[Path, Result]]:
    from harness.datasets.sets import ExampleSet
    from harness.files import sha256_file
    from harness.judges.results import judged_result
    from harness.judges.running import write_verdicts
    from harness.judges.verdicts import Game, Grade
    from harness.results import FILE_NAME, write_result
    from harness.run import folder_name
    from harness.score import environment

    drawn = ExampleSet(name=runs.examples.name, examples=plan.examples)
    examples = {"example_set": drawn.name, "size": len(drawn), "fingerprint": drawn.fingerprint}
    settings = {"judge": judge, "asking": asking.to_json(), **examples}
    place = output / asking.protocol.name / folder_name(str(judge["name"]))
    write_verdicts(place / "verdicts.jsonl", settings, verdicts)
    made = []
    for name, header in zip(runs.names, runs.headers, strict=True):
        own = [
            v
            for v in verdicts
            if (isinstance(v, Grade) and v.system == name)
            or (isinstance(v, Game) and name in (v.first, v.second))
        ]
        folder = place / folder_name(name)
        write_verdicts(folder / "verdicts.jsonl", settings, own)
        digest = sha256_file(folder / "verdicts.jsonl")
        result = judged_result(
            own, name, asking=asking, judge=judge, examples=examples,
            model={**header.model, "name": name}, environment=environment(),
            files={"verdicts": {"name": "verdicts.jsonl", "sha256": digest}},
        )  # fmt: skip
        write_result(folder / FILE_NAME, result)
        made.append((folder, result))
    return made


def _print(plan: Plan, asking: Asking, judge: str, verdicts: Sequence[Verdict]) -> None:
    from harness.judges.planning import CONTROLS
    from harness.judges.results import metric_results

    rows = []
    for system in [*plan.systems, *CONTROLS]:
        for metric in metric_results(verdicts, system, asking.protocol, ""):
            value = f"{show.number(metric.value)} {show.interval(metric)}".strip()
            failed = f"{metric.n_failed:,}" if metric.n_failed else "–"
            rows.append([system, metric.name, value, f"{metric.n:,}", failed])
    title = f"{asking.protocol.name} v{asking.protocol.version} by {judge}"
    heads = ["system", "criterion", "mean [95 %]", "examples", "judge failed"]
    show.table(title, heads, rows, right={2, 3, 4})


def _say(text: str) -> None:
    typer.echo(text, err=True)
