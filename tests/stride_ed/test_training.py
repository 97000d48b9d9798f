"""SFT and PPO from end to end on a small model: what is learnt from, kills, breakage, answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import DataError, InputError, ModelError, UnknownNameError
from harness.models import Question
from harness.models import Settings as Run
from harness.tasks import TASKS
from harness.training_log import read_curve
from harness.tuning.bases import find_base, load_base
from harness.tuning.kept import weights_hash
from harness.tuning.tokens import IGNORED
from stride_ed.prompts import model_messages
from stride_ed.trace import STAGES, Trace, read_stages, render
from stride_ed.training.answering import StrideModel, load, read_answer
from stride_ed.training.data import lessons
from stride_ed.training.questions import judge_of
from stride_ed.training.rows import make_rows
from stride_ed.training.settings import PPO_PRESETS, SFT_PRESETS, PpoSettings, SftSettings
from stride_ed.training.variants import FULL, VARIANTS, find_variant
from tests.baselines.tiny_models import tiny
from tests.stride_ed.training_work import annotated, cli, make_work

ED = TASKS["ed_response"]
SFT = (
    "--preset", "small", "--steps", "8", "--validate-every", "2", "--batch-size", "4",
    "--rate", "1e-2", "--data", "sample",
)  # fmt: skip
PPO = (
    "--preset", "small", "--steps", "6", "--batch-size", "8", "--mini-batch", "4",
    "--micro-batch", "4", "--max-prompt", "500", "--max-response", "20", "--validate-every", "2",
    "--validate-size", "4", "--data", "sample",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def sft(llama: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sft") / "out"
    done = cli("stride", "sft", work, "--base", llama, "-o", folder, *SFT)
    assert done.returncode == 0, done.stderr
    assert "Next: empathy-bench stride ppo" in done.stdout
    return folder


@pytest.fixture(scope="module")
def ppo(sft: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ppo") / "out"
    done = cli("stride", "ppo", work, "--sft", sft, "-o", folder, *PPO)
    assert done.returncode == 0, done.stderr
    return folder


# --- what is learnt from


def test_what_is_learnt_and_what_is_held_out_share_no_dialogue(work: Path) -> None:
    found = lessons(work, "sample", FULL, mix=0.5, seed=0)
    traced, held = ({e.dialogue_id for e, _ in side} for side in (found.traced, found.valid))
    plain = {e.dialogue_id for e in found.plain}
    assert traced and held and plain
    assert not traced & held and not plain & held and not plain & traced
    assert len(found.plain) <= round(0.5 * len(found.traced))
    assert found.digest == lessons(work, "sample", FULL, mix=0.5, seed=0).digest
    assert found.digest != lessons(work, "sample", FULL, mix=0.5, seed=1).digest


def test_the_response_only_part_is_all_that_is_left_where_more_is_asked(work: Path) -> None:
    found = lessons(work, "sample", FULL, mix=100, seed=0)
    examples, _ = annotated()
    rows = (work / "set" / "train.jsonl").read_text().splitlines()
    drawn = {json.loads(row)["dialogue_id"] for row in rows}
    assert {e.id for e in found.plain} == {e.id for e in examples if e.dialogue_id not in drawn}


def test_another_split_validates(work: Path, tmp_path: Path) -> None:
    held = make_work(tmp_path / "held", example_set="ed/valid")
    found = lessons(work, "sample", FULL, mix=0, seed=0, valid=held, limit=5, limit_valid=3)
    assert (len(found.traced), len(found.valid)) == (5, 3)
    assert all(e.id.startswith("ed/valid/") for e, _ in found.valid)
    with pytest.raises(DataError, match="dialogues are on both sides, such as"):
        lessons(work, "sample", FULL, mix=0, seed=0, valid=work)


def test_the_unrefined_variant_draws_blindly_from_all_traces(work: Path) -> None:
    refined = lessons(work, "sample", FULL, mix=0, seed=0)
    blind = lessons(work, "sample", find_variant("without-refinement"), mix=0, seed=0)
    sizes = [len(found.traced) + len(found.valid) for found in (refined, blind)]
    assert sizes[0] == sizes[1]
    assert {e.id for e, _ in blind.traced} - {e.id for e, _ in refined.traced}


def test_a_set_of_other_annotations_is_refused(work: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set/train.jsonl: not there; run .*stride sample"):
        (tmp_path / "annotations.jsonl").write_bytes((work / "annotations.jsonl").read_bytes())
        lessons(tmp_path, "sample", FULL, mix=0, seed=0)
    rows = (work / "set" / "train.jsonl").read_text().splitlines()
    (tmp_path / "set").mkdir()
    changed = json.loads(rows[1])
    changed["trace"]["context"] = "Another."
    lines = [rows[0], json.dumps(changed), *rows[2:]]
    (tmp_path / "set" / "train.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"train.jsonl:2: .* is not among the annotations"):
        lessons(tmp_path, "sample", FULL, mix=0, seed=0)


def test_only_completions_are_learnt_and_prompts_tell_the_two_kinds_apart(
    llama: Path, work: Path
) -> None:
    _, tokenizer = load_base(find_base(str(llama)), "causal")
    found = lessons(work, "sample", FULL, mix=1, seed=0)
    item, example = found.traced[0], found.plain[0]
    rows = make_rows([item], [example], STAGES, tokenizer, longest=9999).rows
    for row, answer in zip(rows, (render(item[1]), example.reference), strict=True):
        learnt = [token for token in row["labels"] if token != IGNORED]
        assert tokenizer.decode(learnt) == " ".join(answer.split()) + "<|im_end|>"
        assert row["input_ids"][-len(learnt) :] == learnt
    heads = [tokenizer.decode(row["input_ids"]).partition("<|im_start|>user")[0] for row in rows]
    assert "<thinking>" in heads[0] and "<thinking>" not in heads[1]
    assert make_rows([item], [example], STAGES, tokenizer, longest=20).too_long == 2


def test_rows_are_those_that_trl_makes_of_the_written_set(
    llama: Path, work: Path, tmp_path: Path
) -> None:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    model, tokenizer = load_base(find_base(str(llama)), "causal")
    lines = (work / "set" / "train.trl.jsonl").read_text().splitlines()[:5]
    written = [json.loads(line) for line in lines]
    config = SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none", max_length=None)
    data = Dataset.from_list([{k: row[k] for k in ("prompt", "completion")} for row in written])
    theirs = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer).train_dataset
    examples, annotations = annotated()
    by_id = {example.id: example for example in examples}
    items = [(by_id[row["id"]], annotations[row["id"]].trace) for row in written]
    ours = make_rows(items, [], STAGES, tokenizer, longest=9999).rows  # type: ignore[arg-type]
    newline = tokenizer("\n")["input_ids"]  # what ChatML writes behind the end of a turn
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["input_ids"] + newline == other["input_ids"]
        assert mine["labels"] + newline == other["labels"]


def test_the_paper_preset_holds_the_papers_numbers() -> None:
    sft, ppo = SftSettings(**SFT_PRESETS["paper"]), PpoSettings(sft="", **PPO_PRESETS["paper"])
    assert (sft.rate, sft.batch_size * 4 * sft.accumulate, sft.max_len, sft.epochs) == (
        1e-4, 16, 2048, 1.0,
    )  # fmt: skip
    assert (ppo.rate, ppo.critic_rate, ppo.kl, ppo.batch_size, ppo.mini_batch, ppo.micro_batch) == (
        1e-6, 1e-5, 0.001, 64, 64, 16,
    )  # fmt: skip
    assert (ppo.max_prompt, ppo.max_response, ppo.epochs, ppo.critic_warm_up) == (1024, 1024, 2, 0)


# --- variants


def test_each_variant_writes_reads_and_rewards_its_own_stages() -> None:
    trace = Trace(context="c", emotion="sad", strategy="Others", action="a", response="r")
    spelt = {name: render(trace, v.stages) for name, v in VARIANTS.items() if v.stages}
    assert spelt["full"] == (
        "<thinking><Context> c <Emotion> sad <Strategy> Others <Action> a </thinking>"
        "<answer>listener: (Others) r</answer>"
    )
    assert spelt["without-emotion"] == (
        "<thinking><Context> c <Strategy> Others <Action> a </thinking>"
        "<answer>listener: (Others) r</answer>"
    )
    assert spelt["without-summary"] == (
        "<thinking><Emotion> sad <Strategy> Others <Action> a </thinking>"
        "<answer>listener: (Others) r</answer>"
    )
    assert spelt["without-strategy"] == (
        "<thinking><Context> c <Emotion> sad </thinking><answer>listener: r</answer>"
    )
    examples, _ = annotated()
    for name, text in spelt.items():
        stages = VARIANTS[name].stages
        read = read_stages(text, stages)
        assert read == {s.lower(): trace.to_json()[s.lower()] for s in stages} | {"response": "r"}
        asked = model_messages(examples.examples[0], stages)[0]["content"]
        assert [f"<{stage}>" in asked for stage in STAGES] == [s in stages for s in STAGES]
    assert model_messages(examples.examples[0], ()) != model_messages(examples.examples[0])


def test_what_is_ablated_is_not_rewarded() -> None:
    examples, annotations = annotated()
    example = examples.examples[0]
    trace = annotations[example.id].trace
    assert trace is not None
    items = [(example, trace)]
    right = render(trace)
    assert judge_of(items, FULL)(0, right) == {
        "reward": 3.0, "format": 1.0, "emotion": 1.0, "strategy": 1.0
    }  # fmt: skip
    found = judge_of(items, VARIANTS["without-emotion"])(
        0, render(trace, VARIANTS["without-emotion"].stages)
    )
    assert found == {"reward": 2.0, "format": 1.0, "strategy": 1.0}


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(UnknownNameError, match="without-emotion"):
        find_variant("without-emotions")


# --- training: curves, kills, breakage


def curve(folder: Path) -> list[dict[str, float]]:
    """The curve without what a clock says."""
    return [
        {name: x for name, x in row.items() if "second" not in name} for row in read_curve(folder)
    ]


def test_sft_learns_and_leaves_a_whole_folder(sft: Path) -> None:
    card, rows = json.loads((sft / "card.json").read_text()), read_curve(sft)
    losses = [row["valid/loss"] for row in rows]
    assert losses[-1] < losses[0]
    assert card["validation"]["loss"] == min(losses)
    assert card["weights"] == weights_hash(sft)
    assert card["examples"]["traced"] and card["examples"]["response_only"]
    assert (sft / "curve.png").stat().st_size > 1000
    assert "Context → Emotion → Strategy → Action → response" in (sft / "README.md").read_text()


def test_ppo_leaves_a_whole_folder_and_its_curve_says_everything(ppo: Path) -> None:
    card, rows = json.loads((ppo / "card.json").read_text()), read_curve(ppo)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for name in (
        "reward", "format", "emotion", "strategy", "length", "kl", "entropy", "clip_fraction",
        "explained_variance", "loss/policy", "loss/value", "beta", "tokens_per_second",
    ):  # fmt: skip
        assert all(f"train/{name}" in row for row in rows), name
    assert [row["step"] for row in rows if "valid/reward" in row] == [2, 4, 6]
    assert card["stage"] == "ppo" and card["weights"] == weights_hash(ppo)
    assert card["sft"]["weights"].startswith("sha256:")


def killed_once(arguments: Sequence[object], folder: Path, rows: int) -> None:
    """Start, and kill -9 when the curve has so many rows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if (folder / "curve.jsonl").is_file() and len(read_curve(folder)) >= rows:
                break
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_killed_sft_goes_on_as_if_nothing_had_been(
    sft: Path, llama: Path, work: Path, tmp_path: Path
) -> None:
    arguments = ["stride", "sft", work, "--base", llama, "-o", tmp_path / "cut", *SFT]
    killed_once(arguments, tmp_path / "cut", 2)
    done = cli(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert curve(tmp_path / "cut") == curve(sft)
    assert weights_hash(tmp_path / "cut") == weights_hash(sft)


def test_a_killed_ppo_goes_on_as_if_nothing_had_been(
    ppo: Path, sft: Path, work: Path, tmp_path: Path
) -> None:
    arguments = ["stride", "ppo", work, "--sft", sft, "-o", tmp_path / "cut", *PPO]
    killed_once(arguments, tmp_path / "cut", 1)
    killed_once([*arguments, "--resume"], tmp_path / "cut", 3)
    done = cli(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert curve(tmp_path / "cut") == curve(ppo)
    assert weights_hash(tmp_path / "cut") == weights_hash(ppo)
    refused = cli(*arguments, "--resume", "--kl", "0.5")
    assert refused.returncode == 2
    assert "was started with kl 0.02, now it is 0.5" in refused.stderr


@pytest.mark.parametrize("processes", [2])
def test_two_processes_make_the_steps_of_one(
    processes: int, ppo: Path, sft: Path, work: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes),
         "--standalone", "-m", "harness.cli", "stride", "ppo", str(work), "--sft", str(sft),
         "-o", str(tmp_path / "both"), *PPO],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for ours, alone in zip(curve(tmp_path / "both"), curve(ppo), strict=True):
        assert ours.keys() == alone.keys()
        for name, value in alone.items():
            assert ours[name] == pytest.approx(value, abs=2e-3, rel=2e-3), (name, alone["step"])


def test_sft_in_two_processes_leaves_one_model(llama: Path, work: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
         "--standalone", "-m", "harness.cli", "stride", "sft", str(work), "--base", str(llama),
         "-o", str(tmp_path / "both"), *SFT, "--batch-size", "2"],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    losses = [row["valid/loss"] for row in read_curve(tmp_path / "both")]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert load(str(tmp_path / "both"), Run(device="cpu")).card["weights"]


def in_process(begun: Path, work: Path, output: Path, /, **changes: Any) -> dict[str, Any]:
    from stride_ed.training.practice import practise

    given: dict[str, Any] = {
        "sft": str(begun), "steps": 4, "batch_size": 4, "mini_batch": 4, "micro_batch": 4,
        "max_prompt": 500, "max_response": 6, "validate_every": 2, "validate_size": 2,
        "save_every": 1,
    }  # fmt: skip
    settings = PpoSettings(**(given | changes))
    learnt = lessons(work, "sample", FULL, mix=0, seed=0)
    return practise(learnt, output, algorithm="ppo", settings=settings, resume=output.exists())


def breaking(monkeypatch: pytest.MonkeyPatch, step: int, broken: Any) -> None:
    """`broken` instead of a step's findings, from step `step` on."""
    from stride_ed.training.ppo import loop

    plain = loop.take_step

    def take(learner: Any, prompts: Any, number: int, beta: float) -> dict[str, float]:
        found = plain(learner, prompts, number, beta)
        return broken(found) if number >= step else found

    monkeypatch.setattr(loop, "take_step", take)


def raising(error: BaseException) -> Any:
    def broken(found: dict[str, float]) -> dict[str, float]:
        raise error

    return broken


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (raising(ModelError("loss/policy is nan")), "loss/policy is nan"),
        (lambda found: {**found, "kl": 9.0}, r"9.00 nats per token from the reference, beyond 5"),
        (raising(torch.OutOfMemoryError("CUDA out of memory")), "smaller --micro-batch"),
        (raising(RuntimeError("DefaultCPUAllocator: not enough memory")), "memory is short"),
        (raising(MemoryError()), "memory is short"),
    ],
)
def test_breakage_is_one_line_and_keeps_the_last_state(
    broken: Any, words: str, sft: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, 2, broken)
    with pytest.raises(ModelError, match=words) as found:
        in_process(sft, work, tmp_path / "out")
    assert str(found.value).startswith("step 3: ") and "\n" not in str(found.value)
    assert "keeps the state of step 2" in str(found.value)
    monkeypatch.undo()
    whole = in_process(sft, work, tmp_path / "whole")
    again = in_process(sft, work, tmp_path / "out")
    assert again["weights"] == whole["weights"]


