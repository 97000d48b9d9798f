"""`stride ablate`: every variant trained, answered and scored, beside the full model and the paper.

OUTPUT/sft/VARIANT   OUTPUT/ppo/VARIANT   the models; variants that share one do not train it twice
OUTPUT/runs/…        predictions and results: `compare`, `leaderboard build` and `stride view` read
                     them
OUTPUT/ablation.json, .md                 the table

Every part that is whole is left as it is, so the same command goes on after a kill.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from harness.checkpoint import Step
from harness.files import write_atomic
from harness.models import Settings
from harness.run import Plan, predict_task, score_folder
from harness.tasks import TASKS
from harness.training_log import CARD, TrainingLog, read_curve
from stride_ed.training.answering import load
from stride_ed.training.card import make_readme
from stride_ed.training.data import lessons
from stride_ed.training.practice import practise
from stride_ed.training.scoring import Scores, score_runs
from stride_ed.training.settings import PpoSettings, SftSettings
from stride_ed.training.sft import train_sft
from stride_ed.training.variants import FULL, Variant

__all__ = ["TABLE", "Ablation", "ablate", "as_markdown"]

TABLE = "ablation"
_METRICS = ("bleu_1", "dist_2", "emotion_accuracy", "ppl_word")
_SHOWN = (*_METRICS, "stride_format_rate", "stride_strategy_rate", "stride_reward")
# What the paper prints under another name than ours, though never quite the same quantity.
_PRINTED = {"ppl_word": "ppl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """What to train, on what, how, and what to answer.

    `valid` and `annotations` are annotated folders of held-out splits: to validate with, and to
    score strategies by.
    """

    work: Path
    data: str | None
    output: Path
    variants: Sequence[Variant]
    sft: SftSettings
    ppo: PpoSettings
    valid: Path | None = None
    annotations: Path | None = None
    limit: int | None = None
    limit_valid: int | None = None
    limit_test: int | None = None
    max_tokens: int | None = None
    device: str = "cpu"


def ablate(
    plan: Ablation,
    *,
    show: Callable[[Step], None] = lambda step: None,
    tell: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Do what is not yet done; the table, as in OUTPUT/ablation.json.

    The full model is always among the variants, since all others are compared to it.

    Raises:
        EmpathyBenchError: as SFT, PPO, `run` and `stride score` do.
    """
    chosen = [FULL, *(variant for variant in plan.variants if variant != FULL)]
    folders = {variant: _answered(plan, variant, show, tell) for variant in chosen}
    rows = []
    for variant, folder in folders.items():
        paths = [folders[FULL]] if variant == FULL else [folders[FULL], folder]
        tell(f"scoring {variant.title}")
        scores = score_runs(
            paths, data=plan.data, annotations=plan.annotations, more=_METRICS, seed=plan.sft.seed
        )
        alone = score_runs(
            [folder], data=plan.data, annotations=plan.annotations, more=_METRICS,
            seed=plan.sft.seed,
        )  # fmt: skip
        rows.append(_row(variant, folder, alone, scores))
    table = {
        "seed": plan.sft.seed,
        "strategies_by": rows[0]["strategies_by"],
        "rows": rows,
    }
    write_atomic(plan.output / f"{TABLE}.json", json.dumps(table, indent=2) + "\n")
    write_atomic(plan.output / f"{TABLE}.md", as_markdown(table))
    return table


def as_markdown(table: Mapping[str, Any]) -> str:
    """The table for people: ours with intervals and tests, and what the paper printed."""
    shown = [name for name in _SHOWN if any(name in row["metrics"] for row in table["rows"])]
    heads = ["", "n", *shown]
    lines = [[row["title"], f"{row['n']:,}", *(_cell(row, name) for name in shown)]
             for row in table["rows"]]  # fmt: skip
    printed = [
        name
        for name in shown
        if any(_PRINTED.get(name, name) in row["paper"] for row in table["rows"])
    ]
    paper = [[row["title"], *(_printed(row, name) for name in printed)] for row in table["rows"]]
    by = table["strategies_by"]
    silver = f" Strategies are scored against the {by} annotator's labels." if by else ""
    return (
        "# Ablation\n\n"
        "Values with 95 % intervals over dialogues; * marks a difference to the full model with "
        f"p < .05 after Holm.{silver}\n\n{_grid(heads, lines)}\n"
        "\nPrinted by the paper (ACL 2026, 2026.acl-long.321, ablation table), for another "
        "backbone, other annotators and other definitions; its PPL is not ours per word:\n\n"
        f"{_grid(['', *printed], paper)}"
    )


