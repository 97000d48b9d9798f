"""Options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.predict import Demonstrations as _Demonstrations

__all__ = [
    "BatchSize",
    "ChatTemplate",
    "Concurrency",
    "Data",
    "Demonstrations",
    "Device",
    "Dtype",
    "ExampleSetName",
    "FewShot",
    "Json",
    "Limit",
    "MaxTokens",
    "Mlflow",
    "ModelNames",
    "Output",
    "Profile",
    "ReferenceLikelihood",
    "Resume",
    "Seed",
    "TaskNames",
    "Temperature",
    "TrainingMlflow",
]

_MODEL = "Model"
_WHERE = "Data and output"

ModelNames = Annotated[
    list[str],
    typer.Option(
        "--model",
        "-m",
        help="NAME or NAME:ARGUMENT, may be given several times: smollm2, hf:PATH_OR_ID, "
        "openai:URL#NAME, vllm:ID, lm-eval:BACKEND,ARGS, constant[:TEXT], shuffled, human, "
        "retrieval, … (`empathy-bench list models`).",
        show_default=False,
    ),
]
TaskNames = Annotated[
    str,
    typer.Option(
        "--task", "-t", help="Tasks and groups, comma-separated (`empathy-bench list tasks`)."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Folder with ed/csv and esconv/ESConv.json, or 'sample' for the embedded sample. "
        "Else EMPATHY_BENCH_DATA, else the user's cache, else the hub.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
ExampleSetName = Annotated[
    str | None,
    typer.Option(
        "--example-set",
        help="Another example set than the task's own (`empathy-bench list datasets`).",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", help="Only the first N examples.", rich_help_panel=_WHERE),
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="Folder for runs.", rich_help_panel=_WHERE),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with runs found in --output.", rich_help_panel=_WHERE),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        help="MLflow tracking URI, or 'off'. Else the active run's, else MLFLOW_TRACKING_URI, "
        "else sqlite:///OUTPUT/mlflow.db.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
TrainingMlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        help="MLflow tracking URI that mirrors the training, or 'off'. Else the active run's, "
        "else MLFLOW_TRACKING_URI, else none.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON, nothing else.", rich_help_panel=_WHERE)
]
Profile = Annotated[
    str,
    typer.Option("--profile", help="Metric definitions (`empathy-bench list profiles`)."),
]
FewShot = Annotated[
    int, typer.Option("--few-shot", min=0, max=32, help="Demonstrations before each example.")
]
Demonstrations = Annotated[
    _Demonstrations,
    typer.Option(
        "--demonstrations",
        help="Which training examples --few-shot shows: drawn by seed, or the nearest by BM25.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Fixes demonstrations, sampling, shuffling.")]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Prompts per batch.", rich_help_panel=_MODEL),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, cuda:1, mps.", rich_help_panel=_MODEL),
]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", help="float32, bfloat16, float16.", rich_help_panel=_MODEL),
]
ChatTemplate = Annotated[
    bool | None,
    typer.Option(
        "--chat-template/--no-chat-template",
        help="Use the model's chat template; by default where it has one.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        min=1,
        help="Bound of a generated answer, instead of the task's own; reasoning models need it.",
        show_default=False,
        rich_help_panel=_MODEL,
    ),
]
Temperature = Annotated[
    float,
    typer.Option("--temperature", min=0.0, help="0 is greedy.", rich_help_panel=_MODEL),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency", min=1, help="Requests at once to an endpoint.", rich_help_panel=_MODEL
    ),
]
ReferenceLikelihood = Annotated[
    bool,
    typer.Option(
        "--reference-likelihood/--no-reference-likelihood",
        help="Also score the human reply, for perplexity.",
        rich_help_panel=_MODEL,
    ),
]
