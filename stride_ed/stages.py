"""The steps of a refinement as the command line runs them: load, work, print."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.commands import show
from harness.datasets import ExampleSet, load_example_set
from harness.errors import InputError
from harness.files import canonical_json, sha256_text
from stride_ed.offline.evaluators import Item
from stride_ed.records import Annotation, Score, annotation_file, score_file
from stride_ed.work import (
    ANNOTATIONS,
    REPLIES,
    examples_of,
    fill,
    items_of,
    score_path,
)

if TYPE_CHECKING:
    from harness.clients import Budget, Cache, Client, Request
    from stride_ed.llm import Spent
    from stride_ed.weights import Scheme

__all__ = ["Asking", "run_annotate", "run_evaluate", "run_inspect", "run_refine", "run_sample"]

OFFLINE = "offline"
_OFFLINE_CHUNK = 256
# Enough to keep every connection busy, few enough that records follow answers closely.
_ROUNDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the user chose about language models."""

    concurrency: int
    max_tokens: int
    budget: Budget | None
    prices: Any
    dry_run: bool
    seed: int

    @classmethod
    def of(
        cls,
        concurrency: int,
        max_tokens: int,
        price_in: float | None,
        price_out: float | None,
        budget: float | None,
        dry_run: bool,
        seed: int,
    ) -> Asking:
        """From the options.

        Raises:
            InputError: one price is given and the other not.
        """
        from harness.clients import Budget, Prices

        if (price_in is None) != (price_out is None):
            raise InputError("--price-in and --price-out belong together: give both or none")
        prices = None
        if price_in is not None and price_out is not None:
            prices = Prices(input=price_in, output=price_out)
        limit = None
        if budget is not None:
            limit = Budget(limit=budget, prices=prices) if prices else Budget(limit=budget)
        return cls(
            concurrency=concurrency,
            max_tokens=max_tokens,
            budget=limit,
            prices=prices,
            dry_run=dry_run,
            seed=seed,
        )


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

    classifier = fit_reply_classifier(data, show=_note)
    made = OfflineAnnotator(classifier)
    settings = _annotation_settings(asked, examples, made.identity)
    with (
        annotation_file(work / ANNOTATIONS, settings, resume=resume) as file,
        show.progress_bar("annotating", quiet=False) as progress,
    ):
        todo = [(example.id, example) for example in examples]
        fill(file, todo, made.annotate, chunk=_OFFLINE_CHUNK, progress=progress)
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
    from harness.clients import Purse
    from stride_ed.llm import LLMAnnotator, Spent

    with _client(spec, work, asking) as (client, cache):
        made = LLMAnnotator(
            client=client,
            cache=cache,
            max_tokens=asking.max_tokens,
            seed=asking.seed,
            purse=Purse(client, asking.budget),
            spent=Spent(),
        )
        if asking.dry_run:
            _print_estimate(client, [made.request(e) for e in examples], cache, asking)
            return
        settings = _annotation_settings(asked, examples, made.identity)
        with (
            annotation_file(work / ANNOTATIONS, settings, resume=resume) as file,
            show.progress_bar("annotating", quiet=False) as progress,
        ):
            todo = [(example.id, example) for example in examples]
            make = _within_budget(made.annotate)
            fill(file, todo, make, chunk=_ROUNDS * asking.concurrency, progress=progress)
            done = list(file.done.values())
        _print_annotations(done)
        _print_spent(made.spent, cache, asking)
    if len(done) < len(examples):
        typer.echo(f"{len(examples) - len(done)} turns wait for another --budget (--resume).")
    typer.echo(f"\nNext: empathy-bench stride evaluate {work}")


def run_evaluate(
    work: Path,
    evaluators: Sequence[str] | None,
    data: str | None,
    *,
    pool: int | None,
    resume: bool,
    asking: Asking,
) -> None:
    """`stride evaluate`."""
    from stride_ed.offline.loading import OFFLINE_EVALUATORS

    examples, annotations = examples_of(work, data)
    items = _pool(items_of(examples, annotations), pool, asking.seed)
    names = list(evaluators or OFFLINE_EVALUATORS)
    graded = sha256_text(canonical_json([[e.id, t.to_json()] for e, t in items]))[:16]
    for name in names:
        about = {"example_set": examples.name, "items": graded, "size": len(items)}
        if name in OFFLINE_EVALUATORS:
            _grade_offline(work, name, items, data, about, resume)
        else:
            _grade_by_llm(work, name, items, about, resume, asking)
    typer.echo(f"\nNext: empathy-bench stride refine {work}")


def _pool(items: Sequence[Item], size: int | None, seed: int) -> list[Item]:
    """What is graded: all, or `size` drawn so that strategies are alike where they suffice."""
    from stride_ed.sampling import Candidate, draw

    if size is None or size >= len(items):
        return list(items)
    candidates = [Candidate(id=e.id, strategy=t.strategy, emotion=t.emotion) for e, t in items]
    chosen = set(draw(candidates, size, alpha=0.5, beta=0.5, seed=seed).ids)
    return [item for item in items if item[0].id in chosen]