def _answered(
    plan: Ablation, variant: Variant, show: Callable[[Step], None], tell: Callable[[str], None]
) -> Path:
    """The run folder of a variant, trained and answered first where it is not yet."""
    tell(f"{variant.title}: SFT")
    model = _trained_sft(plan, variant, show)
    if variant.ppo:
        tell(f"{variant.title}: PPO")
        model = _trained_ppo(plan, variant, model, show)
    tell(f"{variant.title}: answering")
    settings = Settings(
        data=plan.data, device=plan.device, max_tokens=plan.max_tokens, seed=plan.sft.seed
    )
    asked = Plan.load(TASKS["ed_response"], data=plan.data, limit=plan.limit_test)
    outcome = predict_task(
        asked, load(str(model), settings), settings, plan.output / "runs", resume=True
    )
    return score_folder(asked, outcome, data=plan.data).folder


def _trained_sft(plan: Ablation, variant: Variant, show: Callable[[Step], None]) -> Path:
    # What PPO begins from is the same whether it follows or not.
    same = variant.stages == FULL.stages and variant.refined
    folder = plan.output / "sft" / (FULL if same else variant).name
    if not (folder / CARD).is_file():
        settings = replace(plan.sft, variant=(FULL if same else variant).name)
        learnt = lessons(
            plan.work, plan.data, variant, mix=settings.mix, seed=settings.seed, valid=plan.valid,
            limit=plan.limit, limit_valid=plan.limit_valid,
        )  # fmt: skip
        card = train_sft(
            learnt, folder, settings=settings, resume=True, device=plan.device, show=show
        )
        TrainingLog(folder).finish(card, make_readme(card, read_curve(folder)))
    return folder


def _trained_ppo(plan: Ablation, variant: Variant, sft: Path, show: Callable[[Step], None]) -> Path:
    folder = plan.output / "ppo" / variant.name
    if not (folder / CARD).is_file():
        settings = replace(plan.ppo, variant=variant.name, sft=str(sft))
        learnt = lessons(
            plan.work, plan.data, variant, mix=0, seed=settings.seed, valid=plan.valid,
            limit=plan.limit, limit_valid=plan.limit_valid,
        )  # fmt: skip
        card = practise(
            learnt, folder, algorithm="ppo", settings=settings, resume=True, device=plan.device,
            show=show,
        )  # fmt: skip
        TrainingLog(folder).finish(card, make_readme(card, read_curve(folder)))
    return folder


def _row(variant: Variant, folder: Path, alone: Scores, beside: Scores) -> dict[str, Any]:
    found = {
        metric.name: {"value": metric.value, "low": metric.low, "high": metric.high}
        for metric in alone.metrics[0]
    }
    for item in beside.differences:
        found[item.metric] |= {
            "difference": item.difference,
            "difference_low": item.low,
            "difference_high": item.high,
            "p": item.p_adjusted,
        }
    return {
        "variant": variant.name,
        "title": variant.title,
        "run": str(folder),
        "n": alone.metrics[0][0].n,
        "strategies_by": alone.annotator,
        "metrics": found,
        "paper": _paper(variant),
    }


def _paper(variant: Variant) -> dict[str, float]:
    """What the paper printed of this variant, where the package that holds such rows is there."""
    wanted = "STRIDE-ED full" if variant == FULL else f"STRIDE-ED {variant.title}"
    for point in entry_points(group="empathy_bench.reported"):
        for result in point.load()():
            if result.model.get("name") == wanted:
                return {
                    metric.name: metric.value
                    for metric in result.metrics
                    if metric.value is not None
                }
    return {}


def _cell(row: Mapping[str, Any], name: str) -> str:
    found = row["metrics"].get(name)
    if found is None or found["value"] is None:
        return "–"
    interval = "" if found["low"] is None else f" [{found['low']:.2f}, {found['high']:.2f}]"
    mark = " *" if found.get("p", 1.0) < 0.05 else ""
    return f"{found['value']:.2f}{interval}{mark}"


def _printed(row: Mapping[str, Any], name: str) -> str:
    value = row["paper"].get(_PRINTED.get(name, name))
    return "–" if value is None else f"{value:.2f}"


def _grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [heads, rule, *lines])
