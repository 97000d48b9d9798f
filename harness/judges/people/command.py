"""`judge export-humans` and `judge import-humans`: people as judges, by forms offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands import options as o
from harness.commands import show
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.judges.people.forms import Form
    from harness.judges.people.results import Answered, Key
    from harness.judges.planning import Plan
    from harness.judges.protocols import Protocol

__all__ = ["export_humans", "import_humans"]

RATINGS, PEOPLE = "ratings.csv", "people"


def export_humans(
    protocol: Annotated[
        str, typer.Argument(help="ed-absolute, ed-pairwise, esconv, epitome, stride-trace.")
    ],
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders on the same examples.", show_default=False)
    ],
    items: Annotated[
        int, typer.Option("--items", min=1, help="Examples drawn, the same for every system.")
    ] = 30,
    raters: Annotated[int, typer.Option("--raters", min=1, help="Forms to make.")] = 3,
    attention: Annotated[
        int, typer.Option("--attention", min=0, help="Attention checks in each form.")
    ] = 2,
    against: Annotated[
        str | None,
        typer.Option("--against", help="In pairs: only with this system.", show_default=False),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the form.")] = "",
    contact: Annotated[
        str, typer.Option("--contact", help="Where raters send their file, as told in the form.")
    ] = "",
    seed: o.Seed = 1234,
    data: o.Data = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder.")] = Path("people"),
) -> None:
    """Make blind rating forms: one HTML file a rater, which needs no network and sends nothing.

    key.json says what stood for what: keep it from raters. How many items and raters are needed,
    `empathy-bench power` says.

    Example: empathy-bench judge export-humans ed-pairwise runs/ed_response/{a,b} --raters 5
    """
    from harness.comparable import read_runs
    from harness.judges.people.forms import make_forms
    from harness.judges.planning import make_plan
    from harness.judges.protocols import get_protocol

    if (output / "key.json").exists():
        raise InputError(f"{output}: holds forms already; choose another --output")
    found = get_protocol(protocol)
    read = read_runs(runs, data=data)
    plan = make_plan(found, read, items=items, controls=0, against=against, seed=seed)
    forms = make_forms(
        found, plan, raters=raters, attention=attention, seed=seed, title=title, contact=contact
    )
    examples = {"example_set": read.examples.name, "size": len(plan.examples)}
    _write_forms(output, forms, examples)
    each = len(forms[0].screens)
    typer.echo(f"{output}: {raters} forms of {each} items ({attention} of them checks)")
    for name in _named(plan):
        typer.echo(f"! replies name {name}: raters may tell which system is which", err=True)
    typer.echo(_sight(found, plan))
    typer.echo(f"keep {output / 'key.json'} to yourself: it says which system is which")
    typer.echo(f"Next: empathy-bench judge import-humans {output} results-*.json")


def _named(plan: Plan) -> list[str]:
    """Systems whose name stands in a reply, which no form can hide."""
    said = "\n".join(shown.text for q in plan.questions for shown in q.shown).casefold()
    return [name for name in plan.systems if name.casefold() in said]


def _sight(protocol: Protocol, plan: Plan) -> str:
    """What so many dialogues can show, raters' noise apart."""
    from harness.statistics.power import Spread, proportion_sd

    dialogues = len({example.dialogue_id for example in plan.examples})
    if protocol.kind == "pairwise":
        points = Spread(100 * proportion_sd(0.5)).detectable(dialogues)
        words, command = f"a win rate {points:.0f} points off 50 %", "--proportion 0.5"
    else:
        step = Spread(1.0).detectable(dialogues)
        words, command = f"means {step:.2f} apart (differences with sd 1)", "--sd 1"
    return (
        f"{dialogues} dialogues show {words} with 80 % probability; plan others with "
        f"empathy-bench power {command} --effect …"
    )


def _write_forms(output: Path, forms: Sequence[Form], examples: dict[str, Any]) -> None:
    import json

    from harness import pages
    from harness.datasets.sets import ExampleSet
    from harness.files import write_atomic

    templates = Path(__file__).parent / "templates"
    for form in forms:
        criteria = form.protocol.criteria
        keys = " ".join(str(v) for v in form.protocol.allowed(criteria[0]))
        context = {
            "title": form.title,
            "contact": form.contact,
            "rater": form.rater,
            "count": len(form.screens),
            "questions": f"{len(criteria)} questions" if len(criteria) > 1 else "one question",
            "what": "the two replies to each" if form.protocol.kind == "pairwise" else "a reply",
            "keys": keys,
        }
        shown = {**form.shown, "form": form.hash}
        page = pages.render(templates, "form", data=shown, context=context, shared="page")
        pages.write_page(output / f"form-{form.rater}.html", page)
    drawn = ExampleSet(
        name=str(examples["example_set"]),
        examples=tuple({s.example.id: s.example for f in forms for s in f.screens}.values()),
    )
    protocol = forms[0].protocol
    key = {
        "protocol": protocol.name,
        "version": protocol.version,
        "rubric": protocol.hash,
        "examples": {**examples, "fingerprint": drawn.fingerprint},
        "forms": [{"hash": form.hash, **form.key} for form in forms],
    }
    write_atomic(output / "key.json", json.dumps(key, indent=1, ensure_ascii=False) + "\n")


