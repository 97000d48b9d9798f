"""`empathy-bench stride`: from raw dialogues to a refined, balanced training set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.commands import options as o
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
from stride_ed.command_options import Work
from stride_ed.scale_out.command import export_verl, launch_files
from stride_ed.training.command import ppo, sft
from stride_ed.training.results_command import ablate, score, view

__all__ = ["app"]

app = typer.Typer(
    help="STRIDE-ED: refine data (annotate … sample), train (sft, ppo), score, ablate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _group() -> None:
    """STRIDE-ED: raw dialogues in, a balanced set of stepwise traces, a model trained on them.

    Offline, without any LLM:

        empathy-bench stride annotate work --data DIR
        empathy-bench stride evaluate work --data DIR --pool 4000
        empathy-bench stride refine   work --data DIR
        empathy-bench stride sample   work --data DIR --size 2000
        empathy-bench stride inspect  work --data DIR

    Then train the bundled model on it, and put it on the board:

        empathy-bench stride sft work --data DIR --preset small -o models/sft
        empathy-bench stride ppo work --data DIR --preset small --sft models/sft -o models/ppo
        empathy-bench run --model stride:models/ppo --task ed_response --data DIR
    """


@app.command()
def annotate(
    work: Work,
    annotator: Annotated[
        str,
        typer.Option(
            "--annotator",
            "-a",
            help="offline (no LLM), openai:URL#NAME, hf:PATH_OR_ID or smollm2.",
        ),
    ] = "offline",
    data: o.Data = None,
    example_set: Annotated[
        str, typer.Option("--example-set", help="Whose listener turns are annotated.")
    ] = "ed/train",
    limit: o.Limit = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the annotations in WORK.")
    ] = False,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=16, help="Bound of an LLM's answer.")
    ] = 400,
    concurrency: Concurrency = 16,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    attempts: Attempts = 8,
    timeout: Timeout = 120.0,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    budget: Budgeted = None,
    dry_run: DryRun = False,
    seed: o.Seed = 0,
) -> None:
    """Explain every listener turn: summary, emotion, strategy, action, reply.

    Example: empathy-bench stride annotate work --data DIR
    """
    from harness.commands.asking import Asking, Limits
    from stride_ed.annotating import run_annotate

    asking = Asking(
        limits=Limits(concurrency, requests_per_minute, tokens_per_minute, attempts, timeout),
        max_tokens=max_tokens,
        price_in=price_in,
        price_out=price_out,
        limit=budget,
        dry_run=dry_run,
        seed=seed,
    )
    run_annotate(work, annotator, data, example_set, limit=limit, resume=resume, asking=asking)


@app.command()
def evaluate(
    work: Work,
    evaluators: Annotated[
        list[str] | None,
        typer.Option(
            "--evaluator",
            "-e",
            help="embedding, classifier, likelihood (no LLM), openai:URL#NAME, hf:PATH_OR_ID or "
            "smollm2; may be given several times. Default: the first three.",
            show_default=False,
        ),
    ] = None,
    data: o.Data = None,
    pool: Annotated[
        int | None,
        typer.Option(
            "--pool",
            min=2,
            help="Grade this many traces, drawn evenly over strategies; else all. "
            "Grading is the dear part, and rare strategies are the ones to look for.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the grades in WORK.")
    ] = False,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=16, help="Bound of an LLM's answer.")
    ] = 300,
    concurrency: Concurrency = 16,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    attempts: Attempts = 8,
    timeout: Timeout = 120.0,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    budget: Budgeted = None,
    dry_run: DryRun = False,
    seed: o.Seed = 0,
) -> None:
    """Grade every trace from 1 to 5 on four dimensions, by each evaluator by itself.

    Example: empathy-bench stride evaluate work --data DIR --pool 4000
    """
    from harness.commands.asking import Asking, Limits
    from stride_ed.grading import run_evaluate

    asking = Asking(
        limits=Limits(concurrency, requests_per_minute, tokens_per_minute, attempts, timeout),
        max_tokens=max_tokens,
        price_in=price_in,
        price_out=price_out,
        limit=budget,
        dry_run=dry_run,
        seed=seed,
    )
    run_evaluate(work, evaluators or None, data, pool=pool, resume=resume, asking=asking)


@app.command()
def refine(
    work: Work,
    data: o.Data = None,
    weights: Annotated[
        Literal["consistency", "uniform", "human"],
        typer.Option("--weights", help="How evaluators are weighed."),
    ] = "consistency",
    human: Annotated[
        Path | None,
        typer.Option(
            "--human",
            help='Grades by people for --weights human: {"id": …, "score": …} a line.',
            show_default=False,
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", min=1, help="Traces to keep; else half.", show_default=False),
    ] = None,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Weigh the evaluators by how they agree, and keep the best traces.

    Example: empathy-bench stride refine work --data DIR --top-k 3000
    """
    from stride_ed.stages import run_refine

    run_refine(work, data, scheme=weights, human=human, top_k=top_k, seed=seed, json=json)


@app.command()
def sample(
    work: Work,
    data: o.Data = None,
    size: Annotated[int, typer.Option("--size", min=1, help="Examples to draw.")] = 2000,
    alpha: Annotated[
        float, typer.Option("--alpha", help="0: shares as in the pool; 1: all strategies alike.")
    ] = 0.5,
    beta: Annotated[
        float, typer.Option("--beta", help="Above 0: more of the difficult strategies.")
    ] = 0.5,
    emotion_least: Annotated[
        int, typer.Option("--emotion-least", min=0, help="At least so many of each emotion.")
    ] = 0,
    seed: o.Seed = 0,
    mlflow: o.TrainingMlflow = None,
    json: o.Json = False,
) -> None:
    """Draw the training set by strategy frequency and difficulty; write it for TRL and verl.

    Example: empathy-bench stride sample work --data DIR --size 2000 --emotion-least 20
    """
    from stride_ed.stages import run_sample

    run_sample(work, data, size=size, alpha=alpha, beta=beta, emotion_least=emotion_least,
               seed=seed, mlflow=mlflow, json=json)  # fmt: skip


@app.command()
def inspect(
    work: Work,
    data: o.Data = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The page; else WORK/inspect.html.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Traces on the page, kept ones first.")
    ] = 3000,
) -> None:
    """Make an offline page to read traces and grades, filtered by strategy, emotion, disagreement.

    Example: empathy-bench stride inspect work --data DIR
    """
    from stride_ed.stages import run_inspect

    run_inspect(work, data, output=output, limit=limit)


app.command()(sft)
app.command()(ppo)
app.command()(score)
app.command()(view)
app.command()(ablate)
app.command("export-verl")(export_verl)
app.command("launch-files")(launch_files)