def test_a_collapsed_reward_ends_it(
    sft: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall = iter([2.0] * 10 + [0.0] * 20)
    breaking(monkeypatch, 0, lambda found: {**found, "reward": next(fall)})
    with pytest.raises(ModelError, match=r"the reward collapsed from 2\.00 to 0\.\d\d"):
        in_process(sft, work, tmp_path / "out", steps=30, validate_every=100)


def test_other_errors_are_not_hidden(
    sft: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, 0, raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        in_process(sft, work, tmp_path / "out")


def test_what_cannot_work_is_refused_in_one_line(sft: Path, work: Path, tmp_path: Path) -> None:
    def refused(kind: type[Exception], words: str, **changes: Any) -> None:
        with pytest.raises(kind, match=words) as found:
            in_process(sft, work, tmp_path / "new", **changes)
        assert "\n" not in str(found.value)

    refused(InputError, "without-cot has no PPO", variant="without-cot")
    refused(InputError, "give the SFT model of this variant", variant="without-emotion")
    refused(InputError, "no multiple of --mini-batch 3", mini_batch=3)
    refused(InputError, "--temperature must be above 0", temperature=0.0)
    refused(ModelError, "no finished STRIDE-ED training", sft=str(tmp_path))
    refused(DataError, "fits into --max-prompt 3", max_prompt=3)


# --- answers


GOOD = render(Trace(context="c", emotion="sad", strategy="Others", action="a", response="Oh no."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, {"response": "Oh no.", "emotion": "sad", "strategy": "Others"}),
        (GOOD.replace("sad", "gloomy"), {"response": "Oh no.", "emotion": "gloomy"}),
        (GOOD.replace("(Others) ", ""), {"response": "Oh no.", "strategy": None}),
        (GOOD.replace("Oh no.", "Oh (really) no."), {"response": "Oh (really) no."}),
        (GOOD + "x", {"error": "not_the_format: text or tags outside the format"}),
        (GOOD.replace("Oh no.", " "), {"error": "empty_response: response"}),
        ("", {"error": "not_the_format: 0 times <thinking>", "response": None}),
    ],
)
def test_answers_are_read_as_they_are_rewarded(text: str, expected: dict[str, Any]) -> None:
    found = read_answer(text, STAGES, "ed")
    assert {name: found.get(name) for name in expected} == expected
    assert ("trace" in found) == (text == GOOD or "(really)" in text)


def test_strategies_on_esconv_are_its_own_eight() -> None:
    text = GOOD.replace("Others", "Cognitive Reframing")
    assert read_answer(text, STAGES, "esconv")["strategy"] == "Affirmation and Reassurance"
    assert read_answer(text, STAGES, "ed")["strategy"] == "Cognitive Reframing"


def test_without_stages_the_reply_is_the_answer() -> None:
    assert read_answer(" Oh no. \n", (), "ed") == {"response": "Oh no."}
    assert read_answer(" ", (), "ed") == {"error": "empty reply"}


def test_a_trained_folder_answers_through_run(ppo: Path, llama: Path, tmp_path: Path) -> None:
    done = cli(
        "run", "-m", f"stride:{ppo}", "-m", f"stride:{llama}", "-t", "ed_response", "--data",
        "sample", "--limit", "3", "--max-tokens", "12", "-o", tmp_path / "runs", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results[0]["model"]["family"] == "STRIDE-ED"
    generation = results[0]["protocol"]["generation"]
    assert generation["parser"].startswith("stride|")
    assert results[1]["model"]["name"] == f"{llama.name}, asked for a trace"
    refused = cli("run", "-m", f"stride:{ppo}", "-t", "ed_emotion", "--data", "sample")
    assert refused.returncode == 2 and "use ed_response" in refused.stderr


def asked(folder: Path, **changes: Any) -> StrideModel:
    found = load(str(folder), Run(**({"max_tokens": 16, "device": "cpu"} | changes)))
    assert isinstance(found, StrideModel)
    return found


def test_sampled_answers_do_not_depend_on_their_batch(ppo: Path) -> None:
    examples, _ = annotated("ed/test")
    questions = [Question(example) for example in examples.examples[:5]]
    model = asked(ppo, temperature=1.0)
    together = model.predict(ED, questions)
    alone = [model.predict(ED, [question])[0] for question in questions]
    assert [p.raw for p in together] == [p.raw for p in alone]
    assert len({p.raw for p in together}) > 1
    other = asked(ppo, temperature=1.0, seed=7).predict(ED, questions)
    assert [p.raw for p in other] != [p.raw for p in together]


def test_the_likelihood_of_the_human_reply_is_the_one_behind_the_models_thinking(
    ppo: Path,
) -> None:
    examples, _ = annotated("ed/test")
    model = asked(ppo)
    batch = [Question(example) for example in examples.examples[:3]]
    found = model._references(batch, [GOOD, "no format", GOOD.replace("Oh no.", "A b c d.")])
    assert found[1] == {}
    for place in (0, 2):
        example = batch[place].example
        reference = " ".join(example.reference.split())
        head = model._asked(batch[place])
        thinking = GOOD.partition(" Oh no.")[0]
        tail = model.tokenizer(f"{thinking} {reference}")["input_ids"]
        begins = len(model.tokenizer(thinking)["input_ids"])
        with torch.no_grad():
            log_p = model.model(torch.tensor([head + tail])).logits[0].log_softmax(-1)
        nats = sum(-float(log_p[len(head) + t - 1, tail[t]]) for t in range(begins, len(tail)))
        assert found[place]["reference_nll"] == pytest.approx(nats, rel=1e-4)
        assert found[place]["reference_words"] == len(reference.split())
        assert found[place]["reference_tokens"] == len(tail) - begins


def test_a_folder_whose_weights_are_others_is_refused(sft: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(sft, tmp_path / "sft")
    weights = next((tmp_path / "sft" / "model").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelError, match=r"weights are not those of card.json"):
        load(str(tmp_path / "sft"), Run())
    (tmp_path / "sft" / "card.json").write_text("{}")
    with pytest.raises(ModelError, match="no finished STRIDE-ED training"):
        load(str(tmp_path / "sft"), Run())