def _grade_offline(
    work: Path, name: str, items: Sequence[Item], data: str | None, about: Any, resume: bool
) -> None:
    from stride_ed.offline.loading import load_offline_evaluator

    evaluator = load_offline_evaluator(name, data, show=_note)
    settings = {**about, "evaluator": {"name": name, **evaluator.identity}}

    def grade(part: Sequence[Item]) -> list[Score]:
        rows = evaluator.scores(part)
        return [Score(id=e.id, values=row) for (e, _), row in zip(part, rows, strict=True)]

    _grade(score_path(work, name), settings, items, grade, _OFFLINE_CHUNK, name, resume)


def _grade_by_llm(
    work: Path, spec: str, items: Sequence[Item], about: Any, resume: bool, asking: Asking
) -> None:
    from harness.clients import Purse, client_name
    from stride_ed.llm import LLMEvaluator, Spent

    with _client(spec, work, asking) as (client, cache):
        evaluator = LLMEvaluator(
            name=client_name(spec),
            client=client,
            cache=cache,
            max_tokens=asking.max_tokens,
            seed=asking.seed,
            purse=Purse(client, asking.budget),
            spent=Spent(),
        )
        if asking.dry_run:
            _print_estimate(client, [evaluator.request(item) for item in items], cache, asking)
            return
        settings = {**about, "evaluator": {"name": evaluator.name, **evaluator.identity}}
        path, chunk = score_path(work, evaluator.name), _ROUNDS * asking.concurrency
        make = _within_budget(evaluator.grade)
        _grade(path, settings, items, make, chunk, evaluator.name, resume)
        _print_spent(evaluator.spent, cache, asking)


def _grade(
    path: Path,
    settings: Any,
    items: Sequence[Item],
    make: Callable[[Sequence[Item]], list[Score]],
    chunk: int,
    name: str,
    resume: bool,
) -> None:
    with (
        score_file(path, settings, resume=resume) as file,
        show.progress_bar(f"grading by {name}", quiet=False) as progress,
    ):
        todo = [(example.id, (example, trace)) for example, trace in items]
        fill(file, todo, make, chunk=chunk, progress=progress)
        scores = list(file.done.values())
    missing = sum(not score.values for score in scores)
    dimensions = sorted({d for score in scores for d in score.values})
    means = ", ".join(
        f"{d} {_mean([s.values[d] for s in scores if d in s.values]):.2f}" for d in dimensions
    )
    typer.echo(f"{name}: {len(scores) - missing:,} graded, {missing:,} failed; means: {means}")
    for reason, count in _reasons([s.error for s in scores if not s.values]):
        typer.echo(f"  {count:,} × {reason}")


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


@contextlib.contextmanager
def _client(spec: str, work: Path, asking: Asking) -> Iterator[tuple[Client, Cache]]:
    """The client, and its answers' store."""
    from harness.clients import Cache, load_client

    client = load_client(spec, concurrency=asking.concurrency)
    with Cache(work / REPLIES) as cache:
        yield client, cache


def _within_budget(make: Callable[[Sequence[Any]], list[Any]]) -> Callable[..., list[Any]]:
    """`make` without the records that the budget did not allow: they wait for another run."""

    def within(part: Sequence[Any]) -> list[Any]:
        return [r for r in make(part) if not (r.error or "").startswith("budget:")]

    return within


def _print_annotations(done: Sequence[Annotation]) -> None:
    from collections import Counter

    traces = [a.trace for a in done if a.trace is not None]
    counts = Counter(trace.strategy for trace in traces)
    rows = [
        [name, f"{count:,}", f"{100 * count / len(traces):.1f} %"]
        for name, count in counts.most_common()
    ]
    show.table(f"{len(traces):,} traces of {len(done):,} turns", ["strategy", "traces", "share"],
               rows, right={1, 2})  # fmt: skip
    for reason, count in _reasons([a.error for a in done if a.trace is None]):
        typer.echo(f"  {count:,} × {reason}")
    mended = Counter(name for a in done for name in a.mended)
    if mended:
        words = ", ".join(f"{name} {count:,}" for name, count in mended.most_common())
        typer.echo(f"mended: {words}")


def _reasons(errors: Sequence[str | None]) -> list[tuple[str, int]]:
    """How often each kind of failure occurred: the word before the colon."""
    from collections import Counter

    return Counter((error or "").partition(":")[0] for error in errors).most_common()


def _print_estimate(
    client: Client, requests: Sequence[Request], cache: Cache, asking: Asking
) -> None:
    from harness.clients import estimate

    found = estimate(requests, client, cache=cache, prices=asking.prices)
    exact = "" if found.exact_prompt else " (estimated: bytes / 4)"
    typer.echo(f"requests           {found.distinct:,}, {found.cached:,} of them answered before")
    typer.echo(f"prompt tokens      {found.prompt_tokens:,}{exact}")
    typer.echo(f"answer tokens      at most {found.completion_bound:,}")
    if found.most is not None:
        typer.echo(f"cost               at most {found.most:,.2f}, repeated attempts apart")


def _print_spent(spent: Spent, cache: Cache, asking: Asking) -> None:
    words = (
        f"asked: {spent.requests:,} requests, {spent.failed:,} failed; "
        f"{spent.prompt_tokens:,} + {spent.completion_tokens:,} tokens, known answers included"
    )
    if asking.prices:
        cost = asking.prices.cost(spent.prompt_tokens, spent.completion_tokens)
        words += f", {cost:,.4f} at these prices"
    typer.echo(words)
    if cache.in_flight:
        typer.echo(f"{cache.in_flight} requests were under way when an earlier run was killed")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


def _note(line: str) -> None:
    typer.echo(line, err=True)
