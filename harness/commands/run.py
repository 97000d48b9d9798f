"""`run` and `predict`: put models to tasks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.commands import options as o
from harness.commands import show
from harness.models.contract import DEFAULT_SEED, Model, Settings
from harness.tasks import get_tasks

if TYPE_CHECKING:
    from harness.predict import Outcome
    from harness.run import Finished, Plan
    from harness.tracking import Store

__all__ = ["predict", "run"]

DEFAULT_OUTPUT = Path("runs")


def run(
    model: o.ModelNames,
    task: o.TaskNames = "empathy",
    data: o.Data = None,
    example_set: o.ExampleSetName = None,
    limit: o.Limit = None,
    few_shot: o.FewShot = 0,
    demonstrations: o.Demonstrations = "random",
    profile: o.Profile = "harness",
    seed: o.Seed = DEFAULT_SEED,
    batch_size: o.BatchSize = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    chat_template: o.ChatTemplate = None,
    max_tokens: o.MaxTokens = None,
    temperature: o.Temperature = 0.0,
    concurrency: o.Concurrency = 8,
    reference_likelihood: o.ReferenceLikelihood = True,
    output: o.Output = DEFAULT_OUTPUT,
    mlflow: o.Mlflow = None,
    resume: o.Resume = False,
    json: o.Json = False,
) -> None:
    """Answer, score and track: models × tasks, with intervals, into MLflow.

    Example: empathy-bench run --model smollm2 --model constant --task ed_response --limit 200
    """
    from harness.metrics.profiles import get_profile
    from harness.tracking import check_store, prepare_in_background, resolve_store

    began = time.perf_counter()
    settings = Settings(
        data=data,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        chat_template=chat_template,
        max_tokens=max_tokens,
        temperature=temperature,
        concurrency=concurrency,
        reference_likelihood=reference_likelihood,
        seed=seed,
    )
    get_profile(profile)
    plans = _plans(task, data, example_set, limit, few_shot, demonstrations)
    store = resolve_store(mlflow, output)
    if store:
        check_store(store)
    loading = time.perf_counter()
    models = _load(model, plans, settings, quiet=json)
    in_models = time.perf_counter() - loading
    # Not before: a model that cannot be loaded must leave nothing behind.
    warming = prepare_in_background(store) if store else None
    finished: list[Finished] = []
    try:
        for plan in plans:
            for candidate in models:
                finished.append(_run_one(plan, candidate, settings, output, profile, resume, json))
                if not json and len(plans) * len(models) == 1:
                    show.print_result(finished[0].result)
            if not json and len(plans) * len(models) > 1:
                show.print_summary([done.result for done in finished[-len(models) :]])
    finally:
        if warming:
            warming.wait()
        if store and finished:
            _track(store, finished, quiet=json)
    if json:
        show.print_json([done.result.to_json() for done in finished])
        return
    in_models += sum(done.outcome.model_seconds for done in finished)
    _summary(finished, output, total=time.perf_counter() - began, in_models=in_models)


def predict(
    model: o.ModelNames,
    task: o.TaskNames = "empathy",
    data: o.Data = None,
    example_set: o.ExampleSetName = None,
    limit: o.Limit = None,
    few_shot: o.FewShot = 0,
    demonstrations: o.Demonstrations = "random",
    seed: o.Seed = DEFAULT_SEED,
    batch_size: o.BatchSize = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    chat_template: o.ChatTemplate = None,
    max_tokens: o.MaxTokens = None,
    temperature: o.Temperature = 0.0,
    concurrency: o.Concurrency = 8,
    reference_likelihood: o.ReferenceLikelihood = True,
    output: o.Output = DEFAULT_OUTPUT,
    resume: o.Resume = False,
    json: o.Json = False,
) -> None:
    """Answer only: write predictions.jsonl, to be scored later without the model.

    Example: empathy-bench predict --model hf:./my-model --task esconv_response --output runs
    """
    settings = Settings(
        data=data,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        chat_template=chat_template,
        max_tokens=max_tokens,
        temperature=temperature,
        concurrency=concurrency,
        reference_likelihood=reference_likelihood,
        seed=seed,
    )
    plans = _plans(task, data, example_set, limit, few_shot, demonstrations)
    models = _load(model, plans, settings, quiet=json)
    outcomes = [
        _predict(plan, candidate, settings, output, resume, json)
        for plan in plans
        for candidate in models
    ]
    if json:
        rows = [{"path": str(d.path), "n": d.total, "n_failed": d.failed} for d in outcomes]
        show.print_json(rows)
        return
    for done in outcomes:
        _say(f"{done.path}: {done.total} answers, {done.failed} failed, {done.resumed} from before")


def _plans(
    task: str,
    data: str | None,
    example_set: str | None,
    limit: int | None,
    few_shot: int,
    demonstrations: o.Demonstrations,
) -> list[Plan]:
    from harness.run import Plan

    return [
        Plan.load(
            item,
            data=data,
            example_set=example_set,
            limit=limit,
            few_shot=few_shot,
            demonstrations=demonstrations,
        )
        for item in get_tasks(task)
    ]


def _load(
    specs: Sequence[str], plans: Sequence[Plan], settings: Settings, *, quiet: bool
) -> list[Model]:
    """The models, each asked at once whether it can do every task."""
    from harness.models import load_model

    models = []
    for spec in specs:
        if not quiet:
            _say(f"Loading {spec} …")
        models.append(load_model(spec, settings))
        for plan in plans:
            models[-1].generation(plan.task)
    return models


def _run_one(
    plan: Plan,
    model: Model,
    settings: Settings,
    output: Path,
    profile: str,
    resume: bool,
    quiet: bool,
) -> Finished:
    from harness.run import score_folder

    outcome = _predict(plan, model, settings, output, resume, quiet)
    return score_folder(plan, outcome, profile=profile, data=settings.data)


def _predict(
    plan: Plan, model: Model, settings: Settings, output: Path, resume: bool, quiet: bool
) -> Outcome:
    from harness.run import predict_task

    label = f"{model.card['name']} · {plan.task.name}"
    with show.progress_bar(label, quiet=quiet) as progress:
        return predict_task(plan, model, settings, output, resume=resume, progress=progress)


def _track(store: Store, finished: Sequence[Finished], *, quiet: bool) -> None:
    from harness.tracking import track

    report = track(store, [done.folder for done in finished])
    if not quiet:
        _say(f"MLflow {store.label}: {report.logged} new, {report.skipped} there before.")


def _summary(finished: Sequence[Finished], output: Path, *, total: float, in_models: float) -> None:
    failed = sum(done.outcome.failed for done in finished)
    outside = total - in_models
    _say(
        f"{len(finished)} run(s) in {output}, {failed} failed answer(s). {total:.1f} s, "
        f"{outside:.1f} s of it ({100 * outside / total:.1f} %) outside the models."
    )
    _say(f"Next: empathy-bench leaderboard build {output}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
