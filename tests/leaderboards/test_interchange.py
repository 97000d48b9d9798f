"""Exports to other people's stores: read back by their own readers or by their published rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from board_results import metric, result
from huggingface_hub.utils import logging as hub_logging
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typer.testing import CliRunner

from harness.datasets.hub import ED
from harness.errors import InputError
from harness.results import MetricResult, Result, write_result
from leaderboards.command import app
from leaderboards.exports.every_eval_ever import render_every_eval_ever
from leaderboards.exports.hub import render_hub

LINK = "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct"
HOSTILE = ["../../../etc/passwd", "<script>alert(1)</script>", ".", "a/b\\c\x00", "- !!python/x: 1"]


def rows() -> list[Result]:
    generation = {"method": "generate", "temperature": 0.7, "max_gen_toks": 64, "until": ["\n"]}
    return [
        result(
            "SmolLM2",
            MetricResult(
                name="bleu_4", value=0.4, low=0.1, high=0.7, signature="bleu|n:4|v1", n=5255,
                direction="higher", unit="percent", floors={"constant": 2.15}, human=100.0,
            ),
            metric("ppl_word", 81.0, direction="lower", unit=""),
            metric("length", 9.0, direction="none", unit="words"),
            metric("rouge_l", None, note="not asked"),
            model={"url": LINK, "parameters": 134515008},
            generation=generation, seed=1234, prompt={"version": 1, "few_shot": 0},
        ),
        result("few", metric("bleu_4", 1.0), size=200),
        result("sample", metric("bleu_4", 1.0), example_set="ed/sample", size=20),
        result("Constant", metric("bleu_4", 2.0), kind="floor"),
        result("Human", metric("bleu_4", 100.0), kind="human"),
        result("printed", metric("bleu_4", 2.9), provenance="reported"),
        *(result(name, metric("bleu_4", 1.0, 0.5)) for name in HOSTILE),
    ]  # fmt: skip


Details = dict[str, str]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Source(Strict):
    source_name: str
    source_type: Literal["documentation", "evaluation_run"]
    source_organization_name: str
    evaluator_relationship: Literal["first_party", "third_party", "collaborative", "other"]
    additional_details: Details


class Library(Strict):
    name: str
    version: str
    additional_details: Details


class Model(Strict):
    name: str
    id: str
    developer: str
    additional_details: Details


class HubData(Strict):
    dataset_name: str
    source_type: Literal["hf_dataset"]
    hf_repo: str
    hf_split: str
    samples_number: int
    additional_details: Details


class OtherData(Strict):
    dataset_name: str
    source_type: Literal["other"]
    source_version: str
    additional_details: Details


class Config(Strict):
    evaluation_description: str
    metric_id: str
    metric_name: str
    metric_unit: str
    metric_parameters: dict[str, str | float | bool | None]
    lower_is_better: bool
    score_type: Literal["continuous"] | None = None
    min_score: float | None = None
    max_score: float | None = None
    additional_details: Details


class Interval(Strict):
    lower: float
    upper: float
    confidence_level: Annotated[float, Field(ge=0, le=1)]
    method: str


class Uncertainty(Strict):
    confidence_interval: Interval
    num_samples: int


class Score(Strict):
    score: float
    details: Details
    uncertainty: Uncertainty | None = None


class Arguments(Strict):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None


class Generation(Strict):
    generation_args: Arguments
    additional_details: Details


class Evaluation(Strict):
    evaluation_result_id: str
    evaluation_name: str
    source_data: HubData | OtherData
    metric_config: Config
    score_details: Score
    generation_config: Generation

    @model_validator(mode="after")
    def within_bounds(self) -> Evaluation:
        config = self.metric_config
        if config.score_type == "continuous":
            assert config.min_score is not None and config.max_score is not None
            assert config.min_score <= self.score_details.score <= config.max_score
        return self


class Record(Strict):
    """Of eval.schema.json 0.2.2 what we write: its names, kinds, choices, and what it demands."""

    schema_version: Literal["0.2.2"]
    evaluation_id: str
    evaluation_timestamp: str
    retrieved_timestamp: Annotated[str, Field(pattern=r"^\d+$")]
    source_metadata: Source
    model_info: Model
    eval_library: Library
    evaluation_results: Annotated[list[Evaluation], Field(min_length=1)]


def records(results: list[Result]) -> dict[str, Record]:
    written = dict(render_every_eval_ever(results, organization="A lab"))
    return {path: Record.model_validate_json(text) for path, text in written.items()}


def test_every_eval_ever_records_keep_its_rules() -> None:
    found = records(rows())
    assert len(found) == 3 + len(HOSTILE)  # no floors, people or prints
    path, smol = next((p, r) for p, r in found.items() if r.model_info.name == "SmolLM2")
    assert path.startswith("data/empathy-bench/HuggingFaceTB/SmolLM2-135M-Instruct/")
    assert smol.model_info.id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert smol.model_info.additional_details["parameters"] == "134515008"
    assert smol.retrieved_timestamp == "1795168800"
    assert [e.metric_config.metric_id for e in smol.evaluation_results] == [
        "empathy-bench.bleu_4", "empathy-bench.ppl_word", "empathy-bench.length",
    ]  # fmt: skip
    bleu, ppl, length = smol.evaluation_results
    assert bleu.score_details.uncertainty is not None
    interval = bleu.score_details.uncertainty.confidence_interval
    assert (interval.lower, interval.upper, interval.confidence_level) == (0.1, 0.7, 0.95)
    assert bleu.score_details.details["floor: constant"] == "2.15"
    assert (bleu.metric_config.min_score, bleu.metric_config.max_score) == (0, 100)
    assert isinstance(bleu.source_data, HubData) and bleu.source_data.hf_repo == ED
    assert bleu.generation_config.generation_args.temperature == 0.7
    assert bleu.generation_config.generation_args.max_tokens == 64
    assert ppl.metric_config.lower_is_better and ppl.metric_config.score_type is None
    assert length.metric_config.additional_details["direction"] == "none"
    sample = next(r for r in found.values() if r.model_info.name == "sample")
    assert isinstance(sample.evaluation_results[0].source_data, OtherData)


def test_equal_results_give_equal_records_and_others_do_not() -> None:
    one, two = (dict(render_every_eval_ever(rows(), organization="A lab")) for _ in range(2))
    assert one == two
    assert not set(one) & set(dict(render_every_eval_ever(rows(), organization="B lab")))


def test_the_hub_reads_its_files_back() -> None:
    from huggingface_hub import parse_eval_result_entries

    hub_logging.set_verbosity_error()
    found = {path: yaml.safe_load(text) for path, text in render_hub(rows())}
    assert len(found) == 1 + len(HOSTILE)  # a part of the examples and sample data stay at home
    path = next(p for p in found if p.startswith("HuggingFaceTB__"))
    assert path.startswith("HuggingFaceTB__SmolLM2-135M-Instruct/.eval_results/ed_response-")
    bleu, ppl, _ = parse_eval_result_entries(found[path])
    assert (bleu.dataset_id, bleu.task_id, bleu.value) == (ED, "ed_response.bleu_4", 0.4)
    assert bleu.date == "2026-11-20T10:00:00+00:00"
    assert bleu.notes is not None and "0.1 to 0.7" in bleu.notes and "bleu|n:4|v1" in bleu.notes
    assert ppl.value == 81.0


@pytest.mark.parametrize("form", ["every-eval-ever", "hub"])
def test_the_command_writes_inside_its_folder_whatever_a_model_is_called(
    tmp_path: Path, form: str
) -> None:
    for position, made in enumerate(rows()):
        write_result(tmp_path / "runs" / str(position) / "result.json", made)
    before: Any = {p for p in tmp_path.rglob("*") if p.is_file()}
    target = tmp_path / "out"
    arguments = ["export", str(tmp_path / "runs"), "-f", form, "-o", str(target)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    written = {p for p in tmp_path.rglob("*") if p.is_file()} - before
    assert written and all(p.is_relative_to(target) for p in written)
    if form == "every-eval-ever":
        names = {json.loads(p.read_text())["model_info"]["name"] for p in written}
        assert names >= set(HOSTILE)


def test_a_board_without_a_whole_test_set_has_nothing_for_the_hub(tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", rows()[1])
    with pytest.raises(InputError, match="whole test set"):
        CliRunner().invoke(app, ["export", str(tmp_path), "-f", "hub"], catch_exceptions=False)