def import_humans(
    folder: Annotated[
        Path, typer.Argument(help="Folder of export-humans, with its key.", show_default=False)
    ],
    results: Annotated[
        list[Path], typer.Argument(help="Raters' results files.", show_default=False)
    ],
    exclude_failed_checks: Annotated[
        bool,
        typer.Option("--exclude-failed-checks", help="Leave out raters who failed a check."),
    ] = False,
    fastest: Annotated[
        float,
        typer.Option("--fastest", min=0, help="Seconds an item below which a rater is named."),
    ] = 4.0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for ratings. [default: FOLDER]"),
    ] = None,
    json: o.Json = False,
) -> None:
    """Read raters' files back: ratings for `judge validate`, verdicts for `judge report`.

    Nobody is left out in silence: failed checks and hurried raters are named.

    Example: empathy-bench judge import-humans people results-*.json
    """
    from dataclasses import asdict

    from harness.judges.people.results import read_key, read_results

    key = read_key(folder)
    found = read_results(results, key)
    kept = [a for a in found if not (exclude_failed_checks and a.failed_checks)]
    if not kept:
        raise InputError("no rater is left; go on without --exclude-failed-checks")
    place = output or folder
    agreement = _write(place, key, kept)
    if json:
        show.print_json({
            "raters": [{**asdict(a), "kept": a in kept, "answers": len(a.answers)} for a in found],
            "agreement": agreement,
        })  # fmt: skip
        return
    rows = [
        [a.rater, f"{len(a.answers):,}", str(a.left_out), _seconds(a, fastest),
         f"{len(a.failed_checks)} of {a.checks}" if a.failed_checks else "none",
         "yes" if a in kept else "no"]
        for a in found
    ]  # fmt: skip
    heads = ["rater", "answers", "left out", "seconds an item", "checks failed", "kept"]
    show.table("Raters", heads, rows, right={1, 2, 3})
    words = [
        [name, "–" if a["alpha"] is None else f"{a['alpha']:.2f}", f"{a['items']:,}"]
        for name, a in agreement.items()
    ]
    show.table("Agreement", ["criterion", "Krippendorff α", "items"], words, right={1, 2})
    if key.protocol.kind == "absolute":
        typer.echo(f"{place / RATINGS}: for judge validate --ratings csv:{place / RATINGS}")
    typer.echo(f"Next: empathy-bench judge report {place / key.protocol.name}")


def _seconds(answered: Answered, fastest: float) -> str:
    if answered.seconds is None:
        return "–"
    hurried = " (hurried)" if answered.seconds < fastest else ""
    return f"{answered.seconds:.1f}{hurried}"


def _write(place: Path, key: Key, kept: Sequence[Answered]) -> dict[str, Any]:
    """Ratings and verdicts, and how far raters agree on each criterion."""
    from harness.files import write_atomic
    from harness.judges.agreement import krippendorff
    from harness.judges.people.verdicts import ratings_csv, values_of, verdicts_of
    from harness.judges.questions import PROMPT_VERSION
    from harness.judges.running import write_verdicts

    settings = {
        "judge": {"name": PEOPLE, "raters": len(kept)},
        "asking": {"protocol": key.protocol.name, "version": key.protocol.version,
                   "rubric": key.protocol.hash, "prompt": PROMPT_VERSION, "form": "people"},
        **key.examples,
    }  # fmt: skip
    verdicts = verdicts_of(key, kept)
    write_verdicts(place / key.protocol.name / PEOPLE / "verdicts.jsonl", settings, verdicts)
    if key.protocol.kind == "absolute":
        write_atomic(place / RATINGS, ratings_csv(key, kept).encode("utf-8", "replace"))
    level = "ordinal" if key.protocol.kind == "absolute" else "nominal"
    found = {}
    for criterion in key.protocol.criteria:
        values = values_of(key, kept, criterion.name)
        found[criterion.name] = {
            "alpha": krippendorff(values, level=level),  # type: ignore[arg-type]
            "items": len(values),
        }
    return found
