"""Fine-tuned causal models: rows, label tokens, training, resume, answers, errors."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.pretrained.answering import load
from baselines.pretrained.models import build, label_ids
from baselines.pretrained.rows import make_rows
from baselines.pretrained.settings import Settings, label_token
from baselines.pretrained.training import train
from baselines.pretrained.tuned import Tuned
from harness import checkpoint
from harness.datasets import load_example_set
from harness.dialogue import ESCONV_STRATEGIES, Example, Turn
from harness.errors import DataError, InputError, ModelError, StorageError
from harness.models import Question, load_model
from harness.models import Settings as Run
from harness.models.language_model import LanguageModel
from harness.tasks import TASKS
from harness.tasks.prompts import messages
from harness.training_log import read_curve
from harness.tuning import loop
from harness.tuning.bases import find_base, load_base
from harness.tuning.kept import keep, load_kept, settle, weights_hash
from harness.tuning.passes import first_logits
from harness.tuning.tokens import IGNORED, encode_pair, end_of_turn
from tests.baselines.tiny_models import tiny

ESCONV = TASKS["esconv_response"]
LEARN = load_example_set("esconv/train-910-195-195", "sample").examples
STOP = load_example_set("esconv/valid-910-195-195", "sample").examples
WORDS = (
    "My dog died and the house is so quiet now.",
    "I lost my job today.",
    "Nobody came to my party.",
    "🙂",
    "¿Por qué nadie me escucha?",
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def example(number: int, said: str, reply: str, strategy: str | None = "Question") -> Example:
    turns = (Turn(0, "speaker", said),)
    name = f"esconv/test/{number}"
    return Example(f"{name}/1", name, turns, reply, strategy=strategy)


QUESTIONS = [
    Question(example(n, said, f"That is hard. What happened {n} days ago?"))
    for n, said in enumerate(WORDS)
]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("llama", tmp_path_factory.mktemp("llama"))


def settings(base: Path, /, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "kind": "causal", "base": str(base), "task": "esconv_response", "steps": 6, "rate": 1e-2,
        "batch_size": 2, "validate_every": 3, "max_len": 400,
    }  # fmt: skip
    return Settings(**(given | changes))


# --- rows


@pytest.mark.parametrize("chat", [True, False])
def test_only_the_reply_is_learnt(chat: bool, tmp_path: Path) -> None:
    base = tiny("llama", tmp_path, chat=chat)
    _, tokenizer = load_base(find_base(str(base)), "causal")
    made = make_rows([QUESTIONS[1].example], tokenizer, settings(base), positions=None)
    (row,) = made.rows
    learnt = [token for token in row["labels"] if token != IGNORED]
    asked = row["input_ids"][: -len(learnt)]
    reply = "That is hard. What happened 1 days ago?"
    assert tokenizer.decode(learnt) == ("" if chat else " ") + reply + "<|im_end|>"
    # The mask by hand: −100 as often as the prompt has tokens, then the reply's own tokens.
    assert row["labels"] == [-100] * len(asked) + row["input_ids"][len(asked) :]
    end = "assistant\n" if chat else "\nListener:"
    assert tokenizer.decode(asked).endswith(f"I lost my job today.{'<|im_end|>' if chat else ''}"
                                            f"{chr(10) + '<|im_start|>' if chat else ''}{end}")  # fmt: skip


def test_rows_are_those_that_trl_makes_of_a_conversation(llama: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    model, tokenizer = load_base(find_base(str(llama)), "causal")
    examples = list(LEARN[:3]) + [question.example for question in QUESTIONS]
    rows = [
        {
            "prompt": messages(ESCONV, one),
            "completion": [{"role": "assistant", "content": " ".join(one.reference.split())}],
        }
        for one in examples
    ]
    config = SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none", max_length=None)
    theirs = SFTTrainer(
        model, config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    ).train_dataset
    ours = make_rows(examples, tokenizer, settings(llama, max_len=9999), positions=None)
    newline = tokenizer("\n")["input_ids"]  # what ChatML writes behind the end of a turn
    assert len(ours) == len(theirs)
    for mine, other in zip(ours.rows, theirs, strict=True):
        assert mine["input_ids"] + newline == other["input_ids"]
        assert mine["labels"] + newline == other["labels"]


def test_what_would_be_cut_off_is_counted_and_left_out(llama: Path) -> None:
    _, tokenizer = load_base(find_base(str(llama)), "causal")
    examples = [
        example(0, "a", "b"),
        example(1, "a", "word " * 10_000),
        example(2, "word " * 10_000, "b"),
        example(3, "a", " \n "),
        example(4, "a", "b", strategy=None),
    ]
    plain = make_rows(examples, tokenizer, settings(llama), positions=512)
    assert (len(plain), plain.too_long, plain.empty) == (2, 2, 1)
    joint = make_rows(examples, tokenizer, settings(llama, joint="strategy"), positions=512)
    assert (len(joint), joint.too_long, joint.empty) == (1, 2, 2)


def test_prompt_tokens_are_those_that_lm_eval_asks_with(llama: Path) -> None:
    from lm_eval.models.huggingface import HFLM

    model, tokenizer = load_base(find_base(str(llama)), "causal")
    lm = HFLM(pretrained=model, tokenizer=tokenizer, backend="causal")
    for prompt in ("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "a\nListener:"):
        asked, _ = lm.tok_batch_encode([prompt])
        head, tail = encode_pair(tokenizer, prompt, " Oh no.<|im_end|>")
        assert head == asked[0].tolist()
        assert tokenizer.decode(tail) == " Oh no.<|im_end|>"


def test_a_turn_ends_as_the_template_ends_it(llama: Path) -> None:
    _, tokenizer = load_base(find_base(str(llama)), "causal")
    assert end_of_turn(tokenizer, chat=True) == "<|im_end|>"
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}<stop> {% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    assert end_of_turn(tokenizer, chat=True) == "<stop>"
    assert end_of_turn(tokenizer, chat=False) == "<|im_end|>"


# --- label tokens


@pytest.mark.parametrize("tied", [True, False])
def test_label_tokens_begin_as_the_mean_of_their_words(tied: bool, tmp_path: Path) -> None:
    base = tiny("llama", tmp_path, tied=tied)
    before, plain = load_base(find_base(str(base)), "causal")
    model, tokenizer = build(settings(base, joint="strategy", lora=False), find_base(str(base)))
    tokens = [label_token("strategy", label) for label in ESCONV_STRATEGIES]
    ids = tokenizer.convert_tokens_to_ids(tokens)
    assert ids == list(range(len(plain), len(plain) + 8))
    assert tokenizer(tokens[2])["input_ids"] == [ids[2]]
    for name in ("get_input_embeddings", "get_output_embeddings"):
        old, new = getattr(before, name)().weight, getattr(model, name)().weight
        words = plain(" Reflection of feelings")["input_ids"]
        assert torch.allclose(new[ids[2]], old[words].mean(0))
        assert torch.equal(new[: len(plain)], old[: len(plain)])


@pytest.mark.parametrize("tied", [True, False])
def test_merged_adapters_and_label_tokens_say_what_trained_ones_say(
    tied: bool, tmp_path: Path
) -> None:
    base = find_base(str(tiny("llama", tmp_path / "base", tied=tied)))
    wanted = settings(Path(base.path), joint="strategy")
    model, tokenizer = build(wanted, base)
    torch.manual_seed(1)
    for name, weights in model.named_parameters():
        if weights.requires_grad:
            assert "lora" in name or "token" in name
            torch.nn.init.normal_(weights, std=0.3)
    keep(model, tokenizer, tmp_path)
    again, words = load_kept(tmp_path, "causal", base, dtype="float32")
    chosen = label_ids(wanted, words)
    rows = [words(text)["input_ids"] for text in WORDS]
    expected = first_logits(model.eval(), "causal", rows, chosen, words.pad_token_id)
    found = first_logits(again.eval(), "causal", rows, chosen, words.pad_token_id)
    assert torch.allclose(found, expected, atol=1e-4)
    assert float(expected.std()) > 0.1
    # Rows of the label tokens only, not the whole embedding.
    assert (tmp_path / "model" / "adapter_model.safetensors").stat().st_size < 200_000


def test_a_replacement_of_the_weights_survives_a_kill(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    (tmp_path / ".model.complete").mkdir()
    (tmp_path / ".model.complete" / "new").touch()
    settle(tmp_path)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]
    assert not (tmp_path / ".model.complete").exists()


# --- training and answers of the joint model


@pytest.fixture(scope="module")
def joint(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint") / "out"
    done = cli(
        "train", "sft", "--base", llama, "--task", "esconv_response", "--joint", "strategy",
        "--data", "sample", "-o", folder, *COMMAND, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((folder / "card.json").read_text())
    return folder


COMMAND = (
    "--steps", "24", "--validate-every", "6", "--batch-size", "3", "--accumulate", "2", "--full",
    "--rate", "1e-2", "--max-len", "500", "--seed", "3", "--patience", "9",
)  # fmt: skip


def cli(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *map(str, arguments)],
        cwd=cwd, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip


def tuned(folder: Path, option: str = "", **changes: Any) -> Tuned:
    model = load(f"{folder}{option}", Run(**({"max_tokens": 12} | changes)))
    assert isinstance(model, Tuned)
    return model


def test_the_card_says_what_the_model_is(joint: Path, llama: Path) -> None:
    card, curve = json.loads((joint / "card.json").read_text()), read_curve(joint)
    assert card["name"] == f"{llama.name}, SFT, joint strategy (seed 3)"
    assert card["task"] == "esconv_response" and card["method"] == "full"
    assert card["base"]["name"] == llama.name
    assert [row["step"] for row in curve] == [6, 12, 18, 24]
    assert card["validation"]["loss"] == min(row["valid/loss"] for row in curve)
    assert card["validation"]["ppl"] == pytest.approx(math.exp(card["validation"]["loss"]))
    assert curve[-1]["train/loss"] < 0.9 * curve[0]["train/loss"]
    used = card["examples"]["train"]
    assert used["used"] + used["too_long"] == len(LEARN) and used["too_long"] > 0
    assert "tuned:FOLDER" in (joint / "README.md").read_text()
    assert (joint / "curve.png").is_file()


def test_validation_is_the_mean_over_tokens_and_counts_labels(joint: Path) -> None:
    model = tuned(joint)
    made = make_rows(STOP, model.tokenizer, model.training, positions=512)
    total, count, right = 0.0, 0, 0
    for row in made.rows:  # one by one, through the plain logits
        logits = model.model(torch.tensor([row["input_ids"]])).logits[0, :-1].log_softmax(-1)
        for place, token in enumerate(row["labels"][1:]):
            if token != IGNORED:
                total, count = total - logits[place, token].item(), count + 1
        first = next(i for i, token in enumerate(row["labels"]) if token != IGNORED)
        chosen = label_ids(model.training, model.tokenizer)
        best = int(logits[first - 1, chosen].argmax())
        right += chosen[best] == row["labels"][first]
    best_row = min(read_curve(joint), key=lambda row: row["valid/loss"])
    assert best_row["valid/loss"] == pytest.approx(total / count, abs=1e-4)
    assert best_row["valid/accuracy"] == pytest.approx(100 * right / len(made))


def test_the_label_token_comes_first_and_its_scores_are_probabilities(
    joint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tuned(joint)
    generate, seen = model.model.generate, []

    def watched(**given: Any) -> Any:
        seen.append(given)
        return generate(**given)

    monkeypatch.setattr(model.model, "generate", watched)
    predictions = model.predict(ESCONV, QUESTIONS)
    tokens = label_ids(model.training, model.tokenizer)
    for number, prediction in enumerate(predictions):
        scores = prediction.strategy_scores
        assert scores is not None and list(scores) == list(ESCONV_STRATEGIES)
        assert sum(map(math.exp, scores.values())) == pytest.approx(1.0, abs=1e-5)
        assert prediction.strategy == max(scores, key=lambda label: scores[label])
        place = ESCONV_STRATEGIES.index(prediction.strategy)
        assert seen[0]["input_ids"][number, -1] == tokens[place]
        assert "<|" not in (prediction.response or "")
    answers = model.predict(TASKS["esconv_strategy"], QUESTIONS)
    assert [a.strategy for a in answers] == [p.strategy for p in predictions]
    assert [a.strategy_scores for a in answers] == [p.strategy_scores for p in predictions]


def test_batches_do_not_change_answers(joint: Path) -> None:
    model = tuned(joint, batch_size=2)
    batches = model.batches(ESCONV, QUESTIONS)
    assert sorted(map(len, batches)) == [1, 2, 2]
    together = {p.id: p for batch in batches for p in model.predict(ESCONV, batch)}
    for question in QUESTIONS:
        (alone,) = model.predict(ESCONV, [question])
        other = together[question.example.id]
        assert alone.response == other.response and alone.strategy == other.strategy
        assert alone.reference_nll == pytest.approx(other.reference_nll, abs=1e-3)
        assert alone.strategy_scores == pytest.approx(other.strategy_scores, abs=1e-4)


def test_no_gold_label_is_read_but_by_the_oracle(joint: Path) -> None:
    relabelled = [
        Question(dataclasses.replace(question.example, strategy=label))
        for question, label in zip(QUESTIONS, ESCONV_STRATEGIES, strict=False)
    ]
    blind, told = tuned(joint), tuned(joint, ",oracle")
    assert blind.predict(ESCONV, relabelled) == blind.predict(ESCONV, QUESTIONS)
    likelihoods = [
        [p.reference_nll for p in told.predict(ESCONV, asked)] for asked in (relabelled, QUESTIONS)
    ]
    assert likelihoods[0][0] == pytest.approx(likelihoods[1][0])  # "Question" in both
    assert all(a != b for a, b in zip(likelihoods[0][1:], likelihoods[1][1:], strict=True))
    assert "oracle label" in told.card["name"] and told.generation(ESCONV)["label"] == "gold"
    for prediction in told.predict(ESCONV, relabelled):
        assert prediction.strategy is None  # it was given, so it must not be scored
    nameless = Question(dataclasses.replace(QUESTIONS[0].example, strategy=None))
    (failed,) = told.predict(ESCONV, [nameless])
    assert failed.error and failed.response is None
    with pytest.raises(ModelError, match="given the gold label"):
        told.generation(TASKS["esconv_strategy"])


def test_a_reference_is_scored_behind_the_models_own_label(joint: Path) -> None:
    model = tuned(joint)
    for question, prediction in zip(QUESTIONS, model.predict(ESCONV, QUESTIONS), strict=True):
        one = dataclasses.replace(question.example, strategy=prediction.strategy)
        made = make_rows([one], model.tokenizer, model.training, positions=512)
        (row,) = made.rows
        logits = model.model(torch.tensor([row["input_ids"]])).logits[0, :-1].log_softmax(-1)
        places = [i for i, token in enumerate(row["labels"][1:]) if token != IGNORED]
        # Neither the label in front nor the end of turn behind belongs to the reference.
        nll = -sum(logits[i, row["labels"][i + 1]].item() for i in places[1:-1])
        assert prediction.reference_nll == pytest.approx(nll, abs=1e-3)
        assert prediction.reference_tokens == len(places) - 2
        assert prediction.reference_words == len(question.example.reference.split())


def test_odd_texts_crash_nothing(joint: Path) -> None:
    odd = ["", " \n", "🙂🙃", "word " * 10_000, "你好吗", "\x00<|im_end|>", "<|strategy:Others|>"]
    asked = [
        Question(example(n, said, reply))
        for n, (said, reply) in enumerate(zip(odd, reversed(odd), strict=True))
    ]
    model = tuned(joint)
    predictions = [p for b in model.batches(ESCONV, asked) for p in model.predict(ESCONV, b)]
    assert sorted(p.id for p in predictions) == sorted(q.example.id for q in asked)
    by_id = {p.id: p for p in predictions}
    assert by_id[asked[3].example.id].reference_nll is None  # 10,000 words fit nowhere
    for prediction in predictions:
        assert bool(prediction.response) != bool(prediction.error)


def test_sampling_follows_the_seed_alone(joint: Path) -> None:
    first = tuned(joint, temperature=1.5, seed=1)
    again, other = tuned(joint, temperature=1.5, seed=1), tuned(joint, temperature=1.5, seed=2)
    replies = [[p.response for p in m.predict(ESCONV, QUESTIONS)] for m in (first, again, other)]
    assert replies[0] == replies[1] != replies[2]
    assert first.generation(ESCONV)["temperature"] == 1.5


def test_headers_hold_what_answers_depend_on(joint: Path) -> None:
    plain = tuned(joint).generation(ESCONV)
    for changed in (
        tuned(joint, max_tokens=5), tuned(joint, batch_size=3), tuned(joint, temperature=0.5),
        tuned(joint, reference_likelihood=False), tuned(joint, ",oracle"),
    ):  # fmt: skip
        assert changed.generation(ESCONV) != plain
    with pytest.raises(ModelError, match="gives no emotion: it was not trained to"):
        tuned(joint).generation(TASKS["ed_emotion"])


# --- resume


def test_a_killed_training_goes_on_to_the_same_end(
    joint: Path, llama: Path, tmp_path: Path
) -> None:
    command = [
        "train", "sft", "--base", str(llama), "--task", "esconv_response", "--joint", "strategy",
        "--data", "sample", "-o", "cut", *COMMAND,
    ]  # fmt: skip
    running = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *command], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while running.poll() is None and time.monotonic() < deadline:
        if list((tmp_path / "cut" / loop.CHECKPOINTS).glob("*/progress.json")):
            break
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "cut" / "card.json").exists(), "it was killed too late"
    (tmp_path / "cut" / loop.CHECKPOINTS / "checkpoint-9999").mkdir()  # half written
    done = cli(*command, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_curve(tmp_path / "cut") == read_curve(joint)
    cut, whole = (
        json.loads((folder / "card.json").read_text()) for folder in (tmp_path / "cut", joint)
    )
    assert cut["weights"] == whole["weights"]
    again = cli(*command, "--resume", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["weights"] == whole["weights"]


def test_adapters_stopped_at_any_step_go_on_to_the_same_end(llama: Path, tmp_path: Path) -> None:
    wanted = settings(llama, joint="strategy", steps=9, validate_every=2, accumulate=2)

    def stop(step: Any) -> None:
        if step.done == 5:
            raise KeyboardInterrupt

    whole = train(LEARN, STOP, tmp_path / "whole", settings=wanted)
    with pytest.raises(KeyboardInterrupt):
        train(LEARN, STOP, tmp_path / "cut", settings=wanted, show=stop)
    assert loop.last_checkpoint(tmp_path / "cut", loop.Progress)[1].step == 4
    with pytest.raises(InputError, match="go on with --resume"):
        train(LEARN, STOP, tmp_path / "cut", settings=wanted)
    with pytest.raises(InputError, match="started with rate"):
        changed = dataclasses.replace(wanted, rate=0.5)
        train(LEARN, STOP, tmp_path / "cut", settings=changed, resume=True)
    cut = train(LEARN, STOP, tmp_path / "cut", settings=wanted, resume=True)
    assert [row["step"] for row in read_curve(tmp_path / "cut")] == [2, 4, 6, 8, 9]
    assert read_curve(tmp_path / "cut") == read_curve(tmp_path / "whole")
    assert weights_hash(tmp_path / "cut") == weights_hash(tmp_path / "whole")
    assert cut.run.progress.best_step == whole.run.progress.best_step


def test_training_ends_when_validation_stops_getting_better(llama: Path, tmp_path: Path) -> None:
    wanted = settings(llama, lora=False, rate=0.3, steps=40, validate_every=1, patience=2)
    trained = train(LEARN[:4], STOP, tmp_path, settings=wanted)
    losses = [row["valid/loss"] for row in read_curve(tmp_path)]
    assert len(losses) == trained.run.progress.step < 40
    assert losses.index(min(losses)) == len(losses) - 3
    assert trained.run.progress.best_step == len(losses) - 2


# --- errors


def test_the_loss_that_is_no_number_ends_the_run_and_keeps_the_last_state(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    plain: Any = loop._Causal.compute_loss

    def broken(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += self.model.training
        found = plain(self, *arguments, **named)
        return found * float("nan") if calls > 4 else found

    monkeypatch.setattr(loop._Causal, "compute_loss", broken)
    with pytest.raises(ModelError, match=r"loss is nan at step 5; .* state of step 3"):
        train(LEARN[:4], STOP[:2], tmp_path / "out", settings=settings(llama))
    monkeypatch.undo()
    _, progress = loop.last_checkpoint(tmp_path / "out", loop.Progress)
    assert progress.step == 3 and len(read_curve(tmp_path / "out")) == 1
    model, _ = load_kept(tmp_path / "out", "causal", find_base(str(llama)), dtype="float32")
    assert all(torch.isfinite(weights).all() for weights in model.parameters())


def test_a_full_disk_is_one_clear_line(llama: Path, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        "from harness.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "sft", "--base", str(llama), "--task",
         "esconv_response", "--data", "sample", "-o", "full", "--limit", "4", "--steps", "2"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: cannot write full")
    assert "Traceback" not in done.stderr


def test_what_cannot_work_is_refused_in_one_line(llama: Path, tmp_path: Path) -> None:
    def refused(kind: type[Exception], words: str, **changes: Any) -> None:
        with pytest.raises(kind, match=words) as found:
            train(LEARN[:4], STOP[:2], tmp_path / "new", settings=settings(llama, **changes))
        assert "\n" not in str(found.value)

    refused(InputError, "--task must be one of", task="ed_emotion")
    refused(InputError, "has only --joint strategy", joint="emotion")
    refused(InputError, "--rate must be", rate=0.0)
    refused(ModelError, "no such model folder", base="./nowhere")
    refused(ModelError, "needs config.json", base=str(tmp_path))
    refused(ModelError, "give its folder as --base", base="no-such/model-at-all")
    bart = tiny("bart", tmp_path / "bart")
    refused(ModelError, "is an encoder–decoder; use `empathy-bench train seq2seq`", base=str(bart))
    refused(DataError, r"4 do not fit into --max-len 9.*raise --max-len", max_len=9)
    with pytest.raises(DataError, match="1 dialogues are on both sides"):
        train(LEARN[:1], LEARN[:1], tmp_path / "new", settings=settings(llama))
    with checkpoint.locked(tmp_path / "held"), pytest.raises(StorageError, match="another process"):
        train(LEARN[:4], STOP[:2], tmp_path / "held", settings=settings(llama))


def test_a_folder_of_another_model_is_refused(joint: Path, llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no finished fine-tuning"):
        load(str(tmp_path), Run())
    with pytest.raises(ModelError, match="write tuned:FOLDER"):
        load(f"{joint},gold", Run())
    copy = tmp_path / "copy"
    shutil.copytree(joint, copy)
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"weights": "sha256:0000"}))
    with pytest.raises(ModelError, match="weights are not those of card.json"):
        load(str(copy), Run())
    other = tiny("llama", tmp_path / "other", seed=5)
    changed = card | {"settings": card["settings"] | {"base": str(other), "lora": True}}
    (copy / "card.json").write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="was trained on .* bring that base back"):
        load(str(copy), Run())


def test_an_oracle_needs_label_tokens(llama: Path, tmp_path: Path) -> None:
    from baselines.pretrained.card import make_card
    from harness.datasets.sets import ExampleSet

    learn, stop = ExampleSet("a/train", LEARN[:4]), ExampleSet("a/valid", STOP[:2])
    trained = train(LEARN[:4], STOP[:2], tmp_path, settings=settings(llama, lora=False))
    (tmp_path / "card.json").write_text(json.dumps(make_card(trained, learn, stop)))
    with pytest.raises(ModelError, match="train it with --joint"):
        load(f"{tmp_path},oracle", Run())
    model = load(str(tmp_path), Run(max_tokens=8))
    assert isinstance(model, LanguageModel)  # asked, batched, parsed and scored as any other
    made = make_rows([QUESTIONS[1].example], model.lm.tokenizer, trained.settings, positions=None)
    (row,) = made.rows
    places = [i for i, token in enumerate(row["labels"][1:]) if token != IGNORED][:-1]
    # lm-eval counts the white space at the end of a prompt, here one newline, to the reference.
    places.insert(0, places[0] - 1)
    logits = model.lm.model(torch.tensor([row["input_ids"]])).logits[0, :-1].log_softmax(-1)
    nll = -sum(float(logits[i, row["input_ids"][i + 1]].detach()) for i in places)
    (prediction,) = model.predict(ESCONV, QUESTIONS[1:2])
    assert prediction.reference_nll == pytest.approx(nll, abs=1e-3)
    # A folder with all weights is a plain transformers model too.
    plain = load_model(f"hf:{tmp_path / 'model'}", Run(max_tokens=8))
    assert plain.predict(ESCONV, QUESTIONS) == model.predict(ESCONV, QUESTIONS)


def test_weights_that_do_not_fit_the_configuration_are_refused(
    joint: Path, llama: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    lacking = tmp_path / "lacking"
    shutil.copytree(llama, lacking)
    tensors = load_file(lacking / "model.safetensors")
    gone = max(tensors)
    save_file({k: v for k, v in tensors.items() if k != gone}, lacking / "model.safetensors")
    with pytest.raises(ModelError, match=f"weights lack 1 tensors, such as {gone}"):
        train(LEARN[:4], STOP[:2], tmp_path / "new", settings=settings(lacking))
    copy = tmp_path / "copy"
    shutil.copytree(joint, copy)
    (copy / "model" / "tokenizer.json").write_text((llama / "tokenizer.json").read_text())
    with pytest.raises(ModelError, match="lacks label tokens"):
        load(str(copy), Run())


# --- the bundled model, from end to end


def test_smollm2_learns_the_sample_and_answers(tmp_path: Path) -> None:
    done = cli(
        "train", "sft", "--data", "sample", "-o", "sft", "--limit", "4", "--limit-valid", "3",
        "--steps", "8", "--validate-every", "4", "--batch-size", "2", "--max-len", "150",
        "--rate", "1e-3", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "use it: empathy-bench run --model tuned:sft --task ed_response" in done.stdout
    first, last = read_curve(tmp_path / "sft")
    assert last["train/loss"] < first["train/loss"]
    run = cli(
        "run", "--model", "tuned:sft", "--task", "ed_response", "--data", "sample", "--limit", "2",
        "--max-tokens", "6", "--output", "runs", "--mlflow", "off", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (result,) = json.loads(run.stdout)
    found = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert result["model"]["name"] == "SmolLM2-135M-Instruct, LoRA SFT (seed 0)"
    assert found["ppl_word"] > 1.0 and found["failure_rate"] < 100.0
