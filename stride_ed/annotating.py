"""`stride annotate`: load, annotate, print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from harness.commands import show
from harness.commands.asking import Asking, opened, print_estimate, print_spent
from harness.datasets import ExampleSet, load_example_set
from harness.errors import InputError
from stride_ed.records import Annotation, annotation_file
from stride_ed.report import note, reasons
from stride_ed.work import ANNOTATIONS, OFFLINE_CHUNK, REPLIES, fill, within_budget

__all__ = ["run_annotate"]

OFFLINE = "offline"


def run_annotate(
    work: Path,
    annotator: str,
    data: str | None,
    example_set: str,
    *,
    limit: int | None,
    resume: bool,
    asking: Asking,
) -> None:
    """`stride annotate`."""
    examples = load_example_set(example_set, data).limited(limit)
    asked = {"example_set": example_set, "limit": limit}
    if not any(example.emotion for example in examples):
        raise InputError(f"{example_set} has no emotions; annotate ed/train")
    if annotator == OFFLINE:
        _annotate_offline(work, examples, asked, data, resume)
    else:
        _annotate_by_llm(work, examples, asked, annotator, resume, asking)


def _annotation_settings(
    asked: Mapping[str, Any], examples: ExampleSet, identity: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **asked,
        "fingerprint": examples.fingerprint,
        "size": len(examples),
        "annotator": dict(identity),
    }


def _annotate_offline(
    work: Path, examples: ExampleSet, asked: Mapping[str, Any], data: str | None, resume: bool
) -> None:
    from stride_ed.offline.annotator import OfflineAnnotator
    from stride_ed.offline.reply_classifier import fit_reply_classifier, held_out

    classifier = fit_reply_classifier(data, show=note)
    made = OfflineAnnotator(classifier)
    settings = _annotation_settings(asked, examples, made.identity)
    with (
        annotation_file(work / ANNOTATIONS, settings, resume=resume) as file,
        show.progress_bar("annotating", quiet=False) as progress,
    ):
        todo = [(example.id, example) for example in examples]
        fill(file, todo, made.annotate, chunk=OFFLINE_CHUNK, progress=progress)
        done = list(file.done.values())
    _print_annotations(done)
    typer.echo("\nThe classifier of replies on ESConv's test turns (it reads the reply itself):")
    for metric in held_out(classifier, data):
        low, high = show.number(metric.low), show.number(metric.high)
        typer.echo(f"  {metric.name:22} {show.number(metric.value)} %  [{low}, {high}]")
    typer.echo(
        "  Published 8-way figures are of the next strategy, from contexts alone: EmoDynamiX "
        "macro-F1 27.70,\n  weighted F1 32.71; RoBERTa 25.04, 27.94; BlenderBot joint, replayed, "
        "accuracy 32.22, macro-F1 21.83."
    )
    typer.echo(f"\nNext: empathy-bench stride evaluate {work}")


def _annotate_by_llm(
    work: Path,
    examples: ExampleSet,
    asked: Mapping[str, Any],
    spec: str,
    resume: bool,
    asking: Asking,
) -> None:
    from stride_ed.llm import LLMAnnotator

    with opened(spec, work / REPLIES, asking) as asker:
        made = LLMAnnotator(asker)
        if asking.dry_run:
            print_estimate(asker, [made.request(e) for e in examples], asking)
            return
        settings = _annotation_settings(asked, examples, made.identity)
        with (
            annotation_file(work / ANNOTATIONS, settings, resume=resume) as file,
            show.progress_bar("annotating", quiet=False) as progress,
        ):
            todo = [(example.id, example) for example in examples]
            make = within_budget(made.annotate)
            fill(file, todo, make, chunk=asking.chunk, progress=progress)
            done = list(file.done.values())
        _print_annotations(done)
        print_spent(asker, asking)
    if len(done) < len(examples):
        typer.echo(f"{len(examples) - len(done)} turns wait for another --budget (--resume).")
    typer.echo(f"\nNext: empathy-bench stride evaluate {work}")


def _print_annotations(done: Sequence[Annotation]) -> None:
    traces = [a.trace for a in done if a.trace is not None]
    counts = Counter(trace.strategy for trace in traces)
    rows = [
        [name, f"{count:,}", f"{100 * count / len(traces):.1f} %"]
        for name, count in counts.most_common()
    ]
    show.table(f"{len(traces):,} traces of {len(done):,} turns", ["strategy", "traces", "share"],
               rows, right={1, 2})  # fmt: skip
    for reason, count in reasons([a.error for a in done if a.trace is None]):
        typer.echo(f"  {count:,} × {reason}")
    mended = Counter(name for a in done for name in a.mended)
    if mended:
        words = ", ".join(f"{name} {count:,}" for name, count in mended.most_common())
        typer.echo(f"mended: {words}")
